package wasmsm

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
)

func newTestView(t testing.TB, m *Machine) *View {
	t.Helper()
	v, err := m.View()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// look runs a query on a view, which has to see the state of an entry.
func look(t testing.TB, v *View, index uint64, q string) Outcome {
	t.Helper()
	outcome, entry, err := v.Query("viewer", []byte(q))
	if err != nil {
		t.Fatalf("query %q: %v", q, err)
	}
	want := at(index)
	if want.Caller = "viewer"; entry != want {
		t.Fatalf("query %q at %+v, want %+v", q, entry, want)
	}
	return outcome
}

// TestViewShowsOneState shows that a view answers as the machine does, from the state last shown or
// checkpointed, and that nothing which a query did is left, however it ended.
func TestViewShowsOneState(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, goGuest(t), MachineConfig{Init: []byte("hello")})
		apply(t, m, 1, []byte("add x"))
		if err := m.Show(at(1)); err != nil {
			t.Fatal(err)
		}
		v, other := newTestView(t, m), newTestView(t, m)
		wantApplied(t, look(t, v, 1, "get init"), "5")
		wantApplied(t, look(t, v, 1, "get x"), "1")
		wantApplied(t, look(t, v, 1, "index"), "1")
		wantApplied(t, look(t, v, 1, "put x"), "written")
		wantApplied(t, look(t, v, 1, "growing"), "1")
		wantApplied(t, look(t, v, 1, "growing"), "1")
		if o := look(t, v, 1, "boom"); o.Kind != Trapped {
			t.Fatalf("%+v", o)
		}
		if o := look(t, v, 1, "nonsense"); o.Kind != Refused || o.Code != 1 {
			t.Fatalf("%+v", o)
		}
		wantApplied(t, look(t, v, 1, "get x"), "1")
		before := look(t, other, 1, "random")
		wantApplied(t, look(t, v, 1, "random"), string(before.Output))
		wantApplied(t, query(t, m, 1, []byte("random")), string(before.Output))

		apply(t, m, 2, []byte("grow 3"))
		apply(t, m, 3, []byte("add x"))
		if err := m.Show(at(4)); err != nil {
			t.Fatal(err)
		}
		wantApplied(t, look(t, v, 4, "get x"), "2")
		wantApplied(t, look(t, other, 4, "growing"), "4")
		wantApplied(t, look(t, v, 4, "growing"), "4")
	})
}

// TestViewAfterRestore shows that a view follows its machine to a restored state, a smaller one too, and
// ends with it.
func TestViewAfterRestore(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, goGuest(t), MachineConfig{})
		apply(t, m, 1, []byte("add x"))
		image, err := m.Image()
		if err != nil {
			t.Fatal(err)
		}
		v := newTestView(t, m)
		apply(t, m, 2, []byte("grow 5"))
		apply(t, m, 3, []byte("add x"))
		if err := m.Show(at(3)); err != nil {
			t.Fatal(err)
		}
		wantApplied(t, look(t, v, 3, "get x"), "2")
		wantApplied(t, look(t, v, 3, "growing"), "6")
		if err := m.Restore(image); err != nil {
			t.Fatal(err)
		}
		if err := m.Show(at(9)); err != nil {
			t.Fatal(err)
		}
		wantApplied(t, look(t, v, 9, "growing"), "1")
		wantApplied(t, look(t, v, 9, "get x"), "1")
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		_, _, err = v.Query("", []byte("get x"))
		wantError(t, err, ErrClosed)
		_, err = m.View()
		wantError(t, err, ErrClosed)
	})
}

// TestViewsBesideAWriter shows that queries which run beside commands, checkpoints and rollbacks see the
// state of exactly one entry, from their first instruction to their last, and that no view falls behind
// another. Some run long enough that a checkpoint does not wait for them.
func TestViewsBesideAWriter(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, goGuest(t), MachineConfig{})
		apply(t, m, 1, []byte("mark 1"))
		if err := m.Show(at(1)); err != nil {
			t.Fatal(err)
		}
		quit := make(chan struct{})
		stop := sync.OnceFunc(func() { close(quit) })
		var viewers sync.WaitGroup
		for i := range 3 {
			v := newTestView(t, m)
			viewers.Add(1)
			go func() {
				defer viewers.Done()
				if err := watchMarks(v, []int{1, 4, 40}[i], quit); err != nil {
					t.Error(err)
					stop()
				}
			}()
		}
		for i := uint64(2); i < 250; i++ {
			apply(t, m, i, strconv.AppendUint([]byte("mark "), i, 10))
			if i%7 == 0 {
				if err := m.Show(at(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		stop()
		viewers.Wait()
	})
}

// watchMarks queries the marks until quit is closed, looking at each as many times.
func watchMarks(v *View, times int, quit chan struct{}) error {
	q := fmt.Appendf(nil, "marks %d", times)
	for last := uint64(0); ; {
		select {
		case <-quit:
			return nil
		default:
		}
		outcome, entry, err := v.Query("", q)
		if err != nil || outcome.Kind != Applied {
			return fmt.Errorf("after index %d: %+v, %w", last, outcome, errors.Join(err))
		}
		want := entry.Index
		if want%5 == 0 {
			want-- // was refused
		}
		if got := string(outcome.Output); got != strconv.FormatUint(want, 10) || entry.Index < last {
			return fmt.Errorf("the marks of %s were seen at %d, after %d", got, entry.Index, last)
		}
		last = entry.Index
	}
}
