package cli

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/client"
)

const categoryMachine = "machines"

// machineVerbs talk to a running machine.
func machineVerbs() []verb {
	return []verb{{
		name: "exec", usage: "send one command and print the answer", arguments: "GROUP PAYLOAD|@FILE|-", category: categoryMachine,
		least: 2, most: 2, group: true, run: execVerb, flags: []urfave.Flag{
			&urfave.StringFlag{Name: flagSession, Usage: "with --seq: the command's exactly-once scope, chosen by you"},
			&urfave.Uint64Flag{Name: flagSeq, Usage: "the command's number in --session, from 1 upward"},
			&urfave.Uint64Flag{Name: flagAcked, Usage: "with --seq: results up to this number will not be asked for again"},
			&urfave.StringFlag{Name: flagID, Usage: "a message ID: the command is applied once per ID within two minutes"},
			&urfave.BoolFlag{Name: flagFeed, Usage: "return when the leader has appended the command, and print its position: it can still be lost"},
		},
		description: `The command is applied at most once: it is sent again, under one number, until it is answered
or --timeout ends. To repeat a command by hand after exit code 7, give it a name of your
own: --session with --seq, or --id. The answer is printed as it is; on a terminal a newline is added.

With --feed it returns before the command is applied, even before it is safe, and prints TERM/INDEX.
'grout wait GROUP --applied TERM/INDEX' tells whether it was applied or lost.

Examples:
  grout exec counter 5
  grout exec counter -- -5              a payload that looks like a flag (numbers need no --)
  grout exec kv @command.bin
  echo -n 5 | grout exec counter -
  grout exec counter 5 --id order-17
  grout exec counter 5 --session nightly --seq 1 --json
  grout exec counter 5 --feed`,
	}, {
		name: "query", usage: "ask a machine and print the answer", arguments: "GROUP [PAYLOAD|@FILE|-]", category: categoryMachine,
		least: 1, most: 2, group: true, run: queryVerb, flags: []urfave.Flag{
			&urfave.StringFlag{Name: flagConsistency, Value: "linearizable", Usage: "linearizable, stale, or at-least=`INDEX`"},
			&urfave.StringFlag{Name: flagHost, Usage: "ask this host alone"},
		},
		description: `A query changes nothing. linearizable sees every command answered before it; stale asks any one
host; at-least=N asks any one host once it has applied index N. Without a payload the query is empty.

Examples:
  grout query counter
  grout query kv '{"get":"a"}'
  grout query counter --consistency at-least=120`,
	}, {
		name: "feed", usage: "send many commands, one a line", arguments: "GROUP FILE|-", category: categoryMachine,
		least: 2, most: 2, group: true, run: feedVerb, flags: []urfave.Flag{
			&urfave.IntFlag{Name: flagWindow, Value: 256, Usage: "commands under way at once, 1 to 1024"},
			&urfave.StringFlag{Name: flagDelimiter, Value: `\n`, Usage: `the byte that ends a command; \n, \t and \0 are understood`},
			&urfave.BoolFlag{Name: flagStop, Usage: "send no more after the first command that is refused or traps"},
			&urfave.BoolFlag{Name: flagPrint, Usage: "print every answer, ended by the delimiter; the summary goes to standard error"},
			progressFlag(),
		},
		description: `Every line is one command, an empty line an empty one, and each is applied at most once, in the order
of the lines. --timeout bounds the time without any result, not the whole. With --print a command that
was not applied prints an empty answer.

Examples:
  grout feed counter numbers.txt
  seq 100000 | grout feed counter -
  grout feed kv commands.bin --delimiter '\0' --window 1 --stop-on-error`,
	}}
}

// The flags of exec and query.
const (
	flagSession     = "session"
	flagSeq         = "seq"
	flagAcked       = "acked"
	flagID          = "id"
	flagFeed        = "feed"
	flagConsistency = "consistency"
	flagHost        = "host"
)

// answerJSON is the shape of `grout exec --json` and `grout query --json`. Exactly one of Output and
// OutputBase64 is present.
type answerJSON struct {
	Group        string  `json:"group"`
	Output       *string `json:"output,omitempty"`
	OutputBase64 []byte  `json:"output_base64,omitempty"`
	Index        uint64  `json:"index"`
	Term         uint64  `json:"term"`
	Fuel         uint64  `json:"fuel"`
	Duplicate    bool    `json:"duplicate"`
	Leader       string  `json:"leader,omitempty"`
}

// answer prints a machine's answer.
func (c *call) answer(group string, r client.Result) error {
	if c.json {
		a := answerJSON{Group: group, Index: r.Index, Term: r.Term, Fuel: r.Fuel, Duplicate: r.Duplicate, Leader: r.Leader}
		if utf8.Valid(r.Output) {
			text := string(r.Output)
			a.Output = &text
		} else {
			a.OutputBase64 = r.Output
		}
		return c.console.json(a)
	}
	end := ""
	if c.console.terminal(c.console.out) && len(r.Output) > 0 && r.Output[len(r.Output)-1] != '\n' {
		end = "\n"
	}
	return c.console.printf("%s%s", r.Output, end)
}

// execVerb sends one command.
func execVerb(c *call) error {
	group := c.arg(0)
	name, err := c.exactlyOnce()
	if err != nil {
		return err
	}
	if c.cli.Bool(flagFeed) && !name.automatic() {
		return usage("exec: --%s has no --%s and no --%s: it is never sent twice", flagFeed, flagSession, flagID)
	}
	command, err := c.payload(c.arg(1))
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
	if err := c.findGroup(ctx, l, group); err != nil {
		return err
	}
	if c.cli.Bool(flagFeed) {
		return c.feedOne(ctx, l, group, command)
	}
	var result client.Result
	if name.automatic() {
		result, err = l.client.Group(group).Execute(ctx, command)
	} else {
		result, err = l.executeAs(ctx, group, name, c.cli.String(flagCaller), command)
	}
	if err != nil {
		return l.failed(err, group)
	}
	return c.answer(group, result)
}

// fedJSON is the shape of `grout exec --feed --json`.
type fedJSON struct {
	Group string `json:"group"`
	Index uint64 `json:"index"`
	Term  uint64 `json:"term"`
}

// feedOne sends one command that need not be applied yet.
func (c *call) feedOne(ctx context.Context, l *link, group string, command []byte) error {
	at, err := l.client.Group(group).Feed(ctx, command)
	if err != nil {
		return l.failed(err, group)
	}
	if c.json {
		return c.console.json(fedJSON{group, at.Index, at.Term})
	}
	return c.console.printf("%s\n", at)
}

// queryVerb asks a machine.
func queryVerb(c *call) error {
	group := c.arg(0)
	options, err := c.queryOptions()
	if err != nil {
		return err
	}
	query, err := c.payload(c.arg(1))
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
	if err := c.findGroup(ctx, l, group); err != nil {
		return err
	}
	result, err := l.client.Group(group).Query(ctx, query, options)
	if err != nil {
		f := l.explain(err, group)
		if f.exit == Unknown {
			f.exit, f.text = Unavailable, plain(err) // a query changes nothing, so nothing is in doubt
		}
		if options.Host != "" && noHosts(err) {
			return l.unserved(f, group, options.Host)
		}
		return f
	}
	return c.answer(group, result)
}

// queryOptions reads --consistency and --host.
func (c *call) queryOptions() (client.QueryOptions, error) {
	options := client.QueryOptions{Host: c.cli.String(flagHost)}
	switch level := c.cli.String(flagConsistency); {
	case level == "linearizable":
	case level == "stale":
		options.Consistency = client.Stale
	case strings.HasPrefix(level, "at-least="):
		index, err := strconv.ParseUint(strings.TrimPrefix(level, "at-least="), 10, 64)
		if err != nil {
			return options, usage("--consistency %q: what follows at-least= has to be an index, a whole number", level)
		}
		options.Consistency, options.AtLeast = client.AtLeast, index
	default:
		return options, usage("--consistency %q: use linearizable, stale or at-least=INDEX", level)
	}
	return options, nil
}
