package main

import "fmt"

// work is what every system has to do.
type work struct {
	system system
	// last is the number of each worker's last acknowledged write of each key.
	last [most][keys]int
	next [most]int
}

func newWork(s system) *work { return &work{system: s} }

func keyOf(worker, n int) string { return fmt.Sprintf("k%04d-%06d", worker, n%keys) }
func valueOf(n int) string       { return fmt.Sprintf("%0100d", n) }

// fill writes the keys that are read.
func (w *work) fill() error {
	errs := make(chan error)
	for worker := range readers {
		go func() {
			for range keys {
				if err := w.write(worker, 0); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var first error
	for range readers {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// write puts the worker's next number under its next key.
func (w *work) write(worker, _ int) error {
	w.next[worker]++
	n := w.next[worker]
	if err := w.system.write(worker, keyOf(worker, n), valueOf(n)); err != nil {
		return err
	}
	w.last[worker][n%keys] = n
	return nil
}

func (w *work) read(worker, i int) error {
	got, err := w.system.read(worker, keyOf(worker%readers, i))
	if err == nil && len(got) != len(valueOf(0)) {
		return fmt.Errorf("key %s holds %q", keyOf(worker%readers, i), got)
	}
	return err
}

// check reads what each worker wrote last: an acknowledged write that is lost is an error.
func (w *work) check() error {
	for worker := range most {
		n := w.next[worker]
		if n == 0 {
			continue
		}
		want := valueOf(w.last[worker][n%keys])
		if got, err := w.system.read(worker, keyOf(worker, n)); err != nil || got != want {
			return fmt.Errorf("an acknowledged write is lost: %s holds %q (%w), not %q", keyOf(worker, n), got, err, want)
		}
	}
	return nil
}
