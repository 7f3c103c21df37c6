package host

import (
	"context"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// GroupID names one life of a group: the catalog index that created it. Zero is the catalog itself.
// A group that is removed and deployed again under its old name has another GroupID.
type GroupID uint64

// Log is the durable log of one group.
//
// Append may be called while earlier writes are under way; the other methods may not overlap with
// each other. Entries and byte slices are read until done is called, and never written to.
type Log interface {
	// Append queues one write and returns. done is called exactly once, from a goroutine of the
	// log, in the order of the writes: with nil when the write is durable (synced to the device),
	// or with an error, after which this and every later write of the log has failed for good.
	Append(w consensus.Write, done func(error))
	// Load reads what survived. It is called before the first Append, and again when the start after it failed.
	Load() (consensus.Restored, error)
	// SaveSnapshot makes meta the group's snapshot, durable on return. The log stays as it is; a
	// snapshot that replaces it is part of a Write.
	SaveSnapshot(meta consensus.SnapshotMeta) error
	// Compact allows the log to forget the entries up to and including index, which the snapshot
	// covers. It need not be durable on return.
	Compact(index consensus.Index) error
	// Remove deletes everything the group stored. Nothing may be called after it.
	Remove() error
}

// Machine is one running state machine. Calls never overlap, except Close after an Interrupt.
type Machine interface {
	// Apply runs one command. A refused or trapped command has left no effect. The error is not an
	// outcome of the command: it means that this member cannot go on.
	Apply(entry EntryContext, command []byte) (Outcome, error)
	// Query runs one query against the present state and undoes whatever it wrote.
	Query(entry EntryContext, query []byte) (Outcome, error)
	// Image returns the whole state. The pages are the caller's to keep and must not be written to.
	Image() (Image, error)
	// Restore replaces the whole state by an image of the same module.
	Restore(image Image) error
	// Close frees the machine.
	Close() error
}

// Viewer is a Machine that answers queries beside its commands. One that is none answers them between commands.
type Viewer interface {
	// Show makes the present state what views show, as that of entry. Like the methods of Machine it
	// overlaps with none of them.
	Show(entry EntryContext) error
	// View makes another view. It may be called while anything else is at work.
	View() (View, error)
}

// View answers queries while its machine applies commands. It is used by one goroutine at a time.
type View interface {
	// Query runs one query on exactly one state, undoes whatever it wrote, and says which entry's state it was:
	// that of the last Show, or of a later command. After an error the view is to be closed.
	Query(caller string, query []byte) (Outcome, EntryContext, error)
	// Hold and Release enclose queries of one goroutine in a row, which may cost less.
	Hold()
	Release()
	// Close frees the view. It is called before the machine's Close.
	Close() error
}

// Loader is a Machine that takes an image in page by page, which need not be in memory then.
type Loader interface {
	// Load is Restore of an image of so many pages. It has read write each of them, in their order, over its argument,
	// which has the size of a page; for a page of zeros read may report false instead and leave its argument alone.
	// After an error of read the machine's state is in doubt, and every later call returns the error.
	Load(header []byte, pages int, read func(page int, into []byte) (data bool, err error)) error
}

// Dozer is a Machine that can do with less memory while nobody uses it.
type Dozer interface {
	// Doze gives back what the machine can do without. The next call gets it again, and so does the next view: it takes longer and has no
	// other result. Like the methods of Machine it overlaps with none of them; while there are views it does nothing. The error is like that of
	// Machine.Apply.
	Doze() error
}

// Changer is a Machine that knows what changed since its last snapshot.
type Changer interface {
	// Changes returns what changed since the last call of Changes or Restore; the first has all that is not zero. The
	// pages are the caller's to keep, and stay readable when Changes is called again.
	Changes() (Changes, error)
}

// Changes are what became of a machine's state.
type Changes struct {
	// Header is that of the whole image now, Count the number of its pages.
	Header []byte
	Count  int
	// Pages are those that may have changed. Others are as before; those beyond the earlier count are zero.
	Pages []ChangedPage
	// Read, when not nil, has the Data of Pages: it returns each once, on one goroutine at a time, while the machine goes on. An error means that the
	// machine is gone.
	Read func(page int) ([]byte, error)
}

// ChangedPage is one page of an image; nil Data is all zero.
type ChangedPage struct {
	Index int
	Data  []byte
}

// Limited is a Machine whose limits may change while it runs. The sandbox's machines are; the catalog is not.
type Limited interface {
	// SetLimits makes these the limits of every later call. MemoryBytes is no lower than the memory that the
	// machine has. The error is like that of Machine.Apply.
	SetLimits(limits api.Limits) error
	// MemoryBytes is the size of the linear memory, a part of the replicated state.
	MemoryBytes() int64
}

// EntryContext is what a machine may know of the entry that it applies.
type EntryContext struct {
	Index consensus.Index
	Term  consensus.Term
	// TimeNanos is the leader's stamp in nanoseconds since the Unix epoch; it never falls.
	TimeNanos int64
	// Caller is the name that the client gave, or "".
	Caller string
}

// OutcomeKind says how a command or query ended.
type OutcomeKind uint8

// The three outcomes. Their numbers are stored and sent: never renumber them.
const (
	Applied OutcomeKind = 0
	Refused OutcomeKind = 1
	Trapped OutcomeKind = 2
)

// Outcome is the end of a command or query, equal on every member.
type Outcome struct {
	Kind OutcomeKind `codec:"k"`
	// Code is the machine's own code when Refused, 0 otherwise.
	Code int32 `codec:"c"`
	// Output is the reply when Applied.
	Output []byte `codec:"o"`
	// Message is the machine's own text when Refused, and the reason when Trapped.
	Message string `codec:"m"`
	// Events are to be published after commit. Only an Applied command has any.
	Events []Event `codec:"-"`
	// Fuel is the work that the call took, about one for each simple instruction; 0 from a machine that
	// is a part of the host.
	Fuel uint64 `codec:"f"`
	// Logged is how many bytes the call logged. It is of interest where the call ran.
	Logged int `codec:"-"`
}

// Event is a message that a machine emitted.
type Event struct {
	Suffix  string
	Payload []byte
}

// Emitted is an event and the index of the command that emitted it.
type Emitted struct {
	Index   consensus.Index `codec:"i"`
	Suffix  string          `codec:"s"`
	Payload []byte          `codec:"p"`
}

// PageBytes is the size of one page of an Image: a WebAssembly page, and a snapshot's chunk.
const PageBytes = 64 << 10

// Image is a machine's whole state, ready to be stored page by page.
type Image struct {
	// Header is the machine's own description of what is not in the pages (for a sandboxed
	// machine, its globals).
	Header []byte
	// Pages have PageBytes each, save that the last may be shorter; a nil page is all zero.
	Pages [][]byte
}

// Transport carries messages between the hosts. Everything it carries may be lost, doubled or
// reordered.
type Transport interface {
	// Send queues messages of one group for other hosts and returns; what does not fit into a
	// bounded queue is dropped. The slice is free on return, the messages' entries must not be
	// written to.
	Send(group GroupRef, messages []Addressed)
	// Receive delivers what arrives for a group to deliver, until the returned function is called.
	// deliver is called from a goroutine of the transport and must not block.
	Receive(group GroupRef, deliver func(consensus.Envelope)) (stop func(), err error)
	// Fetch reads one blob's piece from a host: at most limit bytes from offset.
	Fetch(ctx context.Context, from string, request BlobRequest) (piece []byte, total int64, err error)
	// Publish publishes a machine's events in their order. Those of one index are all in one call.
	// With nil the server has them; after an error some may be out.
	Publish(group GroupRef, events []Emitted) error
}

// Streams are the durable streams of the messaging system. An *Error says what an operator has to see to.
type Streams interface {
	// Source describes a stream as a source of commands: those of its messages whose subject matches filter, all when "".
	Source(ctx context.Context, stream, filter string) (StreamState, error)
	// Pull opens a stream's messages. Whoever opened it closes it, when no other method runs.
	Pull(ctx context.Context, request PullRequest) (StreamPull, error)
	// CheckSink returns an error unless a stream can take the events of a group.
	CheckSink(ctx context.Context, stream string, group GroupRef) error
	// Sink opens a stream for the events of a group, at the last one that is in it.
	Sink(ctx context.Context, stream string, group GroupRef) (StreamSink, error)
}

// StreamState is what a stream holds.
type StreamState struct {
	// BornNanos is when it was made, in nanoseconds since the Unix epoch.
	BornNanos int64
	// First and Last are the sequences of its first and last message. Without any, First is Last+1.
	First, Last uint64
}

// PullRequest asks for the messages of a stream with a higher sequence than After, if that is still the stream that
// was made at BornNanos.
type PullRequest struct {
	Stream, Filter string
	BornNanos      int64
	After          uint64
}

// StreamMessage is a message of a stream.
type StreamMessage struct {
	Subject string
	Data    []byte
	// After and Seq are the sequences of the message that was pulled before it, and its own.
	After, Seq uint64
	// Missing is how many messages between the two the stream has lost before they were pulled. Under a filter it
	// counts those, too, that the filter might have left out.
	Missing uint64
}

// StreamPull are the messages of a stream, in their order.
type StreamPull interface {
	// Next waits for a message and returns it with those that are there already: at most count, and at most size bytes
	// together, save that one always fits.
	Next(ctx context.Context, count, size int) ([]StreamMessage, error)
	// Lag is how many messages the stream has beyond those that Next has returned. It may overlap with Next.
	Lag(ctx context.Context) (uint64, error)
	// Close ends it.
	Close() error
}

// StreamSink writes the events of a group to a stream. After an error it is to be opened anew.
type StreamSink interface {
	// Write appends those of the events that the stream does not have, in their order. Those of one index are all in
	// one call. With nil they are as durable as the stream.
	Write(ctx context.Context, events []Emitted) error
}

// GroupRef names a group for the transport: by name on subjects, by ID inside frames.
type GroupRef struct {
	Name string
	ID   GroupID
	// Key seals the frames between the group's members. Every member has the same, and zero is none.
	Key [32]byte
}

// Addressed is an envelope and the name of the host it goes to.
type Addressed struct {
	Host     string
	Envelope consensus.Envelope
}

// BlobRequest names a piece of a blob on another host.
type BlobRequest struct {
	// Group is the owner of a chunk or manifest; nil for a module.
	Group *GroupID `codec:"g"`
	// Digest is the blob's SHA-256.
	Digest [32]byte `codec:"d"`
	Offset int64    `codec:"o"`
	Limit  int      `codec:"l"`
}

// Clock is the host's only source of time.
type Clock interface {
	// Now is the time of day, for the stamps in entries.
	Now() time.Time
	// Tick delivers ticks at the given period, the first within one, until stop is called. Ticks that nobody takes in
	// time are dropped.
	Tick(period time.Duration) (ticks <-chan time.Time, stop func())
}
