package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
)

// limitFlag is the flag for one of api.Limits.
type limitFlag struct{ flag, field, usage string }

// limitFlags are in the order of api.Limits.Fields.
var limitFlags = []limitFlag{
	{"memory", "memory_bytes", "the machine's memory, such as 64MiB"},
	{"max-command", "command_bytes", "one command, such as 4KiB"},
	{"max-output", "output_bytes", "the output of one command or query, such as 64KiB"},
	{"fuel", "fuel", "the work of one command, such as 50M"},
	{"query-fuel", "query_fuel", "the work of one query, such as 50M"},
	{"max-events", "events", "the events of one command"},
	{"max-event-bytes", "event_bytes", "the events of one command together, such as 16KiB"},
	{"max-log", "log_bytes", "what one command or query logs, such as 4KiB; more is dropped"},
	{"max-module", "module_bytes", "the group's modules, such as 8MiB"},
}

// limitsFlags are the flags of a verb that takes limits; otherwise says what goes for those that are not given.
func limitsFlags(otherwise string) []urfave.Flag {
	var flags []urfave.Flag
	defaults := api.DefaultLimits()
	for i, field := range defaults.Fields() {
		usage := otherwise
		if usage == "" {
			usage = "default " + amount(field.Name, field.Default)
		}
		flags = append(flags, &urfave.StringFlag{Name: limitFlags[i].flag, Usage: "bound of " + limitFlags[i].usage + "; " + usage})
	}
	return flags
}

// limits reads the flags.
func (c *call) limits() (api.Limits, error) {
	var limits api.Limits
	for i, field := range limits.Fields() {
		flag := limitFlags[i].flag
		if !c.cli.IsSet(flag) {
			continue
		}
		n, err := c.amount(flag, strings.HasSuffix(field.Name, "_bytes"))
		if err != nil {
			return limits, err
		}
		if n < field.Least || n > field.Most {
			return limits, usage("%s: --%s is %d, %d to %d is possible", c.verb, flag, n, field.Least, field.Most)
		}
		*field.Value = n
	}
	return limits, nil
}

// amount reads a size or a number.
func (c *call) amount(flag string, size bool) (int64, error) {
	if size {
		return c.bytes(flag)
	}
	text := strings.TrimSpace(c.cli.String(flag))
	digits, factor := text, int64(1)
	for _, m := range multiples {
		if before, ok := strings.CutSuffix(text, m.suffix); ok {
			digits, factor = before, m.factor
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/factor {
		return 0, usage("%s: --%s %q is not a number above 0, such as 5000000, 500k, 50M or 5G", c.verb, flag, text)
	}
	return n * factor, nil
}

// multiples are the suffixes of numbers, the largest first.
var multiples = []struct {
	suffix string
	factor int64
}{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}}

// amount writes the value of a limit in the largest unit that fits.
func amount(field string, n int64) string {
	if !strings.HasSuffix(field, "_bytes") {
		for _, m := range multiples {
			if n >= m.factor && n%m.factor == 0 {
				return strconv.FormatInt(n/m.factor, 10) + " " + m.suffix
			}
		}
		return strconv.FormatInt(n, 10)
	}
	for _, unit := range []struct {
		suffix string
		bytes  int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + " " + unit.suffix
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

func limitsDescription() verb {
	return verb{
		name: "limits", usage: "show or change the limits of a group's machine", arguments: "GROUP", category: categoryGroups,
		least: 1, most: 1, group: true, run: limitsVerb, flags: limitsFlags("it stays unless given"),
		description: `Shows each limit, how far the machine goes towards it as the leader sees it (of memory what it has, of
the rest the most that one of the last thousand commands or queries took), and which are near. With flags
it changes limits first: through the group's log, so that every member applies each command under the same
ones. Memory cannot be bounded below what the machine has.

Examples:
  grout limits counter
  grout limits counter --memory 512MiB --fuel 200M`,
	}
}

// limitsVerb shows the limits, after a change if one is asked for.
func limitsVerb(c *call) error {
	limits, err := c.limits()
	if err != nil {
		return err
	}
	request := api.LimitsRequest{Group: c.arg(0), Limits: limits}
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	if err := c.findGroup(ctx, l, request.Group); err != nil {
		return l.failed(err, request.Group)
	}
	reply, err := l.client.Admin().Limits(ctx, request)
	if err != nil {
		return l.limitsFailure(err, request)
	}
	if c.json {
		return c.console.json(reply)
	}
	return c.printLimits(reply)
}

// limitsFailure explains a change that failed, or whose outcome is not known: asking again is safe.
func (l *link) limitsFailure(err error, request api.LimitsRequest) error {
	f := l.explain(err, request.Group)
	if f.exit == Unknown {
		f.text = fmt.Sprintf("the limits of %s may or may not have been changed (%s): 'grout limits %s' shows them, and asking again is safe",
			request.Group, plain(err), request.Group)
	}
	return f
}

func (c *call) printLimits(r api.LimitsReply) error {
	rows := [][]string{{"LIMIT", "BOUND", "USED", "FLAG"}}
	used := r.Used.Fields()
	for i, field := range r.Limits.Fields() {
		seen := "-"
		if n := *used[i].Value; n > 0 {
			seen = fmt.Sprintf("%s (%d %%)", amount(field.Name, n), 100*n/max(*field.Value, 1))
		}
		rows = append(rows, []string{field.Name, amount(field.Name, *field.Value), seen, "--" + limitFlags[i].flag})
	}
	if err := c.console.table(rows); err != nil {
		return err
	}
	return c.printAlarms(r.Alarms)
}

func (c *call) printAlarms(alarms []string) error {
	for _, alarm := range alarms {
		if err := c.console.printf("alarm  %s\n", printable(alarm)); err != nil {
			return err
		}
	}
	return nil
}

// limitsText is one line with all limits.
func limitsText(l api.Limits) string {
	var parts []string
	for _, field := range l.Fields() {
		if *field.Value != 0 {
			parts = append(parts, field.Name+" "+amount(field.Name, *field.Value))
		}
	}
	return orDash(strings.Join(parts, ", "))
}
