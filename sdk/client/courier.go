package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// sweepEvery is how often the commands under way are looked at for what is due.
const sweepEvery = 20 * time.Millisecond

// probeAfter is how long a host may be silent before the oldest command that it was sent is sent again: if the host is gone,
// the server says so at once, and all that wait for it need not wait longer.
const probeAfter = 250 * time.Millisecond

// tokenBase is the base of the numbers in reply subjects.
const tokenBase = 36

// callState says what a command waits for.
type callState uint8

const (
	// held waits for its session to open.
	held callState = iota
	// sent waits for an answer until due.
	sent
	// resting is to be sent again when due.
	resting
)

// call is a command, or a batch of them, under way. Guarded by the courier's mutex.
type call struct {
	id uint64
	// payload is the command, or the body of a batch of count commands.
	payload []byte
	batch   bool
	count   uint64
	// done is called exactly once, with the courier's mutex held.
	done func(Result, error)

	// session is nil while the command waits for a place in a new one. seq is the first of count
	// sequences.
	session *session
	seq     uint64
	// partial are the results of a batch of which some have none yet.
	partial []BatchResult

	state callState
	// since is when the latest attempt was made, probes how many of the attempts were probes.
	since, due      time.Time
	attempt, probes int
	// target is the host that the latest attempt went to, "" for any.
	target string
	// rushed is set once an attempt was repeated without a pause.
	rushed bool
	// inDoubt is set once an attempt may have been taken although nobody said so.
	inDoubt bool
	// last is why the latest attempt failed.
	last error
}

// courier sends commands until they are answered: one subscription for all replies, one timer for
// all deadlines, no goroutine of its own.
type courier struct {
	client *Client
	group  string
	route  *route
	window uint64
	// ordered couriers have their commands applied in the order of submit.
	ordered bool
	inbox   string
	sub     *natsgo.Subscription

	mu      sync.Mutex
	closed  error
	calls   map[uint64]*call
	nextID  uint64
	session *session
	// changed is closed when a sequence is done, if somebody waits for room.
	changed chan struct{}
	timer   *time.Timer
	armed   bool
	// reconnects is the connection's count when it was last looked at.
	reconnects uint64
	// probed is when a command was last sent again as a probe.
	probed time.Time
	msg    natsgo.Msg
}

func newCourier(client *Client, group string, route *route, window uint64) (*courier, error) {
	c := &courier{client: client, group: group, route: route, window: window, inbox: client.conn.NewInbox(),
		calls: map[uint64]*call{}, reconnects: client.conn.Stats().Reconnects}
	c.msg.Header = natsgo.Header{api.HeaderSession: {""}, api.HeaderSeq: {""}}
	if client.config.Caller != "" {
		c.msg.Header[api.HeaderCaller] = []string{client.config.Caller}
	}
	c.timer = time.AfterFunc(time.Hour, c.sweep)
	c.timer.Stop()
	sub, err := client.conn.Subscribe(c.inbox+".>", c.onReply)
	if err != nil {
		return nil, connError(err)
	}
	c.sub = sub
	return c, nil
}

// connError names the ends of a connection in the client's own words.
func connError(err error) error {
	if errors.Is(err, natsgo.ErrConnectionClosed) || errors.Is(err, natsgo.ErrConnectionDraining) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return fmt.Errorf("client: %w", err)
}

// submit sends a command, as soon as there is room in the window. The payload is read until done is
// called. An error means that the command was not taken, and done is not called.
func (c *courier) submit(ctx context.Context, payload []byte, done func(Result, error)) (*call, error) {
	return c.submitCall(ctx, call{payload: payload, count: 1, done: done})
}

// submitCall is submit for whatever was filled in of a call.
func (c *courier) submitCall(ctx context.Context, template call) (*call, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("client: the command was not sent: %w", context.Cause(ctx))
		}
		k, changed, err := c.trySubmit(template)
		if k != nil || err != nil {
			return k, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// trySubmit returns the call, or else a channel that is closed when there may be room.
func (c *courier) trySubmit(template call) (*call, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return nil, nil, c.closed
	}
	now := time.Now()
	s := c.current(now)
	if !s.room(c.window, template.count) {
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		return nil, c.changed, nil
	}
	c.nextID++
	k := &template
	k.id = c.nextID
	c.calls[k.id] = k
	c.assign(k, s, now)
	return k, nil, nil
}

// current returns the session for new commands.
func (c *courier) current(now time.Time) *session {
	if c.session == nil || (c.session.idle() && !c.session.fresh(now)) {
		c.session = newSession(now)
		c.client.counters.sessions.Add(1)
	}
	return c.session
}

// assign gives a command its place in a session and sends it, if the session is open.
func (c *courier) assign(k *call, s *session, now time.Time) {
	k.session, k.seq = s, s.next
	s.next += k.count
	s.used = now
	if s.opening && !s.open {
		k.state = held
		s.held = append(s.held, k)
		return
	}
	s.opening = true
	if now.Before(s.resume) {
		k.state, k.due = resting, s.resume
		c.arm()
		return
	}
	c.send(k, now)
}

// send makes another attempt.
func (c *courier) send(k *call, now time.Time) {
	k.attempt++
	k.target, k.since = c.route.target(), now
	c.client.counters.sent.Add(1)
	if k.attempt > 1 {
		c.client.counters.retries.Add(1)
	}
	switch err := c.client.conn.PublishMsg(c.fill(k)); {
	case err == nil:
		k.state, k.due = sent, now.Add(c.client.config.patience(k.attempt-k.probes))
		c.arm()
	case errors.Is(err, natsgo.ErrMaxPayload):
		c.complete(k, Result{}, &Error{Code: api.CodeTooLarge, Text: fmt.Sprintf(
			"the request of %d bytes is over the server's max_payload of %d", len(k.payload), c.client.conn.MaxPayload())})
	case errors.Is(err, natsgo.ErrConnectionClosed), errors.Is(err, natsgo.ErrConnectionDraining):
		k.state = resting
		c.complete(k, Result{}, c.gaveUp(k, connError(err)))
	default:
		k.last = connError(err)
		c.rest(k, now)
	}
}

// fill puts a command into the message that all commands share.
func (c *courier) fill(k *call) *natsgo.Msg {
	m := &c.msg
	m.Subject = api.Command(c.group, k.target)
	m.Reply = c.inbox + "." + formatToken(k.id, k.attempt)
	m.Data = k.payload
	m.Header[api.HeaderSession][0] = k.session.name
	m.Header[api.HeaderSeq][0] = strconv.FormatUint(k.seq, 10)
	if k.session.acked > 0 {
		m.Header[api.HeaderAcked] = []string{strconv.FormatUint(k.session.acked, 10)}
	} else {
		delete(m.Header, api.HeaderAcked)
	}
	if c.ordered {
		m.Header[api.HeaderOrdered] = []string{"true"}
	}
	delete(m.Header, api.HeaderBatch)
	if k.batch {
		m.Header[api.HeaderBatch] = []string{strconv.FormatUint(k.count, 10)}
	}
	return m
}

// rest puts the next attempt off.
func (c *courier) rest(k *call, now time.Time) {
	k.state, k.due = resting, now.Add(c.client.config.backoff(k.attempt-k.probes))
	c.arm()
}

// arm sees to it that sweep runs soon.
func (c *courier) arm() {
	if !c.armed {
		c.armed = true
		c.timer.Reset(sweepEvery)
	}
}

// sweep sends again what is due.
func (c *courier) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = false
	if c.closed != nil {
		return
	}
	now := time.Now()
	reconnects := c.client.conn.Stats().Reconnects
	lost := reconnects != c.reconnects
	c.reconnects = reconnects
	for _, k := range c.inOrder(func(k *call) bool { return k.state == sent && lost || k.state != held && !now.Before(k.due) }) {
		c.repeat(k, now)
	}
	c.probe(now)
	if len(c.calls) > 0 {
		c.arm()
	}
}

// probe sends the oldest command again that has waited for long, if none was sent so lately.
func (c *courier) probe(now time.Time) {
	if now.Sub(c.probed) < probeAfter {
		return
	}
	var oldest *call
	for _, k := range c.calls {
		if k.state == sent && k.target != "" && now.Sub(k.since) >= probeAfter && (oldest == nil || k.id < oldest.id) {
			oldest = k
		}
	}
	if oldest == nil {
		return
	}
	c.probed = now
	due := oldest.due
	oldest.inDoubt = true
	oldest.probes++
	if c.send(oldest, now); oldest.state == sent {
		oldest.due = due
	}
}

// gone has every command sent again that a host was sent which is not there any more.
func (c *courier) gone(host string, now time.Time) {
	if host == "" {
		return
	}
	for _, k := range c.inOrder(func(k *call) bool { return k.state == sent && k.target == host }) {
		c.repeat(k, now)
	}
}

// inOrder returns the calls that are meant, oldest first.
func (c *courier) inOrder(meant func(*call) bool) []*call {
	var calls []*call
	for _, k := range c.calls {
		if meant(k) {
			calls = append(calls, k)
		}
	}
	slices.SortFunc(calls, func(a, b *call) int { return cmp.Compare(a.id, b.id) })
	return calls
}

// repeat makes the next attempt of a command whose time has come.
func (c *courier) repeat(k *call, now time.Time) {
	if c.calls[k.id] != k {
		return
	}
	if k.state == sent {
		k.inDoubt, k.last = true, ErrNoAnswer
		c.route.forget(k.target)
	}
	if k.session != nil {
		c.send(k, now)
		return
	}
	if s := c.current(now); s.room(c.window, k.count) {
		c.assign(k, s, now)
		return
	}
	c.rest(k, now)
}

// onReply runs for every reply, one after the other.
func (c *courier) onReply(msg *natsgo.Msg) {
	id, attempt, ok := parseToken(msg.Subject[min(len(c.inbox)+1, len(msg.Subject)):])
	r, err := parseReply(msg)
	c.route.learn(r.Leader)
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.calls[id]
	if !ok || k == nil {
		c.client.counters.late.Add(1)
		return
	}
	if k.batch && err == nil {
		r, err = k.takeBatch(r, msg)
	}
	if answered(err) {
		if r.Duplicate {
			c.client.counters.duplicates.Add(1)
		}
		c.complete(k, r, err)
		return
	}
	if attempt != k.attempt || k.state != sent {
		// A later attempt is under way: this failure says nothing about it.
		return
	}
	c.failed(k, err, time.Now())
}

// formatToken makes the end of a reply subject.
func formatToken(id uint64, attempt int) string {
	return strconv.FormatUint(id, tokenBase) + "." + strconv.Itoa(attempt)
}

// parseToken reads what formatToken wrote.
func parseToken(token string) (id uint64, attempt int, ok bool) {
	first, second, ok := strings.Cut(token, ".")
	if !ok {
		return 0, 0, false
	}
	id, err := strconv.ParseUint(first, tokenBase, 64)
	if err != nil {
		return 0, 0, false
	}
	attempt, err = strconv.Atoi(second)
	return id, attempt, err == nil
}

// complete ends a command.
func (c *courier) complete(k *call, r Result, err error) {
	delete(c.calls, k.id)
	if s := k.session; s != nil {
		s.finish(k)
		switch {
		case k.seq != 1 || s.open:
		case answered(err):
			c.open(s)
		default:
			// Whether the hosts know the session is unknown.
			c.retire(s, time.Now())
		}
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	k.end(r, err)
}

// open sends everything that waited for the session.
func (c *courier) open(s *session) {
	s.open = true
	waiting := s.held
	s.held = nil
	now := time.Now()
	for _, k := range waiting {
		if c.calls[k.id] == k {
			c.send(k, now)
		}
	}
}

// abandon ends a command that its caller no longer waits for. It does nothing if the command has ended.
func (c *courier) abandon(k *call, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[k.id] == k {
		c.complete(k, Result{}, c.gaveUp(k, cause))
	}
}

// close ends every command under way with cause.
func (c *courier) close(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return
	}
	c.closed = cause
	c.timer.Stop()
	for _, k := range c.calls {
		delete(c.calls, k.id)
		k.end(Result{}, c.gaveUp(k, cause))
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	if err := c.sub.Unsubscribe(); err != nil && !errors.Is(err, natsgo.ErrConnectionClosed) {
		c.closed = errors.Join(cause, err)
	}
}
