package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

func runServer(tb testing.TB) string {
	tb.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, MaxPayload: 64 << 10})
	if err != nil {
		tb.Fatal(err)
	}
	s.Start()
	tb.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		tb.Fatal("the NATS server does not start")
	}
	return s.ClientURL()
}

func plain(tb testing.TB, url string) *natsgo.Conn {
	tb.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(conn.Close)
	return conn
}

// dialTest connects a client that is quick to try again.
func dialTest(tb testing.TB, url string) *Client {
	tb.Helper()
	c, err := Connect(Config{URL: url, Caller: "tester", AttemptTimeout: 60 * time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// seeded returns a source whose seed is printed when the test fails, and taken from SEED if set.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// fate is what a fake host does to a request.
type fate int

const (
	// answer applies and replies.
	answer fate = iota
	// loseRequest behaves as if the request had never come.
	loseRequest
	// loseReply applies and says nothing.
	loseReply
	// doubleRequest is received twice.
	doubleRequest
	// busy, noLeader, unknown and broken answer with their codes; the last two apply before they do.
	busy
	noLeader
	unknown
	broken
	fates
)

// cluster is a group on fake hosts that keep the rules of sessions and watch that the client does.
type cluster struct {
	tb    testing.TB
	conn  *natsgo.Conn
	group string

	mu     sync.Mutex
	leader string
	// fate decides over each request; nil answers all.
	fate func(host string, m *natsgo.Msg) fate
	// respond makes the reply to a command; nil echoes it.
	respond func(command string) (body string, header natsgo.Header)
	// cut says which commands of a batch are lost with a leader.
	cut      func(command string) bool
	sessions map[string]*hostSession
	// tooEarly counts the commands that came out of order.
	tooEarly int
	// applied counts how often each command was applied, and log has them in order.
	applied  map[string]int
	log      []string
	subjects []string
	broken   []error
	subs     map[string][]*natsgo.Subscription
}

// hostSession is what hosts remember of a session.
type hostSession struct {
	acked   uint64
	results map[uint64]*natsgo.Msg
}

func newCluster(tb testing.TB, url string, hosts ...string) *cluster {
	c := &cluster{tb: tb, conn: plain(tb, url), group: "g", leader: hosts[0], sessions: map[string]*hostSession{},
		applied: map[string]int{}, subs: map[string][]*natsgo.Subscription{}}
	for _, name := range hosts {
		c.start(name)
	}
	tb.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, err := range c.broken {
			tb.Error(err)
		}
	})
	return c
}

// start brings a host up.
func (c *cluster) start(name string) {
	handle := func(m *natsgo.Msg) { c.command(name, m) }
	shared, err := c.conn.QueueSubscribe(api.Command(c.group, ""), "q", handle)
	own, err2 := c.conn.Subscribe(api.Command(c.group, name), handle)
	if err := errors.Join(err, err2, c.conn.FlushTimeout(patience)); err != nil {
		c.tb.Fatal(err)
	}
	c.subs[name] = []*natsgo.Subscription{shared, own}
}

// stop takes a host down.
func (c *cluster) stop(name string) {
	for _, sub := range c.subs[name] {
		if err := sub.Unsubscribe(); err != nil {
			c.tb.Fatal(err)
		}
	}
	if err := c.conn.FlushTimeout(patience); err != nil {
		c.tb.Fatal(err)
	}
}

// do runs f with the cluster's state to itself.
func (c *cluster) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *cluster) command(host string, m *natsgo.Msg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subjects = append(c.subjects, m.Subject)
	if m.Header.Get(api.HeaderCaller) != "tester" {
		c.broken = append(c.broken, fmt.Errorf("the caller is %q", m.Header.Get(api.HeaderCaller)))
	}
	what := answer
	if c.fate != nil {
		what = c.fate(host, m)
	}
	switch what {
	case loseRequest:
		return
	case loseReply:
		c.apply(m)
		return
	case busy:
		c.reply(m, failure(api.CodeBusy))
		return
	case noLeader:
		c.reply(m, failure(api.CodeNoLeader))
		return
	case unknown:
		c.apply(m)
		c.reply(m, failure(api.CodeUnknown))
		return
	case broken:
		c.apply(m)
		c.reply(m, failure(api.CodeInternal))
		return
	case doubleRequest:
		c.apply(m)
	}
	c.reply(m, c.apply(m))
}

func failure(code api.Code) *natsgo.Msg {
	return &natsgo.Msg{Header: natsgo.Header{errorHeader: {"because"}, errorCodeHeader: {string(code)}}}
}

func (c *cluster) reply(to, m *natsgo.Msg) {
	out := &natsgo.Msg{Subject: to.Reply, Data: m.Data, Header: natsgo.Header{}}
	for k, v := range m.Header {
		out.Header[k] = v
	}
	if c.leader != "" {
		out.Header[api.HeaderLeader] = []string{c.leader}
	}
	if err := c.conn.PublishMsg(out); err != nil {
		c.broken = append(c.broken, err)
	}
}

// apply carries a request out, of one command or of a batch.
func (c *cluster) apply(m *natsgo.Msg) *natsgo.Msg {
	if m.Header.Get(api.HeaderMode) == "feed" {
		return c.feed(m)
	}
	seq, err := strconv.ParseUint(m.Header.Get(api.HeaderSeq), 10, 64)
	if m.Header.Get(api.HeaderSession) == "" || err != nil || seq == 0 {
		c.broken = append(c.broken, fmt.Errorf("bad headers: %v", m.Header))
		return failure(api.CodeBadRequest)
	}
	ordered := m.Header.Get(api.HeaderOrdered) == "true"
	count := m.Header.Get(api.HeaderBatch)
	if count == "" {
		return c.applyOne(m, seq, m.Data, ordered)
	}
	n, err := strconv.ParseUint(count, 10, 64)
	commands, err2 := api.ParseBatch(m.Data, n)
	if err := errors.Join(err, err2); err != nil {
		c.broken = append(c.broken, err)
		return failure(api.CodeBadRequest)
	}
	var body []byte
	for i, command := range commands {
		one := failure(api.CodeNoLeader)
		if c.cut == nil || !c.cut(string(command)) {
			one = c.applyOne(m, seq+uint64(i), command, ordered || i > 0)
		}
		r, err := parseReply(one)
		result := api.BatchResult{Index: r.Index, Term: r.Term, Duplicate: r.Duplicate, Body: one.Data}
		switch err := err.(type) {
		case *Error:
			result.Status, result.Code, result.Body = api.BatchFailed, err.Code, []byte(err.Text)
		case *RefusedError:
			result.Status, result.MachineCode = api.BatchRefused, err.Code
		case *TrappedError:
			result.Status = api.BatchTrapped
		}
		body = api.AppendResult(body, result)
	}
	return &natsgo.Msg{Data: body, Header: natsgo.Header{api.HeaderBatch: {count}}}
}

// feed appends commands, and applies them at once.
func (c *cluster) feed(m *natsgo.Msg) *natsgo.Msg {
	commands := [][]byte{m.Data}
	header := natsgo.Header{api.HeaderMode: {"feed"}, api.HeaderIndex: {strconv.Itoa(len(c.log) + 1)}, api.HeaderTerm: {"3"}}
	if count := m.Header.Get(api.HeaderBatch); count != "" {
		n, _ := strconv.ParseUint(count, 10, 64)
		var err error
		if commands, err = api.ParseBatch(m.Data, n); err != nil {
			c.broken = append(c.broken, err)
		}
		if n > 1 {
			header[api.HeaderBatch] = []string{count}
		}
	}
	for _, command := range commands {
		c.execute(string(command))
	}
	return &natsgo.Msg{Header: header}
}

// applyOne carries a command out by the hosts' rules for sessions.
func (c *cluster) applyOne(m *natsgo.Msg, seq uint64, data []byte, ordered bool) *natsgo.Msg {
	name := m.Header.Get(api.HeaderSession)
	s := c.sessions[name]
	if s == nil {
		if seq != 1 {
			return failure(api.CodeSession)
		}
		s = &hostSession{results: map[uint64]*natsgo.Msg{}}
		c.sessions[name] = s
	}
	if text := m.Header.Get(api.HeaderAcked); text != "" {
		acked, err := strconv.ParseUint(text, 10, 64)
		if first, _ := strconv.ParseUint(m.Header.Get(api.HeaderSeq), 10, 64); err != nil || acked >= first {
			c.broken = append(c.broken, fmt.Errorf("acked is %q beside sequence %d", text, seq))
		}
		for ; s.acked < acked; s.acked++ {
			delete(s.results, s.acked+1)
		}
	}
	if seq <= s.acked {
		return failure(api.CodeSession)
	}
	if seq > s.acked+windowSequences {
		c.broken = append(c.broken, fmt.Errorf("sequence %d is more than %d above %d", seq, windowSequences, s.acked))
		return failure(api.CodeSession)
	}
	if ordered && seq > s.acked+1 && s.results[seq-1] == nil {
		c.tooEarly++
		return failure(api.CodeOutOfOrder)
	}
	if before := s.results[seq]; before != nil {
		again := &natsgo.Msg{Data: before.Data, Header: natsgo.Header{api.HeaderDuplicate: {"true"}}}
		for k, v := range before.Header {
			again.Header[k] = v
		}
		return again
	}
	s.results[seq] = c.execute(string(data))
	return s.results[seq]
}

// execute is the machine.
func (c *cluster) execute(command string) *natsgo.Msg {
	c.applied[command]++
	c.log = append(c.log, command)
	body, header := command, natsgo.Header{}
	if c.respond != nil {
		if b, h := c.respond(command); h != nil {
			body, header = b, h
		}
	}
	header[api.HeaderIndex] = []string{strconv.Itoa(len(c.log))}
	header[api.HeaderTerm] = []string{"3"}
	return &natsgo.Msg{Data: []byte(body), Header: header}
}

// once checks that each command was applied exactly once.
func (c *cluster) once(commands ...string) {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, command := range commands {
		if n := c.applied[command]; n != 1 {
			c.tb.Errorf("%q was applied %d times", command, n)
		}
	}
	if len(c.log) != len(commands) {
		c.tb.Errorf("%d commands were applied, %d were sent", len(c.log), len(commands))
	}
}

// limited is the test's context with an end, for what would otherwise be tried for ever.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until something that others change is so.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatal("never happened: " + what)
		}
	}
}
