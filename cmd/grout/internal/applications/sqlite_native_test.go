package applications

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/toolchains"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// nativeSchema is for both databases. Each line is one statement.
var nativeSchema = []string{
	"CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE, price REAL CHECK (price < 90), stock INTEGER NOT NULL DEFAULT 1, raw BLOB)",
	"CREATE TABLE part (item INTEGER REFERENCES item ON DELETE CASCADE, n INTEGER, PRIMARY KEY (item, n)) WITHOUT ROWID",
	"CREATE INDEX item_price ON item (price, stock DESC) WHERE price IS NOT NULL",
	"CREATE TABLE log (what TEXT, n INTEGER)",
	"CREATE TRIGGER sold AFTER UPDATE OF stock ON item WHEN new.stock < old.stock BEGIN INSERT INTO log VALUES ('sold ' || new.name, old.stock - new.stock); END",
	"CREATE VIRTUAL TABLE note USING fts5 (body)",
}

// nativeQueries have one column of text, of which quote shows the type.
var nativeQueries = []string{
	"SELECT quote(id) || quote(name) || quote(price) || quote(stock) || quote(raw) FROM item ORDER BY id",
	"SELECT quote(item) || ' ' || quote(n) FROM part ORDER BY n, item",
	"SELECT quote(what) || quote(n) FROM log ORDER BY rowid",
	"SELECT rowid || ': ' || body FROM note WHERE note MATCH 'apple OR pear NOT plum' ORDER BY rowid",
	"SELECT quote(round(avg(price), 6)) || ' ' || count(*) || ' ' || quote(max(name)) FROM item GROUP BY stock % 5 ORDER BY stock % 5",
	"SELECT i.id || '/' || count(p.n) || '/' || row_number() OVER (ORDER BY count(p.n) DESC, i.id) FROM item i LEFT JOIN part p ON p.item = i.id GROUP BY i.id ORDER BY i.id",
	"SELECT json_group_array(json_object('n', name, 'p', price)) FROM (SELECT name, price FROM item WHERE price IS NOT NULL ORDER BY price, stock DESC, id LIMIT 20)",
	"WITH RECURSIVE f(a, b) AS (VALUES (0, 1) UNION ALL SELECT b, a + b FROM f LIMIT 60) SELECT a || '' FROM f",
	"SELECT printf('%.6f %s %s', sin(price), upper(name), strftime('%Y-%m-%d', stock * 86400, 'unixepoch')) FROM item WHERE price > 10 ORDER BY id",
	"SELECT integrity_check FROM pragma_integrity_check",
}

// randomStatement is one that often finds its row or constraint, and sometimes is refused.
func randomStatement(random *rand.Rand) string {
	words := []string{"apple", "Pear", "plum", "fig", "quince", "date", "lime"}
	id, n := 1+random.IntN(60), random.IntN(100)
	name := words[random.IntN(len(words))] + strconv.Itoa(random.IntN(20))
	return fmt.Sprintf([]string{
		"INSERT INTO item (name, price, stock) VALUES ('%[3]s', %[2]d.5, %[1]d)",
		"INSERT OR IGNORE INTO item VALUES (%[1]d, '%[3]s', %[2]d, 3, x'%02[2]d')",
		"INSERT OR REPLACE INTO item (id, name) VALUES (%[1]d, '%[3]s')",
		"INSERT INTO item (id, name) VALUES (%[1]d, '%[3]s') ON CONFLICT (name) DO UPDATE SET stock = stock + %[2]d, price = NULL",
		"UPDATE item SET stock = stock - %[2]d %% 7 WHERE id BETWEEN %[1]d AND %[1]d + 5",
		"UPDATE item SET price = price + %[2]d WHERE id %% 9 = %[1]d %% 9",
		"UPDATE item SET name = name || '-' WHERE price < %[2]d AND length(name) < 12",
		"DELETE FROM item WHERE id = %[1]d",
		"DELETE FROM item WHERE price > 80 AND stock < %[2]d",
		"INSERT INTO part SELECT %[1]d, value FROM json_each('[%[2]d, %[1]d, 7]')",
		"INSERT OR IGNORE INTO part SELECT id, stock FROM item WHERE id > %[1]d",
		"DELETE FROM part WHERE n = %[2]d",
		"INSERT INTO note VALUES ('%[3]s with %[4]s')",
		"UPDATE note SET body = body || ' %[4]s' WHERE rowid = %[1]d",
		"DELETE FROM note WHERE note MATCH '%[4]s' AND rowid > %[1]d",
		"INSERT INTO item (id, name, stock) SELECT id + 60, name || '?', NULL FROM item WHERE id = %[1]d",
	}[random.IntN(16)], id, n, name, words[random.IntN(len(words))])
}

// TestSQLiteLikeNative shows that random statements, among them many that fail half way, do what Debian's own SQLite does with them: the same ones
// are refused, and the same queries have the same answers.
func TestSQLiteLikeNative(t *testing.T) {
	_, err := exec.LookPath("sqlite3")
	toolchains.Need(t, err)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	script := slices.Clone(nativeSchema)
	for range 1500 {
		script = append(script, randomStatement(random))
	}
	h := openSQLite(t)
	refused := map[int]bool{}
	for i, statement := range script {
		if o := h.Apply(statement); o.Kind == sdk.Refused {
			refused[i+1] = true
		} else if o.Kind != sdk.Applied {
			t.Fatalf("%s: %s", statement, o)
		}
	}
	answers, failed := nativeAnswers(t, script)
	for i, statement := range script {
		if refused[i+1] != failed[i+1] {
			t.Fatalf("statement %d is refused here: %t, by the native one: %t\n%s", i+1, refused[i+1], failed[i+1], statement)
		}
	}
	for i, query := range nativeQueries {
		if got := texts(t, h.MustQuery(query)); !slices.Equal(got, answers[i]) {
			t.Errorf("%s gives\n%q, natively\n%q", query, got, answers[i])
		}
	}
	t.Logf("%d statements, %d refused; %d items, %d notes with an apple or a pear", len(script), len(refused), len(answers[0]), len(answers[3]))
}

// nativeAnswers has the command line tool run a script and then the queries, and returns their answers and the lines that failed.
func nativeAnswers(t *testing.T, script []string) (answers [][]string, failed map[int]bool) {
	t.Helper()
	var input strings.Builder
	for _, statement := range script {
		input.WriteString(statement + ";\n")
	}
	const end = "-- end of an answer"
	for _, query := range nativeQueries {
		input.WriteString(query + ";\n.print " + end + "\n")
	}
	command := exec.Command("sqlite3", "-cmd", "PRAGMA foreign_keys = ON", ":memory:")
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input.String()), &stdout, &stderr
	if err := command.Run(); err != nil && len(stderr.Bytes()) == 0 {
		t.Fatal(err)
	}
	failed = map[int]bool{}
	for _, match := range regexp.MustCompile(`(?m)error near line (\d+):`).FindAllStringSubmatch(stderr.String(), -1) {
		line, err := strconv.Atoi(match[1])
		if err != nil {
			t.Fatal(err)
		}
		failed[line] = true
	}
	for _, answer := range strings.Split(stdout.String(), end+"\n") {
		answers = append(answers, strings.Split(strings.TrimSuffix(answer, "\n"), "\n"))
	}
	if len(answers) != len(nativeQueries)+1 {
		t.Fatalf("%d answers, %s", len(answers), stderr.String())
	}
	return answers, failed
}

// texts are the rows of an answer with one column of text.
func texts(t *testing.T, answer string) []string {
	t.Helper()
	var parsed struct{ Rows [][]*string }
	if err := json.Unmarshal([]byte(answer), &parsed); err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, row := range parsed.Rows {
		if row[0] == nil {
			out = append(out, "")
			continue
		}
		out = append(out, *row[0])
	}
	return out
}

// TestSQLiteGoesOn shows that a member that was restarted at any index has the same database as one that was not, byte for byte, and that another
// module takes the rows over from the file that this one exports.
func TestSQLiteGoesOn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	steps := make(sdktest.Script, 0, 60)
	for _, statement := range nativeSchema {
		steps = append(steps, sdktest.Step{Input: statement})
	}
	for range 40 {
		steps = append(steps, sdktest.Step{Input: randomStatement(random)}, sdktest.Step{Query: true, Input: nativeQueries[random.IntN(len(nativeQueries))]})
	}
	driver := openDriver(t)
	sdktest.CheckRepeat(t, driver, steps)
	sdktest.CheckRestore(t, driver, steps)
	sdktest.CheckUntouched(t, driver, steps)
	h := openSQLite(t)
	for _, step := range steps {
		if !step.Query {
			h.Apply(step.Input)
		}
	}
	want := texts(t, h.MustQuery(nativeQueries[0]))
	if o := h.UpgradeTo(openDriver(t)); o.Kind != sdk.Applied {
		t.Fatalf("the upgrade: %s", o)
	}
	if got := texts(t, h.MustQuery(nativeQueries[0])); !slices.Equal(got, want) {
		t.Errorf("after an upgrade:\n%q, want\n%q", got, want)
	}
	h.MustApply("INSERT INTO item (name) VALUES ('after')")
	if got := texts(t, h.MustQuery("SELECT integrity_check FROM pragma_integrity_check")); !slices.Equal(got, []string{"ok"}) {
		t.Error(got)
	}
	if o := openSQLite(t).Migrate("no database, of some bytes"); o.Kind != sdk.Refused || !strings.Contains(o.Message, "is no SQLite database") {
		t.Errorf("another state: %s", o)
	}
}
