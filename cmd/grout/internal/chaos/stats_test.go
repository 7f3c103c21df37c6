package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// stats is what the report prints, and what has to be remembered for checks along the way.
type stats struct {
	mu    sync.Mutex
	kinds map[string]*operations
	// reads are the last reads of each client and host.
	reads map[string]lastRead
	// terms and leaders are those that were seen of each group.
	terms   map[string]map[uint64]bool
	leaders map[string]string
	changes map[string]int
}

// operations counts the operations of one kind.
type operations struct {
	outcomes map[string]int
	latency  *hdrhistogram.Histogram
}

type lastRead struct {
	run   int64
	index uint64
}

func newStats() *stats {
	return &stats{
		kinds: map[string]*operations{}, reads: map[string]lastRead{}, terms: map[string]map[uint64]bool{},
		leaders: map[string]string{}, changes: map[string]int{},
	}
}

// operation counts one. Only those that were done, or refused by the machine, have a latency worth knowing.
func (s *stats) operation(name, came string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[name]
	if k == nil {
		k = &operations{outcomes: map[string]int{}, latency: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)}
		s.kinds[name] = k
	}
	k.outcomes[came]++
	if came == done || came == refused {
		_ = k.latency.RecordValue(took.Microseconds()) // a latency above a minute is not possible
	}
}

// monotone checks that a client's reads of one run of a host's process do not go back.
func (s *stats) monotone(client int, host string, before, after int64, index uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprint(client, " ", host)
	last := s.reads[key]
	if before != after {
		return nil // which run answered is not known
	}
	s.reads[key] = lastRead{before, index}
	if last.run == before && index < last.index {
		return fmt.Errorf("host %s went back from index %d to %d", host, last.index, index)
	}
	return nil
}

// watch looks for changes of leader and term until ctx ends.
func (s *stats) watch(ctx context.Context, c *cluster) {
	for ctx.Err() == nil {
		statuses, _ := c.client.Admin().Status(ctx) // during faults some do not answer
		s.mu.Lock()
		for _, status := range statuses {
			for _, g := range status.Groups {
				s.look(g.Group, status.Host, g.Role, g.Term)
			}
		}
		s.mu.Unlock()
		pause(ctx, 50*time.Millisecond)
	}
}

// leader is the last host that said it leads the group.
func (s *stats) leader(group string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaders[group]
}

func (s *stats) look(group, host, role string, term uint64) {
	if s.terms[group] == nil {
		s.terms[group] = map[uint64]bool{}
	}
	s.terms[group][term] = true
	if role != "leader" || s.leaders[group] == host {
		return
	}
	if s.leaders[group] != "" {
		s.changes[group]++
	}
	s.leaders[group] = host
}

// report is a table of everything that was counted.
func (s *stats) report() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%-26s %9s %9s %9s %9s %9s %9s\n", "operation", done, "refused", "nothing", unknown, "p50 ms", "p99 ms")
	for _, name := range sortedKeys(s.kinds) {
		k := s.kinds[name]
		fmt.Fprintf(&b, "%-26s %9d %9d %9d %9d %9.1f %9.1f\n", name, k.outcomes[done], k.outcomes[refused], k.outcomes[nothing],
			k.outcomes[unknown], float64(k.latency.ValueAtQuantile(50))/1000, float64(k.latency.ValueAtQuantile(99))/1000)
	}
	for _, group := range sortedKeys(s.terms) {
		fmt.Fprintf(&b, "group %s: %d terms and %d changes of leader seen\n", group, len(s.terms[group]), s.changes[group])
	}
	return b.String()
}

func (s *stats) operations(came ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, k := range s.kinds {
		for _, c := range came {
			n += k.outcomes[c]
		}
	}
	return n
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
