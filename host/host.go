package host

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// Store is a host's durable storage: the logs of its groups and a few records of its own.
type Store interface {
	// Group returns the log of a group, empty when the group is new.
	Group(id GroupID) Log
	// Groups lists the groups that have stored anything.
	Groups() ([]GroupID, error)
	// Meta returns a record, nil when there is none. SetMeta is durable on return.
	Meta(key string) ([]byte, error)
	SetMeta(key string, value []byte) error
}

// Machines makes machines from modules.
type Machines interface {
	// Check returns an error that names the cause when a module cannot run.
	Check(module []byte) error
	// New starts a machine.
	New(config MachineConfig) (Machine, error)
	// Upgrade makes the machine that takes over the state of old, which stays as it was. The machine is
	// nil unless the outcome's kind is Applied; outcomes are equal on every host of one Version.
	Upgrade(old Machine, config MachineConfig, entry EntryContext) (Machine, Outcome, error)
	// Version numbers what is made of a module: under equal versions equal modules behave equally.
	Version() int
}

// MachineConfig is what a machine is made of. It is equal on every member.
type MachineConfig struct {
	Group  string
	Module []byte
	Digest Digest
	// Seed is the group's, from which the machine's random bytes derive.
	Seed   [32]byte
	Limits api.Limits
	// Init is the argument of the module's init function.
	Init []byte
}

// Endpoints opens and closes what clients reach a group by. Withdraw leaves the administration that any host
// answers to the others: from then on this one answers what is for it alone, and for its status.
type Endpoints interface {
	AddGroup(name string) error
	RemoveGroup(name string) error
	Withdraw() error
}

// Config is what a host is made of. Every field is required, but Streams and Logger.
type Config struct {
	// Name is this host's, unique in the cluster; Peers are the names of all hosts, this one included.
	Name  string
	Peers []string
	// Reluctance is how little the members here should lead: see consensus.Config.
	Reluctance int
	// Dir holds modules and snapshots. The Store is usually in it too.
	Dir       string
	Version   string
	Store     Store
	Transport Transport
	// Streams may be nil: then no group can be bound to one.
	Streams   Streams
	Hello     Hello
	Endpoints Endpoints
	Machines  Machines
	Clock     Clock
	Timing    Timing
	Logger    *slog.Logger
}

func (c *Config) validate() error {
	if err := checkPeers(c.Name, c.Peers); err != nil {
		return err
	}
	if c.Dir == "" || c.Store == nil || c.Transport == nil || c.Hello == nil || c.Endpoints == nil ||
		c.Machines == nil || c.Clock == nil {
		return fmt.Errorf("%w: Dir, Store, Transport, Hello, Endpoints, Machines and Clock are required", ErrBadConfig)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c.Timing.validate()
}

// Host holds members of groups. It implements Requests, Admin and Blobs.
type Host struct {
	cfg  Config
	boot *bootstrap
	// entrance answers the hellos of other hosts.
	entrance *door
	// record is the cluster's as it was at the start: its ID, key and founders never change.
	record *clusterRecord
	// life is this host's member of the catalog: one life of its folder.
	life  consensus.MemberID
	ready atomic.Bool
	// expulsion is why this host serves nobody any more, nil while it does.
	expulsion atomic.Pointer[string]
	started   time.Time
	modules   *BlobStore
	catalog   *group
	pulse     *pulse
	machine   *catalog
	uploads   *uploads

	mu     sync.RWMutex
	groups map[string]*hosted
	// view is what the groups were last brought in line with.
	view *catalogView
	// closed is set when no goroutine may be begun any more.
	closed bool
	// uploading counts the uploads of each module that are under way. Its lock is held while modules are
	// deleted: one that is being uploaded stays.
	uploadingMu sync.Mutex
	uploading   map[Digest]int
	// endpoints is held while the endpoints of a group are opened or closed.
	endpoints sync.Mutex

	// failed is closed, once failure is set, when something that has to be kept could not be stored.
	failed  chan struct{}
	failure atomic.Pointer[error]

	wake      chan struct{}
	quit      chan struct{}
	ctx       context.Context
	cancel    context.CancelFunc
	done      sync.WaitGroup
	stopGreet func()
}

// hosted is a group that the catalog places on this host. All but record is guarded by Host.mu.
type hosted struct {
	record groupRecord
	// self is the member.
	self consensus.MemberID
	// group is nil while the member cannot run.
	group  *group
	chunks *BlobStore
	// open is set while clients can reach the member.
	open bool
	// problem is why the member does not run, "" while it does. When stopped is set it will not be
	// tried again.
	problem string
	stopped bool
}

// New opens a host's data. Until Start has returned it answers every request with "no leader".
//
// # Errors
//
// ErrBadConfig, ErrIdentity, ErrCorrupt, or what the store or the file system said.
func New(cfg Config) (*Host, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	boot, err := newBootstrap(&cfg)
	if err != nil {
		return nil, err
	}
	modules, err := OpenBlobStore(filepath.Join(cfg.Dir, "modules"), 1)
	if err != nil {
		return nil, err
	}
	if err := modules.Sync(); err != nil { // for those that a killed host had not got to
		return nil, err
	}
	uploads, err := newUploads(filepath.Join(cfg.Dir, "uploads"), cfg.Clock.Now)
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg: cfg, boot: boot, started: cfg.Clock.Now(), modules: modules, uploads: uploads, record: &clusterRecord{},
		groups: map[string]*hosted{}, view: &catalogView{}, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		stopGreet: func() {}, uploading: map[Digest]int{}, failed: make(chan struct{}),
	}
	modules.failed = h.fail
	h.pulse = newPulse(rand.Uint64(),
		func(id consensus.MemberID) { h.follow(id, true) }, func(id consensus.MemberID) { h.follow(id, false) })
	h.entrance = &door{bootstrap: boot, replaced: h.expelled}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// Start brings the host into its cluster and starts the members that it holds. It returns when the
// catalog has started, or with an error when ctx ends before the cluster is formed.
//
// # Errors
//
// ErrBadConfig, ErrIdentity, ErrCorrupt, or what the store, the transport or the file system said.
func (h *Host) Start(ctx context.Context) error {
	record, err := h.boot.run(ctx)
	if err != nil {
		return err
	}
	self, _ := record.host(h.cfg.Name)
	h.mu.Lock()
	h.record, h.life = record, self.Member
	h.mu.Unlock()
	stop, err := h.entrance.open()
	if err != nil {
		return fmt.Errorf("host: listening for other hosts: %w", err)
	}
	h.stopGreet = stop
	if err := h.startCatalog(); err != nil {
		return err
	}
	h.ready.Store(true)
	h.done.Add(2)
	go h.reconcileLoop()
	go h.stewardLoop()
	h.ring()
	return nil
}

// Failed is closed when the host cannot store what it has to keep (ErrStorage); Failure says why. The
// host acknowledges nothing that it could not store, and whoever runs it should close it and start it again once
// there is room. A Store that fails has to be watched beside it.
func (h *Host) Failed() <-chan struct{} { return h.failed }

// Failure returns what Failed is about, nil until then.
func (h *Host) Failure() error {
	if err := h.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (h *Host) fail(err error) {
	if h.failure.CompareAndSwap(nil, &err) {
		close(h.failed)
	}
}

// waiting returns an error while the host belongs to no cluster yet.
func (h *Host) waiting() error {
	if problem := h.expulsion.Load(); problem != nil {
		return fault(api.CodeInternal, "%s", *problem)
	}
	if h.ready.Load() {
		return nil
	}
	return fault(api.CodeNoLeader, "host %s waits for the hosts %v to form a cluster, or to be admitted to one", h.cfg.Name, h.cfg.Peers)
}

func (h *Host) startCatalog() error {
	h.machine = newCatalog(h.record.Founders, h.ring)
	chunks, err := OpenBlobStore(h.chunkDir(0), maxPackBytes)
	if err != nil {
		return err
	}
	chunks.failed = h.fail
	record := h.machine.view.Load().Self
	config := h.groupConfig(h.record.catalogRef(), &record, h.life)
	config.machine, config.chunks = h.machine, chunks
	config.pulse, config.timing.QuietTicks = h.pulse, 0 // it keeps the others in sight
	if h.catalog, err = newGroup(config); err != nil {
		return err
	}
	h.catalog.setHosts(h.catalogHosts(h.machine.view.Load()))
	h.mu.Lock()
	h.groups[catalogGroup] = &hosted{record: groupRecord{Name: catalogGroup}, self: h.life, group: h.catalog, chunks: chunks}
	h.mu.Unlock()
	h.catalog.start()
	return nil
}

func (h *Host) chunkDir(id GroupID) string {
	return filepath.Join(h.cfg.Dir, "groups", fmt.Sprintf("%016x", uint64(id)))
}

// groupConfig fills in what all members on this host have in common.
func (h *Host) groupConfig(ref GroupRef, record *groupRecord, self consensus.MemberID) groupConfig {
	return groupConfig{
		ref: ref, self: self, hosts: record.hosts(), initial: consensus.Configuration{Voters: record.Initial},
		log: h.cfg.Store.Group(ref.ID), records: h.cfg.Store, transport: h.cfg.Transport, streams: h.cfg.Streams, clock: h.cfg.Clock, timing: h.cfg.Timing,
		reluctance: h.cfg.Reluctance, demoteAfter: time.Duration(record.DemoteAfterNanos), voterFloor: record.VoterFloor,
		seed: rand.Uint64(), logger: h.cfg.Logger, stopped: func(err error) { h.memberStopped(ref, err) },
		unsettled: func() { h.pulse.epoch.Add(1) },
	}
}

// memberStopped is called from a group's loop: the rest happens elsewhere.
func (h *Host) memberStopped(ref GroupRef, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.groups[ref.Name]
	if held == nil || held.record.ID != ref.ID || h.closed {
		return
	}
	h.disable(held, err.Error())
}

// disable takes a member that does not run any more from its clients. It is called with mu held.
func (h *Host) disable(held *hosted, problem string) {
	held.problem, held.stopped = problem, true
	h.done.Add(1)
	go func() {
		defer h.done.Done()
		if err := h.closeEndpoints(held); err != nil {
			h.cfg.Logger.Warn("closing the endpoints of a stopped member", "group", held.record.Name, "error", err)
		}
	}()
}

// openEndpoints lets clients reach a member, unless it has stopped meanwhile.
func (h *Host) openEndpoints(held *hosted) error {
	h.endpoints.Lock()
	defer h.endpoints.Unlock()
	h.mu.RLock()
	stopped := held.stopped
	h.mu.RUnlock()
	if stopped {
		return nil
	}
	if err := h.cfg.Endpoints.AddGroup(held.record.Name); err != nil {
		return fmt.Errorf("host: opening the endpoints of group %s: %w", held.record.Name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	held.open = true
	return nil
}

// closeEndpoints takes a member from its clients. Endpoints that were opened for another life of the
// group stay.
func (h *Host) closeEndpoints(held *hosted) error {
	h.endpoints.Lock()
	defer h.endpoints.Unlock()
	h.mu.Lock()
	open := held.open
	held.open = false
	h.mu.Unlock()
	if !open {
		return nil
	}
	return h.cfg.Endpoints.RemoveGroup(held.record.Name)
}

func (h *Host) ring() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Close stops every member and waits for them. The store and the transport stay open. A second call
// returns ErrClosed.
func (h *Host) Close() error {
	h.mu.Lock()
	again := h.closed
	h.closed = true
	h.mu.Unlock()
	if again {
		return ErrClosed
	}
	h.stopGreet()
	h.cancel()
	close(h.quit)
	h.done.Wait()
	var errs []error
	// Nothing changes the map any more. A member that is failing right now needs the lock to say so.
	for _, held := range h.groups {
		errs = append(errs, h.closeEndpoints(held))
		if held.group != nil {
			held.group.close()
		}
	}
	return errors.Join(errs...)
}

// Execute implements Requests.
func (h *Host) Execute(request CommandRequest, reply func(Reply)) {
	g, err := h.serving(request.Group)
	if err == nil {
		err = checkCommand(&request, g.running.Load().spec.commandLimit())
	}
	if err != nil {
		reply(Reply{Err: err})
		return
	}
	g.execute(request, reply)
}

// Query implements Requests.
func (h *Host) Query(request QueryRequest, reply func(Reply)) {
	g, err := h.serving(request.Group)
	if err == nil && len(request.Payload) > MaxCommandBytes {
		err = fault(api.CodeTooLarge, "the query has %d bytes, at most %d are possible", len(request.Payload), MaxCommandBytes)
	}
	if err == nil && len(request.Caller) > maxNameBytes {
		err = fault(api.CodeBadRequest, "the caller's name has %d bytes, at most %d are possible", len(request.Caller), maxNameBytes)
	}
	if err != nil {
		reply(Reply{Err: err})
		return
	}
	g.query(request, reply)
}

// serving returns a group that clients may use on this host.
func (h *Host) serving(name string) (*group, *Error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	held := h.groups[name]
	switch {
	case held == nil || name == catalogGroup:
		return nil, fault(api.CodeNotFound, "there is no group %q on host %s", name, h.cfg.Name)
	case held.problem != "":
		return nil, fault(api.CodeInternal, "the member of group %s on host %s does not run: %s", name, h.cfg.Name, held.problem)
	case held.group == nil:
		return nil, fault(api.CodeNoLeader, "the member of group %s on host %s is starting: try again", name, h.cfg.Name)
	}
	return held.group, nil
}

// checkCommand refuses a command, or a batch, that the group cannot take.
func checkCommand(r *CommandRequest, limit int) *Error {
	for n := range r.commands() {
		if size := len(r.payload(n)); size > limit {
			return fault(api.CodeTooLarge, "the command has %d bytes, at most %d are possible", size, limit)
		}
	}
	if r.Batch != nil {
		if err := checkBatch(r); err != nil {
			return err
		}
	}
	switch {
	case len(r.Session) > maxNameBytes, len(r.MsgID) > maxNameBytes, len(r.Caller) > maxNameBytes:
		return fault(api.CodeBadRequest, "session, message ID and caller have at most %d bytes each", maxNameBytes)
	case r.Session != "" && r.MsgID != "":
		return fault(api.CodeBadRequest, "Grout-Session and Nats-Msg-Id exclude each other: send one of them")
	case r.Ordered && r.Session == "":
		return fault(api.CodeBadRequest, "Grout-Ordered needs Grout-Session: without a session there is no order to keep")
	case r.Session != "" && (r.Seq == 0 || r.Acked >= r.Seq):
		return fault(api.CodeBadRequest, "sequence %d, acknowledged %d: sequences start at 1, and only lower ones can be acknowledged", r.Seq, r.Acked)
	}
	return nil
}

// checkBatch refuses a batch that does not fit where one large command does.
func checkBatch(r *CommandRequest) *Error {
	switch {
	case len(r.Batch) == 0 || len(r.Batch) > api.MaxBatch:
		return fault(api.CodeBadRequest, "the batch has %d commands, 1 to %d are possible", len(r.Batch), api.MaxBatch)
	case r.MsgID != "":
		return fault(api.CodeBadRequest, "a message ID names one command: a batch is exactly-once under Grout-Session")
	case r.Seq+uint64(len(r.Batch)) < r.Seq:
		return fault(api.CodeBadRequest, "the sequences from %d on have no room for %d commands", r.Seq, len(r.Batch))
	}
	if size := r.bytes(); size > MaxCommandBytes+commandOverhead {
		return fault(api.CodeTooLarge, "the batch takes %d bytes in the log, at most %d are possible", size, MaxCommandBytes+commandOverhead)
	}
	return nil
}

// Piece implements Blobs.
func (h *Host) Piece(request BlobRequest) ([]byte, int64, error) {
	store := h.modules
	if request.Group != nil {
		h.mu.RLock()
		store = nil
		for _, held := range h.groups {
			if held.group != nil && held.group.ref.ID == *request.Group {
				store = held.chunks
			}
		}
		h.mu.RUnlock()
	}
	if store == nil {
		return nil, 0, fmt.Errorf("%w: no group %d on host %s", ErrMissing, *request.Group, h.cfg.Name)
	}
	return store.Piece(request.Digest, request.Offset, min(request.Limit, fetchPiece))
}

func hexDigest(d Digest) string { return hex.EncodeToString(d[:]) }

// parseDigest is the reverse of hexDigest; ok is false for any other text.
func parseDigest(text string) (d Digest, ok bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(d) {
		return d, false
	}
	return Digest(raw), true
}
