// A machine that uses all of grout.h, for its test.
#define GROUT_UPGRADES
#define GROUT_MAX_INPUT 1024
#include "grout.h"

static uint64_t count;
static uint8_t name[64];
static uint32_t name_len;

int32_t machine_init(const uint8_t *argument, uint32_t len) {
	if (len > sizeof(name)) return grout_refuse(1, "the argument is a name of at most 64 bytes");
	for (uint32_t i = 0; i < len; i++) name[i] = argument[i];
	name_len = len;
	return 0;
}

static void describe(void) {
	char caller[16];
	uint8_t random[2];
	grout_reply(name, name_len);
	grout_reply_text(" ");
	grout_reply_u64(count);
	grout_reply_text(" index ");
	grout_reply_u64(grout_index());
	grout_reply_text(" term ");
	grout_reply_u64(grout_term());
	grout_reply_text(" time ");
	grout_reply_u64((uint64_t)grout_time());
	grout_reply_text(" caller ");
	grout_reply(caller, grout_caller(caller, sizeof(caller)));
	grout_random(random, sizeof(random));
	grout_assert(sizeof(random) == 2);
}

int32_t machine_query(const uint8_t *query, uint32_t len) {
	count += 1000; // undone
	describe();
	return 0;
}

int32_t machine_apply(const uint8_t *command, uint32_t len) {
	count++;
	if (len == 0) {
		grout_error_text("command ");
		grout_error_u64(count);
		return grout_refuse(7, " is empty");
	}
	if (len == 5 && grout_equal(command, "panic", 5)) grout_panic("as asked");
	if (len == 6 && grout_equal(command, "assert", 6)) grout_assert(count == 0);
	grout_log(1, command, len);
	grout_emit("seen.first", 10, command, len);
	grout_emit("seen.second", 11, &count, 1);
	describe();
	return 0;
}

int32_t machine_export(void) {
	grout_reply(&count, sizeof(count));
	return 0;
}

int32_t machine_migrate(uint32_t len) {
	if (len != sizeof(count)) return grout_refuse(2, "the state is no count");
	grout_input(&count, 0, len);
	return 0;
}
