package host

import (
	"context"
	"slices"

	"github.com/groutlabs/grout/consensus"
)

// simNet is what lies between the hosts.
type simNet struct {
	w *simWorld
	// cuts counts, for each direction of each link, the faults that cut it.
	cuts map[[2]int]int
	// era is another number after every general repair: older faults have no end then.
	era int
	// noise multiplies losses, repetitions and delays.
	noise int
}

func (s *simNet) init(w *simWorld) { s.w, s.cuts, s.noise = w, map[[2]int]int{}, 1 }

// sever cuts links, each from the first node to the second, and mends them after a while.
func (s *simNet) sever(links [][2]int, d int64) {
	for _, link := range links {
		s.cuts[link]++
	}
	era := s.era
	s.w.after(d, "mend", func() {
		if s.era != era {
			return
		}
		for _, link := range links {
			s.cuts[link]--
		}
	})
}

// mend ends all faults of links.
func (s *simNet) mend() {
	s.era++
	clear(s.cuts)
	s.noise = 1
}

func (s *simNet) open(from, to *simNode) bool { return s.cuts[[2]int{from.index, to.index}] == 0 }

// percent reports true in so many cases of a hundred, more under noise.
func (s *simNet) percent(n int) bool {
	return n > 0 && !s.w.calm && s.w.rng.IntN(100) < min(60, n*s.noise)
}

// send puts a message on its way.
func (s *simNet) send(from, to *simNode, e consensus.Envelope) {
	w := s.w
	w.stats.messages++
	if !s.open(from, to) || s.percent(w.profile.loss) {
		w.stats.lostMessages++
		return
	}
	copies, double := 1, w.profile.double
	_, forward := e.Message.(*consensus.ForwardCommand)
	if forward {
		double *= 4 // what a leader must take once deserves more repetitions
	}
	if s.percent(double) {
		w.stats.doubled++
		copies = 2
	}
	for i := range copies {
		delay := w.between(w.profile.netDelay/2, 2*w.profile.netDelay)
		if s.percent(w.profile.late) {
			w.stats.late++
			delay *= w.between(5, 60)
		}
		if forward && i > 0 {
			delay += w.between(0, 40*simTick)
		}
		m := ownCommands(e)
		w.place(&simEvent{at: w.now + delay, kind: "arrives", about: m.Message, do: func() { s.arrive(from, to, m) }})
	}
}

// ownCommands gives a forward bytes of its own: its receiver stamps what it gets.
func ownCommands(e consensus.Envelope) consensus.Envelope {
	if f, ok := e.Message.(*consensus.ForwardCommand); ok {
		own := &consensus.ForwardCommand{RequestID: f.RequestID, Term: f.Term}
		for _, c := range f.Commands {
			own.Commands = append(own.Commands, slices.Clone(c))
		}
		e.Message = own
	}
	return e
}

// maxParked bounds what waits for a paused process in its sockets.
const maxParked = 300

func (s *simNet) arrive(from, to *simNode, e consensus.Envelope) {
	l := to.life
	if l == nil || l.deliver == nil || !s.open(from, to) {
		s.w.stats.lostMessages++
		return
	}
	if s.w.trace.on {
		s.w.trace.note("%s gets %s from %s", to.name, e.Message, from.name)
	}
	if to.paused {
		if len(to.parked) < maxParked {
			to.parked = append(to.parked, &simEvent{kind: "arrives late", life: l, about: e.Message, do: func() { l.take(e) }})
		}
		return
	}
	l.take(e)
	l.attend()
}

func (l *simLife) take(e consensus.Envelope) {
	if l.deliver != nil {
		l.deliver(e)
	}
}

// Send, Receive, Fetch and Publish make a process its own Transport.

func (l *simLife) Send(_ GroupRef, messages []Addressed) {
	w := l.node.w
	for _, a := range messages {
		w.truth.word(l, a.Envelope)
		w.net.send(l.node, w.node(a.Host), a.Envelope)
	}
}

func (l *simLife) Receive(_ GroupRef, deliver func(consensus.Envelope)) (func(), error) {
	l.deliver = deliver
	return func() { l.deliver = nil }, nil
}

func (l *simLife) Fetch(ctx context.Context, from string, request BlobRequest) ([]byte, int64, error) {
	w := l.node.w
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	w.current.sleep(w.between(w.profile.netDelay, 4*w.profile.netDelay), "fetch")
	source := w.node(from)
	if l.dead || source.life == nil || source.paused || !w.net.open(l.node, source) || !w.net.open(source, l.node) ||
		w.net.percent(2*w.profile.loss) {
		w.stats.fetchesLost++
		return nil, 0, errLost
	}
	w.stats.fetches++
	return source.life.g.chunks.Piece(request.Digest, request.Offset, min(request.Limit, 1+int(w.seed%200)+64))
}

func (l *simLife) Publish(_ GroupRef, events []Emitted) error {
	w := l.node.w
	w.current.sleep(w.between(1, 2*w.profile.netDelay), "publish")
	if l.dead {
		return errDead
	}
	if l.node.publishFails && !w.calm {
		w.stats.count(faultPublish)
		events = events[:w.rng.IntN(len(events)+1)]
	}
	for i := range events {
		w.truth.published(&events[i])
	}
	if l.node.publishFails && !w.calm {
		return errLost
	}
	return nil
}
