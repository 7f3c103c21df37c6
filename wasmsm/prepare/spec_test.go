package prepare

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// specCounts is what a run of the specification's tests did, by kind.
type specCounts struct{ modules, passed, skipped map[string]int }

func newSpecCounts() *specCounts {
	return &specCounts{map[string]int{}, map[string]int{}, map[string]int{}}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// TestSpecification runs the tests of the WebAssembly specification, in the two versions that the
// engine's module carries, through the preparer, with both engines: every module of the features that
// are accepted is prepared, and every assertion must hold of the prepared one. What a machine must not contain is
// let in for this (see rules.whole); what is skipped is counted with its reason.
func TestSpecification(t *testing.T) {
	for _, version := range []struct {
		name                     string
		features                 api.CoreFeatures
		passed, modules, skipped int
	}{
		{"v1", api.CoreFeaturesV1, 18000, 780, 500},
		{"v2", api.CoreFeaturesV2 &^ api.CoreFeatureSIMD, 26290, 1126, 581},
	} {
		for name, config := range map[string]wazero.RuntimeConfig{
			"compiler": wazero.NewRuntimeConfigCompiler(), "interpreter": wazero.NewRuntimeConfigInterpreter(),
		} {
			t.Run(version.name+"/"+name, func(t *testing.T) {
				counts := newSpecCounts()
				files, err := filepath.Glob(filepath.Join(specFolder(t), version.name, "testdata", "*.json"))
				if err != nil || len(files) == 0 {
					t.Fatalf("no tests are there: %v", err)
				}
				for _, file := range files {
					runSpecFile(t, file, config.WithCoreFeatures(version.features), counts)
				}
				t.Logf("modules prepared %v; assertions passed %d: %v; skipped %v", counts.modules, sum(counts.passed), counts.passed, counts.skipped)
				if got := sum(counts.passed); got < version.passed {
					t.Errorf("%d assertions passed, at least %d are there", got, version.passed)
				}
				if got := counts.modules["run"]; got < version.modules {
					t.Errorf("%d modules were run, at least %d are there", got, version.modules)
				}
				if got := sum(counts.skipped) - counts.skipped["SIMD file"]; got > version.skipped {
					t.Errorf("%d assertions were skipped, %d may be", got, version.skipped)
				}
			})
		}
	}
}

// specFolder is where the engine's module keeps the tests.
func specFolder(t *testing.T) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("finding the engine's module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

// specFile is what wast2json makes of a test.
type specFile struct{ Commands []specCommand }

type specCommand struct {
	Type, Name, Filename, As, Text string
	Line                           int
	ModuleType                     string `json:"module_type"`
	Action                         struct {
		Type, Field, Module string
		Args                []specValue
	}
	Expected []specValue
}

// specRun is a file under way.
type specRun struct {
	t       *testing.T
	ctx     context.Context
	folder  string
	runtime wazero.Runtime
	counts  *specCounts
	// named are the instances with names, all are those whose counters are to be filled up.
	named map[string]api.Module
	all   []api.Module
	last  api.Module
	// why the last module is not there
	missing string
}

func runSpecFile(t *testing.T, file string, config wazero.RuntimeConfig, counts *specCounts) {
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var parsed specFile
	if err := json.Unmarshal(content, &parsed); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(filepath.Base(file), "simd_") {
		counts.skipped["SIMD file"] += len(parsed.Commands)
		return
	}
	ctx := context.Background()
	r := &specRun{t: t, ctx: ctx, folder: filepath.Dir(file), runtime: wazero.NewRuntimeWithConfig(ctx, config), counts: counts, named: map[string]api.Module{}}
	defer r.runtime.Close(ctx)
	host, err := os.ReadFile(filepath.Join(r.folder, "..", "..", "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.runtime.Instantiate(ctx, host); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(parsed.Commands); i++ {
		c, as := &parsed.Commands[i], ""
		if c.Type == "module" && i+1 < len(parsed.Commands) && parsed.Commands[i+1].Type == "register" {
			as = parsed.Commands[i+1].As
			i++
		}
		if err := r.command(c, as); err != nil {
			t.Errorf("%s:%d %s %s: %v", filepath.Base(file), c.Line, c.Type, c.Action.Field, err)
		}
	}
}

func (r *specRun) command(c *specCommand, as string) error {
	if c.ModuleType == "text" {
		r.counts.skipped["text format"]++
		return nil
	}
	for _, m := range r.all {
		m.ExportedGlobal(FuelGlobal).(api.MutableGlobal).Set(wholeFuel)
		m.ExportedGlobal(StackGlobal).(api.MutableGlobal).Set(wholeStack)
	}
	var err error
	switch c.Type {
	case "module":
		return r.module(c, as)
	case "assert_invalid", "assert_malformed":
		err = r.wantError(r.load(c.Filename))
	case "assert_unlinkable", "assert_uninstantiable":
		err = r.uninstantiable(c)
	default:
		if r.missing != "" {
			r.counts.skipped[r.missing]++
			return nil
		}
		err = r.action(c)
	}
	if err == nil {
		r.counts.passed[c.Type]++
	}
	return err
}

// load prepares and compiles a module.
func (r *specRun) load(file string) (wazero.CompiledModule, error) {
	module, err := os.ReadFile(filepath.Join(r.folder, file))
	if err != nil {
		r.t.Fatal(err)
	}
	prepared, err := prepareBy(module, Limits{}, rules{whole: true})
	if err != nil {
		return nil, err
	}
	return r.runtime.CompileModule(r.ctx, prepared.Module)
}

func (r *specRun) wantError(_ any, err error) error {
	if err == nil {
		return fmt.Errorf("it is accepted")
	}
	return nil
}

func (r *specRun) module(c *specCommand, as string) error {
	code, err := r.load(c.Filename)
	if err != nil {
		return err
	}
	if r.last, err = r.runtime.InstantiateModule(r.ctx, code, wazero.NewModuleConfig().WithName(as)); err != nil {
		return err
	}
	r.counts.modules["run"]++
	r.all = append(r.all, r.last)
	if c.Name != "" {
		r.named[c.Name] = r.last
	}
	return nil
}

// uninstantiable wants an error at last when the module is instantiated. The engine keeps a module whose
// element segments do not fit, since its functions stay reachable through a table that is shared.
func (r *specRun) uninstantiable(c *specCommand) error {
	code, err := r.load(c.Filename)
	if err != nil {
		if c.Type == "assert_unlinkable" {
			return nil // the engine notices when it compiles
		}
		return err
	}
	_, err = r.runtime.InstantiateModule(r.ctx, code, wazero.NewModuleConfig().WithName(""))
	if c.Text == "out of bounds table access" && c.Type == "assert_uninstantiable" {
		return err
	}
	return r.wantError(nil, err)
}

func (r *specRun) action(c *specCommand) error {
	m := r.last
	if c.Action.Module != "" {
		m = r.named[c.Action.Module]
	}
	if c.Action.Type == "get" {
		return c.Expected[0].matches(m.ExportedGlobal(c.Action.Field).Get())
	}
	args := make([]uint64, len(c.Action.Args))
	for i, a := range c.Action.Args {
		args[i] = a.bits()
	}
	results, err := m.ExportedFunction(c.Action.Field).Call(r.ctx, args...)
	switch c.Type {
	case "assert_trap":
		return wantSpecTrap(err, c.Text)
	case "assert_exhaustion":
		return r.wantError(nil, err)
	}
	if err == nil && len(results) != len(c.Expected) && c.Type == "assert_return" {
		err = fmt.Errorf("%d results, want %d", len(results), len(c.Expected))
	}
	for i := 0; err == nil && i < len(c.Expected); i++ {
		err = c.Expected[i].matches(results[i])
	}
	return err
}
