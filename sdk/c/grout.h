// grout.h: what a Grout state machine in C includes. One header, no libc; docs/ABI.md is the contract behind it.
//
//	#include "grout.h"
//
//	static uint64_t count; // state is ordinary variables: Grout snapshots and restores the memory
//
//	int32_t machine_init(const uint8_t *argument, uint32_t len) { return 0; }
//	int32_t machine_apply(const uint8_t *command, uint32_t len) { grout_reply_u64(++count); return 0; }
//	int32_t machine_query(const uint8_t *query, uint32_t len) { grout_reply_u64(count); return 0; }
//
// Build it with `grout build`, or with
//
//	clang --target=wasm32 -O2 -nostdlib -mbulk-memory -fvisibility=hidden -Wl,--no-entry,--stack-first,-z,stack-size=1048576
//
// Include it in one file of a machine; other files declare what they call. Every function below works alike on every
// host: it depends on the entry and the machine's memory alone.
#ifndef GROUT_H
#define GROUT_H

#include <stddef.h>
#include <stdint.h>

// The longest command, query or init argument in bytes; a longer one traps. A group's own limit (--command-bytes) may be lower.
#ifndef GROUT_MAX_INPUT
#define GROUT_MAX_INPUT (512u << 10)
#endif

#define GROUT_IMPORT(name) __attribute__((import_module("grout_v1"), import_name(name)))
#define GROUT_EXPORT(name) __attribute__((export_name(name)))

// Yours. The result 0 is done; a positive one refuses, and whatever the call changed is undone. The bytes are valid
// during the call alone.
int32_t machine_init(const uint8_t *argument, uint32_t len);
int32_t machine_apply(const uint8_t *command, uint32_t len);
int32_t machine_query(const uint8_t *query, uint32_t len);

// Appends bytes to the reply; past the group's output limit the call traps.
GROUT_IMPORT("output_write") void grout_reply(const void *bytes, uint32_t len);
// Appends bytes to the message of a refusal; what is past 4,096 is dropped.
GROUT_IMPORT("error_write") void grout_error(const void *bytes, uint32_t len);
// The entry's position in the log, and its term. In a query, those of the last applied entry.
GROUT_IMPORT("ctx_index") uint64_t grout_index(void);
GROUT_IMPORT("ctx_term") uint64_t grout_term(void);
// Nanoseconds since the Unix epoch, stamped by the leader; it never falls from entry to entry.
GROUT_IMPORT("ctx_time") int64_t grout_time(void);
// Copies at most len bytes of the caller's name; returns the name's whole length.
GROUT_IMPORT("ctx_caller") uint32_t grout_caller(void *name, uint32_t len);
// Fills with bytes that derive from the group's seed, the index and the position in the entry.
GROUT_IMPORT("random") void grout_random(void *bytes, uint32_t len);
// One line for the operator. Levels: 0 debug, 1 info, 2 warn, 3 error.
GROUT_IMPORT("log") void grout_log(int32_t level, const void *text, uint32_t len);
// Publishes at grout.v1.<group>.evt.<suffix> after commit, at least once. Only commands may.
GROUT_IMPORT("emit") void grout_emit(const void *suffix, uint32_t suffix_len, const void *bytes, uint32_t len);
// Copies at most len bytes of the input from offset; returns how many. machine_migrate reads its state with it.
GROUT_IMPORT("input_read") uint32_t grout_input(void *bytes, uint32_t offset, uint32_t len);
// Ends the call as a trap with this message; its effects are undone.
GROUT_IMPORT("abort") _Noreturn void grout_abort(const void *text, uint32_t len);

#define GROUT_TEXT_OF(x) #x
#define GROUT_TEXT(x) GROUT_TEXT_OF(x)
#define GROUT_HERE " at " __FILE_NAME__ ":" GROUT_TEXT(__LINE__)

// grout_panic("no such state") ends the call with a literal text and its place.
#define grout_panic(text) grout_abort("panic: " text GROUT_HERE, sizeof("panic: " text GROUT_HERE) - 1)
// grout_assert(used <= room) panics with the condition's text.
#define grout_assert(condition) ((condition) ? (void)0 : grout_panic("assertion failed: " #condition))
// return grout_refuse(3, "no such key") refuses with a positive code and a literal text.
#define grout_refuse(code, text) (grout_error(text, sizeof(text) - 1), (int32_t)(code))

// The length of a text that ends with a zero.
static inline uint32_t grout_length(const char *text) {
	uint32_t n = 0;
	while (text[n]) n++;
	return n;
}

// Writes a number in decimal to digits and returns how many there are.
static inline uint32_t grout_decimal(char digits[20], uint64_t number) {
	uint32_t n = 0, i;
	char reversed[20];
	do reversed[n++] = (char)('0' + number % 10);
	while (number /= 10);
	for (i = 0; i < n; i++) digits[i] = reversed[n - 1 - i];
	return n;
}

static inline void grout_reply_text(const char *text) { grout_reply(text, grout_length(text)); }
static inline void grout_error_text(const char *text) { grout_error(text, grout_length(text)); }

static inline void grout_reply_u64(uint64_t number) {
	char digits[20];
	grout_reply(digits, grout_decimal(digits, number));
}

static inline void grout_error_u64(uint64_t number) {
	char digits[20];
	grout_error(digits, grout_decimal(digits, number));
}

// Reports whether a and b have the same len bytes.
static inline int grout_equal(const void *a, const void *b, uint32_t len) {
	const uint8_t *x = a, *y = b;
	for (uint32_t i = 0; i < len; i++)
		if (x[i] != y[i]) return 0;
	return 1;
}

static uint8_t grout_input_bytes[GROUT_MAX_INPUT];

static inline const uint8_t *grout_take(uint32_t len) {
	if (len > GROUT_MAX_INPUT) grout_panic("the input is longer than GROUT_MAX_INPUT");
	grout_input(grout_input_bytes, 0, len);
	return grout_input_bytes;
}

GROUT_EXPORT("grout_init") int32_t grout_export_init(uint32_t len) { return machine_init(grout_take(len), len); }
GROUT_EXPORT("grout_apply") int32_t grout_export_apply(uint32_t len) { return machine_apply(grout_take(len), len); }
GROUT_EXPORT("grout_query") int32_t grout_export_query(uint32_t len) { return machine_query(grout_take(len), len); }

// Define GROUT_UPGRADES before the include to take part in `grout upgrade`. machine_export writes the whole state with
// grout_reply; machine_migrate takes over a state of len bytes, which it reads with grout_input.
#ifdef GROUT_UPGRADES
int32_t machine_export(void);
int32_t machine_migrate(uint32_t len);

GROUT_EXPORT("grout_export") int32_t grout_export_export(uint32_t len) {
	(void)len;
	return machine_export();
}
GROUT_EXPORT("grout_migrate") int32_t grout_export_migrate(uint32_t len) { return machine_migrate(len); }
#endif

#endif
