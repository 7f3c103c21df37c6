package consensus

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// actions are the words of the script language. An error is one that the core returned.
var actions map[string]func(s *script, args []string) error

func init() {
	actions = map[string]func(s *script, args []string) error{
		"cluster": actCluster, "set": actSet, "boot": actBoot, "spare": actSpare,
		"tick": actTick, "pass": actPass, "elect": actElect, "miss": actMiss, "campaign": actCampaign, "turn": actTurn, "run": actRun,
		"propose": actPropose, "marker": actMarker, "change": actChange, "transfer": actTransfer, "resign": actResign, "read": actRead,
		"cut": actCut, "isolate": actIsolate, "heal": actHeal,
		"drop": actDrop, "double": actDouble, "deliver": actDeliver, "keep": actKeep, "release": actRelease,
		"inject": actInject, "suspect": actSuspect, "hear": actHear, "wake": actWake,
		"stop": actStop, "start": actStart, "crash": actCrash, "slow": actSlow, "fast": actFast, "persist": actPersist,
		"snapshot": actSnapshot, "install": actInstall,
		"expect": actExpect,
	}
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		misuse("%q is no number", text)
	}
	return n
}

func want(args []string, least, most int) {
	if len(args) < least || len(args) > most {
		misuse("%d words given, want %d to %d", len(args), least, most)
	}
}

func memberIDs(args []string) []MemberID {
	var ids []MemberID
	for _, a := range args {
		ids = append(ids, MemberID(number(a)))
	}
	return ids
}

// member returns the node named by the first word.
func (s *script) member(args []string) *node {
	if len(args) == 0 {
		misuse("no member named")
	}
	n := s.nodes[MemberID(number(args[0]))]
	if n == nil {
		misuse("no member %s", args[0])
	}
	return n
}

// some returns the named members, or those alive for "all".
func (s *script) some(word string) []*node {
	if word != "all" {
		return []*node{s.member([]string{word})}
	}
	var all []*node
	for _, id := range s.ids {
		if !s.nodes[id].down {
			all = append(all, s.nodes[id])
		}
	}
	return all
}

// lists splits "voters 1 2 observers 3" by the given names.
func lists(args []string, names ...string) map[string][]MemberID {
	out, at := map[string][]MemberID{}, ""
	for _, a := range args {
		if slices.Contains(names, a) {
			at = a
			continue
		}
		if at == "" {
			misuse("%q comes before any of %v", a, names)
		}
		out[at] = append(out[at], MemberID(number(a)))
	}
	return out
}

// actCluster boots voters and observers: cluster 1 2 3 observers 4.
func actCluster(s *script, args []string) error {
	got := lists(append([]string{"voters"}, args...), "voters", "observers")
	initial := Configuration{Voters: got["voters"], Observers: got["observers"]}
	for _, id := range initial.Members() {
		s.add(id, initial)
	}
	return nil
}

// actSpare boots a member that the initial configuration does not name: spare 4.
func actSpare(s *script, args []string) error {
	for _, id := range memberIDs(args) {
		s.add(id, s.nodes[s.ids[0]].config.Initial)
	}
	return nil
}

// actSet changes a field of Config and restarts the member: set all MaxPendingReads 2.
func actSet(s *script, args []string) error {
	want(args, 3, 3)
	for _, n := range s.some(args[0]) {
		field := reflect.ValueOf(&n.config).Elem().FieldByName(args[1])
		switch {
		case !field.IsValid():
			misuse("no field %q in Config", args[1])
		case field.CanUint():
			field.SetUint(number(args[2]))
		default:
			field.SetInt(int64(number(args[2])))
		}
		s.start(n)
	}
	return nil
}

// actBoot restarts a member from a given disk: boot 1 term 2 vote 1 log 1:a 2:b.
func actBoot(s *script, args []string) error {
	n := s.member(args)
	want(args, 6, 99)
	if args[1] != "term" || args[3] != "vote" || args[5] != "log" {
		misuse("want: boot ID term N vote ID log TERM:payload...")
	}
	n.disk = Restored{HardState: HardState{Term: Term(number(args[2])), VotedFor: MemberID(number(args[4]))}}
	n.disk.Entries = entriesOf(args[6:], 1)
	s.start(n)
	return nil
}

// entriesOf reads TERM:payload words as commands from index first on.
func entriesOf(words []string, first Index) []LogEntry {
	var entries []LogEntry
	for i, word := range words {
		term, payload, found := strings.Cut(word, ":")
		if !found {
			misuse("%q is no TERM:payload", word)
		}
		entries = append(entries, LogEntry{
			Term: Term(number(term)), Index: first + Index(i), Kind: EntryCommand, Payload: []byte(payload),
		})
	}
	return entries
}

// actTick lets time pass for a member and does nothing else: tick 1 5, tick all 5.
func actTick(s *script, args []string) error {
	want(args, 2, 2)
	for range number(args[1]) {
		for _, n := range s.some(args[0]) {
			s.tick(n)
		}
	}
	return nil
}

// actPass lets time pass for everybody alive, with everything delivered after each tick: pass 20.
func actPass(s *script, args []string) error {
	want(args, 1, 1)
	for range number(args[0]) {
		for _, n := range s.some("all") {
			s.tick(n)
		}
		s.stabilize()
	}
	return nil
}

// actElect makes a member the leader: the others stop hearing the present one, and its timer fires.
func actElect(s *script, args []string) error {
	want(args, 1, 1)
	for _, n := range s.some("all") {
		s.missLeader(n)
	}
	s.elect(s.member(args).id)
	return nil
}

// actMiss lets just so much time pass that members do not hear the leader any more: miss 2 3.
func actMiss(s *script, args []string) error {
	want(args, 1, 99)
	for _, id := range args {
		s.missLeader(s.member([]string{id}))
	}
	return nil
}

func (s *script) missLeader(n *node) {
	for n.core.Role() != Leader && n.core.hearsLeader() {
		s.tick(n)
	}
}

// actCampaign ticks a member until its election timer fires, and lets its first messages leave.
func actCampaign(s *script, args []string) error {
	want(args, 1, 1)
	n := s.member(args)
	for range n.core.electionTimeout {
		if s.tick(n); n.core.electionElapsed == 0 && (n.core.Role() == PreCandidate || n.core.Role() == Candidate) {
			s.settle(n)
			return nil
		}
	}
	misuse("member %d does not stand for election", n.id)
	return nil
}

// actTurn lets a member do all it has to do, its disk included unless that is slow.
func actTurn(s *script, args []string) error {
	want(args, 1, 1)
	for _, n := range s.some(args[0]) {
		s.settle(n)
	}
	return nil
}

// actSuspect tells members that nothing is heard of another one's host: suspect 1 2 3 says so of 1 to 2 and 3.
func actSuspect(s *script, args []string) error {
	want(args, 2, 99)
	for _, id := range args[1:] {
		s.member([]string{id}).core.Suspect(s.member(args).id)
	}
	return nil
}

// actHear takes that back: hear 1 2 3.
func actHear(s *script, args []string) error {
	want(args, 2, 99)
	for _, id := range args[1:] {
		s.member([]string{id}).core.Heard(s.member(args).id)
	}
	return nil
}

// actWake wakes a member as its host does when it has something to do for it.
func actWake(s *script, args []string) error {
	want(args, 1, 1)
	s.member(args).core.Wake()
	return nil
}

func actRun(s *script, args []string) error {
	want(args, 0, 0)
	s.stabilize()
	return nil
}

func actPropose(s *script, args []string) error {
	want(args, 2, 99)
	var payloads [][]byte
	for _, a := range args[1:] {
		payloads = append(payloads, []byte(a))
	}
	_, _, err := s.member(args).core.Propose(EntryCommand, payloads...)
	return err
}

func actMarker(s *script, args []string) error {
	want(args, 1, 1)
	_, _, err := s.member(args).core.Propose(EntrySnapshotMarker, nil)
	return err
}

// actChange proposes a membership: change 1 voters 1 2 3 observers 4.
func actChange(s *script, args []string) error {
	want(args, 1, 99)
	got := lists(args[1:], "voters", "observers")
	return s.member(args).core.ChangeMembership(got["voters"], got["observers"])
}

func actTransfer(s *script, args []string) error {
	want(args, 2, 2)
	return s.member(args).core.TransferLeadership(MemberID(number(args[1])))
}

func actResign(s *script, args []string) error {
	want(args, 1, 1)
	s.member(args).core.Resign()
	return nil
}

// actRead asks for a linearizable read: read 1 77.
func actRead(s *script, args []string) error {
	want(args, 2, 2)
	return s.member(args).core.ReadIndex(number(args[1]))
}

// actCut cuts both directions between two members, or one: cut 1 2, cut 1>2.
func actCut(s *script, args []string) error {
	if len(args) == 1 {
		from, to, found := strings.Cut(args[0], ">")
		if !found {
			misuse("want: cut A B, or cut A>B")
		}
		s.cut[[2]MemberID{MemberID(number(from)), MemberID(number(to))}] = true
		return nil
	}
	want(args, 2, 2)
	a, b := MemberID(number(args[0])), MemberID(number(args[1]))
	s.cut[[2]MemberID{a, b}], s.cut[[2]MemberID{b, a}] = true, true
	return nil
}

// actIsolate cuts a member, or several together, from all others: isolate 1 2.
func actIsolate(s *script, args []string) error {
	want(args, 1, 99)
	inside := memberIDs(args)
	for _, a := range inside {
		for _, b := range s.ids {
			if !slices.Contains(inside, b) {
				s.cut[[2]MemberID{a, b}], s.cut[[2]MemberID{b, a}] = true, true
			}
		}
	}
	return nil
}

func actHeal(s *script, args []string) error {
	want(args, 0, 0)
	clear(s.cut)
	return nil
}

func actDrop(s *script, args []string) error {
	s.take(args)
	return nil
}

// actDouble makes every matching message arrive twice.
func actDouble(s *script, args []string) error {
	taken := s.take(args)
	s.network = append(append(s.network, taken...), taken...)
	return nil
}

// actDeliver hands over the first matching message; nobody reacts before their turn.
func actDeliver(s *script, args []string) error {
	at := s.pick(args)
	if len(at) == 0 {
		misuse("no such message in flight; there are %s", s.inFlight())
	}
	s.cluster.deliver(at[0])
	return nil
}

// actKeep holds matching messages back under a name: keep late 1>2 AppendEntries.
func actKeep(s *script, args []string) error {
	want(args, 2, 3)
	s.kept[args[0]] = append(s.kept[args[0]], s.take(args[1:])...)
	return nil
}

// actRelease hands over what was kept under a name, again if need be.
func actRelease(s *script, args []string) error {
	want(args, 1, 1)
	if len(s.kept[args[0]]) == 0 {
		misuse("nothing is kept as %q", args[0])
	}
	for _, m := range s.kept[args[0]] {
		s.hand(m)
	}
	return nil
}

func actStop(s *script, args []string) error {
	want(args, 1, 1)
	s.member(args).down = true
	return nil
}

// actStart starts a stopped member from its disk.
func actStart(s *script, args []string) error {
	want(args, 1, 1)
	n := s.member(args)
	n.down = false
	s.start(n)
	return nil
}

func actCrash(s *script, args []string) error {
	want(args, 1, 1)
	s.crash(s.member(args))
	return nil
}

func actSlow(s *script, args []string) error {
	want(args, 1, 1)
	s.member(args).slowDisk = true
	return nil
}

func actFast(s *script, args []string) error {
	want(args, 1, 1)
	s.member(args).slowDisk = false
	return nil
}

// actPersist completes the oldest write of a slow disk.
func actPersist(s *script, args []string) error {
	want(args, 1, 1)
	n := s.member(args)
	if len(n.writes) == 0 {
		misuse("member %d has no write under way", n.id)
	}
	s.persistOne(n)
	return nil
}

// actSnapshot takes a snapshot at what is applied, and keeps N entries before it: snapshot 1 keep 0.
func actSnapshot(s *script, args []string) error {
	want(args, 3, 3)
	n := s.member(args)
	before := n.disk.Snapshot
	s.snapshot(n, Index(number(args[2])))
	if n.disk.Snapshot == before {
		misuse("member %d cannot take a snapshot at %d", n.id, n.applied)
	}
	return nil
}

// actInstall reports the latest offered snapshot as fetched.
func actInstall(s *script, args []string) error {
	want(args, 1, 1)
	n := s.member(args)
	if len(n.offers) == 0 {
		misuse("member %d was offered nothing", n.id)
	}
	s.install(n)
	return nil
}
