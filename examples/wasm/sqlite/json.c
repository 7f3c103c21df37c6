// The answer, as JSON, in pieces to the host.
#include <string.h>

#include "entry.h"
#include "machine.h"

static char piece[8192];
static uint32_t used, written;
static int overflowed;

static void flush(void) {
	if (used) entry_reply(piece, used);
	used = 0;
}

static void put(const char *bytes, uint32_t len) {
	if (overflowed || len > MAX_ANSWER - written) {
		overflowed = 1;
		return;
	}
	written += len;
	while (len > 0) {
		if (used == sizeof(piece)) flush();
		uint32_t n = sizeof(piece) - used < len ? sizeof(piece) - used : len;
		memcpy(piece + used, bytes, n);
		used += n, bytes += n, len -= n;
	}
}

void answer_begin(void) { used = written = 0, overflowed = 0; }
void answer_end(void) { flush(); }
int answer_overflowed(void) { return overflowed; }
void answer_text(const char *text) { put(text, (uint32_t)strlen(text)); }

void answer_integer(sqlite3_int64 number) {
	char digits[24];
	sqlite3_snprintf(sizeof(digits), digits, "%lld", number);
	answer_text(digits);
}

// A number with a point or an exponent, in as many digits as give the same number again.
static void answer_real(double number) {
	char digits[40];
	sqlite3_snprintf(sizeof(digits), digits, "%!.17g", number);
	if (strcmp(digits, "Inf") == 0) strcpy(digits, "1e999");
	if (strcmp(digits, "-Inf") == 0) strcpy(digits, "-1e999");
	answer_text(digits);
}

// How many bytes the well-formed UTF-8 sequence at text has, 0 if there is none.
static int sequence(const uint8_t *text, int len) {
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	int n = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
	if (n == 0 || n > len) return 0;
	uint32_t code = n == 1 ? text[0] : text[0] & (0x7f >> n);
	for (int i = 1; i < n; i++) {
		if (text[i] >> 6 != 2) return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	return code < least[n] || code > 0x10ffff || code >> 11 == 0x1b ? 0 : n;
}

// A string of any bytes: those that are no UTF-8 become U+FFFD.
void answer_string(const char *text, int len) {
	static const char hex[] = "0123456789abcdef";
	int from = 0, i = 0;
	put("\"", 1);
	while (i < len) {
		uint8_t c = (uint8_t)text[i];
		int n = sequence((const uint8_t *)text + i, len - i);
		if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
			i += n;
			continue;
		}
		put(text + from, (uint32_t)(i - from));
		char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
		if (n == 0)
			put("\xef\xbf\xbd", 3);
		else
			put(escaped, 6);
		from = ++i;
	}
	put(text + from, (uint32_t)(len - from));
	put("\"", 1);
}

static void answer_blob(const uint8_t *bytes, int len) {
	static const char hex[] = "0123456789abcdef";
	answer_text("{\"blob\":\"");
	for (int i = 0; i < len; i++) {
		char two[2] = {hex[bytes[i] >> 4], hex[bytes[i] & 15]};
		put(two, 2);
	}
	answer_text("\"}");
}

void answer_column(sqlite3_stmt *statement, int column) {
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		answer_integer(sqlite3_column_int64(statement, column));
		break;
	case SQLITE_FLOAT:
		answer_real(sqlite3_column_double(statement, column));
		break;
	case SQLITE_TEXT: {
		const char *text = (const char *)sqlite3_column_text(statement, column);
		answer_string(text, sqlite3_column_bytes(statement, column));
		break;
	}
	case SQLITE_BLOB: {
		const void *bytes = sqlite3_column_blob(statement, column);
		answer_blob(bytes, sqlite3_column_bytes(statement, column));
		break;
	}
	default:
		answer_text("null");
	}
}
