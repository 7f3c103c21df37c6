package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/wasmsm"
	"github.com/groutlabs/grout/wasmsm/check"
)

const flagCommands = "commands"

func checkDescription() verb {
	return verb{
		name: "check", usage: "show that a machine is deterministic", arguments: "FILE|DIR", category: categoryModules,
		least: 1, most: 1, run: checkVerb, flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: flagCommands, Usage: "the commands to apply, one a line: `FILE`, or - for standard input"},
			&urfave.StringFlag{Name: flagDelimiter, Value: `\n`, Usage: `the byte that ends a command; \n, \t and \0 are understood`},
			&urfave.StringFlag{Name: flagInit, Usage: "the machine's init argument: text, @FILE or -"},
			progressFlag(),
		}, limitsFlags("")...),
		description: `Applies the commands in four runs that must not differ, and compares outcomes, outputs, events, fuel and
state after each: compiled, interpreted, with another instance restored from an image before every command, and
without a look at the state in between. Needs no server. The file is like that of feed. Exit code 13 when
runs differ; what the machine refuses, and its traps, are fine as long as all runs agree. The interpreter is some
fifty times slower than a host: --fuel keeps commands short.

Examples:
  grout check counter.wasm --commands commands.txt
  grout check ./kv --commands - --fuel 50M --json`,
	}
}

// checkJSON is the shape of `grout check --json`.
type checkJSON struct {
	File   string `json:"file"`
	Digest string `json:"digest"`
	*check.Report
	Difference *differenceJSON `json:"difference,omitempty"`
}

// differenceJSON says after which command, from 1, which two runs differ in what.
type differenceJSON struct {
	Command int       `json:"command"`
	What    string    `json:"what"`
	Runs    [2]string `json:"runs"`
	Values  [2]string `json:"values"`
}

// checkVerb applies commands in several runs and compares them.
func checkVerb(c *call) (err error) {
	limits, err := c.limits()
	if err != nil {
		return err
	}
	commands, closeInput, err := c.checkedCommands()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeInput()) }()
	config := check.Config{Machine: wasmsm.MachineConfig{Limits: sandboxLimits(limits)}, Commands: commands}
	if config.Machine.Init, err = c.initArgument(); err != nil {
		return err
	}
	if config.Module, err = c.loadModule(c.arg(0)); err != nil {
		return err
	}
	if _, err := checkModule(config.Module); err != nil {
		return err
	}
	line := c.progress()
	defer line.end()
	config.Progress = func(done int) { line.show("%d commands in every run", done) }
	report, err := check.Run(c.ctx, config)
	line.end()
	return c.checked(checkJSON{File: c.arg(0), Digest: digestOf(config.Module), Report: report}, err)
}

// checkedCommands opens what --commands names.
func (c *call) checkedCommands() (iter.Seq2[[]byte, error], func() error, error) {
	name := c.cli.String(flagCommands)
	switch {
	case name == "":
		return nil, nil, usage("check: --commands names a file with a command on each line, or - for standard input")
	case name == "-" && c.cli.String(flagInit) == "-":
		return nil, nil, usage("check: standard input holds either the commands or the init argument")
	}
	delimiter, err := parseDelimiter(c.cli.String(flagDelimiter))
	if err != nil {
		return nil, nil, err
	}
	input, closeInput, err := c.openInput(name)
	if err != nil {
		return nil, nil, err
	}
	return readCommands(bufio.NewReaderSize(input, feedBufferBytes), delimiter), closeInput, nil
}

// readCommands are the commands of an input.
func readCommands(input *bufio.Reader, delimiter byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for number := 1; ; number++ {
			command, err := readCommand(input, delimiter)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				f := asFailure(err)
				f.text = fmt.Sprintf("command %d: %s", number, f.text)
				err = f
			}
			if !yield(command, err) || err != nil {
				return
			}
		}
	}
}

// initArgument reads --init, nil when it is not given.
func (c *call) initArgument() ([]byte, error) {
	if !c.cli.IsSet(flagInit) {
		return nil, nil
	}
	return c.payload(c.cli.String(flagInit))
}

// sandboxLimits are a group's limits as the sandbox has them; it bounds commands and modules itself here.
func sandboxLimits(l api.Limits) wasmsm.Limits {
	return wasmsm.Limits{
		MemoryBytes: l.MemoryBytes, InputBytes: int(l.CommandBytes), OutputBytes: int(l.OutputBytes), Fuel: l.Fuel, QueryFuel: l.QueryFuel,
		Events: int(l.Events), EventBytes: int(l.EventBytes), LogBytes: int(l.LogBytes),
	}
}

// checked prints the report, and explains how the check ended.
func (c *call) checked(r checkJSON, err error) error {
	if d, ok := errors.AsType[*check.DifferenceError](err); ok {
		r.Difference = &differenceJSON{Command: d.Command, What: d.What, Runs: d.Runs, Values: d.Values}
		err = &failure{exit: Differs, err: err, text: strings.TrimPrefix(d.Error(), "check: ")}
	} else if err != nil {
		return checkFailure(c, err)
	}
	if c.json {
		return errors.Join(c.console.json(r), err)
	}
	if err != nil {
		return err
	}
	return c.console.table([][]string{
		{"runs", strings.Join(r.Runs, ", ") + ": no difference"},
		{"commands", fmt.Sprintf("%d: %d applied, %d refused, %d trapped", r.Commands, r.Applied, r.Refused, r.Trapped)},
		{"fuel", fmt.Sprintf("%d, the most %d by command %d", r.Fuel, r.MostFuel, r.MostFuelCommand)},
		{"memory", strconv.FormatInt(r.MemoryBytes, 10) + " bytes"}, {"state", r.State},
	})
}

func checkFailure(c *call, err error) error {
	if interrupted(c.ctx) {
		return &failure{exit: Interrupted, text: "interrupted: no run had differed so far", err: err}
	}
	if refused, ok := errors.AsType[*wasmsm.InitError](err); ok {
		return &failure{exit: BadModule, text: "the machine does not start: " + refused.Error(), err: err}
	}
	if _, ok := errors.AsType[*wasmsm.BadModuleError](err); ok {
		return moduleFailure(err)
	}
	return err
}
