// The conformance machine in C: ../README.md says what it does, and machines in the other languages do the same.
#define GROUT_UPGRADES
#include "grout.h"

enum { max_name = 64, piece = 4096 };

// A name, a count, and how much filler makes the state large. The filler is made when it is asked for.
static uint8_t name[max_name];
static uint32_t name_len;
static volatile uint64_t count;
static uint32_t filler;

// text is bytes that are not a string.
typedef struct {
	const uint8_t *at;
	uint32_t len;
} text;

#define TEXT(literal) ((text){(const uint8_t *)(literal), sizeof(literal) - 1})

static int is(text word, text other) { return word.len == other.len && grout_equal(word.at, other.at, word.len); }

// cut returns what is before the first separator, and leaves what is after it.
static text cut(text *from, char separator) {
	text before = {from->at, 0};
	while (before.len < from->len && from->at[before.len] != (uint8_t)separator) before.len++;
	uint32_t used = before.len < from->len ? before.len + 1 : before.len;
	from->at += used;
	from->len -= used;
	return before;
}

// number reads decimal digits, up to the first byte that is none.
static uint64_t number(text digits) {
	uint64_t n = 0;
	for (uint32_t i = 0; i < digits.len && digits.at[i] >= '0' && digits.at[i] <= '9'; i++) n = n * 10 + (uint64_t)(digits.at[i] - '0');
	return n;
}

// repeat replies the same byte many times.
static void repeat(char byte, uint32_t times) {
	uint8_t bytes[piece];
	for (uint32_t i = 0; i < piece; i++) bytes[i] = (uint8_t)byte;
	for (; times > piece; times -= piece) grout_reply(bytes, piece);
	grout_reply(bytes, times);
}

// log_about logs a literal, a text and another literal.
static void log_about(int32_t level, text before, text about, text after) {
	uint8_t line[256];
	uint32_t n = 0;
	grout_assert(before.len + about.len + after.len <= sizeof(line));
	for (uint32_t i = 0; i < before.len; i++) line[n++] = before.at[i];
	for (uint32_t i = 0; i < about.len; i++) line[n++] = about.at[i];
	for (uint32_t i = 0; i < after.len; i++) line[n++] = after.at[i];
	grout_log(level, line, n);
}

int32_t machine_init(const uint8_t *argument, uint32_t len) {
	if (len > max_name) {
		grout_error_text("a name has at most 64 bytes, this one has ");
		grout_error_u64(len);
		return 5;
	}
	for (uint32_t i = 0; i < len; i++) name[i] = argument[i];
	name_len = len;
	log_about(0, TEXT("begun as "), (text){name, len}, TEXT(""));
	return 0;
}

static void reply_context(void) {
	char caller[256];
	uint32_t len = grout_caller(caller, sizeof(caller));
	grout_assert(len <= sizeof(caller));
	grout_reply_u64(grout_index());
	grout_reply_text(" ");
	grout_reply_u64(grout_term());
	grout_reply_text(" ");
	grout_reply_u64((uint64_t)grout_time());
	grout_reply_text(" ");
	grout_reply(caller, len);
}

// answer does what commands and queries have in common.
static int32_t answer(text word, text rest) {
	if (is(word, TEXT("context"))) {
		reply_context();
	} else if (is(word, TEXT("random"))) {
		uint8_t drawn[64], next[8];
		uint64_t n = number(rest);
		grout_assert(n <= sizeof(drawn));
		if (n > 0) grout_random(drawn, (uint32_t)n);
		grout_random(next, sizeof(next));
		grout_reply(drawn, (uint32_t)n);
		grout_reply(next, sizeof(next));
	} else if (is(word, TEXT("echo"))) {
		grout_reply(rest.at, rest.len);
	} else if (is(word, TEXT("large"))) {
		repeat('x', (uint32_t)number(rest));
	} else if (is(word, TEXT("log"))) {
		text level = cut(&rest, ' ');
		grout_log((int32_t)number(level), rest.at, rest.len);
	} else if (is(word, TEXT("refuse"))) {
		text code = cut(&rest, ' ');
		log_about(2, TEXT("refusing"), TEXT(""), TEXT(""));
		grout_error(rest.at, rest.len);
		return (int32_t)number(code);
	} else if (is(word, TEXT("panic"))) {
		grout_panic("as asked"); // the place of the panic
	} else {
		grout_error_text("there is no ");
		grout_error(word.at, word.len);
		return 2;
	}
	return 0;
}

int32_t machine_apply(const uint8_t *command, uint32_t len) {
	text rest = {command, len}, word = cut(&rest, ' ');
	count++;
	if (word.len == 0) {
		grout_error_text("command ");
		grout_error_u64(count);
		return grout_refuse(7, " is empty");
	}
	if (is(word, TEXT("add"))) {
		grout_reply_u64(count += rest.len);
		return 0;
	}
	if (is(word, TEXT("emit"))) {
		char digits[20];
		text suffix = cut(&rest, ' ');
		grout_emit(suffix.at, suffix.len, rest.at, rest.len);
		grout_emit("count", 5, digits, grout_decimal(digits, count));
		return 0;
	}
	if (is(word, TEXT("fill"))) {
		filler = (uint32_t)number(rest);
		return 0;
	}
	while (is(word, TEXT("spin"))) count++;
	return answer(word, rest);
}

int32_t machine_query(const uint8_t *query, uint32_t len) {
	text rest = {query, len}, word = cut(&rest, ' ');
	if (word.len == 0) {
		grout_reply(name, name_len);
		grout_reply_text(" ");
		grout_reply_u64(count);
		grout_reply_text(" ");
		grout_reply_u64(filler);
		return 0;
	}
	if (is(word, TEXT("touch"))) {
		grout_reply_u64(count += 1000);
		return 0;
	}
	if (is(word, TEXT("emit"))) grout_emit("query", 5, rest.at, rest.len);
	return answer(word, rest);
}

int32_t machine_export(void) {
	grout_reply_text("1 ");
	grout_reply_u64(count);
	grout_reply_text(" ");
	grout_reply_u64(filler);
	grout_reply_text("\n");
	repeat('f', filler);
	return 0;
}

int32_t machine_migrate(uint32_t len) {
	uint8_t bytes[piece];
	char digits[20];
	text head = {bytes, grout_input(bytes, 0, piece)};
	text line = cut(&head, '\n'), left = line, version = cut(&left, ' '), before = cut(&left, ' ');
	uint64_t counted = number(before), filled = number(left);
	if (!is(version, TEXT("1")) || filled != len - line.len - 1) return grout_refuse(6, "the state is of another version");
	for (uint32_t at = line.len + 1; at < len;) {
		uint32_t read = grout_input(bytes, at, piece);
		for (uint32_t i = 0; i < read; i++) grout_assert(bytes[i] == 'f');
		at += read;
	}
	count = counted;
	filler = (uint32_t)filled;
	log_about(1, TEXT("took over "), (text){(const uint8_t *)digits, grout_decimal(digits, len)}, TEXT(" bytes"));
	return 0;
}
