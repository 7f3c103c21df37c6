package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/transport/nats"
	"github.com/groutlabs/grout/wasmsm"
)

// Config says which host to run and where.
type Config struct {
	// Name is the host's, Peers the names of all hosts of the cluster, this one included.
	Name  string
	Peers []string
	// Reluctance is how little the members on this host should lead: see consensus.Config.
	Reluctance int
	// Dir is the host's data folder. It belongs to this host alone.
	Dir string
	// CompileCache keeps compiled modules across starts; Dir/compiled when empty. Hosts of one machine
	// may share it. Whoever can write to it can run code in this process.
	CompileCache string
	// NATS says how to reach the server; Host, Version, Log and Incarnation are filled in.
	NATS nats.Config
	// Timing is host.DefaultTiming when zero.
	Timing  host.Timing
	Version string
	Logger  *slog.Logger
	// between stands between the host and the sandbox when set: tests damage machines there.
	between func(host.Machines) host.Machines
}

// Node is one running host with all its parts.
type Node struct {
	dir       string
	store     *durable.Store
	transport *nats.Transport
	runtime   *wasmsm.Runtime
	host      *host.Host
	serving   bool
}

// metaIncarnation is the record of the last incarnation that the transport used.
const metaIncarnation = "incarnation"

// minMessageBytes has room for the largest command, result and event, and what is sent beside them.
const minMessageBytes = host.MaxCommandBytes + 64<<10

// Start opens the data folder, connects, joins or forms the cluster, and serves. It returns when the
// host answers requests.
//
// # Errors
//
// durable.ErrLocked when another process uses the folder; *StoreError when it cannot be written to;
// otherwise what the part concerned said.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	n := &Node{dir: cfg.Dir}
	if err := n.start(ctx, cfg); err != nil {
		return nil, storeError(cfg.Dir, errors.Join(err, n.Close()))
	}
	return n, nil
}

// Host is the host itself, for callers in this process.
func (n *Node) Host() *host.Host { return n.host }

// Wait returns nil when ctx ends, or a *StoreError as soon as the host cannot store any more what it has to
// keep. It acknowledges nothing then, and should be closed and started again once the cause is gone.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.store.Failed():
		return storeError(n.dir, n.store.Failure())
	case <-n.host.Failed():
		return storeError(n.dir, n.host.Failure())
	}
}

func (n *Node) start(ctx context.Context, cfg Config) error {
	var err error
	if n.store, err = durable.Open(durable.Config{Dir: filepath.Join(cfg.Dir, "log")}); err != nil {
		return err
	}
	if cfg.CompileCache == "" {
		cfg.CompileCache = filepath.Join(cfg.Dir, "compiled")
	}
	if n.runtime, err = wasmsm.NewRuntime(wasmsm.Config{CacheDir: cfg.CompileCache}); err != nil {
		return err
	}
	if err := n.connect(&cfg); err != nil {
		return err
	}
	if n.transport.MaxMessageBytes() < minMessageBytes {
		return fmt.Errorf("node: the NATS server's max_payload leaves %d bytes for a message, Grout needs %d: raise max_payload to 1 MiB",
			n.transport.MaxMessageBytes(), minMessageBytes)
	}
	if cfg.Timing == (host.Timing{}) {
		cfg.Timing = host.DefaultTiming()
	}
	cfg.Timing.MaxMessageBytes = min(cfg.Timing.MaxMessageBytes, n.transport.MaxMessageBytes())
	var running host.Machines = &machines{runtime: n.runtime, logger: cfg.Logger}
	if cfg.between != nil {
		running = cfg.between(running)
	}
	streams, err := n.transport.Streams()
	if err != nil {
		return err
	}
	n.host, err = host.New(host.Config{
		Name: cfg.Name, Peers: cfg.Peers, Reluctance: cfg.Reluctance, Dir: cfg.Dir, Version: cfg.Version, Store: logs{n.store},
		Transport: n.transport, Streams: streams, Hello: n.transport, Endpoints: n.transport,
		Machines: running, Clock: newClock(), Timing: cfg.Timing, Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	err = n.transport.Serve(nats.Services{
		Requests: n.host, Admin: n.host, Membership: n.host, Blobs: n.host, Upgrades: n.host, Bindings: n.host,
	})
	if err != nil {
		return err
	}
	n.serving = true
	return n.host.Start(ctx)
}

// connect reaches NATS under an incarnation that is above every earlier one of this host.
func (n *Node) connect(cfg *Config) error {
	stored, found, err := n.store.Meta(metaIncarnation)
	if err != nil {
		return err
	}
	config := cfg.NATS
	config.Host, config.Version, config.Log = cfg.Name, cfg.Version, cfg.Logger
	if found && len(stored) == 8 {
		config.Incarnation = binary.BigEndian.Uint64(stored) + 1
	}
	if n.transport, err = nats.Connect(config); err != nil {
		return err
	}
	return n.store.SetMeta(metaIncarnation, binary.BigEndian.AppendUint64(nil, n.transport.Incarnation()))
}

// Close stops the host and releases everything.
func (n *Node) Close() error {
	var errs []error
	if n.host != nil {
		errs = append(errs, n.host.Close())
	}
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	if n.runtime != nil {
		errs = append(errs, n.runtime.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("node: closing: %w", err)
	}
	return nil
}
