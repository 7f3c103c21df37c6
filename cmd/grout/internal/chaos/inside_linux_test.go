package chaos

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
)

// The environment of a test that runs inside namespaces: its folder, and what else it is to do there than
// to rage.
const (
	insideDir  = "GROUT_CHAOS_INSIDE"
	insideTask = "GROUT_CHAOS_TASK"
)

const (
	// taskProbe finds out whether everything that is needed can be had.
	taskProbe = "probe"
	// taskIdle starts a process, stops it, and then waits for the end.
	taskIdle = "idle"
)

// inside is a command that runs TestStorm of this binary again, in namespaces of its own. They end with
// it, and with them the links, the addresses and the mounts.
func inside(dir, task string, user bool) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, "-test.run", "^TestStorm$", "-test.v", "-test.timeout", "0",
		"-chaos", length.String(), "-seed", strconv.FormatUint(*seed, 10))
	command.Env = append(os.Environ(), insideDir+"="+dir, insideTask+"="+task)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if user {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return command, nil
}

// whichNamespaces finds out what this machine allows, and says what it does not.
func whichNamespaces(t *testing.T, dir string) (user, can bool) {
	t.Helper()
	tries := []bool{false, true}
	switch {
	case *on == "proxy":
		return false, false
	case *on == "user":
		tries = []bool{true}
	}
	for _, user := range tries {
		command, err := inside(dir, taskProbe, user)
		must(t, err)
		out, err := command.CombinedOutput()
		if err == nil {
			return user, true
		}
		t.Logf("no namespaces (of a user: %t): %v: %s", user, err, bytes.TrimSpace(out))
	}
	return false, false
}

// runInside runs the test in namespaces. It returns false when this machine does not allow it and nobody
// insists.
func runInside(t *testing.T, dir string) bool {
	t.Helper()
	user, can := whichNamespaces(t, dir)
	if !can {
		if *on != "auto" {
			t.Fatalf("-network %s: this machine does not allow it", *on)
		}
		t.Log("running over TCP proxies instead, with limits on files for full disks")
		return false
	}
	t.Logf("running in network and mount namespaces, of a user: %t", user)
	command, err := inside(dir, "", user)
	must(t, err)
	out := &indent{to: os.Stdout}
	command.Stdout, command.Stderr = out, out
	if err := command.Run(); err != nil {
		t.Errorf("inside the namespaces: %v", err)
	}
	return true
}

// indent keeps the lines of the inner test apart from those of the outer one.
type indent struct {
	to   io.Writer
	rest []byte
}

func (w *indent) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		if _, err := fmt.Fprintf(w.to, "    | %s\n", line); err != nil {
			return 0, err
		}
		w.rest = rest
	}
}

// newNamespaces makes the network of a test that runs inside. Mounts stay inside from here on.
func newNamespaces(seed uint64, hosts []string) (network, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("keeping mounts private: %w", err)
	}
	return newWire(seed, hosts)
}

func newFullableDisk(dir string) (disk, error) { return newSmall(dir) }

// runTask does what a test inside is to do instead of raging.
func runTask(t *testing.T, dir, task string) {
	n, err := newNamespaces(*seed, hostNames)
	must(t, err)
	d, err := newSmall(filepath.Join(dir, "disk-"+task))
	must(t, err)
	if task == taskIdle {
		idle(t, n, dir)
	}
	must(t, errors.Join(d.close(), n.close()))
}

// idle starts a process in a namespace, stops it, and waits to be killed.
func idle(t *testing.T, n network, dir string) {
	path := filepath.Join(dir, "disk-"+taskIdle, "file")
	must(t, os.WriteFile(path, nil, 0o600))
	p, err := procs.Start(procs.Launch{
		Name: "tail", Log: filepath.Join(dir, "tail.log"), Command: exec.Command("tail", "-f", path),
		Begin: func(c *exec.Cmd) error { return n.begin(hostNames[0], c) },
	})
	must(t, err)
	must(t, p.Signal(syscall.SIGSTOP))
	fmt.Println("idle", p.Pid())
	<-p.Ended()
}

// TestNothingOutlivesAKilledRun shows that a run which is killed leaves no process behind, not even a
// stopped one, and no mount and no device.
func TestNothingOutlivesAKilledRun(t *testing.T) {
	dir := t.TempDir()
	user, can := whichNamespaces(t, dir)
	if !can {
		t.Skip("this machine allows no namespaces")
	}
	command, err := inside(dir, taskIdle, user)
	must(t, err)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "idle "); ok {
			pid, err = strconv.Atoi(n)
			must(t, err)
		}
	}
	if pid == 0 {
		t.Fatal("the inner test did not start its process")
	}
	if found := processesOf(t, dir); len(found) != 1 || found[0] != pid {
		t.Fatalf("the processes that name %s are %v, want %d", dir, found, pid)
	}
	must(t, command.Process.Kill())
	if err := command.Wait(); err == nil {
		t.Fatal("a killed test ended well")
	}
	nothingLeft(t, dir)
}

// endPatience is how long a process may take to end that the kernel was told to kill.
const endPatience = 10 * time.Second

// nothingLeft fails the test if a run in dir left a process, a mount or a device.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	for _, pid := range processesOf(t, dir) {
		if !ends(t, pid) {
			t.Errorf("process %d of the run in %s is still there", pid, dir)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if strings.Contains(string(mounts), dir) {
		t.Errorf("something is mounted in %s:\n%s", dir, mounts)
	}
	if _, err := os.Stat("/sys/class/net/" + wireDevice); err == nil {
		t.Errorf("there is a device %q", wireDevice)
	}
}

// processesOf finds the processes that name a folder in their command lines.
func processesOf(t *testing.T, dir string) (found []int) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(dir)) { // one that has ended is not there any more
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			must(t, err)
			found = append(found, pid)
		}
	}
	return found
}

// ends waits for the end of a process that is not a child.
func ends(t *testing.T, pid int) bool {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return true
	}
	must(t, err)
	until := time.Now().Add(endPatience)
	n := 0
	for n == 0 && time.Now().Before(until) {
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(until).Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
	must(t, unix.Close(fd))
	return n > 0
}
