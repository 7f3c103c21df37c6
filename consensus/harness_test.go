package consensus

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// cluster is a group of cores with a network, disks and state machines that a test controls. It is
// the smallest host that keeps the order which Ready demands.
type cluster struct {
	nodes   map[MemberID]*node
	ids     []MemberID
	network []Envelope
	cut     map[[2]MemberID]bool
	trace   *strings.Builder
	// commits holds what any member has applied at each index: they must all agree.
	commits map[Index]LogEntry
	leaders map[Term]MemberID
	promises
	// histories holds the commands that led to a state; only with a trace, for scripts.
	histories map[uint64][]string
	failure   error
}

// node is one member: its core, its disk, and what it has applied.
type node struct {
	id       MemberID
	core     *Core
	config   Config
	disk     Restored
	writes   []Write
	slowDisk bool
	applied  Index
	// state folds every applied entry; equal folds mean equal histories.
	state  uint64
	offers []StateSyncOffer
	reads  []Read
	// answered holds every read's end, for scripts.
	answered map[uint64]Read
	down     bool
	// silence counts a leader's ticks since a peer's last answer in its term.
	silence     map[MemberID]int
	silenceTerm Term
	// inForce is the configuration after the latest step.
	inForce Configuration
}

func testConfig(id MemberID, initial Configuration) Config {
	return Config{
		ID: id, Initial: initial, ElectionTicks: 10, HeartbeatTicks: 2,
		MaxMessageBytes: 200, MaxInflightMessages: 4, MaxUncommittedBytes: 1 << 20,
		MaxPendingReads: 100, MaxApplyBytes: 1 << 20, Seed: 1,
	}
}

func newCluster(size int) *cluster {
	c := &cluster{
		nodes: map[MemberID]*node{}, cut: map[[2]MemberID]bool{},
		commits: map[Index]LogEntry{}, leaders: map[Term]MemberID{}, promises: newPromises(), histories: map[uint64][]string{},
	}
	var initial Configuration
	for i := range size {
		initial.Voters = append(initial.Voters, MemberID(i+1))
	}
	for _, id := range initial.Voters {
		c.add(id, initial)
	}
	return c
}

func (c *cluster) add(id MemberID, initial Configuration) *node {
	n := &node{id: id, config: testConfig(id, initial), answered: map[uint64]Read{}}
	c.nodes[id] = n
	c.ids = append(c.ids, id)
	slices.Sort(c.ids)
	c.start(n)
	return n
}

// start boots a core from the node's disk.
func (c *cluster) start(n *node) {
	disk := n.disk
	disk.Entries = slices.Clone(disk.Entries)
	core, err := New(n.config, disk)
	if err != nil {
		c.fail("member %d cannot start: %v", n.id, err)
		return
	}
	n.core, n.writes, n.offers, n.reads = core, nil, nil, nil
	n.inForce = core.Configuration()
	n.applied, n.state = 0, 0
	if disk.Snapshot != nil {
		n.applied, n.state = disk.Snapshot.Anchor.Index, decodeState(disk.Snapshot.Manifest)
	}
}

// crash loses every write that is not durable and restarts the member.
func (c *cluster) crash(n *node) {
	c.logf("%d crash", n.id)
	c.start(n)
}

func (c *cluster) fail(format string, args ...any) {
	if c.failure == nil {
		c.failure = fmt.Errorf(format, args...)
	}
}

func (c *cluster) logf(format string, args ...any) {
	if c.trace != nil {
		fmt.Fprintf(c.trace, format+"\n", args...)
	}
}

// turn does what one Ready of a member asks for.
func (c *cluster) turn(n *node) {
	if n.down || !n.core.HasReady() {
		return
	}
	rd := n.core.Ready()
	if reflect.ValueOf(rd).IsZero() {
		c.fail("member %d: HasReady promised something, and Ready returned nothing", n.id)
	}
	if rd.Write != nil {
		c.logWrite(n, rd.Write)
		n.writes = append(n.writes, *rd.Write)
	}
	for _, m := range rd.Messages {
		c.logf("%d -> %d %s", m.From, m.To, m.Message)
		c.checkWord(n, m)
		if !c.cut[[2]MemberID{m.From, m.To}] {
			c.network = append(c.network, m)
		}
	}
	if rd.Restore != nil {
		n.applied, n.state = rd.Restore.Anchor.Index, decodeState(rd.Restore.Manifest)
		c.logf("%d restore %s", n.id, rd.Restore.Anchor)
	}
	for _, e := range rd.Committed {
		c.apply(n, e)
	}
	for _, r := range rd.Reads {
		c.logf("%d read %d at %d refused=%v", n.id, r.ID, r.Index, r.Refused)
		n.reads = append(n.reads, r)
		n.answered[r.ID] = r
	}
	if rd.Offer != nil {
		n.offers = append(n.offers, *rd.Offer)
	}
}

func (c *cluster) logWrite(n *node, w *Write) {
	text := ""
	if w.HardState != nil {
		text += fmt.Sprintf(" hard=%d/%d", w.HardState.Term, w.HardState.VotedFor)
	}
	if w.Install != nil {
		text += fmt.Sprintf(" install=%s", w.Install.Anchor)
	}
	if len(w.Entries) > 0 {
		text += fmt.Sprintf(" entries=%s..%s", w.Entries[0].Position(), w.Entries[len(w.Entries)-1].Position())
	}
	c.logf("%d write #%d%s", n.id, w.Seq, text)
}

// apply checks state machine safety and folds the entry into the state.
func (c *cluster) apply(n *node, e LogEntry) {
	if e.Index != n.applied+1 {
		c.fail("member %d applies %d after %d", n.id, e.Index, n.applied)
	}
	if known, ok := c.commits[e.Index]; !ok {
		c.commits[e.Index] = e
	} else if known.Term != e.Term || string(known.Payload) != string(e.Payload) {
		c.fail("index %d was applied as %s, member %d applies %s", e.Index, known, n.id, e)
	}
	if !diskHolds(n.disk, e.Position()) {
		c.fail("member %d applies %s, which is not on its disk", n.id, e.Position())
	}
	n.applied = e.Index
	before := n.state
	n.state = n.state*1000003 + uint64(e.Term)<<32 + uint64(len(e.Payload)) + uint64(e.Index)
	if c.trace != nil {
		c.remember(before, n.state, e)
		c.logf("%d apply %s %s", n.id, e.Position(), text(e))
	}
}

func (c *cluster) remember(before, after uint64, e LogEntry) {
	history := slices.Clip(c.histories[before])
	if e.Kind == EntryCommand {
		history = append(history, string(e.Payload))
	}
	c.histories[after] = history
}

func text(e LogEntry) string {
	if e.Kind != EntryCommand {
		return e.Kind.String()
	}
	return string(e.Payload)
}

func (c *cluster) persistAll(n *node) {
	for len(n.writes) > 0 {
		c.persistOne(n)
	}
}

// persistOne makes the oldest write durable and reports it.
func (c *cluster) persistOne(n *node) {
	if len(n.writes) == 0 {
		return
	}
	w := n.writes[0]
	n.writes = n.writes[1:]
	if w.HardState != nil {
		n.disk.HardState = *w.HardState
	}
	if w.Install != nil {
		n.disk.Snapshot, n.disk.Entries = w.Install, nil
	}
	if len(w.Entries) > 0 {
		n.disk.Entries = spliced(n.disk.Entries, w.Entries)
	}
	n.core.Persisted(w.Seq)
	c.checkMember(n)
}

func spliced(old, added []LogEntry) []LogEntry {
	n := len(old)
	for n > 0 && old[n-1].Index >= added[0].Index {
		n--
	}
	return append(slices.Clone(old[:n]), added...)
}

// deliver hands the i-th message in flight to its receiver.
func (c *cluster) deliver(i int) {
	m := c.network[i]
	c.network = slices.Delete(c.network, i, i+1)
	c.hand(m)
}

func (c *cluster) hand(m Envelope) {
	n := c.nodes[m.To]
	if n == nil || n.down || c.cut[[2]MemberID{m.From, m.To}] {
		return
	}
	n.heard(m)
	if err := n.core.Step(m.From, m.Message); err != nil {
		c.fail("member %d: %v", m.To, err)
	}
	c.checkMember(n)
}

// stabilize delivers everything, in order, until nothing happens any more.
func (c *cluster) stabilize() {
	for range 10000 {
		for _, id := range c.ids {
			c.settle(c.nodes[id])
		}
		if len(c.network) == 0 {
			return
		}
		c.deliver(0)
	}
	c.fail("the network does not come to rest")
}

// settle runs a member until it has nothing to do, its disk included unless that is slow.
func (c *cluster) settle(n *node) {
	for c.failure == nil && !n.down && (n.core.HasReady() || (len(n.writes) > 0 && !n.slowDisk)) {
		c.turn(n)
		if !n.slowDisk {
			c.persistAll(n)
		}
	}
}

// snapshot takes a snapshot at what the member has applied and keeps at most keep entries before it.
func (c *cluster) snapshot(n *node, keep Index) {
	meta, err := n.core.SnapshotAt(n.applied, encodeState(n.state))
	if err != nil || meta.Anchor.Index == 0 {
		return
	}
	if n.disk.Snapshot != nil && n.disk.Snapshot.Anchor.Index >= meta.Anchor.Index {
		return
	}
	c.logf("%d snapshot %s", n.id, meta.Anchor)
	n.disk.Snapshot = &meta
	keepAfter := meta.Anchor.Index - min(keep, meta.Anchor.Index)
	n.disk.Entries = slices.DeleteFunc(slices.Clone(n.disk.Entries), func(e LogEntry) bool { return e.Index <= keepAfter })
	n.core.SnapshotTaken(meta, keepAfter)
}

// install accepts the latest offer, as if its snapshot had been fetched.
func (c *cluster) install(n *node) {
	if len(n.offers) == 0 {
		return
	}
	offer := n.offers[len(n.offers)-1]
	n.offers = nil
	if _, err := n.core.Install(offer.Snapshot); err != nil {
		c.fail("member %d: %v", n.id, err)
	}
}

func encodeState(state uint64) []byte { return []byte(fmt.Sprint(state)) }

func decodeState(manifest []byte) uint64 {
	var state uint64
	if _, err := fmt.Sscan(string(manifest), &state); err != nil {
		panic(err)
	}
	return state
}

func (c *cluster) leader() *node {
	var best *node
	for _, id := range c.ids {
		n := c.nodes[id]
		if n.core.Role() == Leader && (best == nil || n.core.hard.Term > best.core.hard.Term) {
			best = n
		}
	}
	return best
}

// elect lets one member time out until it leads.
func (c *cluster) elect(id MemberID) {
	n := c.nodes[id]
	for range 100 {
		if n.core.Role() == Leader {
			return
		}
		c.tick(n)
		c.stabilize()
	}
	c.fail("member %d was not elected", id)
}
