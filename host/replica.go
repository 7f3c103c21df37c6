package host

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// replica is the replicated part of a group: the machine and what the host keeps beside it. It is a
// function of the applied entries alone, and its applier is the only one that touches it.
type replica struct {
	machines machineMaker
	// machine is nil until it is started or restored.
	machine Machine
	spec    machineSpec
	// upgraded is the index of the entry that brought the machine, 0 for the group's first.
	upgraded consensus.Index
	memory   *memory
	// bindings are the group's streams. rebound is set when an entry changed which there are.
	bindings *bindings
	rebound  bool
	// applied is the position of the last applied entry.
	applied consensus.Cursor
	// timeNanos is the clock of the entries: the highest stamp so far.
	timeNanos int64
	terms     termHistory
	outbox    outbox
	// published is the outbox's mark. Anyone may read it.
	published atomic.Uint64
	// pages are those of the last image; nil for a machine that is no Changer. images counts them, and whole, which
	// anyone may set, makes the next one build on none before.
	pages  []*imagePage
	images int
	whole  atomic.Bool
	// rest, when set, ends whatever else uses the machine.
	rest  func()
	gauge gauge
}

// answer is the end of one command, for the member that took it from a client.
type answer struct {
	origin  consensus.MemberID
	request uint64
	reply   Reply
}

// newReplica returns a replica that has no machine yet, see begin and restore.
func newReplica(machines machineMaker, spec machineSpec) *replica {
	return &replica{machines: machines, spec: spec, memory: newMemory(), bindings: &bindings{}}
}

// apply applies one committed entry. The answer's origin is NoMember for entries that nobody waits for.
func (r *replica) apply(e consensus.LogEntry) (answer, error) {
	if e.Index != r.applied.Index+1 {
		return answer{}, fmt.Errorf("%w order: entry %s follows applied index %d", ErrCorrupt, e, r.applied.Index)
	}
	var done answer
	var err error
	switch e.Kind {
	case consensus.EntryCommand:
		done, err = r.applyCommand(e)
	case consensus.EntryUpgrade:
		done, err = r.applyUpgrade(e)
	}
	if err != nil {
		return answer{}, fmt.Errorf("applying entry %s: %w", e, err)
	}
	done.reply.at = e.Position()
	r.applied = e.Position()
	r.terms = r.terms.with(r.applied)
	return done, nil
}

func (r *replica) applyCommand(e consensus.LogEntry) (answer, error) {
	c, err := decodeCommand(e.Payload)
	if err != nil {
		return answer{}, err
	}
	r.timeNanos = max(r.timeNanos, c.TimeNanos)
	r.outbox.published(c.Published)
	r.published.Store(uint64(r.outbox.done))
	done := answer{origin: c.Origin, request: c.Request}
	if c.Stream.Op != opNone {
		done.reply, err = r.applyStream(&c, e)
		return done, err
	}
	known, refusal := r.memory.recall(&c, r.timeNanos)
	switch {
	case refusal != nil:
		done.reply = Reply{Err: refusal, Index: e.Index, Term: e.Term}
		return done, nil
	case known != nil:
		done.reply = Reply{Outcome: known.Outcome, Index: known.Index, Term: known.Term, Duplicate: true}
		return done, nil
	}
	outcome, err := r.execute(&c, e)
	if err != nil {
		return answer{}, err
	}
	r.outbox.add(e.Index, outcome.Events)
	outcome.Events = nil
	r.memory.remember(&c, &remembered{Outcome: outcome, Index: e.Index, Term: e.Term})
	done.reply = Reply{Outcome: outcome, Index: e.Index, Term: e.Term}
	return done, nil
}

// execute runs one command in the machine. It may have been appended before the limit on its size was lowered.
func (r *replica) execute(c *command, e consensus.LogEntry) (Outcome, error) {
	if limit := r.spec.Limits.CommandBytes; limit > 0 && int64(len(c.Payload)) > limit {
		return Outcome{Kind: Trapped, Message: fmt.Sprintf("the command has %d bytes, the group's limit is %d", len(c.Payload), limit)}, nil
	}
	outcome, err := r.machine.Apply(EntryContext{
		Index: e.Index, Term: e.Term, TimeNanos: r.timeNanos, Caller: c.Caller,
	}, c.Payload)
	r.gauge.command(&outcome)
	r.gauge.holds(r.machine)
	return outcome, err
}

// query runs one query at the applied index.
func (r *replica) query(payload []byte, caller string) Reply {
	outcome, err := r.machine.Query(EntryContext{
		Index: r.applied.Index, Term: r.applied.Term, TimeNanos: r.timeNanos, Caller: caller,
	}, payload)
	if err != nil {
		return Reply{Err: fault(api.CodeInternal, "the query could not run: %v", err), Index: r.applied.Index}
	}
	r.gauge.query(&outcome)
	outcome.Events = nil
	return Reply{Outcome: outcome, Index: r.applied.Index, Term: r.applied.Term}
}

// storedReplica is what the host keeps beside the machine, in a snapshot.
type storedReplica struct {
	TimeNanos int64           `codec:"t"`
	Published consensus.Index `codec:"p"`
	Events    []Emitted       `codec:"e"`
	Memory    storedMemory    `codec:"m"`
	Terms     termHistory     `codec:"s"`
	Machine   machineSpec     `codec:"x"`
	Upgraded  consensus.Index `codec:"u"`
	Sources   []source        `codec:"q,omitempty"`
	Sink      string          `codec:"k,omitempty"`
}

// image captures the whole replica at its applied position.
func (r *replica) image() (replicaImage, error) {
	header, pages, err := r.capture()
	if err != nil {
		return replicaImage{}, fmt.Errorf("host: the machine's image at %s: %w", r.applied, err)
	}
	state, err := pack(storedReplica{
		TimeNanos: r.timeNanos, Published: r.outbox.done, Events: r.outbox.events, Memory: r.memory.stored(),
		Terms:   r.terms,
		Machine: r.spec, Upgraded: r.upgraded, Sources: r.bindings.all(), Sink: r.bindings.target(),
	})
	if err != nil {
		return replicaImage{}, err
	}
	return replicaImage{anchor: r.applied, header: header, pages: pages, module: r.spec.Module, upgraded: r.upgraded, state: state}, nil
}

// restore replaces the whole replica, its machine too when the image is of another. With an error
// nothing has changed, but for what Machine.Restore and Loader.Load say.
func (r *replica) restore(image replicaImage) error {
	var stored storedReplica
	if err := unpack(image.state, &stored); err != nil {
		return err
	}
	if err := stored.Terms.valid(image.anchor); err != nil {
		return err
	}
	if err := checkSources(stored.Sources); err != nil {
		return err
	}
	memory, err := restoreMemory(stored.Memory)
	if err != nil {
		return err
	}
	if stored.Machine.Module != image.module {
		return fmt.Errorf("%w snapshot at %s: its manifest names module %x, its state module %x", ErrCorrupt, image.anchor, image.module, stored.Machine.Module)
	}
	machine, fresh, err := r.machineFor(stored.Machine)
	if err != nil {
		return fmt.Errorf("%w for the snapshot at %s: %w", errNoMachine, image.anchor, err)
	}
	if !fresh {
		r.still()
	}
	if err := image.load(machine); err != nil {
		if fresh {
			err = errors.Join(err, machine.Close())
		}
		return fmt.Errorf("host: restoring the machine at %s: %w", image.anchor, err)
	}
	if fresh {
		if err := r.close(); err != nil {
			return errors.Join(fmt.Errorf("host: closing the machine before the snapshot at %s: %w", image.anchor, err), machine.Close())
		}
	}
	r.machine, r.spec, r.upgraded = machine, stored.Machine, stored.Upgraded
	r.memory, r.applied, r.timeNanos, r.terms = memory, image.anchor, stored.TimeNanos, stored.Terms
	r.outbox = outbox{done: stored.Published, events: stored.Events}
	r.published.Store(uint64(stored.Published))
	r.bindings.set(stored.Sources, stored.Sink)
	r.rebound = true
	r.adopt(&image)
	r.gauge.holds(machine)
	return nil
}

// replicaImage is a replica at one position.
type replicaImage struct {
	anchor consensus.Cursor
	// epoch is the applier's in which it was taken.
	epoch uint64
	// header and pages are the machine's, as in Image; a nil page is all zero.
	header []byte
	pages  []*imagePage
	// chunks have all pages, which then bring no data of their own; nil for an image of a running machine.
	chunks *BlobStore
	// module is the machine's, and upgraded the index of the entry that brought it.
	module   Digest
	upgraded consensus.Index
	// state is the packed storedReplica.
	state []byte
}
