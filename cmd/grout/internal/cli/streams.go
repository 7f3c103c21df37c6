package cli

import (
	"context"
	"fmt"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
)

const (
	flagStream  = "stream"
	flagSubject = "subject"
	flagStart   = "start"
	flagNew     = "new"
)

// The actions of source and sink.
const (
	actionAdd  = "add"
	actionList = "ls"
	actionRm   = "rm"
)

const categoryStreams = "streams"

// streamVerbs bind groups to JetStream streams.
func streamVerbs() []verb {
	return []verb{{
		name: "source", usage: "make the messages of a JetStream stream commands of a group", category: categoryStreams,
		arguments: "add GROUP --stream S, or ls [GROUP], or rm GROUP NAME", least: 1, most: 3, run: sourceVerb,
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: flagStream, Usage: "add: the `STREAM`"},
			&urfave.StringFlag{Name: flagSubject, Usage: "add: only messages of this `SUBJECT`, with wildcards"},
			&urfave.StringFlag{Name: flagName, Usage: "add: the source's `NAME`; the stream's unless given"},
			&urfave.Uint64Flag{Name: flagStart, Usage: "add: the first `SEQUENCE` of the stream to read; the first there is unless given"},
			&urfave.BoolFlag{Name: flagNew, Usage: "add: leave out what is in the stream already"},
		},
		description: `Each message of the stream becomes one command, once and in order, through every change of leader: how far
the stream is read is a part of the group's state. The machine's caller is the message's subject. A message on which the machine
refuses or traps counts as read, as does one that is too large for a command; ls counts both, and what the
stream had lost before it was read. After rm, add begins anew.

Examples:
  grout source add orders --stream ORDERS
  grout source add orders --stream ORDERS --subject 'orders.eu.*' --name eu --new
  grout source ls orders
  grout source rm orders eu`,
	}, {
		name: "sink", usage: "write the events of a group to a JetStream stream", category: categoryStreams,
		arguments: "add GROUP --stream S, or ls [GROUP], or rm GROUP", least: 1, most: 2, run: sinkVerb,
		flags: []urfave.Flag{&urfave.StringFlag{Name: flagStream, Usage: "add: the `STREAM`"}},
		description: `Each event of the machine becomes one message of the stream, once and in order, through every change of leader.
The stream belongs to the group alone: its one subject is grout.v1.GROUP.evt.>. While it cannot be written to, events wait, and when too
many do, commands are refused.

Examples:
  nats stream add MOVES --subjects 'grout.v1.bank.evt.>' --defaults
  grout sink add bank --stream MOVES
  grout sink ls bank
  grout sink rm bank`,
	}}
}

// streamAction reads the action and the group, "" for all, of source and sink. rm takes rest arguments more.
func (c *call) streamAction(rest int) (action, group string, err error) {
	action, group = c.arg(0), c.arg(1)
	least, most := 2, 2
	switch action {
	case actionAdd:
	case actionList:
		least = 1
	case actionRm:
		least, most = 2+rest, 2+rest
	default:
		return "", "", usage("%s: unknown action %q: there are add, ls and rm", c.verb, action)
	}
	if n := len(c.args); n < least || n > most {
		return "", "", usage("%s: %s takes %d argument(s), got %d. Run 'grout %s --help' for its use", c.verb, action, most-1, n-1, c.verb)
	}
	for _, flag := range []string{flagStream, flagSubject, flagName, flagStart, flagNew} {
		if action != actionAdd && c.cli.IsSet(flag) {
			return "", "", usage("%s: --%s is for add", c.verb, flag)
		}
	}
	if action == actionAdd && c.cli.String(flagStream) == "" {
		return "", "", usage("%s: add needs --stream: the name of a JetStream stream", c.verb)
	}
	if group != "" {
		err = checkGroup(group)
	}
	return action, group, err
}

// sourceVerb shows the sources of a group, or of all, after a change if one is asked for.
func sourceVerb(c *call) error {
	action, group, err := c.streamAction(1)
	if err != nil {
		return err
	}
	request := api.SourcesRequest{Group: group}
	switch action {
	case actionAdd:
		request.Action, request.Stream, request.Subject = api.StreamAdd, c.cli.String(flagStream), c.cli.String(flagSubject)
		request.Name, request.Start, request.New = c.cli.String(flagName), c.cli.Uint64(flagStart), c.cli.Bool(flagNew)
		if request.Name != "" && api.CheckName(request.Name) != nil {
			return usage("source: --name: %v", api.CheckName(request.Name))
		}
		if request.New && c.cli.IsSet(flagStart) {
			return usage("source: --start and --new exclude each other: give one of them")
		}
	case actionRm:
		request.Action, request.Name = api.StreamRemove, c.arg(2)
	}
	replies, err := askStreams(c, group, func(ctx context.Context, l *link, group string) (api.SourcesReply, error) {
		request.Group = group
		return l.client.Admin().Sources(ctx, request)
	})
	if err != nil {
		return err
	}
	if c.json {
		return c.console.json(map[string][]api.SourcesReply{"groups": replies})
	}
	return c.printSources(replies)
}

// sinkVerb shows the sink of a group, or of all, after a change if one is asked for.
func sinkVerb(c *call) error {
	action, group, err := c.streamAction(0)
	if err != nil {
		return err
	}
	request := api.SinkRequest{}
	switch action {
	case actionAdd:
		request.Action, request.Stream = api.StreamAdd, c.cli.String(flagStream)
	case actionRm:
		request.Action = api.StreamRemove
	}
	replies, err := askStreams(c, group, func(ctx context.Context, l *link, group string) (api.SinkReply, error) {
		request.Group = group
		return l.client.Admin().Sink(ctx, request)
	})
	if err != nil {
		return err
	}
	if c.json {
		return c.console.json(map[string][]api.SinkReply{"groups": replies})
	}
	return c.printSinks(replies)
}

// askStreams asks for one group, or for each that there is.
func askStreams[R any](c *call, group string, ask func(context.Context, *link, string) (R, error)) ([]R, error) {
	l, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	groups := []string{group}
	if group == "" {
		all, err := l.list(ctx)
		if err != nil {
			return nil, l.failed(err, "")
		}
		groups = nil
		for _, g := range all {
			groups = append(groups, g.Group)
		}
	} else if err := c.findGroup(ctx, l, group); err != nil {
		return nil, l.failed(err, group)
	}
	replies := []R{}
	for _, name := range groups {
		reply, err := ask(ctx, l, name)
		if err != nil {
			return nil, l.streamFailure(err, c.verb, name)
		}
		replies = append(replies, reply)
	}
	return replies, nil
}

// streamFailure explains why the streams of a group are not known, or not changed.
func (l *link) streamFailure(err error, verb, group string) error {
	f := l.explain(err, group)
	switch f.exit {
	case NotFound: // of the stream or the source, mostly
		f.text = asFailure(err).text
	case Unknown:
		f.text = fmt.Sprintf("the change may or may not have come about (%s): look with 'grout %s ls %s' before you repeat it", plain(err), verb, group)
	}
	return f
}

func (c *call) printSources(replies []api.SourcesReply) error {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	rows := [][]string{{"GROUP", "SOURCE", "STREAM", "SUBJECT", "POSITION", "LAG", "APPLIED", "REFUSED", "TRAPPED", "SKIPPED", "MISSING", "PROBLEM"}}
	for _, r := range replies {
		for _, s := range r.Sources {
			lag := number(s.Lag)
			if s.Problem != "" {
				lag = "-"
			}
			rows = append(rows, []string{
				r.Group, s.Name, printable(s.Stream), orDash(printable(s.Subject)), number(s.Position), lag, number(s.Applied), number(s.Refused),
				number(s.Trapped), number(s.Skipped), number(s.Missing), orDash(printable(s.Problem)),
			})
		}
	}
	if len(rows) == 1 {
		return c.console.printf("no sources: 'grout source add GROUP --stream S' makes one\n")
	}
	return c.console.table(rows)
}

func (c *call) printSinks(replies []api.SinkReply) error {
	rows := [][]string{{"GROUP", "STREAM", "PUBLISHED", "PROBLEM"}}
	for _, r := range replies {
		if r.Stream != "" {
			rows = append(rows, []string{r.Group, printable(r.Stream), strconv.FormatUint(r.Published, 10), orDash(printable(r.Problem))})
		}
	}
	if len(rows) == 1 {
		return c.console.printf("no sinks: 'grout sink add GROUP --stream S' makes one\n")
	}
	return c.console.table(rows)
}
