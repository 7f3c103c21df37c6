package applications

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/groutlabs/grout/examples/wasm/sqlite/database"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	bankers        = 4
	bankAccounts   = 8
	bankStart      = 100
	transfersOfOne = 200
)

// bankSchema has a transfer's own key, so that one which is applied twice is refused the second time.
const bankSchema = `CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0)) STRICT;
CREATE TABLE transfer (id TEXT PRIMARY KEY, payer INTEGER NOT NULL REFERENCES account, payee INTEGER NOT NULL REFERENCES account,
	amount INTEGER NOT NULL, at TEXT NOT NULL DEFAULT (datetime('now'))) STRICT`

// transferred is the answer to one transfer: whether it was made, or refused because the payer has too little.
type transferred struct {
	id   string
	made bool
}

// bank makes transfers at random, one after another, and hands on what was answered.
func bank(ctx context.Context, group *client.Group, name string, random *rand.Rand, out chan<- transferred) error {
	for n := range transfersOfOne {
		id := fmt.Sprintf("%s-%d", name, n)
		payer, amount := 1+random.IntN(bankAccounts), 1+random.IntN(60)
		payee := 1 + (payer+random.IntN(bankAccounts-1))%bankAccounts
		results, err := database.Execute(ctx, group,
			database.Statement{SQL: "INSERT INTO transfer (id, payer, payee, amount) VALUES (?, ?, ?, ?)", Args: []any{id, payer, payee, amount}},
			database.Statement{SQL: "UPDATE account SET balance = balance + ? WHERE id = ?", Args: []any{amount, payee}},
			database.Statement{SQL: "UPDATE account SET balance = balance - :n WHERE id = :id", Args: []any{sql.Named("n", amount), sql.Named("id", payer)}})
		var refused *client.RefusedError
		switch {
		case errors.As(err, &refused) && errors.Is(err, database.ErrConstraint):
			if refused.Message != "statement 3: CHECK constraint failed: balance >= 0" {
				return fmt.Errorf("%s: %w", id, err)
			}
		case err != nil:
			return fmt.Errorf("%s: %w", id, err)
		case results[0].Changes+results[1].Changes+results[2].Changes != 3:
			return fmt.Errorf("%s: %+v", id, results)
		}
		out <- transferred{id, err == nil}
	}
	return nil
}

// TestSQLiteThroughKills shows that transfers between accounts, made by several clients while leaders and then all hosts are killed, are there
// exactly once each when they were acknowledged and not at all when they were refused, that no money is lost or made, and that every member
// holds the same database.
func TestSQLiteThroughKills(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	module := buildSQLite(t)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c := hosts(t, ctx, "sqlite")
	c.deploy(t, ctx, module, "--init", bankSchema)
	db := database.Open(c.group)
	checkPing(ctx, t, c, db)
	for id := range bankAccounts {
		must[sql.Result](t)(db.ExecContext(ctx, "INSERT INTO account VALUES (?, ?)", id+1, bankStart))
	}
	answers, ended := make(chan transferred, bankers*transfersOfOne), make(chan error, bankers)
	for n := range bankers {
		own := c.connect(t)
		go func() { ended <- bank(ctx, own, fmt.Sprint("b", n), rand.New(rand.NewPCG(seed, uint64(n))), answers) }()
	}
	made, answered := map[string]bool{}, 0
	upTo := func(part int) {
		for ; answered < bankers*transfersOfOne*part/10; answered++ {
			select {
			case a := <-answers:
				made[a.id] = a.made
				continue
			default:
			}
			select {
			case a := <-answers:
				made[a.id] = a.made
			case err := <-ended:
				if answered--; err != nil {
					t.Fatal(err)
				}
			case <-ctx.Done():
				t.Fatalf("after %d answers: %v", answered, ctx.Err())
			}
		}
	}
	began := time.Now()
	upTo(2)
	t.Logf("%.0f transfers/s of %d clients, three statements each", float64(answered)/time.Since(began).Seconds(), bankers)
	for _, part := range []int{3, 5} {
		dead := c.killLeader(t, ctx, "SELECT 1")
		upTo(part + 1)
		c.restart(t, dead)
	}
	upTo(8)
	c.killAll(t)
	upTo(10)
	last := must[client.Result](t)(c.group.Execute(ctx, []byte("PRAGMA user_version = 1")))
	for _, host := range c.Names {
		compareBank(ctx, t, c.group, client.QueryOptions{Consistency: client.AtLeast, AtLeast: last.Index, Host: host}, made)
	}
}

// checkPing shows that a ping is answered by the machine, and fails where there is none.
func checkPing(ctx context.Context, t *testing.T, c *cluster, db *sql.DB) {
	t.Helper()
	if err := db.PingContext(ctx); err != nil {
		t.Error(err)
	}
	conn := must[*client.Client](t)(client.Connect(client.Config{URL: c.URL}))
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := database.Open(conn.Group("absent")).PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a ping without a group: %v", err)
	}
}

// compareBank holds a member's database against what was answered.
func compareBank(ctx context.Context, t *testing.T, group *client.Group, there client.QueryOptions, made map[string]bool) {
	t.Helper()
	db := sql.OpenDB(database.Connector{Group: group, Query: there})
	var sum, wrong int
	var check string
	const audit = `SELECT (SELECT sum(balance) FROM account), (SELECT integrity_check FROM pragma_integrity_check), (SELECT count(*) FROM account a
		WHERE balance <> ? + coalesce((SELECT sum(amount) FROM transfer WHERE payee = a.id), 0) - coalesce((SELECT sum(amount) FROM transfer WHERE payer = a.id), 0))`
	if err := db.QueryRowContext(ctx, audit, bankStart).Scan(&sum, &check, &wrong); err != nil {
		t.Fatal(err)
	}
	if sum != bankAccounts*bankStart || check != "ok" || wrong != 0 {
		t.Errorf("%s: all accounts hold %d, the check says %q, %d balances are not what their transfers make", there.Host, sum, check, wrong)
	}
	found := must[*sql.Rows](t)(db.QueryContext(ctx, "SELECT id FROM transfer"))
	count := 0
	for found.Next() {
		var id string
		if err := found.Scan(&id); err != nil {
			t.Fatal(err)
		}
		if count++; !made[id] {
			t.Errorf("%s: transfer %s is there, and was refused", there.Host, id)
		}
	}
	if err := errors.Join(found.Err(), found.Close()); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for _, ok := range made {
		if ok {
			acknowledged++
		}
	}
	if count != acknowledged || acknowledged == 0 || acknowledged == len(made) {
		t.Errorf("%s: %d transfers are there, %d of %d were acknowledged", there.Host, count, acknowledged, len(made))
	}
}
