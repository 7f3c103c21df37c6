package consensus

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "replay one seed of TestRandomFaults, with its trace")
	seedsFlag = flag.Int("seeds", 300, "how many seeds TestRandomFaults runs")
)

// TestRandomFaults shows that no schedule of loss, reordering, duplication, delay, crashes, slow
// disks, partitions, stopped clocks, snapshots and membership changes makes members disagree, and that the group
// works again when the faults end. A failure prints its seed; -seed replays it with a trace.
func TestRandomFaults(t *testing.T) {
	if *seedFlag != 0 {
		var trace strings.Builder
		err := runSeed(*seedFlag, &trace)
		t.Log(trace.String())
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	for seed := uint64(1); seed <= uint64(*seedsFlag); seed++ {
		if err := runSeed(seed, nil); err != nil {
			t.Fatalf("seed %d: %v (replay: go test -run TestRandomFaults -seed %d)", seed, err, seed)
		}
	}
}

// TestDeterminism shows that one seed gives one trace, byte for byte: nothing depends on the order of a
// map, on time, or on what ran before.
func TestDeterminism(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		var traces [2]strings.Builder
		for i := range traces {
			if err := runSeed(seed, &traces[i]); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if line, first, second := firstDifference(traces[0].String(), traces[1].String()); line > 0 {
			t.Fatalf("seed %d, line %d: once %q, once %q", seed, line, first, second)
		}
		if traces[0].Len() < 1000 {
			t.Fatalf("seed %d: a trace of %d bytes shows nothing", seed, traces[0].Len())
		}
	}
}

// world is one run of TestRandomFaults.
type world struct {
	*cluster
	rng      *rand.Rand
	proposed int
	readID   uint64
	floors   map[uint64]Index
	// stopped is a member whose clock stands still.
	stopped MemberID
	// calm makes faults that much rarer: what a run finds depends on how long nothing disturbs it.
	calm int
}

func runSeed(seed uint64, trace *strings.Builder) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := &world{cluster: newCluster(1 + 2*rng.IntN(3)), rng: rng, floors: map[uint64]Index{}}
	w.trace, w.calm = trace, 1+rng.IntN(5)
	initial, quiet := w.nodes[1].config.Initial, rng.IntN(2)*(1+rng.IntN(8))
	for range rng.IntN(3) {
		w.add(MemberID(len(w.ids)+1), initial)
	}
	for _, id := range w.ids {
		n := w.nodes[id]
		n.config.Seed = seed
		n.config.MaxApplyBytes = 1 + rng.IntN(300)
		n.config.Reluctance = rng.IntN(4)
		n.config.DemoteAfterTicks, n.config.VoterFloor = rng.IntN(2)*(20+rng.IntN(6)), 1+rng.IntN(3)
		n.config.QuietTicks = quiet
		w.start(n)
	}
	for step := range 3000 {
		w.step()
		w.check()
		if w.failure != nil {
			return fmt.Errorf("step %d: %w", step, w.failure)
		}
	}
	return w.converge()
}

func (w *world) any() *node { return w.nodes[w.ids[w.rng.IntN(len(w.ids))]] }

// step does one thing at random. The shares keep disks and links about as fast as what they have to
// carry, so that elections succeed, fail and overlap in every run.
func (w *world) step() {
	n := w.any()
	switch p := w.rng.IntN(1000); {
	case p < 120:
		w.pass()
	case p < 450:
		w.moveMessages()
	case p < 700:
		w.some(w.turn)
	case p < 850:
		w.some(w.write)
	case p < 890:
		w.propose(w.leading(n))
	case p < 920:
		w.read(w.leading(n))
	case p < 940:
		w.snapshot(n, Index(w.rng.IntN(5)))
	case p < 960:
		w.install(n)
	case w.rng.IntN(w.calm) == 0:
		w.fault(n, p)
	}
	w.checkMember(n)
}

// fault does what happens to members, links, clocks and disks, and what operators do.
func (w *world) fault(n *node, p int) {
	switch {
	case p < 965:
		w.crash(n)
	case p < 972:
		n.slowDisk = !n.slowDisk
	case p < 980:
		w.cut[[2]MemberID{n.id, w.any().id}] = w.rng.IntN(2) == 0
	case p < 988:
		w.isolate(w.leading(n))
	case p < 992:
		clear(w.cut)
		w.stopped = NoMember
	case p < 995:
		w.change(n)
	case p < 996:
		n.core.Resign()
	case p < 998:
		n.core.Suspect(w.any().id) // with or without cause
	case p < 999:
		n.core.Heard(w.any().id)
	default:
		_ = n.core.TransferLeadership(w.any().id) // refused unless n leads: both are fine here
	}
}

// some does something to about half of the members.
func (w *world) some(act func(*node)) {
	for _, id := range w.ids {
		if w.rng.IntN(2) == 0 {
			act(w.nodes[id])
			w.checkMember(w.nodes[id])
		}
	}
}

// pass lets time pass, not equally fast for everybody.
func (w *world) pass() {
	for _, id := range w.ids {
		if id != w.stopped && w.rng.IntN(5) > 0 {
			w.tick(w.nodes[id])
		}
	}
}

// write completes a member's oldest write, on a slow disk seldom.
func (w *world) write(n *node) {
	if !n.slowDisk || w.rng.IntN(8) == 0 {
		w.persistOne(n)
	}
}

// leading returns a member that takes itself for the leader, or n when there is none.
func (w *world) leading(n *node) *node {
	for _, i := range w.rng.Perm(len(w.ids)) {
		if other := w.nodes[w.ids[i]]; other.core.Role() == Leader {
			return other
		}
	}
	return n
}

// isolate cuts a member, and it alone, from all others: as a leader, it does not know that it has been replaced. Its
// clock may stop as well, so that it does not find out for long.
func (w *world) isolate(n *node) {
	clear(w.cut)
	w.stopped = NoMember
	if w.rng.IntN(2) == 0 {
		w.stopped = n.id
	}
	for _, id := range w.ids {
		w.cut[[2]MemberID{n.id, id}], w.cut[[2]MemberID{id, n.id}] = true, true
	}
}

func (w *world) moveMessages() {
	for range 1 + w.rng.IntN(6) {
		w.moveMessage()
	}
}

func (w *world) moveMessage() {
	if len(w.network) == 0 {
		return
	}
	i := 0
	if w.rng.IntN(4) == 0 {
		i = w.rng.IntN(len(w.network))
	}
	switch p := w.rng.IntN(100); {
	case p < 8:
		w.network = append(w.network[:i:i], w.network[i+1:]...)
	case p < 14:
		w.hand(w.network[i])
	default:
		w.deliver(i)
	}
	if len(w.network) > 500 {
		w.network = w.network[250:]
	}
}

func (w *world) propose(n *node) {
	var payloads [][]byte
	for range 1 + w.rng.IntN(4) {
		w.proposed++
		payloads = append(payloads, []byte(strings.Repeat("x", w.rng.IntN(120))+fmt.Sprint(w.proposed)))
	}
	_, _, _ = n.core.Propose(EntryCommand, payloads...) // refused unless n leads: both are fine here
}

// read records the highest commit index that any member knew: a linearizable read must see it.
func (w *world) read(n *node) {
	w.readID++
	if n.core.ReadIndex(w.readID) != nil {
		return
	}
	var floor Index
	for _, other := range w.nodes {
		floor = max(floor, other.core.Commit())
	}
	w.floors[w.readID] = floor
}

func (w *world) change(n *node) {
	var voters, observers []MemberID
	for _, id := range w.ids {
		switch w.rng.IntN(4) {
		case 0:
			observers = append(observers, id)
		case 1, 2:
			voters = append(voters, id)
		}
	}
	_ = n.core.ChangeMembership(voters, observers) // refused when not possible now: both are fine here
}

// check tests the invariants that hold after every step.
func (w *world) check() {
	for _, id := range w.ids {
		n := w.nodes[id]
		for _, r := range n.reads {
			if !r.Refused && r.Index < w.floors[r.ID] {
				w.fail("member %d answers read %d at %d, but %d was committed before", n.id, r.ID, r.Index, w.floors[r.ID])
			}
		}
		n.reads = n.reads[:0]
		w.checkMember(n)
	}
}

// converge ends all faults and expects one leader, progress, and equal states.
func (w *world) converge() error {
	clear(w.cut)
	w.network, w.stopped = nil, NoMember
	for _, n := range w.nodes {
		n.slowDisk = false
		for _, id := range w.ids {
			n.core.Heard(id)
		}
	}
	var target Cursor
	for range 600 {
		for _, id := range w.ids {
			w.tick(w.nodes[id])
			w.install(w.nodes[id])
		}
		w.stabilize()
		w.check()
		if w.failure != nil {
			return w.failure
		}
		if lead := w.leader(); lead != nil && lead.core.hard.Term != target.Term {
			if first, _, err := lead.core.Propose(EntryCommand, []byte("last")); err == nil {
				target = first
			}
		}
		if target.Index != 0 && w.equal(target.Index) {
			return nil
		}
	}
	return fmt.Errorf("no convergence: %s", w.describe())
}

func (w *world) equal(target Index) bool {
	lead := w.leader()
	if lead == nil || lead.applied < target {
		return false
	}
	for _, id := range lead.core.configuration().Members() {
		if n := w.nodes[id]; n.applied != lead.applied || n.state != lead.state {
			return false
		}
	}
	return true
}

func (w *world) describe() string {
	var out strings.Builder
	for _, id := range w.ids {
		n := w.nodes[id]
		fmt.Fprintf(&out, "\n%+v applied=%d state=%x", n.core.Status(), n.applied, n.state)
		for _, peer := range n.core.peerIDs {
			fmt.Fprintf(&out, "\n    peer %d %+v", peer, *n.core.peers[peer])
		}
	}
	return out.String()
}
