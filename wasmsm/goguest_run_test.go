package wasmsm

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestGoGuest shows a machine written in Go, with its runtime, heap and standard library.
func TestGoGuest(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		var logged []string
		m := newTestMachine(t, r, goGuest(t), MachineConfig{
			Init: []byte("hello"), Log: func(_ int, text string) { logged = append(logged, text) },
		})
		wantApplied(t, query(t, m, 1, []byte("get init")), "5")
		wantApplied(t, apply(t, m, 1, []byte("add x")), "1")
		wantApplied(t, apply(t, m, 2, []byte("add x")), "2")
		wantApplied(t, query(t, m, 2, []byte("put x")), "written")
		wantApplied(t, query(t, m, 2, []byte("get x")), "2")
		refused := apply(t, m, 3, []byte("refuse it"))
		if refused.Kind != Refused || refused.Code != 42 || refused.Message != "refused: it" {
			t.Errorf("refused: %+v", refused)
		}
		event := apply(t, m, 4, []byte("event hello"))
		if len(event.Events) != 1 || event.Events[0].Suffix != "changed" || string(event.Events[0].Payload) != "hello" {
			t.Errorf("events: %+v", event)
		}
		wantApplied(t, query(t, m, 5, []byte("started")), "1970-01-01T00:00:00Z")
		wantApplied(t, query(t, m, 5, []byte("sleep")), "1970-01-01T00:00:05Z 3s")
		wantApplied(t, query(t, m, 5, []byte("index")), "5")
		wantApplied(t, query(t, m, 5, []byte("env")), "args=0 env=0 error=true")
		first, again := query(t, m, 5, []byte("random")), query(t, m, 6, []byte("random"))
		if len(first.Output) != 8 || string(first.Output) == string(again.Output) {
			t.Errorf("random bytes %x at 5, %x at 6", first.Output, again.Output)
		}
		wantApplied(t, query(t, m, 5, []byte("random")), string(first.Output))
		if !slices.Equal(logged, []string{"to standard output", "to standard error"}) {
			t.Errorf("logged %q", logged)
		}
	})
}

// TestGoGuestTraps shows that a panicking Go guest says why and where, and that nothing of what it
// did is left, its broken runtime included.
func TestGoGuestTraps(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, goGuest(t), MachineConfig{Limits: Limits{MemoryBytes: 28 << 20}})
		apply(t, m, 1, []byte("add x"))
		before := fingerprint(t, m)
		for command, want := range map[string]string{
			"index 5":    "panic: runtime error: index out of range [5] with length 3 (main.go:",
			"panic boom": "panic: boom (main.go:",
			"deadlock":   "fatal error: all goroutines are asleep - deadlock! (main.go:",
			"growpanic":  "panic: after growing (main.go:",
			"recurse":    "stack overflow in main.recurse: calls are nested too deep",
			"exit":       "exited with code 3",
			"abort now":  "aborted: now",
			"grow 100":   "fatal error: out of memory (main.go:",
		} {
			outcome := apply(t, m, 2, []byte(command))
			if outcome.Kind != Trapped || !strings.HasPrefix(outcome.Message, want) || strings.Contains(outcome.Message, "\n") {
				t.Errorf("%s: %v %q, want %q", command, outcome.Kind, outcome.Message, want)
			}
			if fingerprint(t, m) != before {
				t.Fatalf("%s: the state has changed", command)
			}
			wantApplied(t, query(t, m, 2, []byte("get misbehaved")), "0")
		}
		wantApplied(t, apply(t, m, 3, []byte("add x")), "2")
	})
}

// TestReplicasAgree shows that machines with different kinds of memory, one of which also serves
// queries, have the same state and the same answers after the same commands.
func TestReplicasAgree(t *testing.T) {
	var machines []*Machine
	for _, kind := range memoryKinds() {
		machines = append(machines, newTestMachine(t, newTestRuntime(t, Config{Memory: kind}), goGuest(t), MachineConfig{Seed: [32]byte{9}}))
	}
	machines = append(machines, newTestMachine(t, newTestRuntime(t, Config{}), goGuest(t), MachineConfig{Seed: [32]byte{9}}))
	commands := []string{"add a", "add b", "panic x", "grow 2", "event y", "refuse z", "index 4", "free", "add a"}
	for i, command := range slices.Concat(commands, commands, commands) {
		want := apply(t, machines[0], uint64(i), []byte(command))
		for _, m := range machines[1:] {
			query(t, m, uint64(i), []byte("put elsewhere"))
			if got := apply(t, m, uint64(i), []byte(command)); got.Kind != want.Kind || string(got.Output) != string(want.Output) || got.Message != want.Message {
				t.Fatalf("entry %d, %s: %+v and %+v", i, command, want, got)
			}
			if fingerprint(t, m) != fingerprint(t, machines[0]) {
				t.Fatalf("entry %d, %s: the states differ", i, command)
			}
		}
	}
}

// TestGroupsShareTheStart shows that machines of one module begin with the same image whatever their
// group's seed, although Go's runtime draws random numbers when it starts.
func TestGroupsShareTheStart(t *testing.T) {
	r := newTestRuntime(t, Config{})
	one := newTestMachine(t, r, goGuest(t), MachineConfig{Seed: [32]byte{1}})
	two := newTestMachine(t, r, goGuest(t), MachineConfig{Seed: [32]byte{2}})
	if fingerprint(t, one) != fingerprint(t, two) {
		t.Error("the images differ")
	}
	if a, b := query(t, one, 1, []byte("random")), query(t, two, 1, []byte("random")); string(a.Output) == string(b.Output) {
		t.Errorf("both groups draw %x", a.Output)
	}
}

// TestInitErrors shows that a machine that cannot start says so, and frees what it had.
func TestInitErrors(t *testing.T) {
	r := newTestRuntime(t, Config{})
	c, err := r.Compile(goGuest(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for input, want := range map[string]string{
		"refuse": "wasmsm: grout_init refused with code 7: no such configuration",
		"panic":  "wasmsm: grout_init trapped: panic: init went wrong (main.go:",
	} {
		_, err := c.New(MachineConfig{Init: []byte(input)})
		var refused *InitError
		if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", input, err)
		}
	}
	_, err = c.New(MachineConfig{Limits: Limits{MemoryBytes: pageBytes}})
	wantError(t, err, ErrLimits)
	_, err = c.New(MachineConfig{Limits: Limits{MemoryBytes: 4 << 30}})
	wantError(t, err, ErrLimits)
}
