package chaos

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// lanes are all faults that there are on this network and these disks.
func lanes(disks string) []lane {
	return []lane{
		{name: "processes", least: 500 * time.Millisecond, most: 4 * time.Second, kinds: []kind{
			{"kill", killOne}, {"kill the leader", killLeader}, {"kill all", killAll}, {"orderly restart", restart},
			{"stand still", pauseOne}, {"stand still, the leader", pauseLeader},
		}},
		{name: "network", least: 500 * time.Millisecond, most: 4 * time.Second, kinds: []kind{
			{"cut off", links(condition{cut: true}, condition{cut: true})},
			{"hears nothing", links(condition{}, condition{cut: true})},
			{"says nothing", links(condition{cut: true}, condition{})},
			{"slow link", slowLink}, {"lossy link", lossyLink}, {"reset connections", resetLink},
			{"NATS restart", natsRestart}, {"NATS absence", natsAbsence},
		}},
		{name: "disks", least: 2 * time.Second, most: 10 * time.Second, kinds: []kind{
			{disks + ", under the log", fullDisk((*cluster).fillLogs)},
			{disks + ", under a snapshot", fullDisk((*cluster).takeSnapshots)},
		}},
	}
}

// readOnlyStart is counted beside the lanes: a host is started on a read-only disk after a full one.
const readOnlyStart = "start on a read-only disk"

func (s *storm) target(d draw) *host { return s.hosts[d.target] }

// leader is the host that leads one of the groups that clients use, as far as they or the hosts' status know; known
// is false when nobody knows of one.
func (s *storm) leader(d draw) (leader *host, known bool) {
	for _, group := range []string{groupCounter, groupKV} {
		for _, name := range []string{s.client.Group(group).Leader(), s.lastLeader(group)} {
			if h := s.host(name); h != nil {
				return h, true
			}
		}
	}
	return s.target(d), false
}

func killOne(ctx context.Context, s *storm, d draw) (bool, error) {
	return s.killAndStart(ctx, s.target(d), d)
}

func killLeader(ctx context.Context, s *storm, d draw) (bool, error) {
	leader, known := s.leader(d)
	happened, err := s.killAndStart(ctx, leader, d)
	return happened && known, err
}

func (s *storm) killAndStart(ctx context.Context, h *host, d draw) (bool, error) {
	h.fault.Lock()
	defer h.fault.Unlock()
	err := h.kill()
	pause(ctx, d.between(0, 4*time.Second))
	return err == nil, errors.Join(err, h.up())
}

// killAll is a power failure that the disks survive.
func killAll(ctx context.Context, s *storm, d draw) (bool, error) {
	var errs []error
	for _, h := range s.hosts {
		h.fault.Lock()
		defer h.fault.Unlock()
	}
	for _, h := range s.hosts {
		errs = append(errs, h.kill())
	}
	pause(ctx, d.between(0, time.Second))
	for _, h := range s.hosts {
		errs = append(errs, h.up())
	}
	return true, errors.Join(errs...)
}

func restart(_ context.Context, s *storm, d draw) (bool, error) {
	h := s.target(d)
	h.fault.Lock()
	defer h.fault.Unlock()
	err := h.stop()
	return err == nil, errors.Join(err, h.up())
}

func pauseOne(ctx context.Context, s *storm, d draw) (bool, error) {
	return standStill(ctx, s.target(d), d)
}

func pauseLeader(ctx context.Context, s *storm, d draw) (bool, error) {
	leader, known := s.leader(d)
	happened, err := standStill(ctx, leader, d)
	return happened && known, err
}

func standStill(ctx context.Context, h *host, d draw) (bool, error) {
	h.fault.Lock()
	defer h.fault.Unlock()
	p := h.process()
	err := p.Signal(syscall.SIGSTOP)
	pause(ctx, d.between(200*time.Millisecond, 15*time.Second))
	return err == nil, errors.Join(err, p.Signal(syscall.SIGCONT))
}

// links makes a fault of a condition of a host's link.
func links(out, in condition) func(context.Context, *storm, draw) (bool, error) {
	return func(ctx context.Context, s *storm, d draw) (bool, error) {
		l := s.network.link(s.target(d).name)
		before := l.harmed()
		l.suffer(out, in)
		pause(ctx, d.between(500*time.Millisecond, 8*time.Second))
		l.suffer(condition{}, condition{})
		return l.harmed() > before, nil
	}
}

func slowLink(ctx context.Context, s *storm, d draw) (bool, error) {
	c := condition{delay: time.Duration(5+d.detail*195) * time.Millisecond}
	c.jitter = c.delay / 2
	return links(c, c)(ctx, s, d)
}

func lossyLink(ctx context.Context, s *storm, d draw) (bool, error) {
	c := condition{loss: 0.02 + d.detail*0.28}
	return links(c, c)(ctx, s, d)
}

func resetLink(_ context.Context, s *storm, d draw) (bool, error) {
	l := s.network.link(s.target(d).name)
	before := l.harmed()
	l.reset()
	return l.harmed() > before, nil
}

func natsRestart(ctx context.Context, s *storm, _ draw) (bool, error) { return s.withoutNATS(ctx, 0) }

func natsAbsence(ctx context.Context, s *storm, _ draw) (bool, error) {
	return s.withoutNATS(ctx, 10*time.Second)
}

func (s *storm) withoutNATS(ctx context.Context, absence time.Duration) (bool, error) {
	s.server.fault.Lock()
	defer s.server.fault.Unlock()
	if err := s.server.kill(); err != nil {
		return false, err
	}
	pause(ctx, absence)
	bounded, cancel := context.WithTimeout(context.Background(), levelPatience)
	defer cancel()
	return true, s.server.start(bounded)
}

// diskPatience is how long a host may take to find its disk full, with something to write all the time.
const diskPatience = 25 * time.Second

// fullDisk fills a host's disk, gives all hosts something to write until that host has noticed and ended,
// sees it end the same way when it is started again too early, makes room, and starts it.
func fullDisk(load func(*cluster, context.Context)) func(context.Context, *storm, draw) (bool, error) {
	return func(ctx context.Context, s *storm, d draw) (bool, error) {
		h := s.target(d)
		h.fault.Lock()
		defer h.fault.Unlock()
		p := h.leave()
		err := h.disk.fill(p.Pid())
		if err != nil {
			return false, errors.Join(err, h.disk.free(), h.up())
		}
		loading, stop := context.WithCancel(ctx)
		loaded := make(chan struct{})
		go func() { defer close(loaded); load(s.cluster, loading) }()
		noticed, err := h.failsToStore(p, diskPatience, h.disk.why())
		stop()
		<-loaded
		if noticed {
			err = errors.Join(err, s.startTooEarly(h))
		} else if err == nil {
			err = h.kill() // its limit, if it has one, must not outlast the fault
		}
		return noticed, errors.Join(err, h.disk.free(), h.up())
	}
}

// startTooEarly starts a host whose disk is still full, and, where that can be done, read-only.
func (s *storm) startTooEarly(h *host) error {
	if _, err := h.startsInVain(h.disk.why()); err != nil {
		return fmt.Errorf("on a full disk: %w", err)
	}
	can, err := h.disk.protect(true)
	if err != nil || !can {
		return err
	}
	noticed, err := h.startsInVain("read-only file system")
	if noticed {
		s.mu.Lock()
		s.done[readOnlyStart]++
		s.mu.Unlock()
	}
	_, writable := h.disk.protect(false)
	return errors.Join(err, writable)
}
