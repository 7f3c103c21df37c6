// A machine for the tests in C with wasi-libc: malloc, stdio, assert, time and an indirect call.
// Build: clang --target=wasm32-wasi -mexec-model=reactor -O2 guest.c -o guest.wasm \
//   -Wl,--export=grout_init,--export=grout_apply,--export=grout_query -Wl,--strip-debug
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOST(name) __attribute__((import_module("grout_v1"), import_name(#name)))
HOST(input_read) uint32_t input_read(void *dst, uint32_t offset, uint32_t len);
HOST(output_write) void output_write(const void *ptr, uint32_t len);

struct item {
  struct item *next;
  char *text;
};
static struct item *items;
static int count;

static int32_t reply(const char *text) {
  output_write(text, strlen(text));
  return 0;
}

static int32_t push(const char *text) {
  struct item *item = malloc(sizeof *item);
  item->text = strdup(text);
  item->next = items;
  items = item;
  char number[16];
  snprintf(number, sizeof number, "%d", ++count);
  return reply(number);
}

static int32_t list(const char *text) {
  char *all = calloc(1, 4096);
  for (struct item *i = items; i; i = i->next) strncat(strncat(all, i->text, 100), ",", 2);
  int32_t result = reply(all);
  free(all);
  return result;
}

static int32_t check(const char *text) {
  assert(strcmp(text, "good") == 0);
  return 0;
}

static int32_t say(const char *text) {
  printf("said %s\n", text);
  fflush(stdout);
  return 0;
}

static int32_t nap(const char *text) {
  char answer[64];
  time_t before = time(NULL);
  usleep(1500000);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(answer, sizeof answer, "%lld %lld.%09ld", (long long)before, (long long)now.tv_sec, now.tv_nsec);
  return reply(answer);
}

static int32_t touch(const char *text) {
  return fopen(text, "w") == NULL ? 0 : 9;
}

static const struct {
  const char *verb;
  int32_t (*run)(const char *);
} verbs[] = {{"push", push}, {"list", list}, {"check", check}, {"say", say}, {"nap", nap}, {"touch", touch}};

int32_t grout_apply(uint32_t len) {
  char *input = calloc(1, len + 1);
  input_read(input, 0, len);
  char *argument = strchr(input, ' ');
  if (argument) *argument++ = 0;
  int32_t result = 3;
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (strcmp(verbs[i].verb, input) == 0) result = verbs[i].run(argument ? argument : "");
  free(input);
  return result;
}

int32_t grout_query(uint32_t len) { return grout_apply(len); }
int32_t grout_init(uint32_t len) { return 0; }
