package sdktest

import (
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk"
)

// The sandbox's default limits, which the harness enforces too. Breaking one is a trap.
const (
	MaxOutputBytes = 512 << 10
	MaxEvents      = 1024
	MaxEventBytes  = 512 << 10
)

// Harness drives one machine. Its exported fields may be changed between calls; it is not safe for
// concurrent use.
type Harness struct {
	// Index is that of the last applied entry. Each command first adds 1 to it.
	Index uint64
	// Term is the term of the next entries; it starts at 1.
	Term uint64
	// Time is the stamp of the last applied entry. Each command first adds Step to it.
	Time time.Time
	// Step is what Time grows by per command; it starts at one millisecond.
	Step time.Duration
	// Caller is the name that the machine gets as the caller's.
	Caller string
	// Seed stands for the group's seed: random bytes derive from it and the index.
	Seed uint64

	// Events are what applied commands emitted, in order.
	Events []Event
	// Logs are what all calls logged, in order.
	Logs []Log

	t       testing.TB
	driver  Driver
	started bool
	// asserted are how many of Events and Logs WantEvents and WantLogs have seen.
	asserted struct{ events, logs int }
}

// Event is what a machine emitted.
type Event struct {
	// Index is that of the command that emitted it.
	Index   uint64
	Suffix  string
	Payload []byte
}

// Log is one line that a machine logged.
type Log struct {
	Level sdk.Level
	Text  string
}

// Outcome is how a command or query ended. Byte slices are the test's to keep.
type Outcome struct {
	Kind sdk.OutcomeKind
	// Code is the machine's own code when Refused, 0 otherwise.
	Code int32
	// Output is the reply when Applied.
	Output []byte
	// Message is the machine's text when Refused, and the reason when Trapped.
	Message string
	// Events are what the command emitted; only an applied one has any.
	Events []Event
	// Logs are what the call logged.
	Logs []Log
	// Fuel is the work that it took, as hosts count it, 0 natively.
	Fuel uint64
}

// New returns a harness for m, run natively, at index 0, term 1, 1 January 2026. The machine's Init runs at the
// first call, with an empty argument unless the test calls Init itself.
func New(t testing.TB, m sdk.Machine) *Harness {
	t.Helper()
	if m == nil {
		t.Fatal("sdktest: New(t, nil): pass a pointer to your machine")
	}
	return Open(t, &NativeDriver{machine: m})
}

// Open returns a harness for the machine of a driver, which has not started. It is closed when the test ends.
func Open(t testing.TB, d Driver) *Harness {
	t.Helper()
	h := &Harness{
		Term:   1,
		Time:   time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC),
		Step:   time.Millisecond,
		t:      t,
		driver: d,
	}
	t.Cleanup(func() {
		if err := h.driver.Close(); err != nil {
			t.Errorf("sdktest: %v", err)
		}
	})
	return h
}

// Init runs the machine's Init with the deploy's argument. It may be called once, before the first
// command or query. It belongs to no entry: index, term and time are 0.
func (h *Harness) Init(arg string) Outcome {
	h.t.Helper()
	if h.started {
		h.t.Fatal("sdktest: Init: the machine has started; call Init once, before everything else")
	}
	h.started = true
	return h.run(sdk.OperationInit, arg)
}

// Apply runs one command at the next index. Commands are strings because tests read better so; a
// string holds any bytes.
func (h *Harness) Apply(command string) Outcome {
	h.t.Helper()
	h.start()
	h.Index++
	h.Time = h.Time.Add(h.Step)
	return h.run(sdk.OperationApply, command)
}

// MustApply runs one command, fails the test at once unless it is applied, and returns the reply.
func (h *Harness) MustApply(command string) string {
	h.t.Helper()
	return h.must("Apply", command, h.Apply(command))
}

// Query runs one query at the present index.
func (h *Harness) Query(query string) Outcome {
	h.t.Helper()
	h.start()
	return h.run(sdk.OperationQuery, query)
}

// MustQuery runs one query, fails the test at once unless it is answered, and returns the answer.
func (h *Harness) MustQuery(query string) string {
	h.t.Helper()
	return h.must("Query", query, h.Query(query))
}

// Export runs the machine's Export, as an upgrade would, and returns what it exports in Output.
func (h *Harness) Export() Outcome {
	h.t.Helper()
	h.start()
	return h.run(sdk.OperationExport, "")
}

// Upgrade puts next in the machine's place, as an upgrade does: the machine exports its state, and next
// is started, with an empty argument, and migrates it. When either refuses or traps, the old machine stays. Index,
// Time, Seed and what was recorded go on. next runs natively; UpgradeTo takes any driver.
func (h *Harness) Upgrade(next sdk.Machine) Outcome {
	h.t.Helper()
	return h.UpgradeTo(&NativeDriver{machine: next})
}

// UpgradeTo is Upgrade to the machine of a driver that has not started.
func (h *Harness) UpgradeTo(next Driver) Outcome {
	h.t.Helper()
	exported := h.Export()
	if exported.Kind != sdk.Applied {
		return exported
	}
	old := h.driver
	h.driver, h.started = next, false
	outcome := h.Migrate(string(exported.Output))
	if outcome.Kind != sdk.Applied {
		h.driver, next = old, h.driver
	} else {
		next = old
	}
	if err := next.Close(); err != nil {
		h.t.Errorf("sdktest: %v", err)
	}
	return outcome
}

// Restart puts a machine in the present one's place that was restored from its state, as happens whenever a host is restarted: in
// the sandbox from a snapshot, natively by Export and Migrate. It fails the test if that is not possible.
func (h *Harness) Restart() {
	h.t.Helper()
	h.start()
	restored, err := h.driver.Restored()
	if err == nil {
		h.driver, restored = restored, h.driver
		err = restored.Close()
	}
	if err != nil {
		h.t.Fatalf("sdktest: Restart: %v", err)
	}
}

// Digest is a hash of the present state: in the sandbox that of the whole memory, natively of what Export returns or of
// NativeDriver.State. Machines that did the same have the same. It fails the test if there is no way to it.
func (h *Harness) Digest() Digest {
	h.t.Helper()
	h.start()
	digest, err := h.driver.Digest()
	if err != nil {
		h.t.Fatalf("sdktest: Digest: %v", err)
	}
	return digest
}

// Migrate runs the machine's Migrate, as an upgrade would, with what the old machine exported.
func (h *Harness) Migrate(old string) Outcome {
	h.t.Helper()
	h.start()
	h.Index++
	h.Time = h.Time.Add(h.Step)
	return h.run(sdk.OperationMigrate, old)
}

func (h *Harness) must(method, input string, outcome Outcome) string {
	h.t.Helper()
	if outcome.Kind != sdk.Applied {
		h.t.Fatalf("sdktest: %s(%.80q) at index %d was %s: %s (code %d)",
			method, input, h.Index, outcome.Kind, outcome.Message, outcome.Code)
	}
	return string(outcome.Output)
}

// start runs Init with an empty argument if the test did not.
func (h *Harness) start() {
	h.t.Helper()
	if h.started {
		return
	}
	if outcome := h.Init(""); outcome.Kind != sdk.Applied {
		h.t.Fatalf("sdktest: Init with an empty argument was %s: %s", outcome.Kind, outcome.Message)
	}
}

func (h *Harness) run(op sdk.Operation, input string) Outcome {
	h.t.Helper()
	entry := Entry{Entry: sdk.Entry{Index: h.Index, Term: h.Term, TimeNanos: h.Time.UnixNano(), Caller: h.Caller}, Seed: h.Seed}
	if op == sdk.OperationInit {
		entry.Entry = sdk.Entry{}
	}
	outcome, err := h.driver.Run(op, entry, []byte(input))
	if err != nil {
		h.t.Fatalf("sdktest: the machine cannot be run: %v", err)
	}
	h.Events = append(h.Events, outcome.Events...)
	h.Logs = append(h.Logs, outcome.Logs...)
	return outcome
}
