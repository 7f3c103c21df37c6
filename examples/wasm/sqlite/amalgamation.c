// SQLite itself, as the package better-sqlite3 ships it: one file, unchanged. How it is configured says compile_flags.txt.
#if !__has_include(<math.h>)
#error "the C library is missing: install wasi-libc (Debian: apt-get install wasi-libc)"
#elif !__has_include("sqlite3.c")
#error "SQLite's source is missing: run npm ci --ignore-scripts in this folder"
#endif

#include "sqlite3.c"
