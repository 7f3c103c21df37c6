package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/wasmsm"
)

var updateFlag = flag.Bool("update", false, "rewrite the golden trace of TestScript from the machine in Go")

// TestScript shows that machines in all languages have the same replies, refusals, traps, events and logs, and the ones written down.
func TestScript(t *testing.T) {
	golden := filepath.Join(sdkDir, "conformance", "script.golden")
	steps := readScript(t)
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			got := l.trace(t, steps)
			if *updateFlag && l.name == "go" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			wantLines, gotLines := strings.Split(string(want), "\n"), strings.Split(got, "\n")
			for i, line := range wantLines {
				if i >= len(gotLines) || gotLines[i] != line {
					t.Fatalf("script.golden:%d: want\n%s\ngot\n%s", i+1, line, strings.Join(gotLines[min(i, len(gotLines)):min(i+3, len(gotLines))], "\n"))
				}
			}
			if len(gotLines) > len(wantLines) {
				t.Fatalf("more came after the last line: %q", gotLines[len(wantLines):])
			}
		})
	}
}

// TestStartsCanBeRefused shows that a machine's refusal of its argument is told with code and message.
func TestStartsCanBeRefused(t *testing.T) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			o := sdktest.Open(t, l.driver(t)).Init(strings.Repeat("x", 65))
			if o.Kind != sdk.Refused || o.Code != 5 || o.Message != "a name has at most 64 bytes, this one has 65" {
				t.Errorf("the start was %s with code %d: %s", o.Kind, o.Code, o.Message)
			}
		})
	}
}

// TestPanicsNameTheirPlace shows that a panic in a command or a query is told with its text, file and line.
func TestPanicsNameTheirPlace(t *testing.T) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			h := sdktest.Open(t, l.driver(t))
			place := fmt.Sprintf("%s:%d", l.target, l.lineOf(t, "// the place of the panic"))
			for _, o := range []sdktest.Outcome{h.Apply("panic"), h.Query("panic")} {
				if o.Kind != sdk.Trapped || !strings.HasPrefix(o.Message, "aborted: panic: as asked at ") || !strings.Contains(o.Message, place) {
					t.Errorf("%s: %s, want the text and %s", o.Kind, o.Message, place)
				}
			}
		})
	}
}

// lineOf is the number of the line of the machine's source that holds a text.
func (l language) lineOf(t *testing.T, text string) int {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(sdkDir, "conformance", filepath.FromSlash(l.source)))
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(source), text)
	if !found {
		t.Fatalf("%s has no line with %q", l.source, text)
	}
	return strings.Count(before, "\n") + 1
}

// TestUpgradesBetweenLanguages shows that a machine in any language takes over from one in any other, also a state larger than the
// longest command, and goes on.
func TestUpgradesBetweenLanguages(t *testing.T) {
	for _, from := range languages {
		for _, to := range languages {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				next := to.driver(t)
				h := sdktest.Open(t, from.driver(t))
				h.MustApply("add five")
				h.MustApply("fill 700000")
				if o := h.UpgradeTo(next); o.Kind != sdk.Applied {
					t.Fatalf("the upgrade was %s: %s", o.Kind, o.Message)
				}
				if got := h.MustQuery(""); got != " 6 700000" {
					t.Errorf("after the upgrade the machine has %q", got)
				}
				if got := h.MustApply("add more"); got != "11" {
					t.Errorf("the next command is answered with %q", got)
				}
			})
		}
	}
}

// BenchmarkLanguages measures a command of 16 bytes in the sandbox, with its share of checkpoints, and the size of the module.
func BenchmarkLanguages(b *testing.B) {
	for _, l := range languages {
		b.Run(l.name, func(b *testing.B) {
			module, stripped := fileOf(b, l.module(b).path), fileOf(b, l.module(b).stripped)
			runtime, err := wasmsm.NewRuntime(wasmsm.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer closing(b, runtime.Close)
			compiled, err := runtime.Compile(module)
			if err != nil {
				b.Fatal(err)
			}
			defer closing(b, compiled.Close)
			machine, err := compiled.New(wasmsm.MachineConfig{})
			if err != nil {
				b.Fatal(err)
			}
			defer closing(b, machine.Close)
			command, index, fuel := []byte("add 0123456789ab"), uint64(0), uint64(0)
			for b.Loop() {
				index++
				o, err := machine.Apply(wasmsm.EntryContext{Index: index, Term: 1}, command)
				if err != nil || o.Kind != wasmsm.Applied {
					b.Fatalf("the command ended as %v %s: %v", o.Kind, o.Message, err)
				}
				fuel += o.Fuel
			}
			b.ReportMetric(float64(fuel)/float64(index), "fuel/op")
			b.ReportMetric(float64(len(module))/1024, "KiB")
			b.ReportMetric(float64(len(stripped))/1024, "KiB-stripped")
		})
	}
}

func fileOf(b *testing.B, path string) []byte {
	b.Helper()
	bytes, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

func closing(b *testing.B, close func() error) {
	b.Helper()
	if err := close(); err != nil {
		b.Error(err)
	}
}
