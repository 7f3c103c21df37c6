package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/wasmsm"
	"github.com/groutlabs/grout/wasmsm/prepare"
)

const categoryModules = "modules"

// The flags of new and build.
const (
	flagDir   = "dir"
	flagLang  = "lang"
	flagOut   = "out"
	flagStrip = "strip"
)

// moduleVerbs make, look at and deploy modules.
func moduleVerbs() []verb {
	return []verb{{
		name: "new", usage: "make a new machine's source folder", arguments: "NAME", category: categoryModules,
		least: 1, most: 1, run: newVerb,
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: flagDir, Usage: "the `FOLDER` to make; default ./NAME"},
			&urfave.StringFlag{Name: flagLang, Usage: "the `LANGUAGE` of the machine: " + strings.Join(project.Languages(), ", "), Value: "go"},
		},
		description: `The folder holds a machine that works, a way to test it, and a copy of the SDK: it builds without a network.

Examples:
  grout new hello
  grout new hello --dir services/hello
  grout new hello --lang rust`,
	}, {
		name: "build", usage: "compile a machine to a module", arguments: "[DIR]", category: categoryModules,
		most: 1, run: buildVerb, flags: []urfave.Flag{
			&urfave.StringFlag{Name: flagOut, Aliases: []string{"o"}, Usage: "the `FILE` to write; default DIR/DIR.wasm"},
			&urfave.BoolFlag{Name: flagStrip, Usage: "leave out the functions' names: smaller, but traps name functions by number"},
		},
		description: `The folder holds a machine in Go, Rust, C or AssemblyScript. The same source and the same compiler's release give the same bytes on every computer.

Examples:
  grout build
  grout build ./hello -o hello.wasm`,
	}, {
		name: "inspect", usage: "describe a module, and whether Grout accepts it", arguments: "FILE", category: categoryModules,
		least: 1, most: 1, run: inspectVerb,
		description: `Needs no server. The exit code is 8 when the module would be refused.

Examples:
  grout inspect hello.wasm
  grout inspect hello.wasm --json`,
	}, checkDescription(), deployDescription(), upgradeDescription()}
}

// newVerb makes a project.
func newVerb(c *call) error {
	name, dir := c.arg(0), c.cli.String(flagDir)
	if dir == "" {
		dir = name
	}
	if err := project.New(project.NewRequest{Dir: dir, Name: name, Language: c.cli.String(flagLang)}); err != nil {
		return err
	}
	if c.json {
		return c.console.json(map[string]string{"name": name, "dir": dir})
	}
	return c.console.printf("made %s. Next:\n  (cd %s && %s)\n  grout deploy %s %s\n", dir, dir, project.TestCommand(c.cli.String(flagLang)), name, folder(dir))
}

// folder writes a folder so that it is not taken for something else.
func folder(dir string) string {
	if filepath.IsAbs(dir) || strings.HasPrefix(dir, ".") {
		return dir
	}
	return "." + string(filepath.Separator) + dir
}

// moduleJSON is the shape of `grout build --json`.
type moduleJSON struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest"`
}

// buildVerb compiles a project.
func buildVerb(c *call) error {
	result, err := project.Build(c.ctx, project.BuildRequest{Dir: c.arg(0), Out: c.cli.String(flagOut), Strip: c.cli.Bool(flagStrip)})
	if err != nil {
		return buildFailure(c.ctx, err)
	}
	built := moduleJSON{Path: result.Path, Bytes: result.Bytes, Digest: hex.EncodeToString(result.Digest[:])}
	if c.json {
		return c.console.json(built)
	}
	return c.console.printf("%s, %d bytes, sha256 %s\n", built.Path, built.Bytes, built.Digest)
}

func buildFailure(ctx context.Context, err error) error {
	if interrupted(ctx) {
		return &failure{exit: Interrupted, text: "interrupted", err: err}
	}
	return err
}

// inspectJSON is the shape of `grout inspect --json`. Module is absent when the module is refused.
type inspectJSON struct {
	File     string      `json:"file"`
	Bytes    int         `json:"bytes"`
	Digest   string      `json:"digest"`
	Accepted bool        `json:"accepted"`
	Refusal  *refusal    `json:"refusal,omitempty"`
	Module   *moduleInfo `json:"module,omitempty"`
}

// refusal says why a module is refused, and where.
type refusal struct {
	Cause    string `json:"cause"`
	Section  string `json:"section,omitempty"`
	Function *int   `json:"function,omitempty"`
	Name     string `json:"function_name,omitempty"`
	Offset   int    `json:"offset"`
}

// moduleInfo describes a module. Types are written as in (i32, i64) -> (i32).
type moduleInfo struct {
	Language       string         `json:"language"`
	Exports        []functionInfo `json:"exports"`
	Imports        []functionInfo `json:"imports"`
	MemoryMinPages uint32         `json:"memory_min_pages"`
	MemoryMaxPages uint32         `json:"memory_max_pages,omitempty"`
	Functions      int            `json:"functions"`
	Instructions   int64          `json:"instructions"`
	CodeBytes      int            `json:"code_bytes"`
	DataBytes      int            `json:"data_bytes"`
	Globals        int            `json:"globals"`
	MutableGlobals int            `json:"mutable_globals"`
	Tables         int            `json:"tables"`
	PreparedBytes  int            `json:"prepared_bytes"`
	CustomSections []string       `json:"custom_sections"`
}

type functionInfo struct {
	Module string `json:"module,omitempty"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Type   string `json:"type,omitempty"`
}

// readModule reads a module's file. A host takes no more than MaxModuleBytes.
func readModule(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, usage("module: %s", err)
	case info.IsDir():
		return nil, usage("module: %s is a folder: name a .wasm file, 'grout build %s' makes one", path, path)
	case info.Size() > host.MaxModuleBytes:
		return nil, &failure{exit: BadModule, text: fmt.Sprintf("module %s has %d bytes, at most %d are possible", path, info.Size(), host.MaxModuleBytes)}
	}
	module, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	return module, nil
}

// checkModule does what hosts do with a module before they compile it, and refuses it in their words.
func checkModule(module []byte) (*prepare.Prepared, error) {
	prepared, err := prepare.Prepare(module, prepare.Limits{})
	if err != nil {
		return nil, moduleFailure(err)
	}
	return prepared, nil
}

func moduleFailure(err error) error {
	return &failure{exit: BadModule, text: "the module is refused: " + err.Error(), err: err}
}

// inspectVerb describes a module. It compiles it as well, as a host would.
func inspectVerb(c *call) error {
	path := c.arg(0)
	module, err := readModule(path)
	if err != nil {
		return err
	}
	report := inspectJSON{File: path, Bytes: len(module), Digest: digestOf(module)}
	prepared, refused := checkModule(module)
	if refused == nil {
		report.Module = describeModule(&prepared.Info)
		if err := compile(module); err != nil {
			refused = moduleFailure(err)
		}
	}
	report.Accepted = refused == nil
	if bad, ok := errors.AsType[*prepare.BadModuleError](refused); ok {
		report.Refusal = describeRefusal(bad)
	}
	if c.json {
		err = c.console.json(report)
	} else {
		err = c.console.printf("%s", report.text())
	}
	return errors.Join(err, refused)
}

// compile runs the engine's own checks.
func compile(module []byte) error {
	runtime, err := wasmsm.NewRuntime(wasmsm.Config{})
	if err != nil {
		return err
	}
	compiled, err := runtime.Compile(module)
	if err == nil {
		err = compiled.Close()
	}
	return errors.Join(err, runtime.Close())
}

func describeRefusal(bad *prepare.BadModuleError) *refusal {
	r := &refusal{Cause: bad.Cause, Section: bad.Section, Name: bad.FunctionName, Offset: bad.Offset}
	if bad.Function != prepare.NoFunction {
		r.Function = &bad.Function
	}
	return r
}

func describeModule(info *prepare.Info) *moduleInfo {
	m := &moduleInfo{
		Language: info.Language, MemoryMinPages: info.MemoryMin, Functions: info.Functions, Instructions: info.Instructions,
		CodeBytes: info.CodeBytes, DataBytes: info.DataBytes, Globals: info.Globals, MutableGlobals: info.MutableGlobals,
		Tables: info.Tables, PreparedBytes: info.PreparedBytes, CustomSections: slices.Concat([]string{}, info.CustomSections),
		Exports: []functionInfo{}, Imports: []functionInfo{},
	}
	if info.MemoryMaxDeclared {
		m.MemoryMaxPages = info.MemoryMax
	}
	for _, e := range info.Exports {
		described := functionInfo{Name: e.Name, Kind: e.Kind}
		if e.Kind == "function" {
			described.Type = e.Type.Long()
		}
		m.Exports = append(m.Exports, described)
	}
	for _, i := range info.Imports {
		m.Imports = append(m.Imports, functionInfo{Module: i.Module, Name: i.Name, Kind: "function", Type: i.Type.Long()})
	}
	return m
}

// text is the report for people.
func (r *inspectJSON) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  size      %d bytes\n  sha256    %s\n", r.File, r.Bytes, r.Digest)
	if m := r.Module; m != nil {
		fmt.Fprintf(&b, "  language  %s\n  memory    %s\n", orDash(m.Language), m.memory())
		fmt.Fprintf(&b, "  code      %d functions, %d instructions, %d bytes\n", m.Functions, m.Instructions, m.CodeBytes)
		fmt.Fprintf(&b, "  data      %d bytes\n  globals   %d, %d of them mutable\n  tables    %d\n", m.DataBytes, m.Globals, m.MutableGlobals, m.Tables)
		fmt.Fprintf(&b, "  prepared  %d bytes\n  exports\n", m.PreparedBytes)
		for _, e := range m.Exports {
			fmt.Fprintf(&b, "    %s %s %s\n", e.Kind, printable(e.Name), e.Type)
		}
		fmt.Fprintf(&b, "  imports\n")
		for _, i := range m.Imports {
			fmt.Fprintf(&b, "    %s.%s %s\n", printable(i.Module), printable(i.Name), i.Type)
		}
	}
	if r.Accepted {
		fmt.Fprintf(&b, "Grout accepts this module\n")
	}
	return b.String()
}

func (m *moduleInfo) memory() string {
	text := strconv.FormatUint(uint64(m.MemoryMinPages), 10) + " pages of 64 KiB at the start"
	if m.MemoryMaxPages > 0 {
		text += ", " + strconv.FormatUint(uint64(m.MemoryMaxPages), 10) + " at most"
	}
	return text
}
