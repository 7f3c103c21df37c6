package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// batchOf makes commands of a few words each.
func batchOf(commands ...string) [][]byte {
	out := [][]byte{}
	for _, c := range commands {
		out = append(out, []byte(c))
	}
	return out
}

func fed(format string, args ...any) CommandRequest {
	return CommandRequest{Mode: ModeFeed, Payload: fmt.Appendf(nil, format, args...)}
}

// TestFedMeansAppended shows that a fed command is answered with its position as soon as the leader has
// appended it, through any member, before it is durable anywhere or applied.
func TestFedMeansAppended(t *testing.T) {
	s := newSim(t, 1, 3, simTiming())
	leader := s.leader()
	s.level()
	last := leader.g.core.Last()
	here := leader.execute(fed("add A 1"))
	leader.turn()
	if r := here.one(t); r.Err != nil || r.Index != last.Index+1 || r.Last != r.Index || r.Term != last.Term || r.Outcome.Output != nil || r.Leader != leader.name {
		t.Errorf("at the leader: %+v", r)
	}
	if leader.g.core.Commit() > last.Index {
		t.Fatal("it was committed meanwhile: the test shows nothing")
	}
	follower := s.others(leader)[0]
	there := follower.execute(CommandRequest{Mode: ModeFeed, Batch: batchOf("add A 1", "add A 1", "refuse")})
	follower.turn()
	s.hand(isForward)
	leader.turn()
	s.hand(isAck)
	follower.turn()
	if r := there.one(t); r.Err != nil || r.Index != last.Index+2 || r.Last != last.Index+4 || r.Term != last.Term || r.Leader != leader.name {
		t.Errorf("at a follower: %+v", r)
	}
	s.apply(leader, "add B 1")
	s.level()
	if !equalTo(s.cell('A'), 3) || len(follower.g.waiters.byID)+follower.g.waiters.bytes != 0 {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestFedWithoutAnAck shows that a fed command whose acknowledgement is lost is answered with the same
// position when it is applied, and with "unknown" when that cannot be seen either.
func TestFedWithoutAnAck(t *testing.T) {
	s := newSim(t, 2, 3, simTiming())
	leader := s.leader()
	follower := s.others(leader)[0]
	s.level()
	last := leader.g.core.Last()
	request := CommandRequest{Mode: ModeFeed, Batch: batchOf("add A 1", "add A 1"), Timeout: time.Second}
	a := follower.execute(request)
	follower.turn()
	s.hand(isForward)
	leader.turn()
	s.hand(func(m consensus.Message) bool { return !isAck(m) })
	s.until("an answer", a.done)
	if r := a.one(t); r.Err != nil || r.Index != last.Index+1 || r.Last != last.Index+2 || r.Term != last.Term {
		t.Errorf("%+v", r)
	}
	b := follower.execute(request)
	follower.turn()
	s.net = nil
	s.isolate(follower)
	s.until("an answer", b.done)
	if r := b.one(t); r.Err == nil || r.Err.Code != api.CodeUnknown {
		t.Errorf("%+v", r)
	}
}

// TestABatchIsOne shows that the commands of a batch get consecutive slots in their order, whichever
// member takes it, however large it is and whatever else is under way, and that each has its own answer.
func TestABatchIsOne(t *testing.T) {
	s := newSim(t, 3, 3, simTiming())
	s.leader()
	pad := strings.Repeat(" ", maxForwardBytes/3)
	batch := batchOf("add A 1"+pad, "refuse", "add A 1"+pad, "what?", "add A 1"+pad, "add A 1"+pad)
	for _, m := range s.all() {
		before := m.machine.cells[0]
		answers := []*answered{m.execute(CommandRequest{Payload: []byte("add B 1" + pad)})}
		whole := m.execute(CommandRequest{Batch: batch})
		answers = append(answers, whole, m.execute(CommandRequest{Payload: []byte("add B 1")}))
		s.until("every answer", func() bool { return answers[0].done() && answers[1].done() && answers[2].done() })
		r := whole.one(t)
		if r.Err != nil || len(r.Batch) != len(batch) {
			t.Fatalf("through %s: %+v", m.name, r)
		}
		sum := before
		for i, one := range r.Batch {
			kind := []OutcomeKind{Applied, Refused, Applied, Trapped, Applied, Applied}[i]
			if one.Err != nil || one.Outcome.Kind != kind || one.Index != r.Batch[0].Index+consensus.Index(i) {
				t.Errorf("through %s, command %d: %+v", m.name, i, one)
			}
			if kind == Applied {
				sum++
				if string(one.Outcome.Output) != fmt.Sprint(sum) {
					t.Errorf("through %s, command %d: %s, expected %d", m.name, i, one.Outcome.Output, sum)
				}
			}
		}
		if n := len(m.g.waiters.byID) + m.g.waiters.bytes; n != 0 {
			t.Errorf("%d is left of the waiters", n)
		}
	}
}

// TestBatchesAreForwardedWhole shows that a message to the leader never ends inside a batch, so that the
// batch is appended as a whole or not at all, and that a refusal brings the whole of it back.
func TestBatchesAreForwardedWhole(t *testing.T) {
	s := newSim(t, 8, 3, simTiming())
	leader := s.leader()
	origin := s.others(leader)[0]
	pad := strings.Repeat(" ", maxForwardBytes/3)
	batch := batchOf("add A 1"+pad, "add A 1"+pad, "add A 1"+pad, "add A 1"+pad)
	leader.g.applier.backlog.Add(maxBacklogBytes + 1)
	origin.execute(CommandRequest{Payload: []byte("add B 1")})
	origin.execute(CommandRequest{Batch: batch})
	origin.execute(CommandRequest{Payload: []byte("add B 1")})
	for range 2 {
		origin.turn()
		sizes := []int{}
		for _, f := range s.net {
			if m, ok := f.envelope.Message.(*consensus.ForwardCommand); ok {
				sizes = append(sizes, len(m.Commands))
			}
		}
		if !slices.Equal(sizes, []int{1, 4, 1}) {
			t.Errorf("the messages have %v commands", sizes)
		}
		s.hand(isForward)
		leader.turn()
		s.hand(isAck)
		origin.turn()
		if len(origin.g.waiting) != 6 {
			t.Errorf("%d commands came back", len(origin.g.waiting))
		}
		origin.tick()
	}
	if r := (&CommandRequest{Session: "s", Seq: 1, Batch: batch}); r.command(0).Ordered || !r.command(1).Ordered {
		t.Error("the order within a batch is not strict")
	}
}

// TestABatchUnderASession shows that a batch may begin a session, that its commands have the sequences
// from its own on, and that another attempt gets the remembered results, also of a part of it.
func TestABatchUnderASession(t *testing.T) {
	s := newSim(t, 4, 3, simTiming())
	s.leader()
	request := CommandRequest{Session: "s", Seq: 1, Batch: batchOf("add A 1", "refuse", "add A 1")}
	var first Reply
	for i, m := range s.all() {
		a := m.execute(request)
		s.until("an answer", a.done)
		r := a.one(t)
		if i == 0 {
			first = r
		}
		for n, one := range r.Batch {
			want := first.Batch[n]
			if one.Err != nil || one.Duplicate != (i > 0) || one.Index != want.Index || one.Outcome.Code != want.Outcome.Code ||
				string(one.Outcome.Output) != string(want.Outcome.Output) {
				t.Errorf("attempt %d, command %d: %+v, expected %+v", i, n, one, want)
			}
		}
	}
	m := s.all()[0]
	longer := m.execute(CommandRequest{Session: "s", Seq: 2, Acked: 1, Batch: batchOf("refuse", "add A 1", "add A 1", "add A 1")})
	late := m.execute(CommandRequest{Session: "s", Seq: 1, Batch: batchOf("add A 1", "refuse")})
	s.until("the answers", func() bool { return longer.done() && late.done() })
	for n, one := range longer.one(t).Batch {
		if one.Err != nil || one.Duplicate != (n < 2) {
			t.Errorf("command %d: %+v", n, one)
		}
	}
	if r := late.one(t).Batch; r[0].Err == nil || r[0].Err.Code != api.CodeSession || r[1].Err != nil || !r[1].Duplicate {
		t.Errorf("%+v", r)
	}
	s.level()
	if !equalTo(s.cell('A'), 4) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestACutBatch shows that a leader's death can cut the end of a batch off, that each of its commands is
// then answered for itself, and that another attempt completes it, each command once.
func TestACutBatch(t *testing.T) {
	timing := simTiming()
	timing.MaxMessageBytes = 100
	s := newSim(t, 5, 3, timing)
	leader := s.leader()
	origin := s.others(leader)[0]
	s.level()
	pad := strings.Repeat(" ", 60)
	request := CommandRequest{Session: "s", Seq: 1, Batch: batchOf("add A 1"+pad, "add A 1"+pad, "add A 1"+pad)}
	a := origin.execute(request)
	origin.turn()
	s.hand(isForward)
	leader.turn()
	sent := 0
	s.hand(func(m consensus.Message) bool { // one message of entries arrives everywhere, and the ack
		if m, ok := m.(*consensus.AppendEntries); ok && len(m.Entries) > 0 {
			sent++
			return m.Entries[0].Index == m.PrevLogPosition.Index+1 && m.PrevLogPosition.Index == leader.g.core.Commit()
		}
		return isAck(m)
	})
	if sent < 6 {
		t.Fatalf("the batch went out in %d messages to two members: the test shows nothing", sent)
	}
	leader.crash()
	s.until("an answer", a.done)
	r := a.one(t)
	if len(r.Batch) != 3 || r.Batch[0].Err != nil || r.Batch[1].Err == nil || r.Batch[1].Err.Code != api.CodeNoLeader || r.Batch[2].Err == nil {
		t.Fatalf("%+v", r)
	}
	again := origin.execute(request)
	s.until("an answer", again.done)
	for n, one := range again.one(t).Batch {
		if one.Err != nil || one.Duplicate != (n == 0) || string(one.Outcome.Output) != fmt.Sprint(n+1) {
			t.Errorf("command %d: %+v", n, one)
		}
	}
}

// TestForgottenCommands shows that a command which nobody waits for keeps no waiter and asks for no
// acknowledgement, is proposed once however often it arrives, and is dropped at its deadline, or when
// there are too many.
func TestForgottenCommands(t *testing.T) {
	s := newSim(t, 6, 3, simTiming())
	leader := s.leader()
	follower := s.others(leader)[0]
	forget := CommandRequest{Mode: ModeForget, Payload: []byte("add A 1")}
	for _, m := range s.all() {
		if r := m.execute(forget).one(t); r.Err != nil {
			t.Fatalf("%s: %v", m.name, r.Err)
		}
	}
	follower.turn()
	i := slices.IndexFunc(s.net, func(f simFrame) bool { return isForward(f.envelope.Message) })
	if f := s.net[i].envelope.Message.(*consensus.ForwardCommand); f.RequestID != 0 || len(follower.g.waiters.byID) != 0 {
		t.Errorf("%s, %d waiters", f, len(follower.g.waiters.byID))
	}
	s.arrive(s.net[i])
	leader.turn()
	if slices.ContainsFunc(s.net, func(f simFrame) bool { return isAck(f.envelope.Message) }) {
		t.Error("it was acknowledged")
	}
	s.level()
	s.apply(leader, "add B 1")
	s.level()
	if !equalTo(s.cell('A'), 3) || follower.g.forgotten.commands+follower.g.forgotten.bytes+leader.g.forgotten.commands != 0 {
		t.Errorf("the members have %v, %+v is left", s.cell('A'), &follower.g.forgotten)
	}
	s.isolate(follower)
	s.until("the leader is given up", func() bool { return follower.g.leaderID() == consensus.NoMember })
	refused := 0
	for range maxWaiters + 10 {
		if follower.execute(forget).one(t).Err != nil {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d were refused", refused)
	}
	follower.turn()
	s.until("they are late", func() bool { return len(follower.g.waiting) == 0 })
	if follower.g.forgotten.commands != 0 || follower.g.forgotten.bytes != 0 {
		t.Errorf("%+v is left", &follower.g.forgotten)
	}
	s.heal()
	s.leader()
	s.level()
	if !equalTo(s.cell('A'), 3) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestRefusedCommandsGoFirst shows that commands which a leader refused as busy keep their place before
// those that came after them.
func TestRefusedCommandsGoFirst(t *testing.T) {
	s := newSim(t, 7, 3, simTiming())
	leader := s.leader()
	origin := s.others(leader)[0]
	leader.g.applier.backlog.Add(maxBacklogBytes + 1)
	answers := []*answered{origin.execute(CommandRequest{Payload: []byte("add A 1")})}
	origin.turn()
	s.hand(isForward)
	leader.turn()
	s.hand(isAck)
	leader.g.applier.backlog.Add(-maxBacklogBytes - 1)
	answers = append(answers, origin.execute(CommandRequest{Payload: []byte("add A 1")}))
	origin.turn()
	if len(origin.g.waiting) != 2 {
		t.Fatalf("%d commands wait for the next tick", len(origin.g.waiting))
	}
	s.until("the answers", func() bool { return answers[0].done() && answers[1].done() })
	for i, a := range answers {
		if r := a.one(t); r.Err != nil || string(r.Outcome.Output) != fmt.Sprint(i+1) {
			t.Errorf("command %d: %+v", i, r)
		}
	}
}

// TestStrictSessions shows that under the strict order a sequence is applied only after the one before
// it was applied, refused by the machine, or acknowledged, and that what is refused for that has no effect.
func TestStrictSessions(t *testing.T) {
	b := newTable(t)
	ordered := func(seq, acked uint64, payload string) Reply {
		return b.apply(command{Session: "s", Seq: seq, Acked: acked, Ordered: true, Payload: []byte(payload)})
	}
	b.want(ordered(2, 0, "add A 1"), api.CodeSession, "", false)
	b.want(ordered(1, 0, "add A 1"), "", "1", false)
	b.want(ordered(3, 0, "add A 1"), api.CodeOutOfOrder, "", false)
	b.want(ordered(2, 0, "refuse"), "", "", false)
	b.want(ordered(3, 0, "add A 1"), "", "2", false)
	b.want(ordered(2, 0, "refuse"), "", "", true)
	b.want(ordered(5, 0, "add A 1"), api.CodeOutOfOrder, "", false)
	b.want(ordered(5, 4, "add A 1"), "", "3", false) // 4 was given up
	b.want(ordered(4, 0, "add A 1"), api.CodeSession, "", false)
	b.want(ordered(8, 6, "add A 1"), api.CodeOutOfOrder, "", false)
	b.want(ordered(7, 0, "add A 1"), "", "4", false) // the refused one brought the acknowledgement of 6
	b.want(ordered(8, 0, "add A 1"), "", "5", false)
}

// TestBatchesThatCannotBe shows what a host refuses of a batch before anything happens.
func TestBatchesThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		request CommandRequest
		code    api.Code
	}{
		"none":           {CommandRequest{Batch: [][]byte{}}, api.CodeBadRequest},
		"too many":       {CommandRequest{Batch: make([][]byte, api.MaxBatch+1)}, api.CodeBadRequest},
		"a long one":     {CommandRequest{Batch: [][]byte{make([]byte, 101)}}, api.CodeTooLarge},
		"too large":      {CommandRequest{Caller: strings.Repeat("c", 256), Session: strings.Repeat("s", 256), Seq: 1, Batch: make([][]byte, api.MaxBatch)}, api.CodeTooLarge},
		"a message ID":   {CommandRequest{MsgID: "m", Batch: batchOf("a")}, api.CodeBadRequest},
		"past the end":   {CommandRequest{Session: "s", Seq: 1<<64 - 1, Batch: batchOf("a", "b")}, api.CodeBadRequest},
		"a loose order":  {CommandRequest{Ordered: true, Batch: batchOf("a", "b")}, api.CodeBadRequest},
		"as many as can": {CommandRequest{Session: "s", Seq: 1, Batch: make([][]byte, api.MaxBatch)}, ""},
	} {
		err := checkCommand(&c.request, 100)
		if got := api.Code(""); err != nil && err.Code != c.code || err == nil && got != c.code {
			t.Errorf("%s: %v, expected %q", name, err, c.code)
		}
	}
}
