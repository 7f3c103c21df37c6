// What the files of this machine share.
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

#include "sqlite3.h"

// Why a command or query is refused. The codes are those of the Go client.
enum refusal {
	REFUSED_REQUEST = 1,    // the request itself is wrong: JSON, arguments
	REFUSED_SQL = 2,        // SQLite does not take the statement, or it failed
	REFUSED_STATEMENT = 3,  // a kind of statement that this machine does not run
	REFUSED_CONSTRAINT = 4, // a constraint of the schema does not hold
	REFUSED_SIZE = 5,       // the result is too large
	REFUSED_ROOM = 6,       // the machine's memory is full
};

// vfs.c: the database is a file in the linear memory, from the end of the program's own data on.
// The file's bytes and how many there are.
uint8_t *vfs_bytes(void);
uint32_t vfs_size(void);
// Whether a write has failed because the memory could not grow. The host undoes this too.
int vfs_full(void);
// Makes the file size bytes long; what it gains is not defined. Returns 0 when the memory cannot grow so far.
int vfs_resize(uint32_t size);

// authorize.c: what statements may do. Those of the machine's own run while statements_trusted is set.
extern int statements_trusted;
void authorize_install(sqlite3 *db);
// Why the last statement that was not authorized was not, or 0.
const char *authorize_reason(void);
void authorize_reset(void);

// json.c: the answer. What goes beyond MAX_ANSWER is dropped, and answer_overflowed says so.
#define MAX_ANSWER (500u << 10)
void answer_begin(void);
void answer_text(const char *text);
void answer_integer(sqlite3_int64 number);
void answer_string(const char *text, int len);
void answer_column(sqlite3_stmt *statement, int column);
int answer_overflowed(void);
void answer_end(void);

// request.c: what is asked, and its way into statements. Results are 0 or a refusal, whose message is written then.
int request_prepare(sqlite3 *db);
void request_close(void);
int request_run(sqlite3 *db, const char *text, int len, int query);

// Writes the refusal of a failed call of SQLite.
int refuse_sqlite(sqlite3 *db, int result);
int refuse(int code, const char *text);

#endif
