package applications

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk/sdktest"
)

// sqliteWork is one kind of statement on a table of sqliteRows rows. Each is parsed anew, in the sandbox and natively.
var sqliteWork = []struct {
	name      string
	query     bool
	statement func(i int) string
}{
	{"insert", false, func(i int) string { return fmt.Sprintf("INSERT INTO t (name, n) VALUES ('new %d', %d)", i, i) }},
	{"update by key", false, func(i int) string { return fmt.Sprintf("UPDATE t SET n = n + 1 WHERE id = %d", i*7919%sqliteRows+1) }},
	{"select by key", true, func(i int) string { return fmt.Sprintf("SELECT name, n FROM t WHERE id = %d", i*7919%sqliteRows+1) }},
	{"sum of 100,000", true, func(int) string { return "SELECT sum(n), count(*) FROM t" }},
}

const (
	sqliteRows   = 100_000
	sqliteSchema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)"
	sqliteFill   = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c LIMIT 100000) INSERT INTO t SELECT i, 'row ' || i, i FROM c"
)

// BenchmarkSQLite runs statements in the sandbox, as commands and queries, and natively by the command line tool of Debian's package sqlite3,
// in memory: its time is that of the whole process without the same process's time for the schema and rows alone.
func BenchmarkSQLite(b *testing.B) {
	for _, work := range sqliteWork {
		b.Run("sandbox/"+work.name, func(b *testing.B) {
			h := openSQLite(b)
			h.MustApply(sqliteSchema)
			h.MustApply(sqliteFill)
			var fuel uint64
			b.ResetTimer()
			for i := range b.N {
				var o sdktest.Outcome
				if work.query {
					o = h.Query(work.statement(i))
				} else {
					o = h.Apply(work.statement(i))
				}
				if len(o.Output) == 0 {
					b.Fatalf("%s: %s", work.statement(i), o)
				}
				fuel += o.Fuel
			}
			b.ReportMetric(float64(fuel)/float64(b.N), "fuel/op")
		})
		b.Run("native/"+work.name, func(b *testing.B) {
			var script strings.Builder
			for i := range b.N {
				script.WriteString(work.statement(i) + ";\n")
			}
			const before = sqliteSchema + ";\n" + sqliteFill + ";\n"
			alone := native(b, before)
			b.ReportMetric(float64((native(b, before+script.String())-alone).Nanoseconds())/float64(b.N), "ns/op")
		})
	}
}

// native has the command line tool run a script on a new database in memory, and returns how long that took.
func native(b *testing.B, script string) time.Duration {
	b.Helper()
	began := time.Now()
	command := exec.Command("sqlite3", ":memory:")
	command.Stdin = strings.NewReader(script)
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return time.Since(began)
}
