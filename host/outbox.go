package host

import "github.com/groutlabs/grout/consensus"

// The bounds of the events that await publication: past them the leader takes no commands until some
// are published.
const (
	maxOutboxEvents = 65536
	maxOutboxBytes  = 64 << 20
)

// outbox holds the events that are not known to be published. It is replicated: every member holds
// the same, the leader publishes, and its commands carry how far it got. So a new leader knows what
// may be missing, and publishes that again: at least once.
type outbox struct {
	// done is the index up to which everything was published.
	done   consensus.Index
	events []Emitted
}

// bytes is what an event counts against the bound: its texts and a share of a message.
func (e *Emitted) bytes() int { return 64 + len(e.Suffix) + len(e.Payload) }

func (o *outbox) add(index consensus.Index, events []Event) {
	for _, e := range events {
		o.events = append(o.events, Emitted{Index: index, Suffix: e.Suffix, Payload: e.Payload})
	}
}

// published drops what a leader has published.
func (o *outbox) published(upTo consensus.Index) {
	if upTo <= o.done {
		return
	}
	o.done = upTo
	n := 0
	for n < len(o.events) && o.events[n].Index <= upTo {
		n++
	}
	o.events = o.events[n:]
}
