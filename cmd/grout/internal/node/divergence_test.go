package node

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/wasmsm"
)

// damager makes machines whose memory a test can damage.
type damager struct {
	host.Machines
	mu sync.Mutex
	// from and to are bytes of the memory that the next command changes; nil for none.
	from, to []byte
	// restored gets a token when the host restores an image.
	restored chan struct{}
}

func (d *damager) New(config host.MachineConfig) (host.Machine, error) {
	made, err := d.Machines.New(config)
	return &damaged{Machine: made, by: d}, err
}

// damage makes the next command change bytes of the memory.
func (d *damager) damage(from, to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.from, d.to = []byte(from), []byte(to)
}

type damaged struct {
	host.Machine
	by *damager
}

func (m *damaged) sandboxed() *wasmsm.Machine { return m.Machine.(machine).sandboxed() }

func (m *damaged) Apply(entry host.EntryContext, command []byte) (host.Outcome, error) {
	m.by.mu.Lock()
	from, to := m.by.from, m.by.to
	m.by.from = nil
	m.by.mu.Unlock()
	if from != nil {
		image, err := m.Image()
		if err != nil {
			return host.Outcome{}, err
		}
		found := false
		for i, page := range image.Pages {
			if bytes.Contains(page, from) {
				image.Pages[i], found = bytes.ReplaceAll(slices.Clone(page), from, to), true
			}
		}
		if !found {
			return host.Outcome{}, fmt.Errorf("the memory does not hold %q", from)
		}
		if err := m.Machine.Restore(image); err != nil {
			return host.Outcome{}, err
		}
	}
	return m.Machine.Apply(entry, command)
}

func (m *damaged) Restore(image host.Image) error {
	err := m.Machine.Restore(image)
	select {
	case m.by.restored <- struct{}{}:
	default:
	}
	return err
}

// TestDamagedMemoryIsRepaired shows the alarm with a real machine: bytes of its memory change on one host,
// the next snapshot marker shows it, and the host is repaired from the others without anybody's help.
func TestDamagedMemoryIsRepaired(t *testing.T) {
	c := startCluster(t, host.DefaultTiming(), "a", "b", "c")
	conn := c.client()
	c.deploy(conn, "kv", "kv")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	put := func(i int) {
		t.Helper()
		if _, err := conn.Group("kv").Execute(ctx, fmt.Appendf(nil, "put key%d right-value-%d", i, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		put(i)
	}
	harm := &damager{restored: make(chan struct{}, 1)}
	c.stop("c")
	c.between = map[string]func(host.Machines) host.Machines{"c": func(m host.Machines) host.Machines { harm.Machines = m; return harm }}
	c.startAll()
	get := func(want string) {
		t.Helper()
		for ctx.Err() == nil {
			result, err := conn.Group("kv").Query(ctx, []byte("get key7"), client.QueryOptions{Consistency: client.Stale, Host: "c"})
			if err == nil && string(result.Output) == want {
				return
			}
		}
		t.Fatalf("host c does not answer %q", want)
	}
	get("right-value-7")
	harm.damage("right-value-7", "wrong-value-7")
	put(50)
	get("wrong-value-7")
	for ctx.Err() == nil && conn.Admin().Snapshot(ctx, "kv") != nil {
		continue // there is no leader for a moment
	}
	select {
	case <-harm.restored:
	case <-ctx.Done():
		t.Fatal("host c was not repaired")
	}
	put(51)
	get("right-value-7")
	await(ctx, t, conn, "c", func(b api.GroupBrief) bool { return b.Problem == "" })
	if err := transferTo(ctx, conn, "kv", "c"); err != nil {
		t.Fatal(err)
	}
	result, err := conn.Group("kv").Query(ctx, []byte("count"), client.QueryOptions{})
	if err != nil || string(result.Output) != "52" {
		t.Fatalf("count %q %v, want 52", result.Output, err)
	}
}
