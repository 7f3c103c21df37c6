package wasmsm

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

// frozenAs freezes a machine, and returns what the pages have to be.
func frozenAs(t *testing.T, m *Machine) (*Frozen, [][]byte) {
	t.Helper()
	image, err := m.Image()
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if f.Count != len(image.Pages) || !bytes.Equal(f.Header, image.Header) || len(f.Pages) == 0 {
		t.Fatalf("%d of %d pages, the image has %d", len(f.Pages), f.Count, len(image.Pages))
	}
	return f, image.Pages
}

func wantFrozen(t *testing.T, f *Frozen, want [][]byte) {
	t.Helper()
	for _, i := range f.Pages {
		if data, err := f.Page(i); err != nil || !bytes.Equal(data, want[i]) {
			t.Fatalf("page %d of %d is not what it was, %v", i, f.Count, err)
		}
	}
}

// TestFrozen shows that pages which are read late are what they were, whatever became of the machine: after commands, a
// restore, a doze and another freeze; and that they are an error once it is closed.
func TestFrozen(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		index := uint64(0)
		disturb := func() {
			for range 3 {
				index++
				apply(t, m, index, operation(opDisturb, 2, uint32(index)))
				index++
				apply(t, m, index, operation(opStore, uint32(index)*5000%60000, 7))
			}
		}
		disturb()
		before, err := m.Image()
		if err != nil {
			t.Fatal(err)
		}
		for name, what := range map[string]func(){
			"nothing":  func() {},
			"commands": disturb,
			"a restore": func() {
				if err := m.Restore(before); err != nil {
					t.Fatal(err)
				}
			},
			"a doze": func() { wantDoze(t, m) },
			"a freeze": func() {
				disturb()
				if _, err := m.Freeze(); err != nil {
					t.Fatal(err)
				}
				disturb()
			},
		} {
			disturb()
			f, want := frozenAs(t, m)
			t.Logf("%s, %d pages", name, len(f.Pages))
			what()
			disturb()
			wantFrozen(t, f, want)
			if _, err := f.Page(f.Pages[0]); err == nil {
				t.Error("a page was read twice")
			}
			if _, err := f.Page(f.Count); err == nil {
				t.Error("a page that there is not was read")
			}
		}
		f, _ := frozenAs(t, m)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Page(f.Pages[0]); !errors.Is(err, ErrClosed) {
			t.Errorf("a page of a machine that is closed: %v", err)
		}
	})
}

// TestFrozenBeside shows that pages are read on another goroutine while commands change them.
func TestFrozenBeside(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		index := uint64(0)
		for range 40 {
			index++
			apply(t, m, index, operation(opStore, uint32(index)*3000%120000, 1))
			f, want := frozenAs(t, m)
			var reader sync.WaitGroup
			reader.Go(func() { wantFrozen(t, f, want) })
			for range 20 {
				index++
				apply(t, m, index, operation(opStore, uint32(index)*3000%120000, uint32(index)))
			}
			reader.Wait()
		}
	})
}

// TestFrozenBeforeACut shows that frozen pages stay when the memory becomes shorter.
func TestFrozenBeforeACut(t *testing.T) {
	for name, open := range storesUnderTest(t) {
		t.Run(name, func(t *testing.T) {
			s := open()
			memory := s.resize(2 * pageBytes)
			want := bytes.Repeat([]byte{7}, pageBytes)
			copy(memory[pageBytes:], want)
			commit := func() {
				if err := s.commit(func() {}); err != nil {
					t.Fatal(err)
				}
			}
			commit()
			f := s.freeze()
			s.resize(pageBytes)
			commit()
			if got, err := f.page(1); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the page that was cut off is not what it was, %v", err)
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
