// What statements may do here. A command is one transaction that the machine begins and ends, the database is one file, and its
// settings are those that every member has.
#include <string.h>

#include "machine.h"

int statements_trusted;

static const char *reason;

const char *authorize_reason(void) { return reason; }
void authorize_reset(void) { reason = 0; }

static int deny(const char *why) {
	reason = why;
	return SQLITE_DENY;
}

static int among(const char *name, const char *const *names) {
	for (; *names; names++)
		if (sqlite3_stricmp(name, *names) == 0) return 1;
	return 0;
}

// Pragmas that tell something and change nothing, whatever their argument.
static const char *const telling[] = {
	"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "foreign_key_check",
	"function_list", "collation_list", "module_list", "pragma_list", "compile_options", "integrity_check", "quick_check", 0,
};

// Pragmas that tell something without an argument.
static const char *const readable[] = {
	"page_count", "page_size", "freelist_count", "encoding", "foreign_keys", "schema_version", "data_version", 0,
};

// Numbers in the file's header that are the user's own.
static const char *const numbers[] = {"user_version", "application_id", 0};

static int pragma(const char *name, const char *argument) {
	if (among(name, telling) || among(name, numbers) || (!argument && among(name, readable))) return SQLITE_OK;
	// It holds for the present transaction alone.
	if (sqlite3_stricmp(name, "defer_foreign_keys") == 0 || sqlite3_stricmp(name, "optimize") == 0) return SQLITE_OK;
	return deny("this PRAGMA is not for this database: its settings are the machine's own; those that only tell something, user_version, "
	            "application_id, defer_foreign_keys and optimize can be used");
}

static const char temporary[] = "temporary tables belong to a connection, and there is none here: use a table, or WITH";

static int authorize(void *unused, int action, const char *first, const char *second, const char *database, const char *trigger) {
	(void)unused, (void)trigger;
	if (statements_trusted) return SQLITE_OK;
	// Renaming also looks through the temporary schema, which is no change to it.
	if ((action == SQLITE_INSERT || action == SQLITE_PRAGMA) && database && sqlite3_stricmp(database, "temp") == 0) return deny(temporary);
	switch (action) {
	case SQLITE_TRANSACTION:
	case SQLITE_SAVEPOINT:
		return deny("BEGIN, COMMIT, ROLLBACK and SAVEPOINT are not needed: each command is one transaction, and all of it is undone when a "
		            "statement fails");
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
		return deny("ATTACH, DETACH and VACUUM are not for this database: it is one file, in the machine's memory");
	case SQLITE_CREATE_TEMP_INDEX:
	case SQLITE_CREATE_TEMP_TABLE:
	case SQLITE_CREATE_TEMP_TRIGGER:
	case SQLITE_CREATE_TEMP_VIEW:
		return deny(temporary);
	case SQLITE_PRAGMA:
		return pragma(first, second);
	}
	return SQLITE_OK;
}

void authorize_install(sqlite3 *db) { sqlite3_set_authorizer(db, authorize, 0); }
