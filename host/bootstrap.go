package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

// Hello carries the messages by which hosts find each other when a cluster is formed.
type Hello interface {
	// PublishHello sends data to every host that listens.
	PublishHello(data []byte) error
	// SubscribeHello delivers what hosts send, until stop is called. deliver must not block.
	SubscribeHello(deliver func(data []byte)) (stop func(), err error)
}

// member of a cluster: a host's name and the identity of its data folder.
type clusterHost struct {
	Name string `json:"name"`
	// ID is random and made with the data folder: a host that lost its folder has another.
	ID string `json:"id"`
}

// clusterRecord says who belongs to a cluster. It is written once, before the catalog starts, and
// never changes.
type clusterRecord struct {
	ID    string        `json:"id"`
	Key   []byte        `json:"key"`
	Hosts []clusterHost `json:"hosts"`
}

// host returns the record's host of a name.
func (r *clusterRecord) host(name string) (clusterHost, bool) {
	for _, h := range r.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return clusterHost{}, false
}

func (r *clusterRecord) names() []string {
	var names []string
	for _, h := range r.Hosts {
		names = append(names, h.Name)
	}
	return names
}

// helloMessage is what a host says of itself.
type helloMessage struct {
	From  clusterHost `json:"from"`
	Peers []string    `json:"peers"`
	// Cluster is nil while the sender belongs to none.
	Cluster *clusterRecord `json:"cluster,omitempty"`
}

// The keys of the host's own records in the durable log.
const (
	metaHostID  = "host-id"
	metaCluster = "cluster"
)

// helloInterval is the pause between two hellos of a host that has no cluster yet.
const helloInterval = 250 * time.Millisecond

// bootstrap brings a host into its cluster.
//
// A cluster is formed when all of the hosts named at the start have met, none of them belonging to
// one already: the host with the first name writes the record, durably, and gives it to the others.
// So a host whose folder was lost can never form a second cluster beside the first.
type bootstrap struct {
	name   string
	peers  []string
	store  Store
	hello  Hello
	clock  Clock
	logger *slog.Logger

	self     clusterHost
	record   *clusterRecord
	met      map[string]clusterHost
	incoming chan helloMessage
}

// newBootstrap reads who this host is, or makes it up in a new data folder.
func newBootstrap(cfg *Config) (*bootstrap, error) {
	b := &bootstrap{
		name: cfg.Name, peers: slices.Sorted(slices.Values(cfg.Peers)), store: cfg.Store, hello: cfg.Hello,
		clock: cfg.Clock, logger: cfg.Logger, met: map[string]clusterHost{}, incoming: make(chan helloMessage, 64),
	}
	id, err := cfg.Store.Meta(metaHostID)
	if err != nil {
		return nil, err
	}
	if id == nil {
		id = []byte(hex.EncodeToString(randomBytes(16)))
		if err := cfg.Store.SetMeta(metaHostID, id); err != nil {
			return nil, err
		}
	}
	b.self = clusterHost{Name: cfg.Name, ID: string(id)}
	b.met[cfg.Name] = b.self
	stored, err := cfg.Store.Meta(metaCluster)
	if err != nil || stored == nil {
		return b, err
	}
	b.record = &clusterRecord{}
	if err := json.Unmarshal(stored, b.record); err != nil {
		return nil, fmt.Errorf("%w cluster record: %w", ErrCorrupt, err)
	}
	return b, b.check(b.record)
}

// check returns an error unless this host, with this folder, belongs to the cluster.
func (b *bootstrap) check(record *clusterRecord) error {
	known, ok := record.host(b.name)
	switch {
	case !ok:
		return fmt.Errorf("%w: cluster %s has the hosts %v, this one is %q", ErrIdentity, record.ID, record.names(), b.name)
	case known.ID != b.self.ID:
		return fmt.Errorf("%w: cluster %s knows %q by another data folder; put that folder back, or remove the host from the cluster first",
			ErrIdentity, record.ID, b.name)
	}
	return nil
}

// run returns when this host belongs to a cluster.
func (b *bootstrap) run(ctx context.Context) (*clusterRecord, error) {
	if b.record != nil {
		return b.record, nil
	}
	if len(b.peers) == 1 {
		err := b.found()
		return b.record, err
	}
	stop, err := b.hello.SubscribeHello(b.hear)
	if err != nil {
		return nil, fmt.Errorf("host: listening for other hosts: %w", err)
	}
	defer stop()
	ticks, stopTicks := b.clock.Tick(helloInterval)
	defer stopTicks()
	b.logger.Info("waiting for the other hosts to form a cluster", "host", b.name, "peers", b.peers)
	err = b.say()
	for b.record == nil && err == nil {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("host: no cluster was formed: this host (%s) has met %d of %d hosts (%v): %w",
				b.name, len(b.met), len(b.peers), b.peers, context.Cause(ctx))
		case <-ticks:
			err = b.say()
		case m := <-b.incoming:
			err = b.meet(m) // not answered with a hello: two hosts would never fall silent
		}
	}
	if err != nil {
		return nil, err
	}
	return b.record, b.say()
}

// hear takes a hello off the transport. What does not fit is said again.
func (b *bootstrap) hear(data []byte) {
	m, err := decodeHello(data)
	if err != nil {
		b.logger.Warn("a hello does not decode", "error", err)
		return
	}
	select {
	case b.incoming <- m:
	default:
	}
}

// say tells the others who this host is and whether it has a cluster.
func (b *bootstrap) say() error {
	data, err := json.Marshal(helloMessage{From: b.self, Peers: b.peers, Cluster: b.record})
	if err != nil {
		return fmt.Errorf("host: encoding a hello: %w", err)
	}
	if err := b.hello.PublishHello(data); err != nil {
		b.logger.Warn("a hello was not sent, trying again", "error", err)
	}
	return nil
}

// meet learns from another host's hello.
func (b *bootstrap) meet(m helloMessage) error {
	if m.Cluster != nil {
		if _, listed := m.Cluster.host(b.name); !listed && !slices.Equal(m.Peers, b.peers) {
			return nil // another cluster on the same NATS account
		}
		if err := b.check(m.Cluster); err != nil {
			return err
		}
		return b.join(m.Cluster)
	}
	if !slices.Contains(b.peers, m.From.Name) {
		return nil
	}
	if !slices.Equal(m.Peers, b.peers) {
		return fmt.Errorf("%w: host %q was started for the hosts %v, this one for %v", ErrBadConfig, m.From.Name, m.Peers, b.peers)
	}
	if m.From.Name == b.name {
		if m.From.ID != b.self.ID {
			b.logger.Warn("another host has this host's name: give each a name of its own", "name", b.name)
		}
		return nil
	}
	if known, ok := b.met[m.From.Name]; ok && known.ID != m.From.ID {
		b.logger.Warn("two hosts have one name, or a host lost its folder; the latest counts", "name", m.From.Name)
	}
	b.met[m.From.Name] = m.From
	if len(b.met) == len(b.peers) && b.name == b.peers[0] {
		return b.found()
	}
	return nil
}

// found makes a new cluster of the hosts that have met.
func (b *bootstrap) found() error {
	record := &clusterRecord{ID: hex.EncodeToString(randomBytes(8)), Key: randomBytes(32)}
	for _, name := range b.peers {
		record.Hosts = append(record.Hosts, b.met[name])
	}
	return b.join(record)
}

// join writes the record: from here on this host belongs to the cluster.
func (b *bootstrap) join(record *clusterRecord) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("host: encoding the cluster record: %w", err)
	}
	if err := b.store.SetMeta(metaCluster, data); err != nil {
		return err
	}
	b.record = record
	return nil
}

// greet gives the record to hosts that say hello without one, until stop is called: those that
// missed it, and those that lost their folder and have to be told.
func (b *bootstrap) greet() (stop func(), err error) {
	return b.hello.SubscribeHello(func(data []byte) {
		m, err := decodeHello(data)
		if err != nil || m.Cluster != nil || m.From.ID == b.self.ID {
			return
		}
		if _, listed := b.record.host(m.From.Name); !listed {
			return
		}
		if err := b.say(); err != nil {
			b.logger.Warn("answering a hello", "error", err)
		}
	})
}

// catalogRef is the catalog's group of a cluster.
func (r *clusterRecord) catalogRef() GroupRef {
	ref := GroupRef{Name: catalogGroup}
	copy(ref.Key[:], bytes.Clone(r.Key))
	return ref
}

func randomBytes(n int) []byte {
	out := make([]byte, n)
	rand.Read(out) // never fails, see its documentation
	return out
}

// checkPeers returns an error unless the names can form a cluster that holds name.
func checkPeers(name string, peers []string) error {
	for _, peer := range append([]string{name}, peers...) {
		if err := api.CheckName(peer); err != nil {
			return fmt.Errorf("%w: host %w", ErrBadConfig, err)
		}
	}
	if !slices.Contains(peers, name) {
		return fmt.Errorf("%w: this host's name %q is not among the hosts %v", ErrBadConfig, name, peers)
	}
	sorted := slices.Sorted(slices.Values(peers))
	if len(slices.Compact(sorted)) != len(peers) {
		return fmt.Errorf("%w: a name stands twice among the hosts %v", ErrBadConfig, peers)
	}
	return nil
}
