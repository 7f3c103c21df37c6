package host

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// table drives a replica by hand, with a clock of its own.
type table struct {
	t     *testing.T
	r     *replica
	index int
	now   time.Duration
}

func newTable(t *testing.T) *table { return &table{t: t, r: begun(newRegister())} }

func (b *table) apply(c command) Reply {
	b.t.Helper()
	b.index++
	c.TimeNanos = int64(b.now)
	done, err := b.r.apply(entryOf(b.index, c))
	if err != nil {
		b.t.Fatal(err)
	}
	return done.reply
}

func (b *table) session(name string, seq, acked uint64) Reply {
	b.t.Helper()
	return b.apply(command{Session: name, Seq: seq, Acked: acked, Payload: []byte("add A 1")})
}

func (b *table) want(r Reply, code api.Code, output string, duplicate bool) {
	b.t.Helper()
	if r.Err != nil {
		if r.Err.Code != code {
			b.t.Fatalf("refused with %s (%s), expected %q", r.Err.Code, r.Err.Text, code)
		}
		return
	}
	if code != "" || string(r.Outcome.Output) != output || r.Duplicate != duplicate {
		b.t.Fatalf("got %q (duplicate %v), expected %q (%v) or code %q", r.Outcome.Output, r.Duplicate, output, duplicate, code)
	}
}

// TestSessionRules shows what a session remembers, for how long, and what it refuses.
func TestSessionRules(t *testing.T) {
	b := newTable(t)
	b.want(b.session("s", 2, 0), api.CodeSession, "", false)
	b.want(b.session("s", 1, 0), "", "1", false)
	b.want(b.session("s", 1, 0), "", "1", true)
	b.want(b.session("s", 3, 0), "", "2", false) // in any order, once it has begun
	b.want(b.session("s", 2, 0), "", "3", false)
	b.want(b.session("s", 2, 0), "", "3", true)
	first := b.session("s", 3, 0)
	if first.Index != 4 || !first.Duplicate {
		t.Errorf("a remembered result has index %d, it was applied at 4", first.Index)
	}
	b.want(b.session("s", 4, 2), "", "4", false) // acknowledges 1 and 2
	b.want(b.session("s", 2, 0), api.CodeSession, "", false)
	b.want(b.session("s", 3, 0), "", "2", true)
	b.want(b.session("s", 2+sessionWindow, 0), "", "5", false)
	b.want(b.session("s", 3+sessionWindow, 0), api.CodeSession, "", false)
	b.want(b.session("other", 1, 0), "", "6", false)
	b.pass(sessionLife)
	b.want(b.session("other", 1, 0), "", "6", true) // the last moment; this keeps it for longer
	b.now++
	b.want(b.session("s", 4, 2), api.CodeSession, "", false)
	b.want(b.session("other", 2, 1), "", "7", false)
}

// TestOutcomesAreRemembered shows that refused and trapped commands are answered alike when repeated,
// and that a clock which falls does not make anything older.
func TestOutcomesAreRemembered(t *testing.T) {
	b := newTable(t)
	for seq, payload := range []string{"add A 1", "refuse", "trap", "emit A x"} {
		c := command{Session: "s", Seq: uint64(seq + 1), Payload: []byte(payload)}
		first, second := b.apply(c), b.apply(c)
		if !second.Duplicate || second.Outcome.Kind != first.Outcome.Kind || second.Outcome.Code != first.Outcome.Code ||
			second.Outcome.Message != first.Outcome.Message || !bytes.Equal(second.Outcome.Output, first.Outcome.Output) {
			t.Errorf("%s: %+v, then %+v", payload, first, second)
		}
	}
	b.now = time.Hour
	b.session("t", 1, 0)
	b.now = 0
	b.session("u", 1, 0)
	if b.r.timeNanos != int64(time.Hour) {
		t.Errorf("the clock of the entries fell to %d", b.r.timeNanos)
	}
	if n := len(b.r.outbox.events); n != 2 {
		t.Errorf("%d events, the repeated command must not emit again", n)
	}
}

// TestMessageIDs shows that a message ID is remembered for its window and no longer.
func TestMessageIDs(t *testing.T) {
	b := newTable(t)
	send := func(id string) Reply { return b.apply(command{MsgID: id, Payload: []byte("add A 1")}) }
	b.want(send("m"), "", "1", false)
	b.pass(msgIDLife)
	b.want(send("m"), "", "1", true)
	b.want(send("n"), "", "2", false)
	b.now++
	b.want(send("m"), "", "3", false) // a repetition does not lengthen a message ID's life
	b.want(send("n"), "", "2", true)
	if b.r.memory.arrived.Len() != 2 {
		t.Errorf("%d message IDs are held", b.r.memory.arrived.Len())
	}
	b.want(b.apply(command{Payload: []byte("add A 1")}), "", "4", false)
	b.want(b.apply(command{Payload: []byte("add A 1")}), "", "5", false)
}

// TestLeapsForgetNothing shows that neither a clock that leaps nor a long time without commands makes a group
// forget what was last remembered: a client that repeats it then is told the first result.
func TestLeapsForgetNothing(t *testing.T) {
	b := newTable(t)
	send := func() Reply { return b.apply(command{MsgID: "m", Payload: []byte("add A 1")}) }
	b.want(send(), "", "1", false)
	b.want(b.session("s", 1, 0), "", "2", false)
	for _, leap := range []time.Duration{msgIDLife + 1, sessionLife + 1, 1000 * time.Hour} {
		b.now += leap
		b.want(send(), "", "1", true)
		b.want(b.session("s", 1, 0), "", "2", true)
	}
	b.pass(msgIDLife)
	b.want(send(), "", "3", false)
	b.want(b.session("s", 1, 0), "", "2", true)
}

// TestMemoryIsBounded shows that sessions and remembered bytes are bounded, that what does not fit is
// refused before it is applied, and that acknowledging and time make room again.
func TestMemoryIsBounded(t *testing.T) {
	b := newTable(t)
	for i := range maxSessions {
		b.want(b.session(fmt.Sprint(i), 1, 0), "", fmt.Sprint(i+1), false)
	}
	before := b.r.machine.(*register).cells[0]
	b.want(b.session("one more", 1, 0), api.CodeBusy, "", false)
	if b.r.machine.(*register).cells[0] != before {
		t.Error("a refused command was applied")
	}
	b.want(b.session("7", 2, 1), "", fmt.Sprint(before+1), false)
	b.pass(sessionLife + 1)
	b.want(b.session("one more", 1, 0), "", fmt.Sprint(before+2), false)
	if b.r.memory.used.Len() != 1 || b.r.memory.bytes != 128+len("one more")+64+len(fmt.Sprint(before+2)) {
		t.Errorf("%d sessions of %d bytes are left", b.r.memory.used.Len(), b.r.memory.bytes)
	}
	for m := b.r.memory; m.room() == nil; {
		c := command{Session: "one more", Seq: uint64(len(m.sessions["one more"].Value.(*session).results) + 1)}
		m.remember(&c, &remembered{Outcome: Outcome{Message: strings.Repeat("x", 1<<20)}})
	}
	b.want(b.session("new", 1, 0), api.CodeBusy, "", false)
	b.want(b.apply(command{MsgID: "m", Payload: []byte("add A 1")}), api.CodeBusy, "", false)
	b.want(b.apply(command{Payload: []byte("add A 1")}), "", fmt.Sprint(before+3), false)
	b.want(b.session("one more", 200, 60), "", fmt.Sprint(before+4), false)
}

// TestEqualTablesHaveEqualBytes shows that a table restored from a snapshot is the same in every
// respect: it decides alike, counts the same bytes, and packs to the same bytes at every later step.
func TestEqualTablesHaveEqualBytes(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			b := newTable(t)
			twin := newTable(t)
			for range 400 {
				c := randomCommand(rng)
				c.Published = consensus.Index(rng.IntN(b.index + 1))
				b.now += time.Duration(rng.IntN(int(20 * time.Second)))
				twin.now = b.now
				first, second := b.apply(c), twin.apply(c)
				if fmt.Sprintf("%+v", first) != fmt.Sprintf("%+v", second) {
					t.Fatalf("seed %d: %+v ended as %+v, and after a restart as %+v", seed, c, first, second)
				}
				if rng.IntN(10) == 0 {
					twin.restart(b)
				}
			}
		})
	}
}

func randomCommand(rng *rand.Rand) command {
	c := command{Payload: []byte([]string{"add A 1", "refuse", "trap", "emit B tag", "nothing", ""}[rng.IntN(6)])}
	switch rng.IntN(3) {
	case 0:
		c.Session, c.Seq = fmt.Sprint("s", rng.IntN(5)), 1+rng.Uint64N(12)
		c.Acked = rng.Uint64N(c.Seq)
	case 1:
		c.MsgID = fmt.Sprint("m", rng.IntN(40))
	}
	return c
}

// pass lets time pass, with commands often enough for it to count.
func (b *table) pass(d time.Duration) {
	for d > 0 {
		step := min(d, maxAging)
		b.now, d = b.now+step, d-step
		b.apply(command{Payload: []byte("refuse")})
	}
}

// restart gives the twin a new replica from its own image, which has to equal the other's.
func (b *table) restart(other *table) {
	b.t.Helper()
	mine, err := b.r.image()
	if err != nil {
		b.t.Fatal(err)
	}
	theirs, err := other.r.image()
	if err != nil {
		b.t.Fatal(err)
	}
	if !bytes.Equal(mine.state, theirs.state) {
		b.t.Fatalf("at %s the states have other bytes", mine.anchor)
	}
	bytesBefore := b.r.memory.bytes
	b.r = begun(newRegister())
	if err := b.r.restore(mine); err != nil {
		b.t.Fatal(err)
	}
	if b.r.memory.bytes != bytesBefore {
		b.t.Fatalf("%d bytes are counted after a restart, %d before", b.r.memory.bytes, bytesBefore)
	}
}
