package check

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/groutlabs/grout/wasmsm"
)

// Config says what to check.
type Config struct {
	Module []byte
	// Machine is what every run's machine is made of.
	Machine wasmsm.MachineConfig
	// Commands are the log. An error ends the check with it.
	Commands iter.Seq2[[]byte, error]
	// CacheDir keeps compiled code, "" for none.
	CacheDir string
	// Progress, if not nil, is called after every command.
	Progress func(done int)

	// engines, in tests, are used again from check to check: the compiler and the interpreter.
	engines []*wasmsm.Runtime
	// outcome, in tests, is told every outcome of the first run.
	outcome func(*wasmsm.Outcome)
	// change, in tests, makes one run another.
	change func(name string, config *wasmsm.MachineConfig)
}

// Report is what the runs agreed on.
type Report struct {
	Runs []string `json:"runs"`
	// Commands is their number, the rest how they ended.
	Commands int `json:"commands"`
	Applied  int `json:"applied"`
	Refused  int `json:"refused"`
	Trapped  int `json:"trapped"`
	// Fuel is that of all commands, MostFuel the most that one used, which was MostFuelCommand, from 1.
	Fuel            uint64 `json:"fuel"`
	MostFuel        uint64 `json:"most_fuel"`
	MostFuelCommand int    `json:"most_fuel_command"`
	// MemoryBytes is the size of the memory at the end, State the hash of the state, in hexadecimal.
	MemoryBytes int64  `json:"memory_bytes"`
	State       string `json:"state"`
}

// The clock of the log: entries are a millisecond apart.
const (
	firstNanos = 1_700_000_000_000_000_000
	entryNanos = 1_000_000
)

// rarely is how many commands lie between two looks at the state of the undisturbed run.
const rarely = 200

// named is a lane with its name. Its state is looked at after every so many commands.
type named struct {
	name  string
	every int
	lane
}

// checker is a check under way.
type checker struct {
	config Config
	bench  bench
	lanes  []named
	report Report
}

// Run applies the commands in every run. The report is that of the first run, and has what came before an error.
//
// # Errors
//
// *DifferenceError when runs differ; *wasmsm.BadModuleError and *wasmsm.InitError when there is nothing to check, the
// latter after every run has ended so; the context's cause; and what Commands or the sandbox said.
func Run(ctx context.Context, config Config) (*Report, error) {
	c := &checker{config: config}
	err := c.start()
	if err == nil {
		err = c.run(ctx)
	}
	for _, l := range c.lanes {
		err = errors.Join(err, l.close())
	}
	return &c.report, errors.Join(err, c.bench.close())
}

// start makes the runs. They have to start alike, or fail alike.
func (c *checker) start() error {
	if err := c.engines(); err != nil {
		return err
	}
	auto, err := c.bench.compile(c.config.Module, c.config.engines[0])
	if err != nil {
		return err
	}
	interpreted, err := c.bench.compile(c.config.Module, c.config.engines[1])
	if err != nil {
		return &DifferenceError{What: "error", Runs: [2]string{"compiled", "interpreted"}, Values: [2]string{"none", err.Error()}}
	}
	type starter func(*wasmsm.CompiledModule, wasmsm.MachineConfig) (lane, error)
	var failed error
	for i, l := range []struct {
		name   string
		module *wasmsm.CompiledModule
		every  int
		start  starter
	}{
		{"compiled", auto, 1, startLive}, {"interpreted", interpreted, 1, startLive},
		{"restored", auto, 1, startRestored}, {"undisturbed", auto, rarely, startLive},
	} {
		config := c.config.Machine
		if c.config.change != nil {
			c.config.change(l.name, &config)
		}
		lane, err := l.start(l.module, config)
		if i == 0 {
			failed = err
		}
		if text(err) != text(failed) {
			if lane != nil {
				err = errors.Join(err, lane.close())
			}
			return &DifferenceError{What: "error", Runs: [2]string{"compiled", l.name}, Values: [2]string{text(failed), text(err)}}
		}
		if err == nil {
			c.lanes = append(c.lanes, named{l.name, l.every, lane})
		}
		c.report.Runs = append(c.report.Runs, l.name)
	}
	return failed
}

// engines makes the engines, unless there are some.
func (c *checker) engines() error {
	if c.config.engines != nil {
		return nil
	}
	var err error
	c.config.engines, err = newEngines(wasmsm.Config{CacheDir: c.config.CacheDir})
	c.bench.runtimes = c.config.engines
	return err
}

func text(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

func (c *checker) run(ctx context.Context) error {
	if err := c.compareStates(0, func(int) bool { return true }); err != nil {
		return err
	}
	for command, err := range c.config.Commands {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.report.Commands++
		if err := c.step(command); err != nil {
			return err
		}
		if c.config.Progress != nil {
			c.config.Progress(c.report.Commands)
		}
	}
	c.report.MemoryBytes = c.lanes[0].memory()
	return c.compareStates(c.report.Commands, func(int) bool { return true })
}

// step applies one command in every run and compares.
func (c *checker) step(command []byte) error {
	number := c.report.Commands
	entry := wasmsm.EntryContext{Index: uint64(number), Term: 1, TimeNanos: firstNanos + int64(number)*entryNanos}
	var first wasmsm.Outcome
	for i, l := range c.lanes {
		outcome, err := l.apply(entry, command)
		if err != nil {
			return fmt.Errorf("check: command %d, run %s: %w", number, l.name, err)
		}
		if i == 0 {
			first = outcome
			c.report.count(&outcome)
			if c.config.outcome != nil {
				c.config.outcome(&outcome)
			}
			continue
		}
		if what, left, right := differ(&first, &outcome); what != "" {
			return &DifferenceError{Command: number, What: what, Runs: [2]string{c.lanes[0].name, l.name}, Values: [2]string{left, right}}
		}
	}
	return c.compareStates(number, func(every int) bool { return number%every == 0 })
}

// count notes how a command ended.
func (r *Report) count(o *wasmsm.Outcome) {
	switch o.Kind {
	case wasmsm.Applied:
		r.Applied++
	case wasmsm.Refused:
		r.Refused++
	default:
		r.Trapped++
	}
	r.Fuel += o.Fuel
	if o.Fuel > r.MostFuel {
		r.MostFuel, r.MostFuelCommand = o.Fuel, r.Commands
	}
}

// compareStates compares the states of the runs that are due.
func (c *checker) compareStates(number int, due func(every int) bool) error {
	var first Hash
	for i, l := range c.lanes {
		if !due(l.every) {
			continue
		}
		hash, err := l.state()
		if err != nil {
			return fmt.Errorf("check: the state after command %d, run %s: %w", number, l.name, err)
		}
		if i == 0 {
			first = hash
			c.report.State = hex.EncodeToString(first[:])
			continue
		}
		if hash != first {
			return c.stateDifference(number, l)
		}
	}
	return nil
}

func (c *checker) stateDifference(number int, l named) error {
	a, err := c.lanes[0].image()
	if err != nil {
		return err
	}
	b, err := l.image()
	if err != nil {
		return err
	}
	left, right := describe(&a, &b)
	return &DifferenceError{Command: number, What: "state", Runs: [2]string{c.lanes[0].name, l.name}, Values: [2]string{left, right}}
}

// differ says in what two outcomes differ, "" when in nothing.
func differ(a, b *wasmsm.Outcome) (what, left, right string) {
	switch {
	case a.Kind != b.Kind:
		return "kind", a.Kind.String() + reason(a), b.Kind.String() + reason(b)
	case a.Code != b.Code:
		return "code", fmt.Sprint(a.Code), fmt.Sprint(b.Code)
	case a.Message != b.Message:
		return "message", fmt.Sprintf("%q", a.Message), fmt.Sprintf("%q", b.Message)
	case !bytes.Equal(a.Output, b.Output) || (a.Output == nil) != (b.Output == nil):
		at := common(a.Output, b.Output)
		return "output", brief(a.Output, at), brief(b.Output, at)
	case a.Fuel != b.Fuel:
		return "fuel", fmt.Sprint(a.Fuel), fmt.Sprint(b.Fuel)
	case !slices.EqualFunc(a.Events, b.Events, equalEvents):
		return "events", briefEvents(a.Events), briefEvents(b.Events)
	}
	return "", "", ""
}

func equalEvents(a, b wasmsm.Event) bool {
	return a.Suffix == b.Suffix && bytes.Equal(a.Payload, b.Payload)
}

func reason(o *wasmsm.Outcome) string {
	if o.Message == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", o.Message)
}

// common is how many bytes two outputs begin with alike.
func common(a, b []byte) int {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	return at
}

// brief is an output from a byte on.
func brief(output []byte, from int) string {
	const most = 64
	shown := output[from:min(len(output), from+most)]
	if from > 0 {
		return fmt.Sprintf("%d bytes, from byte %d on %q", len(output), from, shown)
	}
	return fmt.Sprintf("%d bytes, %q", len(output), shown)
}

func briefEvents(events []wasmsm.Event) string {
	if len(events) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d, the first %q with %s", len(events), events[0].Suffix, brief(events[0].Payload, 0))
}
