package project

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/toolchains"
	"github.com/groutlabs/grout/wasmsm"
	"github.com/groutlabs/grout/wasmsm/check"
)

// checked applies a project's commands.txt in the runs of a check, and returns what the check says.
func checked(t *testing.T, dir, module string) *check.Report {
	t.Helper()
	bytes, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	commands, err := os.ReadFile(filepath.Join(dir, "commands.txt"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := check.Run(t.Context(), check.Config{
		Module: bytes, Machine: wasmsm.MachineConfig{Seed: [32]byte{1}}, CacheDir: t.TempDir(),
		Commands: func(yield func([]byte, error) bool) {
			for command := range strings.Lines(string(commands)) {
				if !yield([]byte(strings.TrimSpace(command)), nil) {
					return
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// builtAlike builds two copies of a new project, and shows that they give equal bytes, that a stripped module is smaller, and that the
// machine does what the project's README says. It calls between after the first build.
func builtAlike(t *testing.T, first, second string, between func()) BuildResult {
	t.Helper()
	one, err := Build(t.Context(), BuildRequest{Dir: first})
	if err != nil {
		t.Fatal(err)
	}
	between()
	two, err := Build(t.Context(), BuildRequest{Dir: second, Out: filepath.Join(t.TempDir(), "two.wasm")})
	if err != nil || one.Digest != two.Digest {
		t.Fatalf("two builds give %x and %x, %v", one.Digest, two.Digest, err)
	}
	stripped, err := Build(t.Context(), BuildRequest{Dir: second, Strip: true})
	if err != nil || stripped.Bytes >= two.Bytes {
		t.Errorf("stripped it has %d bytes, else %d: %v", stripped.Bytes, two.Bytes, err)
	}
	if report := checked(t, first, one.Path); report.Applied != 4 || report.Refused != 1 || report.Trapped != 0 {
		t.Errorf("%+v", report)
	}
	return one
}

// newRustProject makes a project in Rust, if there is a toolchain for it.
func newRustProject(t *testing.T) string {
	t.Helper()
	_, err := findRust(t.Context(), ".")
	toolchains.Need(t, err)
	dir := filepath.Join(t.TempDir(), "tally")
	if err := New(NewRequest{Dir: dir, Language: "rust"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestNewRustProject shows that a new project in Rust passes its own tests without a network, builds to equal bytes anywhere and names
// no folder of this computer, and that its machine does what its README says, in every run of a check alike.
func TestNewRustProject(t *testing.T) {
	first, second := newRustProject(t), newRustProject(t)
	tests := exec.Command("cargo", "test", "--offline", "--quiet")
	tests.Dir = first
	if output, err := tests.CombinedOutput(); err != nil || !strings.Contains(string(output), "3 passed") {
		t.Errorf("cargo test: %v\n%s", err, output)
	}
	one := builtAlike(t, first, second, func() { t.Setenv("RUSTFLAGS", "-C opt-level=0") })
	module, err := os.ReadFile(one.Path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(module), os.TempDir()+"/") || !strings.Contains(string(module), "src/lib.rs") {
		t.Error("the module names the folder, or not its source")
	}
}

// TestBuildRustRefuses shows that faulty code is told with its place, that a library which is no module and a missing toolchain are
// told with what to do, and what is said of a toolchain that cannot be used.
func TestBuildRustRefuses(t *testing.T) {
	dir := newRustProject(t)
	source, err := os.ReadFile(filepath.Join(dir, "src", "lib.rs"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "src/lib.rs", "fn f() { missing() }\n")
	_, err = Build(t.Context(), BuildRequest{Dir: dir})
	var refused *CompileError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "cargo failed") || !strings.Contains(err.Error(), "src/lib.rs:1:10") {
		t.Errorf("a call of nothing: %v", err)
	}
	if has(dir, "tally.wasm") {
		t.Error("a build that failed left a module")
	}
	writeFile(t, dir, "src/lib.rs", string(source))
	manifest, err := os.ReadFile(filepath.Join(dir, "Cargo.toml"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "Cargo.toml", strings.Replace(string(manifest), "cdylib", "rlib", 1))
	if _, err := Build(t.Context(), BuildRequest{Dir: dir}); !errors.Is(err, ErrNotMachine) || !strings.Contains(err.Error(), `crate-type = ["cdylib"]`) {
		t.Errorf("a library: %v", err)
	}
	lame := rustTools{cargo: "cargo", rustc: filepath.Join(t.TempDir(), "rustc")}
	if err := os.WriteFile(lame.rustc, []byte("#!/bin/sh\necho /nowhere\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := lame.check(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "has no target "+rustTarget) {
		t.Errorf("a rustc without the target: %v", err)
	}
	if err := os.WriteFile(lame.rustc, []byte("#!/bin/sh\necho no such toolchain >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := lame.check(t.Context(), dir); err == nil || !strings.HasSuffix(err.Error(), "exit status 1: no such toolchain") {
		t.Errorf("a rustc that fails: %v", err)
	}
}

// TestBuildNeedsRust shows what is said where no toolchain is found.
func TestBuildNeedsRust(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "Cargo.toml", "[package]\nname = \"x\"\n")
	t.Setenv("PATH", t.TempDir())
	if _, err := (rustPlaces{}).find(t.Context(), dir); !errors.Is(err, ErrNoRust) || !errors.Is(err, exec.ErrNotFound) ||
		!strings.Contains(err.Error(), "rustup target add") || !strings.Contains(err.Error(), "apt-get install rustc cargo libstd-rust-dev-wasm32") {
		t.Errorf("without Rust: %v", err)
	}
}

// TestRustCrate shows that the crate passes its own tests and examples, and compiles without Rust's standard library.
func TestRustCrate(t *testing.T) {
	tools, err := findRust(t.Context(), ".")
	toolchains.Need(t, err)
	for _, arguments := range [][]string{{"test", "--quiet"}, {"check", "--quiet", "--no-default-features", "--target", rustTarget}} {
		command := exec.Command(tools.cargo, append(arguments, "--offline")...)
		command.Dir = filepath.Join("..", "..", "..", "..", "sdk", "rust")
		command.Env = append(os.Environ(), "RUSTC="+tools.rustc, "RUSTDOC="+filepath.Join(filepath.Dir(tools.rustc), "rustdoc"),
			"CARGO_TARGET_DIR="+t.TempDir(), "RUSTFLAGS=-D warnings")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("cargo %v: %v\n%s", arguments, err, output)
		}
	}
}

// TestRustIsFoundBehindAnother shows that a toolchain without the target does not hide one that has it.
func TestRustIsFoundBehindAnother(t *testing.T) {
	found, err := findRust(t.Context(), ".")
	toolchains.Need(t, err)
	hiding := t.TempDir()
	for name, script := range map[string]string{"cargo": "exit 1", "rustc": "echo /nowhere"} {
		if err := os.WriteFile(filepath.Join(hiding, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tools, err := rustPlaces{"", hiding, filepath.Join(hiding, "none"), filepath.Dir(found.cargo)}.find(t.Context(), t.TempDir())
	if err != nil || tools != found {
		t.Errorf("found %+v, %v, want %+v", tools, err, found)
	}
	if _, err := (rustPlaces{hiding}).find(t.Context(), t.TempDir()); !errors.Is(err, ErrNoRust) || !strings.Contains(err.Error(), hiding+"/rustc has no target") {
		t.Errorf("that alone: %v", err)
	}
}
