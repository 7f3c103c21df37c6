// What is asked: SQL as it is, or a JSON object, which SQLite's own JSON functions take apart.
//
//	INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)
//	{"sql": "INSERT INTO t VALUES (?, :name)", "args": [1, "x"]}
//	{"batch": [{"sql": "...", "args": {"name": "x"}}, {"sql": "..."}]}
#include <string.h>

#include "entry.h"
#include "machine.h"

// The machine's own statements.
enum { FIELDS, ELEMENTS, ARGUMENTS, BEGIN, COMMIT, OWN };

static const char *const own_text[OWN] = {
	"SELECT key, type, value FROM json_each(?1)",
	"SELECT type, value FROM json_each(?1)",
	"SELECT key, type, iif(type = 'object', unhex(value ->> '$.blob'), atom) FROM json_each(?1)",
	"BEGIN",
	"COMMIT",
};

static sqlite3_stmt *own[OWN];

// where is "statement 2: " in a batch or a script, for messages.
static int number;

int refuse(int code, const char *text) {
	if (number > 1) {
		char where[40];
		sqlite3_snprintf(sizeof(where), where, "statement %d: ", number);
		entry_error(where);
	}
	entry_error(text);
	return code;
}

int refuse_sqlite(sqlite3 *db, int result) {
	switch (result & 0xff) {
	case SQLITE_AUTH:
		return refuse(REFUSED_STATEMENT, authorize_reason() ? authorize_reason() : sqlite3_errmsg(db));
	case SQLITE_CONSTRAINT:
		return refuse(REFUSED_CONSTRAINT, sqlite3_errmsg(db));
	case SQLITE_FULL:
		if (!vfs_full()) return refuse(REFUSED_SQL, "AUTOINCREMENT has no greater number left");
		return refuse(REFUSED_ROOM, "the database does not fit into the group's memory any more: raise its limit (grout limits --memory), or delete rows, whose room is used again");
	case SQLITE_NOMEM:
		return refuse(REFUSED_ROOM, "the statement needs more than the 16 MiB that SQLite has beside the database: sort or group fewer rows, or add an index");
	case SQLITE_TOOBIG:
		return refuse(REFUSED_SIZE, sqlite3_errmsg(db));
	}
	return refuse(REFUSED_SQL, sqlite3_errmsg(db));
}

// The row that the command's statements before the present one inserted last. SQLite's own number is 0 when a statement begins, so that
// it tells whether that one inserts a row.
static sqlite3_int64 inserted;

static void last_insert_rowid(sqlite3_context *context, int count, sqlite3_value **values) {
	(void)count, (void)values;
	sqlite3_int64 own = sqlite3_last_insert_rowid(sqlite3_context_db_handle(context));
	sqlite3_result_int64(context, own != 0 ? own : inserted);
}

int request_prepare(sqlite3 *db) {
	int result = sqlite3_create_function(db, "last_insert_rowid", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, 0, last_insert_rowid, 0, 0);
	for (int i = 0; result == SQLITE_OK && i < OWN; i++) {
		result = sqlite3_prepare_v3(db, own_text[i], -1, SQLITE_PREPARE_PERSISTENT, &own[i], 0);
	}
	return result;
}

void request_close(void) {
	for (int i = 0; i < OWN; i++) {
		sqlite3_finalize(own[i]);
		own[i] = 0;
	}
}

// After a change of the schema SQLite prepares each statement again when it runs next. A query would do that every time, since what it
// does is undone: so each is run here, on nothing.
static void warm(void) {
	static uint32_t schema; // the version in the file's header
	uint32_t now = 0;
	if (vfs_size() >= 44) memcpy(&now, vfs_bytes() + 40, sizeof(now));
	if (now == schema) return;
	schema = now;
	for (int i = FIELDS; i <= ARGUMENTS; i++) {
		sqlite3_bind_text(own[i], 1, "[1]", -1, SQLITE_STATIC);
		sqlite3_step(own[i]);
		sqlite3_reset(own[i]);
		sqlite3_clear_bindings(own[i]);
	}
}

// Runs one of the machine's own statements that has no rows.
static int run_own(int which) {
	statements_trusted = 1;
	int result = sqlite3_step(own[which]);
	sqlite3_reset(own[which]);
	statements_trusted = 0;
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

// Binds the value in a column of ARGUMENTS.
static int bind_value(sqlite3_stmt *statement, int index, sqlite3_stmt *from) {
	const char *type = (const char *)sqlite3_column_text(from, 1);
	if (strcmp(type, "array") == 0) return SQLITE_MISMATCH;
	if (strcmp(type, "object") == 0 && sqlite3_column_type(from, 2) != SQLITE_BLOB) return SQLITE_MISMATCH;
	return sqlite3_bind_value(statement, index, sqlite3_column_value(from, 2));
}

// The index of the parameter that a name means: with or without its :, @ or $.
static int parameter(sqlite3_stmt *statement, const char *name) {
	int index = sqlite3_bind_parameter_index(statement, name);
	for (const char *sign = ":@$"; index == 0 && *sign; sign++) {
		char full[128];
		sqlite3_snprintf(sizeof(full), full, "%c%s", *sign, name);
		index = sqlite3_bind_parameter_index(statement, full);
	}
	return index;
}

// SQLite's own bound of the parameters of a statement.
#define MAX_PARAMETERS 32766

// Binds the arguments of a JSON request.
static int bind(sqlite3 *db, sqlite3_stmt *statement, const char *args) {
	sqlite3_stmt *each = own[ARGUMENTS];
	int wanted = sqlite3_bind_parameter_count(statement), given = 0, code = 0, step = SQLITE_DONE;
	static uint8_t bound[MAX_PARAMETERS + 1];
	char text[160];
	memset(bound, 0, (size_t)wanted + 1);
	sqlite3_bind_text(each, 1, args, -1, SQLITE_STATIC);
	while (code == 0 && (step = sqlite3_step(each)) == SQLITE_ROW) {
		int named = sqlite3_column_type(each, 0) == SQLITE_TEXT;
		const char *name = (const char *)sqlite3_column_text(each, 0);
		int index = named ? parameter(statement, name) : given + 1;
		given++;
		if (index == 0 || index > wanted) {
			sqlite3_snprintf(sizeof(text), text, named ? "the statement has no parameter of the name \"%.60s\"" : "args has more values than the statement has parameters", name);
			code = refuse(REFUSED_REQUEST, text);
		} else if (bound[index]++) {
			sqlite3_snprintf(sizeof(text), text, "args has two values for the parameter \"%.60s\"", sqlite3_bind_parameter_name(statement, index));
			code = refuse(REFUSED_REQUEST, text);
		} else if (bind_value(statement, index, each) != SQLITE_OK) {
			sqlite3_snprintf(sizeof(text), text, "args: value %d is neither null, a number, a text, true, false, nor {\"blob\": \"hexadecimal\"}", given);
			code = refuse(REFUSED_REQUEST, text);
		}
	}
	sqlite3_reset(each);
	sqlite3_clear_bindings(each);
	if (code == 0 && step != SQLITE_DONE) return refuse_sqlite(db, step);
	if (code == 0 && given < wanted) {
		sqlite3_snprintf(sizeof(text), text, "the statement has %d parameters, args has %d values", wanted, given);
		code = refuse(REFUSED_REQUEST, text);
	}
	return code;
}

static int refuse_overflow(void) {
	return refuse(REFUSED_SIZE, "the result has more than 500 KiB: ask for fewer rows or columns, with WHERE or LIMIT and OFFSET");
}

// Runs a statement and writes its rows.
static int rows(sqlite3 *db, sqlite3_stmt *statement) {
	int columns = sqlite3_column_count(statement), count = 0, step;
	if (columns > 0) {
		answer_text("\"columns\":[");
		for (int i = 0; i < columns; i++) {
			const char *name = sqlite3_column_name(statement, i);
			if (i > 0) answer_text(",");
			answer_string(name, (int)strlen(name));
		}
		answer_text("],\"rows\":[");
	}
	while ((step = sqlite3_step(statement)) == SQLITE_ROW && !answer_overflowed()) {
		answer_text(count++ > 0 ? ",[" : "[");
		for (int i = 0; i < columns; i++) {
			if (i > 0) answer_text(",");
			answer_column(statement, i);
		}
		answer_text("]");
	}
	if (columns > 0) answer_text("]");
	if (answer_overflowed()) return refuse_overflow();
	return step == SQLITE_DONE ? 0 : refuse_sqlite(db, step);
}

// Runs one statement and writes its result, an object, whose fields a query has in the answer itself.
static int run_statement(sqlite3 *db, sqlite3_stmt *statement, int query) {
	if (query && !sqlite3_stmt_readonly(statement)) return refuse(REFUSED_STATEMENT, "a query cannot write: send the statement as a command");
	sqlite3_int64 before = sqlite3_total_changes64(db), last;
	answer_text("{");
	int code = rows(db, statement);
	if (code != 0) return code;
	if (!query) {
		if (sqlite3_column_count(statement) > 0) answer_text(",");
		answer_text("\"changes\":");
		answer_integer(sqlite3_total_changes64(db) != before ? sqlite3_changes64(db) : 0);
		if ((last = sqlite3_last_insert_rowid(db)) != 0) {
			answer_text(",\"last_insert_rowid\":");
			answer_integer(inserted = last);
		}
	}
	answer_text("}");
	return 0;
}

// Runs SQL that ends with a zero at sql[len]: a script, or one statement with arguments, which are JSON, or 0.
static int run_sql(sqlite3 *db, const char *sql, int len, const char *args, int query) {
	const char *end = sql + len;
	int statements = 0, code = 0;
	while (code == 0 && sql < end) {
		sqlite3_stmt *statement = 0;
		authorize_reset();
		number++;
		int result = sqlite3_prepare_v3(db, sql, (int)(end - sql) + 1, 0, &statement, &sql);
		if (result != SQLITE_OK) return refuse_sqlite(db, result);
		if (!statement) { // a comment, or nothing
			number--;
			continue;
		}
		if (statements++ > 0 && (args || query)) {
			code = refuse(REFUSED_REQUEST, args ? "a request with args is one statement: put each into a request of a batch" : "a query is one statement");
		} else if (args) {
			code = bind(db, statement, args);
		} else if (sqlite3_bind_parameter_count(statement) > 0) {
			code = refuse(REFUSED_REQUEST, "the statement has parameters: send it as {\"sql\": \"...\", \"args\": [...]}");
		}
		sqlite3_set_last_insert_rowid(db, 0);
		if (code == 0 && number > 1 && !query) answer_text(",");
		if (code == 0) code = run_statement(db, statement, query);
		sqlite3_finalize(statement);
	}
	if (code == 0 && statements == 0) code = refuse(REFUSED_REQUEST, "there is no statement");
	return code;
}

// The fields of a JSON request, as texts that sqlite3_free frees; 0 where there is none.
struct fields {
	char *sql, *args, *batch;
};

static void free_fields(struct fields *f) { sqlite3_free(f->sql), sqlite3_free(f->args), sqlite3_free(f->batch); }

// Takes in one field: its place, or 0 and what is wrong with it.
static char **field(struct fields *f, const char *name, const char *type, const char **problem) {
	static char text[160];
	if (!name) {
		*problem = "a request is an object";
	} else if (strcmp(name, "sql") == 0) {
		if (strcmp(type, "text") == 0) return &f->sql;
		*problem = "sql is a text";
	} else if (strcmp(name, "args") == 0) {
		if (strcmp(type, "array") == 0 || strcmp(type, "object") == 0) return &f->args;
		*problem = "args is an array, or an object with the parameters' names";
	} else if (strcmp(name, "batch") == 0) {
		if (strcmp(type, "array") == 0) return &f->batch;
		*problem = "batch is an array of requests";
	} else {
		sqlite3_snprintf(sizeof(text), text, "the field \"%.60s\" is none of sql, args and batch", name);
		*problem = text;
	}
	return 0;
}

// Takes a JSON request apart.
static int read_fields(sqlite3 *db, struct fields *f, const char *json, int len) {
	sqlite3_stmt *each = own[FIELDS];
	const char *problem = 0;
	int step, code = 0;
	sqlite3_bind_text(each, 1, json, len, SQLITE_STATIC);
	while ((step = sqlite3_step(each)) == SQLITE_ROW && !problem && code == 0) {
		const char *name = sqlite3_column_type(each, 0) == SQLITE_TEXT ? (const char *)sqlite3_column_text(each, 0) : 0;
		char **at = field(f, name, (const char *)sqlite3_column_text(each, 1), &problem);
		if (at == &f->sql && strlen((const char *)sqlite3_column_text(each, 2)) < (size_t)sqlite3_column_bytes(each, 2))
			problem = "sql has a zero byte, at which SQL ends";
		if (!at || problem) continue;
		sqlite3_free(*at); // of two fields of one name the last one counts
		if (!(*at = sqlite3_mprintf("%s", sqlite3_column_text(each, 2)))) code = refuse_sqlite(db, SQLITE_NOMEM);
	}
	if (step != SQLITE_DONE && step != SQLITE_ROW)
		code = step == SQLITE_ERROR ? refuse(REFUSED_REQUEST, "the request begins like JSON and is none") : refuse_sqlite(db, step);
	sqlite3_reset(each);
	sqlite3_clear_bindings(each);
	if (code != 0) return code;
	if (!problem && f->batch && (f->sql || f->args)) problem = "a batch has sql and args inside, not beside it";
	if (!problem && !f->batch && !f->sql) problem = "sql is missing";
	return problem ? refuse(REFUSED_REQUEST, problem) : 0;
}

static int run_batch(sqlite3 *db, const char *batch);

// Runs a JSON request. Each of a batch comes here again.
static int run_json(sqlite3 *db, const char *json, int len, int query, int batched) {
	struct fields f = {0, 0, 0};
	int code = read_fields(db, &f, json, len);
	if (code == 0 && f.batch && batched) code = refuse(REFUSED_REQUEST, "a batch cannot be in a batch");
	if (code == 0 && f.batch && query) code = refuse(REFUSED_REQUEST, "a query is one statement: only commands have batches");
	if (code == 0) code = f.batch ? run_batch(db, f.batch) : run_sql(db, f.sql, (int)strlen(f.sql), f.args, query);
	free_fields(&f);
	return code;
}

// Reads a batch's requests, each with a zero behind it. No statement may be running when they do: SQLite drops no table then.
static int read_batch(sqlite3 *db, sqlite3_str *requests, const char *batch) {
	sqlite3_stmt *each = own[ELEMENTS];
	int code = 0, step = SQLITE_DONE;
	sqlite3_bind_text(each, 1, batch, -1, SQLITE_STATIC);
	while (code == 0 && (step = sqlite3_step(each)) == SQLITE_ROW) {
		if (strcmp((const char *)sqlite3_column_text(each, 0), "object") != 0)
			code = refuse(REFUSED_REQUEST, "each request of a batch is an object with sql and args");
		else
			sqlite3_str_append(requests, (const char *)sqlite3_column_text(each, 1), sqlite3_column_bytes(each, 1) + 1);
	}
	sqlite3_reset(each);
	sqlite3_clear_bindings(each);
	if (code == 0 && step == SQLITE_DONE) step = sqlite3_str_errcode(requests);
	return code == 0 && step != SQLITE_OK ? refuse_sqlite(db, step) : code;
}

static int run_batch(sqlite3 *db, const char *batch) {
	sqlite3_str *requests = sqlite3_str_new(db);
	int code = read_batch(db, requests, batch), len;
	const char *at = sqlite3_str_value(requests), *end = at + sqlite3_str_length(requests);
	for (; code == 0 && at < end; at += len + 1) {
		len = (int)strlen(at);
		code = run_json(db, at, len, 0, 1);
	}
	sqlite3_free(sqlite3_str_finish(requests));
	return code == 0 && number == 0 ? refuse(REFUSED_REQUEST, "there is no statement") : code;
}

static int run_any(sqlite3 *db, const char *text, int len, int query) {
	int at = 0;
	while (at < len && strchr(" \t\r\n", text[at]) && text[at]) at++;
	if (at < len && text[at] == '{') return run_json(db, text, len, query, 0);
	return run_sql(db, text, len, 0, query);
}

static int finish(void) {
	if (answer_overflowed()) return refuse_overflow();
	answer_end();
	return 0;
}

int request_run(sqlite3 *db, const char *text, int len, int query) {
	sqlite3_randomness(0, 0); // random() begins anew, from the entry's random bytes
	number = 0;
	inserted = 0;
	answer_begin();
	if (strlen(text) < (size_t)len) return refuse(REFUSED_REQUEST, "the request has a zero byte, at which SQL ends");
	if (query) {
		int code = run_any(db, text, len, 1);
		return code == 0 ? finish() : code;
	}
	int result = run_own(BEGIN);
	if (result != SQLITE_OK) return refuse_sqlite(db, result);
	answer_text("{\"results\":[");
	int code = run_any(db, text, len, 0);
	if (code != 0) return code; // the host undoes what was written
	number = 0;
	if ((result = run_own(COMMIT)) != SQLITE_OK) return refuse_sqlite(db, result);
	warm();
	answer_text("]}");
	return finish();
}
