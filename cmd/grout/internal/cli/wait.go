package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// The flags of wait, beside --host: exactly one of them.
const (
	flagLeader       = "leader"
	flagLeaderIs     = "leader-is"
	flagLeaderChange = "leader-change"
	flagOnline       = "online"
	flagOffline      = "offline"
	flagLog          = "log"
	flagCommit       = "commit"
	flagApplied      = "applied"
)

// waitVerbs wait for what others bring about.
func waitVerbs() []verb {
	return []verb{{
		name: "wait", usage: "wait until a group has a leader, a member is online, or a position is applied", arguments: "GROUP",
		category: categoryMachine, least: 1, most: 1, group: true, run: waitVerb, flags: []urfave.Flag{
			&urfave.BoolFlag{Name: flagLeader, Usage: "until a leader is known"},
			&urfave.StringFlag{Name: flagLeaderIs, Usage: "until `HOST` leads"},
			&urfave.BoolFlag{Name: flagLeaderChange, Usage: "until the leader, or its term, is another than now"},
			&urfave.StringFlag{Name: flagOnline, Usage: "until the member of `HOST` is in touch with a leader that a majority follows, and caught up with it"},
			&urfave.StringFlag{Name: flagOffline, Usage: "until the member of `HOST` is not, and says so"},
			&urfave.StringFlag{Name: flagLog, Usage: "until `[TERM/]INDEX` is in a member's log"},
			&urfave.StringFlag{Name: flagCommit, Usage: "until `[TERM/]INDEX` is committed: nothing can lose it any more"},
			&urfave.StringFlag{Name: flagApplied, Usage: "until `[TERM/]INDEX` is applied"},
			&urfave.StringFlag{Name: flagHost, Usage: "ask the member of this host alone"},
		},
		description: `Takes exactly one of the flags, save --host, and waits for as long as --timeout says. It prints the leader,
the host that came online or went offline, or how far the member has got. A position with a term, as
'grout exec --feed' prints it, stands for that command alone: exit code 12 says that it was lost with its
leader, and was not applied.

Examples:
  grout wait counter --leader --timeout 1m
  grout wait counter --applied $(grout exec counter 5 --feed)
  grout wait counter --online b --timeout 1m && echo b is back`,
	}}
}

// waiting is what a wait verb waits for.
type waiting struct {
	host    string
	request api.AwaitRequest
	// change is set when the present leader has to be asked for first.
	change bool
}

// waitVerb waits.
func waitVerb(c *call) error {
	group := c.arg(0)
	w, err := c.waiting()
	if err != nil {
		return err
	}
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	if err := c.findGroup(ctx, l, group); err != nil && !noHosts(err) { // hosts may be what it waits for
		return err
	}
	state, err := w.wait(ctx, l.client.Group(group))
	if err != nil {
		f := l.explain(err, group)
		switch {
		case w.host != "" && noHosts(err):
			return l.unserved(f, group, w.host)
		case errors.Is(err, client.ErrNoAnswer) && f.exit == Unavailable:
			f.text = fmt.Sprintf("%s: no member of group %s said within %s (--timeout) that %q has come about: try again, or look at 'grout status'",
				l.at, group, c.timeout, w.request.Until)
		}
		return f
	}
	if c.json {
		return c.console.json(state)
	}
	return c.console.printf("%s\n", w.result(state))
}

// waiting reads the flags.
func (c *call) waiting() (waiting, error) {
	w := waiting{host: c.cli.String(flagHost)}
	given := 0
	for _, name := range []string{flagLeader, flagLeaderIs, flagLeaderChange, flagOnline, flagOffline, flagLog, flagCommit, flagApplied} {
		if !c.cli.IsSet(name) {
			continue
		}
		given++
		w.request.Until = api.Until(name)
		switch name {
		case flagLeaderIs:
			w.request.Host = c.cli.String(name)
		case flagLeaderChange:
			w.change = true
		case flagOnline, flagOffline:
			if w.host != "" {
				return w, usage("wait: --%s names the host, leave --%s out", name, flagHost)
			}
			w.host = c.cli.String(name)
		case flagLog, flagCommit, flagApplied:
			var err error
			if w.request.Term, w.request.Index, err = parsePosition(c.cli.String(name)); err != nil {
				return w, usage("wait: --%s %q: a position is INDEX or TERM/INDEX, whole numbers from 1", name, c.cli.String(name))
			}
		}
	}
	if given != 1 {
		return w, usage("wait: give exactly one of the flags that say what to wait for, not %d. Run 'grout wait --help' for them", given)
	}
	for _, host := range []string{w.host, w.request.Host} {
		if err := api.CheckName(host); host != "" && err != nil {
			return w, usage("wait: host: %s", err)
		}
	}
	return w, nil
}

// parsePosition reads INDEX or TERM/INDEX.
func parsePosition(text string) (term, index uint64, err error) {
	if before, after, ok := strings.Cut(text, "/"); ok {
		if term, err = strconv.ParseUint(before, 10, 64); err != nil {
			return 0, 0, err
		}
		text = after
		if term == 0 {
			return 0, 0, strconv.ErrRange
		}
	}
	if index, err = strconv.ParseUint(text, 10, 64); err == nil && index == 0 {
		err = strconv.ErrRange
	}
	return term, index, err
}

func (w *waiting) wait(ctx context.Context, g *client.Group) (api.MemberState, error) {
	if !w.change {
		return g.Await(ctx, w.host, w.request)
	}
	now, err := g.Await(ctx, w.host, api.AwaitRequest{Until: api.UntilLeader})
	if err != nil {
		return now, err
	}
	if w.host != "" {
		return g.Await(ctx, w.host, api.AwaitRequest{Until: api.UntilLeaderChange, Host: now.Leader, Term: now.Term})
	}
	return g.AwaitLeaderChange(ctx, now)
}

// result is the line that a wait prints.
func (w *waiting) result(s api.MemberState) string {
	at := s.Applied
	switch w.request.Until {
	case api.UntilLeader, api.UntilLeaderIs, api.UntilLeaderChange:
		return s.Leader
	case api.UntilOnline, api.UntilOffline:
		return s.Host
	case api.UntilLog:
		at = s.Log
	case api.UntilCommit:
		at = s.Commit
	}
	return fmt.Sprintf("%d/%d", at.Term, at.Index)
}
