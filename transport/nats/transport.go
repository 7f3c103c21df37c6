package nats

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// Transport is a host's access to NATS. It implements host.Transport, and serves clients once Serve
// and AddGroup were called. Its methods may be called from several goroutines at once.
type Transport struct {
	config Config
	// salt tells this process's frames from those of any other with the same incarnation.
	salt        uint64
	incarnation atomic.Uint64

	// clients carries requests, replies and events; each lane has a connection of its own.
	clients *natsgo.Conn
	waits   []func()
	lanes   [lanes]*lane
	subs    [lanes]*natsgo.Subscription

	mu      sync.RWMutex
	closed  bool
	members map[string]*member
	server  *server
}

var _ host.Transport = (*Transport)(nil)

// Connect opens the connections and subscribes to the frames for this host. The connections come
// back by themselves after any outage; what is sent meanwhile is dropped.
//
// # Errors
//
// ErrBadConfig, or what NATS said to the first attempt.
func Connect(config Config) (*Transport, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	t := &Transport{config: config, salt: rand.Uint64(), members: map[string]*member{}}
	t.incarnation.Store(config.Incarnation)
	var err error
	if t.clients, err = t.dial("clients"); err != nil {
		return nil, err
	}
	for id := range lanes {
		conn, err := t.dial(id.String())
		if err != nil {
			t.shut()
			return nil, err
		}
		t.lanes[id] = newLane(id, conn, config.Log, config.QueueBytes)
		if err := t.listen(id); err != nil {
			t.shut()
			return nil, err
		}
	}
	return t, nil
}

// dial opens one connection and notes how to wait for its end.
func (t *Transport) dial(purpose string) (*natsgo.Conn, error) {
	conn, wait, err := dial(&t.config, purpose)
	if err == nil {
		t.waits = append(t.waits, wait)
	}
	return conn, err
}

// listen subscribes to a lane's frames for this host, of all groups and from all hosts.
func (t *Transport) listen(id laneID) error {
	l := t.lanes[id]
	subject := raftSubject("*", t.config.Host, "*", id)
	sub, err := l.conn.Subscribe(subject, func(msg *natsgo.Msg) { t.onFrame(l, msg) })
	if err != nil {
		return fmt.Errorf("nats: subscribing to %s: %w", subject, err)
	}
	t.subs[id] = sub
	if err := sub.SetPendingLimits(maxPendingMessages, t.config.PendingBytes); err != nil {
		return fmt.Errorf("nats: limiting %s: %w", subject, err)
	}
	// Without this a peer's answer could be published before the server knows the subscription.
	if err := l.conn.FlushTimeout(connectTimeout); err != nil {
		return fmt.Errorf("nats: subscribing to %s: %w", subject, err)
	}
	return nil
}

// onFrame runs for every frame that arrives on a lane, one after the other.
func (t *Transport) onFrame(l *lane, msg *natsgo.Msg) {
	l.counters.framesReceived.Add(1)
	l.counters.bytesReceived.Add(uint64(len(msg.Data)))
	v := foreign
	if a, ok := parseRaftSubject(msg.Subject); ok && a.lane == l.id && a.to == t.config.Host {
		if m := t.member(a.group); m != nil {
			v = m.receive(l, a, msg)
		}
	}
	if v != accepted {
		l.counters.dropped[v].Add(1)
	}
}

func (t *Transport) member(group string) *member {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.members[group]
}

// nextIdentity numbers a sender. Every sender gets a higher incarnation than the one before it, so
// that a group which is left and joined again never repeats a sequence under one key.
func (t *Transport) nextIdentity() identity {
	return identity{incarnation: t.incarnation.Add(1), salt: t.salt}
}

// Incarnation is the highest incarnation that was used. A host that stores it, and hands a larger
// number to Connect at its next start, is heard at once even if its clock was set back.
func (t *Transport) Incarnation() uint64 { return t.incarnation.Load() }

// MaxMessageBytes is how large the entries of one AppendEntries may be together, headers of
// entryBytes each included, so that it need not be split. It can change with the server.
func (t *Transport) MaxMessageBytes() int {
	return t.lanes[bulkLane].bodyLimit() - messageBaseBytes
}

// Send implements host.Transport. Messages of a group without a receiver are dropped.
func (t *Transport) Send(group host.GroupRef, messages []host.Addressed) {
	m := t.member(group.Name)
	if m == nil || m.ref.ID != group.ID {
		for i := range messages {
			t.lanes[laneOf(messages[i].Envelope.Message)].counters.queueDropped.Add(1)
		}
		return
	}
	for id := range lanes {
		t.lanes[id].push(m, messages)
	}
}

// Receive implements host.Transport. deliver may be called by two goroutines at once, one for each
// lane; an envelope's From and To are not zero, but only the receiver knows whether To is its
// member. The function returned waits until deliver is not running; deliver must not call it.
//
// # Errors
//
// ErrBadName, ErrNoKey, ErrTaken, ErrClosed.
func (t *Transport) Receive(group host.GroupRef, deliver func(consensus.Envelope)) (stop func(), err error) {
	if err := api.CheckName(group.Name); err != nil {
		return nil, fmt.Errorf("%w: group: %w", ErrBadName, err)
	}
	if group.Key == [32]byte{} {
		return nil, fmt.Errorf("%w: %q: set GroupRef.Key", ErrNoKey, group.Name)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	if t.members[group.Name] != nil {
		return nil, fmt.Errorf("%w: %q has a receiver: stop it first", ErrTaken, group.Name)
	}
	m := newMember(t, group, deliver)
	t.members[group.Name] = m
	return sync.OnceFunc(func() { t.leave(m) }), nil
}

func (t *Transport) leave(m *member) {
	t.mu.Lock()
	delete(t.members, m.ref.Name)
	t.mu.Unlock()
	m.stop()
}

// Close ends the services, the receivers and the connections. What is queued is dropped.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	members, server := t.members, t.server
	t.members, t.server = map[string]*member{}, nil
	t.mu.Unlock()
	var err error
	if server != nil {
		err = server.stop()
	}
	for _, m := range members {
		m.stop()
	}
	t.shut()
	return err
}

// shut ends what Connect began.
func (t *Transport) shut() {
	for _, l := range t.lanes {
		if l != nil {
			l.conn.Close()
			l.stop()
		}
	}
	t.clients.Close()
	for _, wait := range t.waits {
		wait()
	}
}
