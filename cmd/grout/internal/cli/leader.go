package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// leaderOf waits for a group's leader.
func (l *link) leaderOf(ctx context.Context, group string) (groupJSON, error) {
	var g groupJSON
	err := poll(ctx, func() (bool, error) {
		var err error
		g, err = l.view(ctx, group)
		return g.Leader != "", err
	})
	if err != nil && g.Group != "" && g.Leader == "" {
		return g, &client.Error{Code: api.CodeNoLeader, Text: fmt.Sprintf("group %s has no leader: 'grout status' shows which hosts answer", group)}
	}
	return g, err
}

// atLeader puts a request to the group's leader, again while leadership is on its way.
func (l *link) atLeader(ctx context.Context, group string, request func(leader string) error) error {
	var last error
	wait := poll(ctx, func() (bool, error) {
		g, err := l.leaderOf(ctx, group)
		if err != nil {
			return true, err
		}
		last = request(g.Leader)
		return last == nil || !later(last), nil
	})
	if wait != nil {
		return wait
	}
	return last
}

// transferVerb hands leadership over and waits until it has arrived.
func transferVerb(c *call) error {
	group, host := c.arg(0), c.arg(1)
	if err := api.CheckName(host); err != nil {
		return usage("host: %s", err)
	}
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	begun := time.Now()
	if err := l.transfer(ctx, group, host); err != nil {
		return l.failed(err, group)
	}
	if c.json {
		return c.console.json(transferJSON{Group: group, Leader: host, Seconds: time.Since(begun).Seconds()})
	}
	return c.console.printf("%s leads %s\n", host, group)
}

// transferJSON is the shape of `grout transfer --json`.
type transferJSON struct {
	Group   string  `json:"group"`
	Leader  string  `json:"leader"`
	Seconds float64 `json:"seconds"`
}

func (l *link) transfer(ctx context.Context, group, host string) error {
	g, err := l.leaderOf(ctx, group)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(g.Members, func(m memberJSON) bool { return m.Host == host }) {
		var members []string
		for _, m := range g.Members {
			members = append(members, m.Host)
		}
		return &failure{exit: NotFound, text: fmt.Sprintf("host %q is no member of group %s: its members are on %s", host, group, strings.Join(members, ", "))}
	}
	if g.Leader == host {
		return nil
	}
	err = l.atLeader(ctx, group, func(leader string) error {
		if leader == host {
			return nil
		}
		return l.ask(ctx, api.VerbTransfer, leader, api.TransferRequest{Group: group, Host: host}, &api.Empty{})
	})
	if err != nil {
		return err
	}
	err = poll(ctx, func() (bool, error) {
		var info api.GroupInfo
		err := l.ask(ctx, api.VerbInfo, host, api.GroupRequest{Group: group}, &info)
		if err != nil && !later(err) {
			return true, err
		}
		return info.Leader == host, nil
	})
	if err != nil && ctx.Err() != nil {
		return &failure{exit: Unavailable, err: err, text: fmt.Sprintf(
			"host %s was asked to lead %s and does not yet: look with 'grout info %s' before trying again", host, group, group)}
	}
	return err
}

// snapshotJSON is the shape of `grout snapshot --json`.
type snapshotJSON struct {
	Group string `json:"group"`
	// Index is where the leader's snapshot stands.
	Index uint64 `json:"index"`
	Host  string `json:"host"`
}

// snapshotVerb asks for a snapshot and waits until the leader has it.
func snapshotVerb(c *call) error {
	group := c.arg(0)
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	done, err := l.snapshot(ctx, group)
	if err != nil {
		return l.failed(err, group)
	}
	if c.json {
		return c.console.json(done)
	}
	return c.console.printf("%s took a snapshot of %s at index %s\n", done.Host, group, strconv.FormatUint(done.Index, 10))
}

func (l *link) snapshot(ctx context.Context, group string) (snapshotJSON, error) {
	done := snapshotJSON{Group: group}
	var before uint64
	err := l.atLeader(ctx, group, func(leader string) error {
		brief, err := l.brief(ctx, leader, group)
		if err != nil {
			return err
		}
		done.Host, before = leader, brief.SnapshotIndex
		return l.ask(ctx, api.VerbSnapshot, leader, api.GroupRequest{Group: group}, &api.Empty{})
	})
	if err != nil {
		return done, err
	}
	err = poll(ctx, func() (bool, error) {
		brief, err := l.brief(ctx, done.Host, group)
		done.Index = brief.SnapshotIndex
		return brief.SnapshotIndex > before, err
	})
	if err != nil && ctx.Err() != nil {
		return done, &failure{exit: Unavailable, err: err, text: fmt.Sprintf(
			"a snapshot of %s was asked for and is not there yet: 'grout info %s' shows when it is", group, group)}
	}
	return done, err
}

// brief is what a host says of its member of a group.
func (l *link) brief(ctx context.Context, host, group string) (api.GroupBrief, error) {
	var status api.HostStatus
	if err := l.ask(ctx, api.VerbStatus, host, api.Empty{}, &status); err != nil {
		return api.GroupBrief{}, err
	}
	brief, ok := briefOf([]api.HostStatus{status}, host, group)
	if !ok {
		return brief, &client.Error{Code: api.CodeNotFound, Text: fmt.Sprintf("host %s holds no member of group %s", host, group)}
	}
	return brief, nil
}
