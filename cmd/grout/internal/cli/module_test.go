package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewBuildInspectDeploy shows the way of a new user: make a project, build it, look at the
// module, deploy the folder, and use it. With the race detector, under which compiling the module takes
// most of a minute, it ends where the hosts would compile it.
func TestNewBuildInspectDeploy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	grout(t, "", "new", "hello", "--dir", dir).want(t, Done).prints(t, "grout deploy hello "+dir)
	grout(t, "", "new", "hello", "--dir", dir).want(t, Usage, "not empty", dir)
	out := filepath.Join(t.TempDir(), "hello.wasm")
	built := decode[moduleJSON](t, grout(t, "", "build", dir, "-o", out, "--json").want(t, Done).out)
	if built.Path != out || built.Bytes == 0 || len(built.Digest) != 64 {
		t.Errorf("built %+v", built)
	}
	if raceDetector {
		grout(t, bareServer(t), "deploy", "hello", dir, "--progress").want(t, Unavailable, "building", "no Grout host")
	} else {
		useProject(t, dir, out, built.Digest)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".wasm") {
			t.Errorf("deploy has left %s in the project", e.Name())
		}
	}
}

// useProject inspects the module of a new project, deploys the project and sends it a command.
func useProject(t *testing.T, dir, module, digest string) {
	t.Helper()
	url := cluster(t)
	report := decode[inspectJSON](t, grout(t, "", "inspect", module, "--json").want(t, Done).out)
	if !report.Accepted || report.Digest != digest || !strings.HasPrefix(report.Module.Language, "Go") {
		t.Errorf("report %+v", report)
	}
	grout(t, url, "deploy", "hello", dir, "--replicas", "1", "--timeout", "2m", "--progress").want(t, Done, "building", "uploading", "starting").
		prints(t, digest, "grout exec hello")
	if r := grout(t, url, "exec", "hello", "ada").want(t, Done); r.out != "1" {
		t.Errorf("the machine answers %q", r.out)
	}
	grout(t, url, "rm", "hello", "--yes").want(t, Done)
}

// TestInspectDescribes shows what is said of a module that Grout accepts, for programs and for people.
func TestInspectDescribes(t *testing.T) {
	path := writeFile(t, "machine.wasm", testMachine())
	r := decode[inspectJSON](t, grout(t, "", "inspect", path, "--json").want(t, Done).out)
	if !r.Accepted || r.Refusal != nil || r.Digest != digestOf(testMachine()) || r.Bytes != len(testMachine()) || r.Module == nil {
		t.Fatalf("report %+v", r)
	}
	if m := r.Module; m.Functions != 3 || m.MutableGlobals != 1 || m.MemoryMinPages != 17 || len(m.Imports) != 3 || len(m.Exports) != 4 ||
		m.Imports[0] != (functionInfo{Module: "grout_v1", Name: "input_read", Kind: "function", Type: "(i32 i32 i32) -> (i32)"}) {
		t.Errorf("module %+v", m)
	}
	grout(t, "", "inspect", path).want(t, Done).prints(t, "function grout_apply (i32) -> (i32)", "grout_v1.output_write (i32 i32) -> ()",
		"17 pages", "3 functions", "Grout accepts this module")
}

// TestSourceThatDoesNotCompile shows that the compiler's words reach the user.
func TestSourceThatDoesNotCompile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module broken\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() { undefined() }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	grout(t, "", "build", dir).want(t, BadModule, "main.go:3:15", "undefined")
}
