package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	entryBytes = 128
	manyGroups = 100
	kept       = 1000
)

// noise does not compress, not even over the blocks that a table is compressed by.
var noise = func() []byte {
	data, x := make([]byte, 1<<20), uint64(88172645463325252)
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x)
	}
	return data
}()

// payload is what entry index carries.
func payload(index uint64) []byte {
	offset := index % (uint64(len(noise)) / entryBytes) * entryBytes
	return noise[offset:][:entryBytes]
}

func allocated(info os.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}

// measure adds one round of one contender. Recovery takes long and varies little: once is enough.
func measure(s settings, c contender, r row, recover bool) error {
	steps := []func(settings, contender, row) error{measureOne, measureMany}
	if recover && !c.floor && s.recovery > 0 {
		steps = append(steps, measureRecovery)
	}
	for _, step := range steps {
		if err := step(s, c, r); err != nil {
			return err
		}
	}
	return nil
}

// within opens an engine in a new folder, and removes the folder afterwards.
func within(s settings, c contender, groups int, use func(e engine, dir string) error) error {
	dir, err := fresh(s)
	if err != nil {
		return err
	}
	e := c.make()
	if err := e.open(dir, groups); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return errors.Join(use(e, dir), e.close(), os.RemoveAll(dir))
}

func measureOne(s settings, c contender, r row) error {
	return within(s, c, 1, func(e engine, _ string) error {
		if _, err := timed(s.appends/10, func() error { return e.append(0, 1) }); err != nil {
			return err
		}
		one, err := timed(s.appends, func() error { return e.append(0, 1) })
		if err != nil {
			return err
		}
		many, err := timed(s.appends/2, func() error { return e.append(0, 64) })
		if err != nil {
			return err
		}
		term := uint64(1)
		votes, err := timed(s.appends/10, func() error { term++; return e.vote(0, term) })
		if err != nil {
			return err
		}
		r.add("1 entry p50 µs", micros(one, 50))
		r.add("1 entry p99 µs", micros(one, 99))
		r.add("64 entries p50 µs", micros(many, 50))
		r.add("hard state p50 µs", micros(votes, 50))
		return nil
	})
}

func measureMany(s settings, c contender, r row) error {
	return within(s, c, manyGroups, func(e engine, _ string) error {
		one, rate, err := together(s.appends/20, func(group int) error { return e.append(group, 1) })
		if err != nil {
			return err
		}
		_, rate64, err := together(s.appends/40, func(group int) error { return e.append(group, 64) })
		if err != nil {
			return err
		}
		r.add("100 groups x 1: appends/s", rate)
		r.add("100 x 1 p99 µs", micros(one, 99))
		r.add("100 groups x 64: appends/s", rate64)
		return nil
	})
}

func measureRecovery(s settings, c contender, r row) error {
	dir, err := fresh(s)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fillElsewhere(s, c, dir); err != nil {
		return err
	}
	started := time.Now()
	e := c.make()
	if err := e.open(dir, 1); err != nil {
		return err
	}
	n, err := e.load(0)
	if err != nil || n != s.recovery {
		return fmt.Errorf("%d entries of %d were recovered: %w", n, s.recovery, err)
	}
	r.add("recover s", time.Since(started).Seconds())
	before, err := diskUse(dir)
	if err != nil {
		return err
	}
	if err := e.keep(0, kept); err != nil {
		return err
	}
	after, err := diskUse(dir)
	r.add("disk MB before", float64(before)/1e6)
	r.add("disk MB after", float64(after)/1e6)
	return errors.Join(err, e.close())
}

// fillElsewhere writes the log in a process of its own: raft-wal v0.4.0 does not let go of its store of keys on
// Close, so that it can be opened once in a process.
func fillElsewhere(s settings, c contender, dir string) error {
	child := exec.Command(os.Args[0], "-dir", dir, "-recovery", fmt.Sprint(s.recovery), "-fill", c.name)
	child.Stderr = os.Stderr
	return child.Run()
}

// fill writes the log that is recovered, and ends like a process that was stopped well.
func fill(s settings) error {
	i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == s.fill })
	if i < 0 {
		return fmt.Errorf("no engine is named %q", s.fill)
	}
	e := contenders[i].make()
	if err := e.open(s.dir, 1); err != nil {
		return err
	}
	for n := 0; n < s.recovery; n += 500 {
		if err := e.append(0, 500); err != nil {
			return err
		}
	}
	return e.close()
}

func (r row) add(column string, value float64) { r[column] = append(r[column], value) }

// timed calls do n times and returns how long each took.
func timed(n int, do func() error) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	for i := range took {
		started := time.Now()
		if err := do(); err != nil {
			return nil, err
		}
		took[i] = time.Since(started)
	}
	return took, nil
}

// together calls do n times for every group, all groups at once, and returns how long each call took and
// how many there were in a second.
func together(n int, do func(group int) error) ([]time.Duration, float64, error) {
	var all sync.WaitGroup
	took, failed := make([][]time.Duration, manyGroups), make([]error, manyGroups)
	started := time.Now()
	for group := range manyGroups {
		all.Go(func() {
			took[group], failed[group] = timed(n, func() error { return do(group) })
		})
	}
	all.Wait()
	rate := float64(n*manyGroups) / time.Since(started).Seconds()
	return slices.Concat(took...), rate, errors.Join(failed...)
}

func micros(took []time.Duration, percent int) float64 {
	slices.Sort(took)
	return float64(took[(len(took)-1)*percent/100]) / 1e3
}
