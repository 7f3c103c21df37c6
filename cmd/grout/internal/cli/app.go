package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
)

// The program's flags.
const (
	flagServer  = "server"
	flagCreds   = "creds"
	flagContext = "context"
	flagTimeout = "timeout"
	flagJSON    = "json"
	flagCaller  = "caller"
)

const (
	defaultTimeout = 5 * time.Second
	// deployTimeout is for a deployment, during which the hosts compile the module.
	deployTimeout = time.Minute
)

// Run carries out one command line, without the program's name, and returns the exit code. It ends
// when ctx does: servers stop cleanly, everything else gives up.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return run(ctx, args, &console{in: stdin, out: stdout, err: stderr, terminal: isTerminal})
}

func run(ctx context.Context, args []string, c *console) int {
	app := newApp(c)
	app.Setup()
	ordered, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	if err == nil {
		return int(Done)
	}
	f := asFailure(err)
	c.report(f, wantsJSON(args))
	return int(f.exit)
}

// wantsJSON looks for --json even where the arguments as a whole cannot be read.
func wantsJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.ContainsFunc(args, func(a string) bool { return a == "--json" || a == "-json" || a == "--json=true" })
}

// call is one verb being carried out.
type call struct {
	ctx     context.Context
	cli     *urfave.Context
	console *console
	verb    string
	args    []string
	json    bool
	// timeout bounds every wait; timeoutSet tells whether the user chose it.
	timeout    time.Duration
	timeoutSet bool
}

// arg returns the nth argument, "" when there are fewer.
func (c *call) arg(n int) string {
	if n >= len(c.args) {
		return ""
	}
	return c.args[n]
}

// bounded is a context for one wait.
func (c *call) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(c.ctx, c.timeout, timeoutError{c.timeout})
}

// verb describes one verb to the command line.
type verb struct {
	name, usage, arguments, description, category string
	flags                                         []urfave.Flag
	// least and most bound the number of arguments.
	least, most int
	// group says that the first argument names a group.
	group bool
	run   func(*call) error
}

// command makes the library's command of a verb.
func (v verb) command(streams *console) *urfave.Command {
	return &urfave.Command{
		Name: v.name, Usage: v.usage, ArgsUsage: v.arguments, Description: strings.TrimSpace(v.description),
		Category: v.category, Flags: append(v.flags, helpFlag()), HideHelp: true,
		OnUsageError: func(_ *urfave.Context, err error, _ bool) error { return v.misuse(err.Error()) },
		Action: func(cli *urfave.Context) error {
			c := &call{ctx: cli.Context, cli: cli, console: streams, verb: v.name, args: cli.Args().Slice(),
				json: cli.Bool(flagJSON), timeout: cli.Duration(flagTimeout), timeoutSet: cli.IsSet(flagTimeout)}
			if err := v.check(c); err != nil {
				return err
			}
			return v.run(c)
		},
	}
}

// misuse says what is wrong with a verb's arguments, and where its help is.
func (v verb) misuse(text string) *failure {
	return usage("%s: %s. Run 'grout %s --help' for its use", v.name, strings.TrimRight(text, "."), v.name)
}

// check refuses what no verb can carry out.
func (v verb) check(c *call) error {
	switch n := len(c.args); {
	case c.timeout <= 0:
		return v.misuse(fmt.Sprintf("--timeout is %s, it has to be above 0", c.timeout))
	case n < v.least || n > v.most:
		return v.misuse(fmt.Sprintf("expected %s, got %d argument(s)", v.expected(), n))
	}
	if v.group {
		return checkGroup(c.arg(0))
	}
	return nil
}

func (v verb) expected() string {
	if v.arguments == "" {
		return "no arguments"
	}
	return v.arguments
}

// checkGroup refuses what cannot be a group's name.
func checkGroup(name string) error {
	if err := api.CheckName(name); err != nil {
		return usage("group: %s", err)
	}
	if api.ReservedNames[name] {
		return usage("group: the name %q is reserved, choose another", name)
	}
	return nil
}

// newApp describes the program.
func newApp(c *console) *urfave.App {
	app := &urfave.App{
		Name: "grout", Usage: "replicated state machines in WebAssembly, over NATS", HideVersion: true, HideHelp: true,
		Description: appDescription, Writer: c.out, ErrWriter: c.err, Reader: c.in,
		ExitErrHandler: func(*urfave.Context, error) {},
		OnUsageError:   func(_ *urfave.Context, err error, _ bool) error { return usage("%s. Run 'grout --help'", err) },
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: flagServer, Aliases: []string{"s"}, Usage: "NATS server `URL`, or several with commas (NATS_URL; default nats://127.0.0.1:4222)"},
			&urfave.StringFlag{Name: flagCreds, Usage: "NATS credentials `FILE` (NATS_CREDS)"},
			&urfave.StringFlag{Name: flagContext, Usage: "`NAME` of a context of the nats CLI (NATS_CONTEXT; else the selected one, if there is one and no server is named)"},
			&urfave.DurationFlag{Name: flagTimeout, Value: defaultTimeout, Usage: "bound of every wait for a server or host; deploy has 1m unless this is given"},
			&urfave.BoolFlag{Name: flagJSON, Usage: "print JSON, errors too"},
			&urfave.StringFlag{Name: flagCaller, Usage: "`NAME` by which machines know the caller"},
			helpFlag(),
		},
	}
	for _, v := range verbs() {
		app.Commands = append(app.Commands, v.command(c))
	}
	return app
}

// helpFlag is a flag of its own for every command: the library's is one variable for all, so that
// two command lines in one process would write to it at the same time.
func helpFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
}

// helpVerb prints the help of the program or of a verb.
func helpVerb(c *call) error {
	if len(c.args) == 0 {
		return urfave.ShowAppHelp(c.cli)
	}
	if c.cli.App.Command(c.arg(0)) == nil {
		return usage("help: unknown verb %q. Run 'grout --help' for all of them", c.arg(0))
	}
	root := c.cli.Lineage()[1]
	return urfave.ShowCommandHelp(root, c.arg(0))
}

// verbs are all verbs, in the order of --help.
func verbs() []verb {
	return slices.Concat(hostVerbs(), moduleVerbs(), groupVerbs(), machineVerbs(), waitVerbs(), streamVerbs(), []verb{{
		name: "version", usage: "print the version and how this binary was built", category: "other", run: versionVerb,
		description: "Examples:\n  grout version\n  grout version --json",
	}, {
		name: "help", usage: "show all verbs, or one", arguments: "[VERB]", category: "other", most: 1, run: helpVerb,
		description: "Examples:\n  grout help\n  grout help exec",
	}})
}

const appDescription = `A machine is a WebAssembly module that takes commands and answers queries. Grout runs it on
several hosts at once and keeps all of them in step.

Try it on one machine:
  grout dev                       a NATS server and three hosts, in one process
  grout new hello                 a machine's source folder
  grout deploy hello ./hello      build it, run it on the hosts
  grout exec hello ada            a command: the answer is printed
  grout query hello ada           a query

A payload is an argument, @FILE, or - for standard input; @@x stands for @x. Flags may stand
anywhere; -- ends them.

Exit codes:
  0 done                    6 no NATS server, host or leader: try again
  1 other failure           7 the command may or may not have been applied
  2 usage                   8 bad module, or its source does not compile
  3 refused by the machine  9 the group exists already
  4 the machine trapped     10 the data folder or the port is in use
  5 not found              11 a host's data folder takes nothing any more
                           12 a fed command was lost with its leader
                          130 interrupted`

// interrupted reports whether a verb ended because its user wanted it to.
func interrupted(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
