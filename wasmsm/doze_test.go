package wasmsm

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

func wantDoze(t testing.TB, m *Machine) {
	t.Helper()
	if dozes, err := m.Doze(); err != nil || !dozes || m.instance != nil || m.store != nil {
		t.Fatalf("the machine does not doze: %t, %v", dozes, err)
	}
}

// sleeper is a machine that dozes before every step, beside one that never does.
type sleeper struct {
	*testing.T
	m, awake *Machine
	index    uint64
}

func newSleeper(t *testing.T, r *Runtime, module []byte, config MachineConfig) *sleeper {
	s := &sleeper{T: t, m: newTestMachine(t, r, module, config), awake: newTestMachine(t, r, module, config)}
	s.same()
	return s
}

// apply applies a command to both, the first of which dozes right before it.
func (s *sleeper) apply(command string) Outcome {
	s.Helper()
	s.index++
	wantDoze(s.T, s.m)
	got, want := apply(s.T, s.m, s.index, []byte(command)), apply(s.T, s.awake, s.index, []byte(command))
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		s.Fatalf("entry %d, %.40q: %+v, without dozing %+v", s.index, command, got, want)
	}
	return got
}

// same compares states, and what changed since it was asked for last.
func (s *sleeper) same() {
	s.Helper()
	got, err := s.m.Changes()
	if err != nil {
		s.Fatal(err)
	}
	want, err := s.awake.Changes()
	if err != nil {
		s.Fatal(err)
	}
	if !bytes.Equal(got.Header, want.Header) || got.Count != want.Count {
		s.Fatalf("entry %d: %d pages, without dozing %d, or other globals", s.index, got.Count, want.Count)
	}
	for _, p := range want.Pages {
		i := slices.IndexFunc(got.Pages, func(q Page) bool { return q.Index == p.Index })
		if i < 0 || !bytes.Equal(got.Pages[i].Data, p.Data) {
			s.Fatalf("entry %d: the change of page %d was lost", s.index, p.Index)
		}
	}
	if fingerprint(s.T, s.m) != fingerprint(s.T, s.awake) {
		s.Fatalf("entry %d: the states differ", s.index)
	}
}

// TestDozeAtEveryIndex shows that a machine which dozes before every command has the outcomes, images and changes of one that never
// does: a Go guest that applies, refuses, traps, grows, runs out of stack and publishes.
func TestDozeAtEveryIndex(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		s := newSleeper(t, r, goGuest(t), MachineConfig{Init: []byte("hello"), Limits: Limits{MemoryBytes: 28 << 20}})
		commands := []string{"add x", "add y", "refuse it", "event hello", "panic boom", "growpanic", "add x", "recurse", "grow 3", "abort now", "grow 100"}
		for i := range 4 * len(commands) {
			s.apply(commands[i%len(commands)])
			if i%3 == 0 {
				s.same()
			}
			wantDoze(t, s.m)
			if got, want := s.m.MemoryBytes(), s.awake.MemoryBytes(); got != want || s.m.instance != nil {
				t.Fatalf("the memory has %d bytes, want %d; awake: %t", got, want, s.m.instance != nil)
			}
			wantApplied(t, query(t, s.m, s.index, []byte("get x")), string(query(t, s.awake, s.index, []byte("get x")).Output))
		}
		s.same()
	})
}

// TestDozeAcrossEverythingElse shows that limits, an image that replaces the state, export and migration find a machine that dozes as it
// was, and that one which took over from it goes on.
func TestDozeAcrossEverythingElse(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		s := newSleeper(t, r, probeModule, MachineConfig{})
		s.apply(string(operation(opDisturb, 2, 0)))
		before, err := s.awake.Image()
		if err != nil {
			t.Fatal(err)
		}
		wantDoze(t, s.m)
		for _, m := range []*Machine{s.m, s.awake} {
			if err := m.SetLimits(Limits{MemoryBytes: 2 * pageBytes}); err != nil {
				t.Fatal(err)
			}
		}
		wantApplied(t, s.apply(string(operation(opGrow, 1))), "\xff\xff\xff\xff") // three pages are more than it may have now
		s.apply(string(operation(opStore, 20000, 7)))
		s.same()
		wantDoze(t, s.m)
		for _, m := range []*Machine{s.m, s.awake} {
			if err := m.Restore(before); err != nil {
				t.Fatal(err)
			}
		}
		s.same()
		s.apply(string(operation(opDisturbAndTrap, 0)))
		s.same()
	})
}

// TestDozeAndMigrate shows that an upgrade takes over from a machine that dozes, that the old one is as before, and that the new one
// can doze at once.
func TestDozeAndMigrate(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		next := compileTest(t, r, nextModule)
		s := newSleeper(t, r, heirModule, MachineConfig{})
		s.apply("hello")
		wantDoze(t, s.m)
		var heirs []*Machine
		for _, m := range []*Machine{s.m, s.awake} {
			heir, outcome, err := next.Migrate(m, MachineConfig{}, at(9))
			if err != nil || outcome.Kind != Applied {
				t.Fatalf("%+v, %v", outcome, err)
			}
			defer func() {
				if err := heir.Close(); err != nil {
					t.Error(err)
				}
			}()
			heirs = append(heirs, heir)
		}
		wantDoze(t, heirs[0])
		wantApplied(t, query(t, heirs[0], 9, nil), string(query(t, heirs[1], 9, nil).Output))
		if fingerprint(t, heirs[0]) != fingerprint(t, heirs[1]) {
			t.Error("the new machines differ")
		}
		s.same()
	})
}

// TestDozeSmall shows that what a machine keeps is a small part of what it gives back, and that one with much of its own stays awake, as it was.
func TestDozeSmall(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, goGuest(t), MachineConfig{})
		apply(t, m, 1, []byte("add x"))
		wantDoze(t, m)
		k := m.rest.kept.Load()
		t.Logf("%d KiB of memory, kept %d blocks in %d bytes", k.size>>10, k.memory.blocks, len(k.memory.stream))
		if len(k.memory.stream) > 64<<10 {
			t.Errorf("%d bytes are kept of a machine that did next to nothing", len(k.memory.stream))
		}
		image, err := m.Image()
		if err != nil {
			t.Fatal(err)
		}
		// Bytes in no order cannot be packed: half of the memory is more than 1 MiB.
		random := rand.NewChaCha8([32]byte{1})
		for i := len(image.Pages) / 2; i < len(image.Pages); i++ {
			image.Pages[i] = make([]byte, pageBytes)
			if _, err := random.Read(image.Pages[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Restore(image); err != nil {
			t.Fatal(err)
		}
		before := fingerprint(t, m)
		if dozes, err := m.Doze(); dozes || err != nil || m.instance == nil {
			t.Errorf("a machine with over 1 MiB of its own dozes: %t, %v", dozes, err)
		}
		if fingerprint(t, m) != before {
			t.Error("a machine that stayed awake has another state")
		}
	})
}

// TestDozeThatCannotEnd shows that a machine which cannot wake says so from then on, to views too, and can be closed.
func TestDozeThatCannotEnd(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	apply(t, m, 1, operation(opDisturb, 1, 0))
	wantDoze(t, m)
	k := m.rest.kept.Load()
	whole := k.memory.stream
	k.memory.stream = whole[:len(whole)/2]
	_, first := m.View()
	k.memory.stream = whole // another try would not fail
	_, second := m.Apply(at(2), operation(opGrow, 1))
	_, third := m.Image()
	for _, err := range []error{first, second, third} {
		if err == nil || !strings.Contains(err.Error(), "dozed and cannot wake") || !strings.Contains(err.Error(), "unpacking") {
			t.Errorf("a damaged sleep: %v", err)
		}
	}
	if dozes, err := m.Doze(); dozes || err == nil || m.MemoryBytes() != 2*pageBytes {
		t.Errorf("it dozes again: %t, %v, %d bytes", dozes, err, m.MemoryBytes())
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestDozeClosed shows that a machine can be closed while it dozes, and is no more then.
func TestDozeClosed(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	wantDoze(t, m)
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
	_, applied := m.Apply(at(1), nil)
	_, viewed := m.View()
	_, dozed := m.Doze()
	for _, err := range []error{applied, viewed, dozed} {
		wantError(t, err, ErrClosed)
	}
}

// TestDozeBesideViews shows that views which come and go at any time, while the machine dozes and wakes, see each a state that there was.
func TestDozeBesideViews(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		stop := make(chan struct{})
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				for seen := uint32(0); ; {
					select {
					case <-stop:
						return
					default:
					}
					v, err := m.View()
					if err != nil {
						t.Error(err)
						return
					}
					o, _, err := v.Query("", operation(opOutput, 20000, 4))
					if now := le32(append(o.Output, 0, 0, 0, 0)); err != nil || o.Kind != Applied || now < seen {
						t.Errorf("%+v, %v after %d", o, err, seen)
					} else {
						seen = now
					}
					if err := v.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		dozed := 0
		for i := uint32(1); i <= 300; i++ {
			apply(t, m, uint64(i), operation(opStore, 20000, i))
			if dozes, err := m.Doze(); err != nil {
				t.Fatal(err)
			} else if dozes {
				dozed++
			}
		}
		close(stop)
		wait.Wait()
		wantDoze(t, m)
		wantApplied(t, query(t, m, 300, operation(opOutput, 20000, 4)), "\x2c\x01\x00\x00")
		t.Logf("it dozed %d times of 300", dozed)
	})
}

// FuzzPack shows that a checkpoint which is packed comes back as it was, whatever it and the fresh memory have where, holes included.
func FuzzPack(f *testing.F) {
	f.Add([]byte("some memory"), []byte("a fresh one that is longer"), uint8(2), uint8(1))
	f.Add([]byte{}, bytes.Repeat([]byte{1}, 5000), uint8(0), uint8(3))
	f.Add([]byte{}, bytes.Repeat([]byte{1}, 5000), uint8(1), uint8(0)) // zeros where a fresh one has data
	f.Fuzz(func(t *testing.T, content, fresh []byte, pages, at uint8) {
		size := uint64(pages%4) * pageBytes
		s, err := newStore(MemoryAuto, 4*pageBytes, &gate{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.close(); err != nil {
				t.Error(err)
			}
		}()
		if memory := s.resize(size); size > 0 {
			copy(memory[int(at)*1000%len(memory):], content)
		}
		if err := s.commit(func() {}); err != nil {
			t.Fatal(err)
		}
		fresh = append(make([]byte, int(at)*700), fresh...)
		fresh = fresh[:min(uint64(len(fresh)), size)]
		p, small, err := pack(s, fresh)
		if err != nil || !small {
			t.Fatalf("%t, %v", small, err)
		}
		want, err := s.pages()
		if err != nil {
			t.Fatal(err)
		}
		read, page := p.reader(fresh), make([]byte, pageBytes)
		for i := range uint32(size / pageBytes) {
			data, err := read(int(i), page)
			if err != nil {
				t.Fatal(err)
			}
			j := slices.IndexFunc(want, func(p Page) bool { return p.Index == i })
			if data != (j >= 0) || data && !bytes.Equal(page, want[j].Data) {
				t.Fatalf("page %d of %d differs", i, size/pageBytes)
			}
		}
	})
}

// BenchmarkDoze shows what a doze and the wake after it take, of a Go guest that did little, of one with many keys, and of one of 256 MiB that
// has too much to doze, which it has to find out.
func BenchmarkDoze(b *testing.B) {
	r := newTestRuntime(b, Config{})
	little, more := newTestMachine(b, r, goGuest(b), MachineConfig{}), newTestMachine(b, r, goGuest(b), MachineConfig{})
	apply(b, little, 1, []byte("add x"))
	for i := range uint64(5000) {
		apply(b, more, i+1, fmt.Appendf(nil, "add key-%d", i))
	}
	for _, of := range []struct {
		name    string
		machine *Machine
	}{{"little", little}, {"more", more}} {
		wantDoze(b, of.machine)
		kept := float64(len(of.machine.rest.kept.Load().memory.stream)) / 1024
		wake := func() {
			if err := of.machine.awake(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("doze/"+of.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				wake()
				b.StartTimer()
				wantDoze(b, of.machine)
			}
			b.ReportMetric(kept, "kept-KiB")
		})
		b.Run("wake/"+of.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				wantDoze(b, of.machine)
				b.StartTimer()
				wake()
			}
		})
	}
	b.Run("too much", func(b *testing.B) {
		m := largeMachine(b)
		for b.Loop() {
			if dozes, err := m.Doze(); dozes || err != nil {
				b.Fatalf("%t, %v", dozes, err)
			}
		}
	})
}
