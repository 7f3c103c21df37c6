package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/groutlabs/grout/sdk/api"
)

// Config says how to reach NATS and how patient to be.
type Config struct {
	// URL is the server, or several with commas. With neither URL, Context nor Conn it is the local default.
	URL string
	// Creds is the path of a credentials file, "" for none.
	Creds string
	// Context is the name of a nats CLI context. It excludes URL and Creds.
	Context string
	// Conn is a connection to use. It excludes the fields above, and stays open after Close.
	Conn *natsgo.Conn
	// Caller is the name that machines see as the caller, "" for none. Printable ASCII, 256 bytes at most.
	Caller string
	// AttemptTimeout is how long the first attempt of a request waits before it is sent again: 2 s
	// by default. Later attempts wait up to eight times as long. That a command's host is gone is noticed earlier: after a
	// quarter of a second the oldest one is sent again, to which the server answers at once.
	AttemptTimeout time.Duration
	// MinBackoff and MaxBackoff bound the pause before another attempt: 10 ms and 1 s by default.
	MinBackoff, MaxBackoff time.Duration
}

const (
	defaultAttemptTimeout = 2 * time.Second
	defaultMinBackoff     = 10 * time.Millisecond
	defaultMaxBackoff     = time.Second
	connectTimeout        = 5 * time.Second
	reconnectWait         = 100 * time.Millisecond
	maxCallerBytes        = 256
	// maxPatience is how many times AttemptTimeout an attempt may wait.
	maxPatience = 8
)

// validate fills in the defaults and returns ErrBadConfig for what cannot work.
func (c *Config) validate() error {
	if c.Conn != nil && (c.URL != "" || c.Creds != "" || c.Context != "") {
		return fmt.Errorf("%w: Conn excludes URL, Creds and Context", ErrBadConfig)
	}
	if c.Context != "" && (c.URL != "" || c.Creds != "") {
		return fmt.Errorf("%w: Context %q excludes URL and Creds", ErrBadConfig, c.Context)
	}
	if len(c.Caller) > maxCallerBytes {
		return fmt.Errorf("%w: Caller has %d bytes, at most %d are allowed", ErrBadConfig, len(c.Caller), maxCallerBytes)
	}
	for i := range len(c.Caller) {
		if c.Caller[i] < ' ' || c.Caller[i] > '~' {
			return fmt.Errorf("%w: byte %d of Caller %q is not printable ASCII", ErrBadConfig, i, c.Caller)
		}
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = defaultAttemptTimeout
	}
	if c.MinBackoff == 0 {
		c.MinBackoff = defaultMinBackoff
	}
	if c.MaxBackoff == 0 {
		c.MaxBackoff = max(defaultMaxBackoff, c.MinBackoff)
	}
	if c.AttemptTimeout < 0 || c.MinBackoff < 0 || c.MaxBackoff < c.MinBackoff {
		return fmt.Errorf("%w: AttemptTimeout %v, MinBackoff %v and MaxBackoff %v have to be positive and in order",
			ErrBadConfig, c.AttemptTimeout, c.MinBackoff, c.MaxBackoff)
	}
	return nil
}

// patience is how long the nth attempt waits for its answer, n from 1.
func (c *Config) patience(n int) time.Duration {
	return c.AttemptTimeout * time.Duration(min(1<<min(n-1, 10), maxPatience))
}

// backoff is the pause after the nth attempt, n from 1: half of it fixed, half random, so that
// clients which failed together do not return together.
func (c *Config) backoff(n int) time.Duration {
	pause := min(c.MinBackoff<<min(n-1, 20), c.MaxBackoff)
	return pause/2 + rand.N(pause/2+1)
}

// Stats counts what happened since Connect.
type Stats struct {
	// Sent counts attempts of commands and queries, Retries those after the first of each.
	Sent, Retries uint64
	// Duplicates counts results that a host remembered from an earlier attempt.
	Duplicates uint64
	// LeaderChanges counts how often a group's leader turned out to be another host.
	LeaderChanges uint64
	// Late counts answers that arrived when nobody waited for them any more.
	Late uint64
	// Sessions counts the sessions that were begun.
	Sessions uint64
}

type counters struct {
	sent, retries, duplicates, leaderChanges, late, sessions atomic.Uint64
}

// Client is a connection to the groups of a cluster. Its methods may be called from several
// goroutines at once.
type Client struct {
	config   Config
	conn     *natsgo.Conn
	owned    bool
	counters counters

	mu     sync.Mutex
	closed bool
	groups map[string]*Group
}

// Connect reaches NATS. It does not wait for any host of Grout.
//
// # Errors
//
// ErrBadConfig, ErrNoServers, or what NATS said.
func Connect(config Config) (*Client, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	c := &Client{config: config, conn: config.Conn, groups: map[string]*Group{}}
	if c.conn != nil {
		return c, nil
	}
	conn, err := dial(&config)
	if err != nil {
		return nil, err
	}
	c.conn, c.owned = conn, true
	return c, nil
}

func dial(config *Config) (*natsgo.Conn, error) {
	options := []natsgo.Option{
		natsgo.Name("grout-client"),
		natsgo.Timeout(connectTimeout),
		natsgo.MaxReconnects(-1),
		natsgo.ReconnectWait(reconnectWait),
		// Requests have retries of their own: what is kept back here would only be sent twice.
		natsgo.ReconnectBufSize(-1),
	}
	var conn *natsgo.Conn
	var err error
	target := config.URL
	if config.Context != "" {
		target = "the server of context " + config.Context
		conn, _, err = natscontext.Connect(config.Context, options...)
	} else {
		if target == "" {
			target = natsgo.DefaultURL
		}
		if config.Creds != "" {
			options = append(options, natsgo.UserCredentials(config.Creds))
		}
		conn, err = natsgo.Connect(target, options...)
	}
	if errors.Is(err, natsgo.ErrNoServers) {
		return nil, fmt.Errorf("%w at %s: %w", ErrNoServers, target, err)
	}
	if err != nil {
		return nil, fmt.Errorf("client: connecting to %s: %w", target, err)
	}
	return conn, nil
}

// Close ends every request under way with ErrClosed. The connection is closed unless it was
// Config.Conn.
func (c *Client) Close() {
	c.mu.Lock()
	groups := c.groups
	c.closed, c.groups = true, map[string]*Group{}
	c.mu.Unlock()
	for _, g := range groups {
		g.close()
	}
	if c.owned {
		c.conn.Close()
	}
}

// Group returns the group of that name; the same one every time. A bad name is reported by its methods.
func (c *Client) Group(name string) *Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.groups[name]; g != nil {
		return g
	}
	g := &Group{client: c, name: name, route: &route{counters: &c.counters}}
	switch err := api.CheckName(name); {
	case err != nil:
		g.broken = fmt.Errorf("%w: group: %w", ErrBadName, err)
	case c.closed:
		g.broken = ErrClosed
	default:
		c.groups[name] = g
	}
	return g
}

// Stats returns the present counts.
func (c *Client) Stats() Stats {
	n := &c.counters
	return Stats{Sent: n.sent.Load(), Retries: n.retries.Load(), Duplicates: n.duplicates.Load(),
		LeaderChanges: n.leaderChanges.Load(), Late: n.late.Load(), Sessions: n.sessions.Load()}
}

// route remembers which host leads a group.
type route struct {
	counters *counters
	mu       sync.Mutex
	leader   string
	// last is the last leader that was learned, whether or not it still answers.
	last string
}

// target is the host to send to, "" for any.
func (r *route) target() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leader
}

// learn notes the leader that a reply named. Names that cannot be part of a subject are ignored.
func (r *route) learn(leader string) {
	if leader == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if leader == r.leader || api.CheckName(leader) != nil {
		return
	}
	if r.last != "" && r.last != leader {
		r.counters.leaderChanges.Add(1)
	}
	r.leader, r.last = leader, leader
}

// forget notes that host did not answer as a leader.
func (r *route) forget(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leader == host {
		r.leader = ""
	}
}
