// The file system that SQLite sees: one file, which is the linear memory behind the program's own data. Nothing else in this
// program makes the memory grow. Since the memory is the machine's state, whatever is written here is replicated, and undone when a
// command is refused: SQLite needs neither a journal nor locks nor syncs. Reads need no copy either, as from a mapped file.
//
//	| stack | data, heap | 64 KiB aligned: page 1, page 2, ...            |
//	                     ^ vfs_bytes()            ^ + file_size            ^ memory_bytes()
#include <string.h>
#include <time.h>

#include "entry.h"
#include "machine.h"

#define WASM_PAGE 65536u

extern uint8_t __heap_base; // the linker's: where the program's own data ends

static uint32_t file_size;
static int full;

uint8_t *vfs_bytes(void) { return (uint8_t *)(((uintptr_t)&__heap_base + WASM_PAGE - 1) / WASM_PAGE * WASM_PAGE); }

uint32_t vfs_size(void) { return file_size; }
int vfs_full(void) { return full; }

int vfs_resize(uint32_t size) {
	uint64_t want = (uint64_t)(uintptr_t)vfs_bytes() + size;
	uint64_t pages = (want + WASM_PAGE - 1) / WASM_PAGE, have = __builtin_wasm_memory_size(0);
	if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == (size_t)-1) return 0;
	file_size = size;
	return 1;
}

static int file_close(sqlite3_file *file) { return (void)file, SQLITE_OK; }

static int file_read(sqlite3_file *file, void *into, int amount, sqlite3_int64 offset) {
	(void)file;
	sqlite3_int64 there = (sqlite3_int64)file_size - offset;
	if (there >= amount) {
		memcpy(into, vfs_bytes() + offset, (size_t)amount);
		return SQLITE_OK;
	}
	if (there < 0) there = 0;
	memcpy(into, vfs_bytes() + offset, (size_t)there);
	memset((uint8_t *)into + there, 0, (size_t)(amount - there));
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *from, int amount, sqlite3_int64 offset) {
	(void)file;
	sqlite3_int64 end = offset + amount, before = file_size;
	if (end > before) {
		if (end > INT32_MAX || !vfs_resize((uint32_t)end)) return full = 1, SQLITE_FULL;
		if (offset > before) memset(vfs_bytes() + before, 0, (size_t)(offset - before));
	}
	memcpy(vfs_bytes() + offset, from, (size_t)amount);
	return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
	(void)file;
	if (size < (sqlite3_int64)file_size) file_size = (uint32_t)size;
	return SQLITE_OK;
}

static int file_bytes(sqlite3_file *file, sqlite3_int64 *size) {
	(void)file;
	*size = file_size;
	return SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags) { return (void)file, (void)flags, SQLITE_OK; }
static int file_lock(sqlite3_file *file, int level) { return (void)file, (void)level, SQLITE_OK; }

static int file_locked(sqlite3_file *file, int *locked) {
	(void)file;
	*locked = 0; // nobody else is there
	return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *argument) { return (void)file, (void)op, (void)argument, SQLITE_NOTFOUND; }
static int file_sector(sqlite3_file *file) { return (void)file, 4096; }
static int file_device(sqlite3_file *file) { return (void)file, SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND; }

static int file_fetch(sqlite3_file *file, sqlite3_int64 offset, int amount, void **at) {
	(void)file;
	*at = offset + amount <= (sqlite3_int64)file_size ? vfs_bytes() + offset : 0;
	return SQLITE_OK;
}

static int file_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *at) { return (void)file, (void)offset, (void)at, SQLITE_OK; }

static const sqlite3_io_methods file_methods = {
	.iVersion = 3,
	.xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate, .xSync = file_sync,
	.xFileSize = file_bytes, .xLock = file_lock, .xUnlock = file_lock, .xCheckReservedLock = file_locked,
	.xFileControl = file_control, .xSectorSize = file_sector, .xDeviceCharacteristics = file_device,
	.xFetch = file_fetch, .xUnfetch = file_unfetch,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *opened) {
	(void)vfs, (void)name;
	file->pMethods = 0;
	if (!(flags & SQLITE_OPEN_MAIN_DB)) return SQLITE_CANTOPEN; // temporary tables are in SQLite's own memory
	file->pMethods = &file_methods;
	if (opened) *opened = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync) { return (void)vfs, (void)name, (void)sync, SQLITE_OK; }

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
	(void)vfs, (void)name, (void)flags;
	*result = 0; // there is no other file
	return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int room, char *path) {
	(void)vfs;
	size_t len = strlen(name) + 1;
	if (len > (size_t)room) return SQLITE_CANTOPEN;
	memcpy(path, name, len);
	return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *bytes) {
	(void)vfs;
	entry_random(bytes, (uint32_t)len);
	return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds) { return (void)vfs, (void)microseconds, 0; }

// The entry's time, in milliseconds since the start of the Julian days.
static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *milliseconds) {
	(void)vfs;
	const sqlite3_int64 epoch = 24405875 * (sqlite3_int64)8640000; // 1970-01-01
	*milliseconds = epoch + entry_time() / 1000000;
	return SQLITE_OK;
}

static int vfs_days(sqlite3_vfs *vfs, double *days) {
	sqlite3_int64 milliseconds;
	int result = vfs_time(vfs, &milliseconds);
	*days = (double)milliseconds / 86400000.0;
	return result;
}

// There is no local time: the members may be anywhere. SQLite says so.
struct tm *localtime(const time_t *time) { return (void)time, (struct tm *)0; }

static int vfs_error(sqlite3_vfs *vfs, int room, char *text) { return (void)vfs, (void)room, (void)text, 0; }

static sqlite3_vfs memory_vfs = {
	.iVersion = 2, .szOsFile = sizeof(sqlite3_file), .mxPathname = 64, .zName = "grout",
	.xOpen = vfs_open, .xDelete = vfs_delete, .xAccess = vfs_access, .xFullPathname = vfs_path, .xRandomness = vfs_randomness,
	.xSleep = vfs_sleep, .xCurrentTime = vfs_days, .xGetLastError = vfs_error, .xCurrentTimeInt64 = vfs_time,
};



// What SQLite calls when it starts and ends.
int sqlite3_os_init(void) { return sqlite3_vfs_register(&memory_vfs, 1); }
int sqlite3_os_end(void) { return SQLITE_OK; }
