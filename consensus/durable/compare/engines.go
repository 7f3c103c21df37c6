package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"golang.org/x/sys/unix"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/consensus/durable"
)

// bare is the floor: each group has a file of zeros, overwritten in place and synced.
type bare struct {
	files   []*os.File
	offsets []int64
}

const bareBytes = 1 << 20

func (b *bare) open(dir string, groups int) error {
	b.offsets = make([]int64, groups)
	for group := range groups {
		file, err := os.Create(filepath.Join(dir, fmt.Sprint(group)))
		if err != nil {
			return err
		}
		b.files = append(b.files, file)
		if _, err := file.Write(make([]byte, bareBytes)); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bare) append(group, n int) error {
	data := make([]byte, 0, n*entryBytes)
	for i := range n {
		data = append(data, payload(uint64(i))...)
	}
	if b.offsets[group]+int64(len(data)) > bareBytes {
		b.offsets[group] = 0
	}
	if _, err := b.files[group].WriteAt(data, b.offsets[group]); err != nil {
		return err
	}
	b.offsets[group] += int64(len(data))
	return unix.Fdatasync(int(b.files[group].Fd()))
}

func (b *bare) vote(group int, _ uint64) error { return b.append(group, 1) }

func (b *bare) load(int) (int, error) { return 0, errors.ErrUnsupported }

func (b *bare) keep(int, int) error { return errors.ErrUnsupported }

func (b *bare) close() error {
	var err error
	for _, file := range b.files {
		err = errors.Join(err, file.Close())
	}
	return err
}

// grout is Grout's own log.
type grout struct {
	store *durable.Store
	next  []consensus.Index
}

func (g *grout) open(dir string, groups int) (err error) {
	g.next = make([]consensus.Index, groups)
	for i := range g.next {
		g.next[i] = 1
	}
	g.store, err = durable.Open(durable.Config{Dir: dir})
	return err
}

func (g *grout) write(group int, w consensus.Write) error {
	done := make(chan error, 1)
	g.store.Group(uint64(group)).Append(w, func(err error) { done <- err })
	return <-done
}

func (g *grout) append(group, n int) error {
	entries := make([]consensus.LogEntry, n)
	for i := range entries {
		index := g.next[group] + consensus.Index(i)
		entries[i] = consensus.LogEntry{Term: 1, Index: index, Kind: consensus.EntryCommand, Payload: payload(uint64(index))}
	}
	g.next[group] += consensus.Index(n)
	return g.write(group, consensus.Write{Entries: entries})
}

func (g *grout) vote(group int, term uint64) error {
	return g.write(group, consensus.Write{HardState: &consensus.HardState{Term: consensus.Term(term), VotedFor: 1}})
}

func (g *grout) load(group int) (int, error) {
	restored, err := g.store.Group(uint64(group)).Load()
	g.next[group] = consensus.Index(len(restored.Entries)) + 1
	return len(restored.Entries), err
}

func (g *grout) keep(group, n int) error {
	anchor := consensus.Cursor{Term: 1, Index: g.next[group] - 1 - consensus.Index(n)}
	meta := consensus.SnapshotMeta{
		Anchor: anchor, Configuration: consensus.Configuration{Voters: []consensus.MemberID{1}},
	}
	if err := g.store.Group(uint64(group)).SaveSnapshot(meta); err != nil {
		return err
	}
	if err := g.store.Group(uint64(group)).Compact(anchor.Index); err != nil {
		return err
	}
	return settle(g.store)
}

// settle waits until the space on disk has not changed for longer than the log delays its reclaiming.
func settle(store *durable.Store) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, same := uint64(0), 0
	for range tick.C {
		now := store.Stats().DiskBytes
		if same++; now != last {
			last, same = now, 0
		}
		if same > 15 {
			return nil
		}
	}
	return nil
}

func (g *grout) close() error { return g.store.Close() }

// raftWAL has one log for each group, and keeps its hard state in the log's own store of keys, term and vote as
// one value (the least that a careful user could write).
type raftWAL struct {
	logs []*wal.WAL
	next []uint64
}

func (r *raftWAL) open(dir string, groups int) error {
	for group := range groups {
		sub := filepath.Join(dir, fmt.Sprint(group))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		log, err := wal.Open(sub)
		if err != nil {
			return err
		}
		r.logs = append(r.logs, log)
		r.next = append(r.next, 1)
	}
	return nil
}

func (r *raftWAL) append(group, n int) error {
	entries := make([]*raft.Log, n)
	for i := range entries {
		index := r.next[group] + uint64(i)
		entries[i] = &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: payload(index)}
	}
	r.next[group] += uint64(n)
	return r.logs[group].StoreLogs(entries)
}

func (r *raftWAL) vote(group int, term uint64) error {
	return r.logs[group].Set([]byte("hard state"), fmt.Appendf(nil, "%016x%016x", term, 1))
}

func (r *raftWAL) load(group int) (int, error) {
	first, err := r.logs[group].FirstIndex()
	if err != nil {
		return 0, err
	}
	last, err := r.logs[group].LastIndex()
	if err != nil {
		return 0, err
	}
	entries := make([]raft.Log, last-first+1)
	for i := range entries {
		if err := r.logs[group].GetLog(first+uint64(i), &entries[i]); err != nil {
			return i, err
		}
	}
	r.next[group] = last + 1
	return len(entries), nil
}

func (r *raftWAL) keep(group, n int) error {
	return r.logs[group].DeleteRange(1, r.next[group]-1-uint64(n))
}

func (r *raftWAL) close() error {
	var err error
	for _, log := range r.logs {
		err = errors.Join(err, log.Close())
	}
	return err
}
