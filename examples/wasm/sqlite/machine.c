// SQLite as a state machine. Its database, its caches and whatever else it has in memory are the machine's state, so that a command
// which is refused is undone as a whole, by the host, and a snapshot needs no work here.
#include <string.h>

// One byte more than a host sends, for the zero at the end of an input.
#define GROUT_MAX_INPUT ((512u << 10) + 1)
#define GROUT_UPGRADES
#include "grout.h"

#include "entry.h"
#include "machine.h"

// What SQLite has beside the database: its schema, the cache, sorts, temporary results.
#define HEAP_BYTES (16u << 20)

static uint8_t heap[HEAP_BYTES] __attribute__((aligned(65536)));
static sqlite3 *db;

void entry_reply(const void *bytes, uint32_t len) { grout_reply(bytes, len); }
void entry_error(const char *text) { grout_error_text(text); }
void entry_random(void *bytes, uint32_t len) { grout_random(bytes, len); }
int64_t entry_time(void) { return grout_time(); }

// Opens the file as it is, and reads its schema, which queries then find in memory.
static int open_database(void) {
	int on;
	statements_trusted = 1;
	int result = sqlite3_open_v2("db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, 0);
	if (result == SQLITE_OK) result = sqlite3_extended_result_codes(db, 1);
	if (result == SQLITE_OK) authorize_install(db);
	// A refused command is undone by the host: a journal would be one more copy.
	if (result == SQLITE_OK) result = sqlite3_exec(db, "PRAGMA journal_mode = OFF; SELECT count(*) FROM sqlite_schema", 0, 0, 0);
	if (result == SQLITE_OK) result = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, &on); // which forbids what comes before
	if (result == SQLITE_OK) result = request_prepare(db);
	statements_trusted = 0;
	return result;
}

static void close_database(void) {
	request_close();
	sqlite3_close(db);
	db = 0;
}

static int32_t run(const uint8_t *input, uint32_t len, int query) {
	if (len >= GROUT_MAX_INPUT) return grout_refuse(REFUSED_SIZE, "a request has at most 512 KiB");
	grout_input_bytes[len] = 0;
	return request_run(db, (const char *)input, (int)len, query);
}

// The argument is a script: the schema, for example.
int32_t machine_init(const uint8_t *argument, uint32_t len) {
	if (sqlite3_config(SQLITE_CONFIG_HEAP, heap, (int)HEAP_BYTES, 32) != SQLITE_OK || sqlite3_initialize() != SQLITE_OK)
		grout_panic("SQLite does not start");
	int result = open_database();
	if (result != SQLITE_OK) return refuse_sqlite(db, result);
	return len > 0 ? run(argument, len, 0) : 0;
}

int32_t machine_apply(const uint8_t *command, uint32_t len) { return run(command, len, 0); }

int32_t machine_query(const uint8_t *query, uint32_t len) { return run(query, len, 1); }

// The state for the next module is the file, which any SQLite can read.
int32_t machine_export(void) {
	grout_reply(vfs_bytes(), vfs_size());
	return 0;
}

int32_t machine_migrate(uint32_t len) {
	static const char magic[16] = "SQLite format 3";
	close_database();
	if (!vfs_resize(len)) return refuse(REFUSED_ROOM, "the database does not fit into the group's memory: raise its limit (grout limits --memory)");
	grout_input(vfs_bytes(), 0, len);
	if (len > 0 && (len < sizeof(magic) || memcmp(vfs_bytes(), magic, sizeof(magic)) != 0))
		return refuse(REFUSED_REQUEST, "the state of the module before is no SQLite database");
	int result = open_database();
	return result == SQLITE_OK ? 0 : refuse_sqlite(db, result);
}
