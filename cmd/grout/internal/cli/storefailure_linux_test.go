package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestServeEndsWhenItsStoreFails shows that a host whose files cannot grow any more ends by itself, says
// which folder and why with an exit code of its own, ends so again while the cause lasts, and has
// everything that it acknowledged once the cause is gone.
func TestServeEndsWhenItsStoreFails(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"serve", "--name", "solo", "--data", data, "--embedded-nats", "--listen", "127.0.0.1:0"}
	first := process(t, append(args, "--json")...)
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &lockedBuffer{}
	first.Stderr = errs
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Process.Kill() }() // it has ended by then, unless the test failed
	var ready readyJSON
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&ready); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	grout(t, ready.URL, "deploy", "mine", writeFile(t, "m.wasm", testMachine())).want(t, Done)
	grout(t, ready.URL, "exec", "mine", "kept").want(t, Done)
	full := unix.Rlimit{Cur: 1, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(first.Process.Pid, unix.RLIMIT_FSIZE, &full, nil); err != nil {
		t.Fatal(err)
	}
	if r := grout(t, ready.URL, "exec", "mine", "lost"); r.exit == Done {
		t.Errorf("a command was acknowledged that no disk took: %s", r.out)
	}
	wantStoreFailed(t, outcome{exitOfProcess(t, first.Wait()), "", errs.String()}, data)
	again := exec.Command("sh", append([]string{"-c", `ulimit -f 1; exec "$@"`, "sh", first.Path}, args...)...)
	again.Env = first.Env
	text, err := again.CombinedOutput()
	wantStoreFailed(t, outcome{exitOfProcess(t, err), "", string(text)}, data)
	last := launched(t, args...)
	if r := grout(t, last.url, "query", "mine").want(t, Done); r.out != "kept" {
		t.Errorf("the state is %q once there is room", r.out)
	}
	if code := last.stop(); code != 0 {
		t.Errorf("exit %d: %s", code, last.errors)
	}
}

func wantStoreFailed(t *testing.T, r outcome, data string) {
	t.Helper()
	r.want(t, StoreFailed, "host solo: the store in "+data+" failed: file too large: raise the limit of a file's size (ulimit -f) and start again")
}

func exitOfProcess(t *testing.T, err error) Exit {
	t.Helper()
	ended, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("the host ended with %v, it should have failed", err)
	}
	return Exit(ended.ExitCode())
}
