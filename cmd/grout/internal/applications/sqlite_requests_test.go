package applications

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// TestSQLiteRequests shows what each kind of request answers, in their order.
func TestSQLiteRequests(t *testing.T) {
	h := openSQLite(t)
	h.Time, h.Step = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC), time.Second
	for _, step := range []struct{ command, want string }{
		{"CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n REAL, raw BLOB)", `{"results":[{"changes":0}]}`},
		{"-- two rows\nINSERT INTO t (name) VALUES ('a'); INSERT INTO t (name, n) VALUES ('b', 0.1);",
			`{"results":[{"changes":1,"last_insert_rowid":1},{"changes":1,"last_insert_rowid":2}]}`},
		{`{"sql": "INSERT INTO t (name, n, raw) VALUES (?, ?, ?) RETURNING id, name, n, raw, ?", "args": ["c\n\"", -3, {"blob": "00ff"}, true]}`,
			`{"results":[{"columns":["id","name","n","raw","?"],"rows":[[3,"c\u000a\u0022",-3.0,{"blob":"00ff"},1]],"changes":1,"last_insert_rowid":3}]}`},
		{`{"sql": "UPDATE t SET n = :n WHERE id > @id", "args": {"n": null, "id": 1}}`, `{"results":[{"changes":2}]}`},
		{`{"batch": [{"sql": "DELETE FROM t WHERE id = ?", "args": [1]}, {"sql": "UPDATE t SET n = 7"}]}`, `{"results":[{"changes":1},{"changes":2}]}`},
		{"SELECT 1; SELECT 2", `{"results":[{"columns":["1"],"rows":[[1]],"changes":0},{"columns":["2"],"rows":[[2]],"changes":0}]}`},
		{"PRAGMA user_version = 5", `{"results":[{"changes":0}]}`},
		{"INSERT INTO t (name) VALUES (datetime('now')), (CURRENT_TIMESTAMP || ' ') RETURNING name",
			`{"results":[{"columns":["name"],"rows":[["2026-03-01 12:00:08"],["2026-03-01 12:00:08 "]],"changes":2,"last_insert_rowid":5}]}`},
		{"INSERT INTO t (id) VALUES (77); UPDATE t SET n = last_insert_rowid() WHERE id = 77; SELECT n, last_insert_rowid() FROM t WHERE id = 77; DELETE FROM t WHERE id = 77",
			`{"results":[{"changes":1,"last_insert_rowid":77},{"changes":1},{"columns":["n","last_insert_rowid()"],"rows":[[77.0,77]],"changes":0},{"changes":1}]}`},
		{`{"batch": [{"sql": "CREATE TABLE u (a, b)"}, {"sql": "ALTER TABLE u DROP COLUMN b"}, {"sql": "DROP TABLE u"}]}`, `{"results":[{"changes":0},{"changes":0},{"changes":0}]}`},
		{"SELECT last_insert_rowid() AS n", `{"results":[{"columns":["n"],"rows":[[0]],"changes":0}]}`},
	} {
		if got := h.MustApply(step.command); got != step.want {
			t.Errorf("%s gives\n%s, want\n%s", step.command, got, step.want)
		}
	}
	for query, want := range map[string]string{
		"SELECT id, name, n FROM t WHERE id < 4 ORDER BY id":               `{"columns":["id","name","n"],"rows":[[2,"b",7.0],[3,"c\u000a\u0022",7.0]]}`,
		`{"sql": "SELECT name FROM t WHERE id = $id", "args": {"$id": 2}}`: `{"columns":["name"],"rows":[["b"]]}`,
		"SELECT name FROM t WHERE 0":                                       `{"columns":["name"],"rows":[]}`,
		"PRAGMA user_version":                                              `{"columns":["user_version"],"rows":[[5]]}`,
		"PRAGMA integrity_check":                                           `{"columns":["integrity_check"],"rows":[["ok"]]}`,
		"SELECT 9223372036854775807 AS big, 1e300*1e300, cast(x'ff' AS TEXT), 0.1+0.2, 1e20": `{"columns":["big","1e300*1e300","cast(x'ff' AS TEXT)","0.1+0.2","1e20"],` +
			`"rows":[[9223372036854775807,1e999,"` + "\uFFFD" + `",0.30000000000000004,1.0e+20]]}`,
		"SELECT sqlite_version() > '3.50', count(*) FROM pragma_table_info('t')": `{"columns":["sqlite_version() > '3.50'","count(*)"],"rows":[[1,4]]}`,
		"SELECT datetime('now')": `{"columns":["datetime('now')"],"rows":[["2026-03-01 12:00:11"]]}`,
	} {
		if got := h.MustQuery(query); got != want {
			t.Errorf("%s gives\n%s, want\n%s", query, got, want)
		}
	}
}

// sqliteRefusals are commands that are refused, with the code and a part of the message. A t holds (1, 10), and each child is to have its t.
var sqliteRefusals = map[string]struct {
	code  int32
	words string
}{
	"":                                             {1, "there is no statement"},
	" ; -- nothing":                                {1, "there is no statement"},
	`{"batch": []}`:                                {1, "there is no statement"},
	`{"sql": "SELECT 1"`:                           {1, "begins like JSON and is none"},
	`{"sequel": "SELECT 1"}`:                       {1, `the field "sequel" is none of sql, args and batch`},
	`{"sql": 1}`:                                   {1, "sql is"},
	`{"args": [1]}`:                                {1, "sql is"},
	`{"sql": "SELECT ?", "args": 1}`:               {1, "args is an array, or an object"},
	`{"batch": 1}`:                                 {1, "batch is an array"},
	`{"batch": [1]}`:                               {1, "each request of a batch is an object"},
	`{"batch": [], "sql": "x"}`:                    {1, "inside, not beside it"},
	`{"batch": [{"batch": []}]}`:                   {1, "a batch cannot be in a batch"},
	"SELECT ?":                                     {1, "the statement has parameters: send it as"},
	`{"sql": "SELECT ?, ?", "args": [1]}`:          {1, "the statement has 2 parameters, args has 1 values"},
	`{"sql": "SELECT ?", "args": [1, 2]}`:          {1, "args has more values"},
	`{"sql": "SELECT :a", "args": {"b": 1}}`:       {1, `no parameter of the name "b"`},
	`{"sql": "SELECT ?", "args": [[1]]}`:           {1, "args: value 1 is neither"},
	`{"sql": "SELECT ?", "args": [{"blob": "x"}]}`: {1, "args: value 1 is neither"},
	`{"sql": "SELECT ?; SELECT 1", "args": [1]}`:   {1, "put each into a request of a batch"},
	"SELECT 1;\x00":                                {1, "the request has a zero byte"},
	`{"sql": "DELETE FROM t\u0000 WHERE id = 7"}`:  {1, "sql has a zero byte"},
	`{"sql": "SELECT :a, :b", "args": {"a": 1, ":a": 2}}`:   {1, `two values for the parameter ":a"`},
	"SELECT 'a' LIKE '" + strings.Repeat("%a", 20000) + "'": {2, "pattern too complex"},
	"INSERT INTO most VALUES (9223372036854775807), (NULL)": {2, "AUTOINCREMENT has no greater number left"},
	"SELEC 1":               {2, `near "SELEC": syntax error`},
	"SELECT * FROM missing": {2, "no such table: missing"},
	"SELECT \"double\"":     {2, `no such column: "double"`},
	"INSERT INTO t VALUES (2, 2); SELECT broken": {2, "statement 2: no such column: broken"},
	"SELECT load_extension('x')":                 {2, "no such function: load_extension"},
	"SELECT datetime('now', 'localtime')":        {2, "local time unavailable"},
	"VACUUM":                                     {2, "cannot VACUUM from within a transaction"},
	"BEGIN":                                      {3, "each command is one transaction"},
	"COMMIT":                                     {3, "each command is one transaction"},
	"SAVEPOINT s":                                {3, "each command is one transaction"},
	"ATTACH 'x' AS y":                            {3, "it is one file"},
	"PRAGMA journal_mode = DELETE":               {3, "settings are the machine's own"},
	"PRAGMA writable_schema = 1":                 {3, "settings are the machine's own"},
	"PRAGMA foreign_keys = 0":                    {3, "settings are the machine's own"},
	"CREATE TEMP TABLE x (y)":                    {3, "use a table, or WITH"},
	"CREATE TABLE temp.x (y)":                    {3, "use a table, or WITH"},
	"CREATE VIRTUAL TABLE temp.x USING rtree (i, a, b)":                                          {3, "use a table, or WITH"},
	"PRAGMA temp.user_version = 1":                                                               {3, "use a table, or WITH"},
	"INSERT INTO t VALUES (2, -1)":                                                               {4, "CHECK constraint failed: n >= 0"},
	"INSERT INTO t VALUES (2, 1), (1, 1)":                                                        {4, "UNIQUE constraint failed: t.id"},
	"INSERT INTO child VALUES (5)":                                                               {4, "FOREIGN KEY constraint failed"},
	`{"batch": [{"sql": "DELETE FROM t"}, {"sql": "INSERT INTO t VALUES (3, NULL)"}]}`:           {4, "statement 2: NOT NULL constraint failed: t.n"},
	"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 200000) SELECT n FROM c": {5, "more than 500 KiB"},
	"SELECT zeroblob(2000000000)":                                                                {5, "too big"},
	"CREATE TABLE big AS SELECT zeroblob(900000000) AS b":                                        {6, "16 MiB"},
	"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 900000) SELECT n, hex(n) FROM c ORDER BY random()": {6, "16 MiB"},
}

// TestSQLiteRefusals shows every refusal, as a command and where it can be one as a query, and that none changes anything.
func TestSQLiteRefusals(t *testing.T) {
	h := openSQLite(t)
	h.MustApply(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n >= 0));
		CREATE TABLE most (id INTEGER PRIMARY KEY AUTOINCREMENT);
		CREATE TABLE child (t INTEGER NOT NULL REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO t VALUES (1, 10)`)
	for command, want := range sqliteRefusals {
		check := func(what string, o sdktest.Outcome) {
			if o.Kind != sdk.Refused || o.Code != want.code || !strings.Contains(o.Message, want.words) {
				t.Errorf("%s %s: %s, want code %d and %q", what, command, o, want.code, want.words)
			}
		}
		before := h.Digest()
		check("command", h.Apply(command))
		if h.Digest() != before {
			t.Errorf("%s: something has changed", command)
		}
		if !strings.Contains(command, "INSERT") && !strings.Contains(command, "batch") && !strings.Contains(command, "CREATE") && !strings.Contains(command, "VACUUM") {
			check("query", h.Query(command))
		}
	}
	for query, words := range map[string]string{
		"DELETE FROM t":      "a query cannot write",
		"SELECT 1; SELECT 2": "a query is one statement",
		`{"batch": []}`:      "only commands have batches",
	} {
		if o := h.Query(query); o.Kind != sdk.Refused || !strings.Contains(o.Message, words) {
			t.Errorf("query %s: %s, want %q", query, o, words)
		}
	}
	if got := h.MustApply("INSERT INTO t VALUES (2, 1); INSERT INTO child VALUES (2) RETURNING t"); !strings.Contains(got, `"rows":[[2]]`) {
		t.Error(got)
	}
}

// TestSQLiteWholeAnswers shows that an answer near the largest size is whole, or refused with its command.
func TestSQLiteWholeAnswers(t *testing.T) {
	h := openSQLite(t)
	for _, c := range []struct {
		do   func(string) sdktest.Outcome
		rest string
	}{
		{func(sql string) sdktest.Outcome { return h.Query(sql) }, `{"columns":["a"],"rows":[[""]]}`},
		{func(sql string) sdktest.Outcome { return h.Apply(sql) }, `{"results":[{"columns":["a"],"rows":[[""]],"changes":0}]}`},
	} {
		room := 500<<10 - len(c.rest)
		for length := room - 1; length < room+20; length++ {
			o := c.do(fmt.Sprintf("SELECT printf('%%.*c', %d, 'x') AS a", length))
			if length <= room && (o.Kind != sdk.Applied || len(o.Output) != len(c.rest)+length) || length > room && (o.Kind != sdk.Refused || o.Code != 5) {
				t.Errorf("%d bytes of %d: %s, with %d bytes", length, room, o.Kind, len(o.Output))
			}
		}
	}
}

// TestSQLiteRunsOut shows that a command without an end is ended, that it has no effect, and that the database goes on; and that one which is
// full says so, and takes what fits.
func TestSQLiteRunsOut(t *testing.T) {
	h := openSQLite(t)
	h.MustApply("CREATE TABLE t (b BLOB)")
	const endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c) INSERT INTO t SELECT n FROM c WHERE n %% 1000000 = %d"
	before := h.Digest()
	for i := range 2 {
		if o := h.Apply(fmt.Sprintf(endless, i)); o.Kind != sdk.Trapped || !strings.Contains(o.Message, "fuel") {
			t.Fatalf("an endless command: %s", o)
		}
	}
	if h.Digest() != before {
		t.Error("an endless command has changed something")
	}
	full := sdktest.Outcome{}
	rows := 0
	for ; full.Kind == sdk.Applied && rows < 40; rows++ {
		full = h.Apply("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 20) INSERT INTO t SELECT randomblob(500000) FROM c")
	}
	if full.Kind != sdk.Refused || full.Code != 6 || !strings.Contains(full.Message, "grout limits --memory") {
		t.Fatalf("after %d times 10 MB: %s", rows, full)
	}
	want := fmt.Sprintf(`{"columns":["count(*)","sum(length(b))"],"rows":[[%d,%d]]}`, 20*(rows-1), 10_000_000*(rows-1))
	if got := h.MustQuery("SELECT count(*), sum(length(b)) FROM t"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h.MustApply("DELETE FROM t WHERE rowid % 2; INSERT INTO t VALUES (randomblob(500000))")
	if got := h.MustQuery("PRAGMA quick_check"); !strings.Contains(got, `[["ok"]]`) {
		t.Error(got)
	}
}
