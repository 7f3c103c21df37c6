package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// Hello carries the messages by which hosts find each other when a cluster is formed.
type Hello interface {
	// PublishHello sends data to every host that listens.
	PublishHello(data []byte) error
	// SubscribeHello delivers what hosts send, until stop is called. deliver must not block.
	SubscribeHello(deliver func(data []byte)) (stop func(), err error)
}

// clusterHost is a host of a cluster: its name and the identity of its data folder.
type clusterHost struct {
	Name string `json:"name"`
	// ID is random and made with the data folder: a host that lost its folder has another.
	ID string `json:"id"`
	// Member is the host's member of the catalog, NoMember before it has one.
	Member consensus.MemberID `json:"member,omitempty"`
}

// clusterRecord says who belongs to a cluster.
type clusterRecord struct {
	ID  string `json:"id"`
	Key []byte `json:"key"`
	// Founders are the hosts that formed the cluster. They never change: the catalog begins with them.
	Founders []clusterHost `json:"founders"`
	// Hosts are the present ones, as of the catalog's entry Version.
	Hosts   []clusterHost   `json:"hosts"`
	Version consensus.Index `json:"version"`
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

// formingHellos is how many hellos a host says once it has met all of the others, before it forms a cluster.
const formingHellos = 3

// bootstrap brings a host into its cluster.
//
// A cluster is formed when all of the hosts named at the start have met, and then for some hellos nobody
// answered that there is one: the host with the first name writes the record, durably, and gives it to the
// others. So neither a host whose folder was lost nor one that was started with the wrong peers forms a second
// cluster beside the first. It waits, as any new host does, until an operator admits it (see door.go). Two
// clusters on one NATS account would answer each other's clients.
type bootstrap struct {
	name   string
	peers  []string
	store  Store
	hello  Hello
	clock  Clock
	logger *slog.Logger

	self clusterHost
	met  map[string]clusterHost
	// unanswered counts the hellos since all hosts have met.
	unanswered int
	incoming   chan helloMessage

	// joining is held while a record is written.
	joining sync.Mutex
	// mu guards record, which is replaced and never changed, and what the door has seen.
	mu     sync.Mutex
	record *clusterRecord
	// told is the cluster that this host, which is not part of it, has heard of: then it forms none.
	told     string
	visitors map[string]visitor
	seen     map[string]sighting
}

// newBootstrap reads who this host is, or makes it up in a new data folder.
func newBootstrap(cfg *Config) (*bootstrap, error) {
	b := &bootstrap{
		name: cfg.Name, peers: slices.Sorted(slices.Values(cfg.Peers)), store: cfg.Store, hello: cfg.Hello,
		clock: cfg.Clock, logger: cfg.Logger, met: map[string]clusterHost{}, incoming: make(chan helloMessage, 64),
		visitors: map[string]visitor{}, seen: map[string]sighting{},
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
		return fmt.Errorf("%w: cluster %s has the hosts %v, this one is %q: it was removed, or the folder is another host's", ErrIdentity, record.ID, record.names(), b.name)
	case known.ID != b.self.ID:
		return fmt.Errorf("%w: cluster %s knows %q by another data folder, which was admitted in place of this one", ErrIdentity, record.ID, b.name)
	}
	return nil
}

// known returns the record as it is now, nil while this host belongs to no cluster.
func (b *bootstrap) known() *clusterRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.record
}

// run returns when this host belongs to a cluster.
func (b *bootstrap) run(ctx context.Context) (*clusterRecord, error) {
	if record := b.known(); record != nil {
		return record, nil
	}
	stop, err := b.hello.SubscribeHello(b.hear)
	if err != nil {
		return nil, fmt.Errorf("host: listening for other hosts: %w", err)
	}
	defer stop()
	ticks, stopTicks := b.clock.Tick(helloInterval)
	defer stopTicks()
	if len(b.peers) > 1 {
		b.logger.Info("waiting for the other hosts to form a cluster, or to be admitted to theirs", "host", b.name, "peers", b.peers)
	}
	err = b.say()
	for b.known() == nil && err == nil {
		select {
		case <-ctx.Done():
			return nil, b.alone(context.Cause(ctx))
		case <-ticks:
			err = errors.Join(b.say(), b.form())
		case m := <-b.incoming:
			err = b.meet(m) // not answered with a hello: two hosts would never fall silent
		}
	}
	if err != nil {
		return nil, err
	}
	return b.known(), b.say()
}

// alone says why this host belongs to no cluster yet.
func (b *bootstrap) alone(cause error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told != "" {
		return fmt.Errorf("%w: host %s is not part of cluster %s: admit it with 'grout hosts admit %s': %w", ErrIdentity, b.name, b.told, b.name, cause)
	}
	return fmt.Errorf("host: no cluster was formed: this host (%s) has met %d of %d hosts (%v): %w",
		b.name, len(b.met), len(b.peers), b.peers, cause)
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
	data, err := json.Marshal(helloMessage{From: b.self, Peers: b.peers, Cluster: b.known()})
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
		known, listed := m.Cluster.host(b.name)
		if listed && known.ID == b.self.ID {
			return b.join(m.Cluster)
		}
		b.excluded(m.Cluster, listed)
		return nil
	}
	if b.heard() {
		return nil // other hosts without a cluster do not matter any more
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
	return nil
}

// form makes a new cluster when it is this host's to do, and nobody knows of one.
func (b *bootstrap) form() error {
	if b.name != b.peers[0] || len(b.met) < len(b.peers) || b.heard() {
		return nil
	}
	if b.unanswered++; b.unanswered < formingHellos {
		return nil
	}
	return b.found()
}

// heard reports whether this host knows of a cluster that it is not part of.
func (b *bootstrap) heard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told != ""
}

// excluded tells the operator, once, what this host waits for.
func (b *bootstrap) excluded(cluster *clusterRecord, listed bool) {
	b.mu.Lock()
	again := b.told == cluster.ID
	b.told = cluster.ID
	b.mu.Unlock()
	if again {
		return
	}
	why := "there is a cluster on this NATS account, and this host is not part of it yet"
	if listed {
		why = "the cluster knows this host by another data folder: put that folder back if there is one, and only else admit this one"
	}
	b.logger.Warn(why+": waiting to be admitted with 'grout hosts admit "+b.name+"'", "host", b.name, "cluster", cluster.ID, "hosts", cluster.names())
}

// found makes a new cluster of the hosts that have met.
func (b *bootstrap) found() error {
	record := &clusterRecord{ID: hex.EncodeToString(randomBytes(8)), Key: randomBytes(32)}
	for i, name := range b.peers {
		h := b.met[name]
		h.Member = memberID(0, i)
		record.Hosts = append(record.Hosts, h)
	}
	record.Founders = record.Hosts
	return b.join(record)
}

// join writes the record, unless a newer one is there: from here on this host belongs to the cluster.
func (b *bootstrap) join(record *clusterRecord) error {
	b.joining.Lock()
	defer b.joining.Unlock()
	if old := b.known(); old != nil && old.Version >= record.Version {
		return nil
	}
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("host: encoding the cluster record: %w", err)
	}
	if err := b.store.SetMeta(metaCluster, data); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.record = record
	return nil
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
