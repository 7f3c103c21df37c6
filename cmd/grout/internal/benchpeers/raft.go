package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// raftSystem is three members of hashicorp/raft with raft-wal and its TCP transport, called at the leader in this process: the
// library has no clients of its own. Its state machine is a map.
type raftSystem struct {
	members []*raftMember
	leader  *raftMember
}

type raftMember struct {
	*raft.Raft
	state     *raftMap
	log       *wal.WAL
	transport *raft.NetworkTransport
}

func startRaft(ctx context.Context, dir string) (system, error) {
	s := &raftSystem{}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *raftSystem) start(ctx context.Context, dir string) error {
	var servers []raft.Server
	for i := range 3 {
		m, err := newRaftMember(filepath.Join(dir, fmt.Sprint(i)), fmt.Sprintf("n%d", i))
		if err != nil {
			return err
		}
		s.members = append(s.members, m)
		servers = append(servers, raft.Server{ID: raft.ServerID(fmt.Sprintf("n%d", i)), Address: m.transport.LocalAddr()})
	}
	if err := s.members[0].BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil {
		return err
	}
	for s.leader == nil {
		for _, m := range s.members {
			if m.State() == raft.Leader && m.VerifyLeader().Error() == nil {
				s.leader = m
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond): // its observers see candidates, not offices that are confirmed
		}
	}
	return nil
}

func newRaftMember(dir, name string) (*raftMember, error) {
	if err := os.MkdirAll(filepath.Join(dir, "wal"), 0o755); err != nil {
		return nil, err
	}
	m := &raftMember{state: &raftMap{values: map[string]string{}}}
	var err error
	if m.log, err = wal.Open(filepath.Join(dir, "wal")); err != nil {
		return nil, err
	}
	snapshots, err := raft.NewFileSnapshotStore(dir, 1, io.Discard)
	if err != nil {
		return nil, err
	}
	if m.transport, err = raft.NewTCPTransport("127.0.0.1:0", nil, connections, callTimeout, io.Discard); err != nil {
		return nil, err
	}
	config := raft.DefaultConfig()
	config.LocalID, config.Logger, config.BatchApplyCh = raft.ServerID(name), hclog.NewNullLogger(), true
	m.Raft, err = raft.NewRaft(config, m.state, m.log, m.log, snapshots, m.transport)
	return m, err
}

func (s *raftSystem) write(_ int, key, value string) error {
	return s.leader.Apply([]byte(key+" "+value), callTimeout).Error()
}

func (s *raftSystem) read(_ int, key string) (string, error) {
	if err := s.leader.VerifyLeader().Error(); err != nil {
		return "", err
	}
	return s.leader.state.get(key), nil
}

func (s *raftSystem) close() error {
	var errs []error
	for _, m := range s.members {
		if m.Raft != nil {
			errs = append(errs, m.Shutdown().Error())
		}
		errs = append(errs, m.transport.Close(), m.log.Close())
	}
	return errors.Join(errs...)
}

// raftMap is the state machine.
type raftMap struct {
	mu     sync.RWMutex
	values map[string]string
}

// Apply implements raft.FSM.
func (m *raftMap) Apply(entry *raft.Log) any {
	key, value, _ := bytes.Cut(entry.Data, []byte(" "))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[string(key)] = string(value)
	return nil
}

func (m *raftMap) get(key string) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.values[key]
}

// Snapshot implements raft.FSM: a copy of the map, as an author would begin.
func (m *raftMap) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all bytes.Buffer
	for key, value := range m.values {
		fmt.Fprintf(&all, "%s %s\n", key, value)
	}
	return raftSnapshot(all.Bytes()), nil
}

// Restore implements raft.FSM. No member falls behind here.
func (m *raftMap) Restore(io.ReadCloser) error {
	return errors.New("no snapshot is restored in this benchmark")
}

type raftSnapshot []byte

// Persist implements raft.FSMSnapshot.
func (s raftSnapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := sink.Write(s); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (raftSnapshot) Release() {}
