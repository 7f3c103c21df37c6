package project

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// rustTarget is what Rust machines are compiled for.
const rustTarget = "wasm32-unknown-unknown"

// installRust says how to get what Rust machines need.
const installRust = "install Rust 1.63 or later and run `rustup target add " + rustTarget +
	"` (Debian: apt-get install rustc cargo libstd-rust-dev-wasm32)"

// rustTools is one Rust toolchain that can compile to WebAssembly.
type rustTools struct{ cargo, rustc string }

// rustPlaces are the folders that a toolchain is looked for in.
type rustPlaces []string

// findRust returns the first toolchain that has the target: one on PATH, or else the system's in /usr/bin, which a rustup without the
// target hides.
func findRust(ctx context.Context, dir string) (rustTools, error) {
	return rustPlaces(append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin")).find(ctx, dir)
}

// find returns the first toolchain that can build dir.
func (p rustPlaces) find(ctx context.Context, dir string) (rustTools, error) {
	problem := fmt.Errorf("cargo: %w", exec.ErrNotFound)
	for i, folder := range p {
		cargo, err := exec.LookPath(filepath.Join(folder, "cargo"))
		if folder == "" || err != nil || slices.Contains(p[:i], folder) {
			continue
		}
		tools := rustTools{cargo: cargo, rustc: filepath.Join(folder, "rustc")}
		if _, err := os.Stat(tools.rustc); err != nil {
			tools.rustc = "rustc" // as cargo would have it
		}
		err = tools.check(ctx, dir)
		switch {
		case err == nil:
			return tools, nil
		case ctx.Err() != nil:
			return rustTools{}, fmt.Errorf("project: build %s: %w", dir, context.Cause(ctx))
		case errors.Is(problem, exec.ErrNotFound):
			problem = err // the first cargo is the one that the user means
		}
	}
	return rustTools{}, fmt.Errorf("project: build %s: %w: %s: %w", dir, ErrNoRust, installRust, problem)
}

// check reports whether the toolchain has the target. A file rust-toolchain in the folder may choose it.
func (t rustTools) check(ctx context.Context, dir string) error {
	command := exec.CommandContext(ctx, t.rustc, "--print", "target-libdir", "--target", rustTarget)
	command.Dir = dir
	output, err := command.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%s: %w: %s", t.rustc, err, bytes.TrimSpace(exit.Stderr))
	} else if err != nil {
		return fmt.Errorf("%s: %w", t.rustc, err)
	}
	core, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(output)), "libcore-*.rlib"))
	if err != nil || len(core) == 0 {
		return fmt.Errorf("%s has no target %s", t.rustc, rustTarget)
	}
	return nil
}

// compile builds the crate in dir. Nothing is fetched: what the crate depends on has to be in the folder or in cargo's cache.
func (t rustTools) compile(ctx context.Context, dir, out string, strip bool) error {
	command := exec.CommandContext(ctx, t.cargo, "build", "--lib", "--release", "--offline", "--target", rustTarget,
		"--message-format", "json-render-diagnostics")
	command.Dir = dir
	command.Env = t.environment(dir, strip)
	var messages bytes.Buffer
	command.Stdout = &messages
	if err := runCompiler(ctx, dir, "cargo", command); err != nil {
		return err
	}
	artefact, err := lastModule(&messages)
	if err != nil {
		return fmt.Errorf("project: build %s: cargo: %w", dir, err)
	}
	if artefact == "" {
		return fmt.Errorf("project: build: %w: %s: the library is no module: Cargo.toml needs crate-type = [\"cdylib\"] below [lib]", ErrNotMachine, dir)
	}
	module, err := os.ReadFile(artefact)
	if err != nil {
		return fmt.Errorf("project: build %s: %w", dir, err)
	}
	if err := os.WriteFile(out, module, 0o644); err != nil {
		return fmt.Errorf("project: build %s: %w", dir, err)
	}
	return nil
}

// environment overrules the settings that would change the generated code, and leaves the paths of this computer out of it. Later
// variables win.
func (t rustTools) environment(dir string, strip bool) []string {
	symbols := "debuginfo"
	if strip {
		symbols = "symbols"
	}
	flags := []string{"--remap-path-prefix=" + dir + "="}
	home := os.Getenv("CARGO_HOME")
	if user, err := os.UserHomeDir(); home == "" && err == nil {
		home = filepath.Join(user, ".cargo")
	}
	if home != "" {
		flags = append(flags, "--remap-path-prefix="+home+"=cargo")
	}
	return append(os.Environ(), "PWD="+dir, "RUSTC="+t.rustc, "CARGO_ENCODED_RUSTFLAGS="+strings.Join(flags, "\x1f"),
		"CARGO_PROFILE_RELEASE_STRIP="+symbols)
}

// lastModule finds the module among cargo's messages, "" if there is none. A package comes after what it depends on.
func lastModule(messages io.Reader) (string, error) {
	var message struct {
		Reason    string
		Filenames []string
	}
	last := ""
	for decoder := json.NewDecoder(messages); ; {
		message.Filenames = nil
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return last, nil
		} else if err != nil {
			return "", err
		}
		for _, name := range message.Filenames {
			if message.Reason == "compiler-artifact" && strings.HasSuffix(name, ".wasm") {
				last = name
			}
		}
	}
}
