package nats

import (
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
)

// maxPeers bounds the hosts that one group's member sends to.
const maxPeers = 2 * consensus.MaxMembers

// member is this host's end of one group.
type member struct {
	transport *Transport
	ref       host.GroupRef

	// delivering is held for reading while messages are handed over, so that stop can wait for it.
	delivering sync.RWMutex
	deliver    func(consensus.Envelope)

	// senders of a lane are guarded by the lane's mutex.
	senders [lanes]map[string]*sender
	// openers of a lane belong to its subscription's goroutine.
	openers [lanes]map[string]*opener
}

func newMember(t *Transport, ref host.GroupRef, deliver func(consensus.Envelope)) *member {
	m := &member{transport: t, ref: ref, deliver: deliver}
	for id := range lanes {
		m.senders[id], m.openers[id] = map[string]*sender{}, map[string]*opener{}
	}
	return m
}

// sender returns the sender towards a host, nil when there can be none.
func (m *member) sender(id laneID, to string) *sender {
	if s := m.senders[id][to]; s != nil {
		return s
	}
	if !usable(to) || len(m.senders[id]) >= maxPeers {
		m.transport.config.Log.Error("no frames can be sent to this host", "group", m.ref.Name, "host", to)
		return nil
	}
	subject := raftSubject(m.ref.Name, to, m.transport.config.Host, id)
	sealer, err := newSealer(m.ref.Key, m.transport.nextIdentity(), subject)
	if err != nil {
		m.transport.config.Log.Error("no frames can be sealed", "group", m.ref.Name, "error", err)
		return nil
	}
	s := &sender{group: m.ref.ID, host: to, subject: subject, sealer: sealer}
	m.senders[id][to] = s
	return s
}

// receive opens, decodes and delivers one frame.
func (m *member) receive(l *lane, a raftAddress, msg *natsgo.Msg) verdict {
	o := m.openers[l.id][a.from]
	known := o != nil
	if !known {
		o = &opener{key: m.ref.Key}
	}
	body, v := o.open(msg.Subject, msg.Data, time.Now())
	if v != accepted {
		return v
	}
	if !known {
		// Only a frame sealed with the group's key earns a place in memory.
		m.openers[l.id][a.from] = o
	}
	envelopes, err := l.reader.read(body, m.ref.ID)
	if err != nil {
		m.transport.config.Log.Warn("a sealed frame does not decode; do all hosts run the same version?",
			"group", m.ref.Name, "from", a.from, "error", err)
		return undecodable
	}
	m.delivering.RLock()
	defer m.delivering.RUnlock()
	if m.deliver == nil {
		return foreign
	}
	for i := range envelopes {
		m.deliver(envelopes[i])
	}
	l.counters.messagesReceived.Add(uint64(len(envelopes)))
	return accepted
}

// stop returns when deliver is not running and will not run again.
func (m *member) stop() {
	m.delivering.Lock()
	defer m.delivering.Unlock()
	m.deliver = nil
}
