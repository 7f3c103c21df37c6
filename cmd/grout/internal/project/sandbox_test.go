package project

import (
	"context"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

// TestSandboxBuildsTheSame shows that what an author's test runs in the sandbox is, byte for byte, what `grout build` makes.
func TestSandboxBuildsTheSame(t *testing.T) {
	dir := newProject(t, "tally")
	built, err := Build(context.Background(), BuildRequest{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	module, err := sandbox.Module(t.Context(), sandbox.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if digest := sha256.Sum256(module); digest != built.Digest {
		t.Errorf("the sandbox builds %x, grout build %x", digest, built.Digest)
	}
}

// outsideTest is what an author adds to a new project.
const outsideTest = `package main

import (
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

func TestInTheSandbox(t *testing.T) {
	d := sandbox.Open(t, sandbox.Config{})
	script := append(sdktest.Commands("ada", "alan", "", "ada"), sdktest.Queries("ada", "")...)
	sdktest.CheckRestore(t, d, script)
	sdktest.CheckAgree(t, sdktest.Native(func() sdk.Machine { return newTally() }), d, script)
}
`

// TestSandboxOutsideOfTheModule shows that a module of its own, as authors have, can run its machine in the sandbox. A replacement
// stands for the network: its dependencies are those that this module has fetched already.
func TestSandboxOutsideOfTheModule(t *testing.T) {
	dir := newProject(t, "tally")
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "vendor")); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "go.sum", string(sums))
	writeFile(t, dir, "sandbox_test.go", outsideTest)
	for _, arguments := range [][]string{{"mod", "edit", "-replace", sdkModule + "=" + root}, {"test", "-mod=mod", "-v", "./..."}} {
		command := exec.Command("go", arguments...)
		command.Dir = dir
		command.Env = append(os.Environ(), "PWD="+dir, "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", arguments, err, output)
		}
		if arguments[0] == "test" && !strings.Contains(string(output), "--- PASS: TestInTheSandbox") {
			t.Errorf("the tests say\n%s", output)
		}
	}
}

// typedMachine is a machine of typed functions, which a new project can have offline.
const typedMachine = `package main

import (
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/typed"
)

func TestTyped(t *testing.T) {
	m := typed.New(typed.Either)
	typed.Command(m, "add", func(_ *sdk.Context, by int) (int, error) { return by + 1, nil })
	if got := sdktest.New(t, m).MustApply("{\"add\":2}"); got != "3" {
		t.Fatal(got)
	}
}
`

// TestNewProjectHasTheTypedLayer shows that typed machines need no network either.
func TestNewProjectHasTheTypedLayer(t *testing.T) {
	dir := newProject(t, "tally")
	writeFile(t, dir, "typed_test.go", typedMachine)
	if output := offline(t, dir, "test", "-v", "./..."); !strings.Contains(output, "--- PASS: TestTyped") {
		t.Errorf("the tests say\n%s", output)
	}
}
