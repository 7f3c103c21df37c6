package durable

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
)

var killsFlag = flag.Int("kills", 12, "rounds of TestKill")

// killFolder makes the test binary a child of TestKill, which writes to this folder until it is killed.
const killFolder = "GROUT_DURABLE_KILL_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killFolder); dir != "" {
		if err := writeForever(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

const killGroups = 8

// writeForever appends to every group and prints each acknowledged position on a line of its own.
func writeForever(dir string, out io.Writer) error {
	config := testConfig(dir)
	config.reclaim = time.Millisecond
	s, err := Open(config)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	for id := range uint64(killGroups) {
		restored, err := s.Group(id).Load()
		if err != nil {
			return err
		}
		go func() { failed <- writeGroup(s.Group(id), id, restored, out) }()
	}
	return <-failed
}

// writeGroup begins a new term, appends with a few writes in flight, and now and then takes a
// snapshot and forgets what it covers.
func writeGroup(g *GroupLog, id uint64, restored consensus.Restored, out io.Writer) error {
	var last consensus.Cursor
	if restored.Snapshot != nil {
		last = restored.Snapshot.Anchor
	}
	if n := len(restored.Entries); n > 0 {
		last = restored.Entries[n-1].Position()
	}
	hard := consensus.HardState{Term: restored.HardState.Term + 1, VotedFor: 1}
	if err := appendSync(g, consensus.Write{HardState: &hard}); err != nil {
		return err
	}
	window, failed := make(chan struct{}, 4), make(chan error, 1)
	for round := 1; ; round++ {
		entries := makeEntries(id, last.Index+1, 1+round%7, hard.Term, 700)
		last = entries[len(entries)-1].Position()
		acked := last
		window <- struct{}{}
		g.Append(consensus.Write{Entries: entries}, func(err error) {
			if err == nil {
				_, err = fmt.Fprintf(out, "%d %d %d\n", id, acked.Term, acked.Index)
			}
			if err != nil {
				failed <- err
			}
			<-window
		})
		select {
		case err := <-failed:
			return err
		default:
		}
		if round%100 == 0 {
			if err := g.SaveSnapshot(testMeta(last)); err != nil {
				return err
			}
			if err := g.Compact(last.Index - 20); err != nil {
				return err
			}
		}
	}
}

// Of a process that is killed at any moment, Open included, everything that it acknowledged is
// there for the next one, entry by entry.
func TestKill(t *testing.T) {
	rng := newRand(t)
	dir := t.TempDir()
	var acked [killGroups]consensus.Cursor
	lines := 0
	for range *killsFlag {
		lines += killOnce(t, dir, rng.IntN(3000), time.Duration(rng.IntN(30))*time.Millisecond, &acked)
		s := mustOpen(t, testConfig(dir))
		for id := range uint64(killGroups) {
			checkSurvivors(t, id, mustLoad(t, s.Group(id)), acked[id])
		}
		mustClose(t, s)
	}
	if lines == 0 {
		t.Fatal("no child lived to acknowledge anything")
	}
	t.Logf("%d acknowledged writes over %d kills", lines, *killsFlag)
}

// killOnce runs a child and kills it after so many lines, or, when that is a multiple of four, after a time in
// which it may still be opening. It returns how many lines it read.
func killOnce(t *testing.T, dir string, after int, soon time.Duration, acked *[killGroups]consensus.Cursor) int {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), killFolder+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	kill := func() { once.Do(func() { _ = child.Process.Kill() }) }
	if after%4 == 0 {
		defer time.AfterFunc(soon, kill).Stop()
	}
	lines, reader := 0, bufio.NewReader(out)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			break // Killed: a line without its end was not printed whole.
		}
		var id uint64
		var c consensus.Cursor
		if _, err := fmt.Sscanf(line, "%d %d %d", &id, &c.Term, &c.Index); err != nil {
			t.Fatalf("the child printed %q", line)
		}
		acked[id] = c
		if lines++; lines == after {
			kill()
		}
	}
	if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return lines
}

func checkSurvivors(t *testing.T, id uint64, r consensus.Restored, acked consensus.Cursor) {
	t.Helper()
	if acked.Index == 0 {
		return
	}
	if n := len(r.Entries); n == 0 || r.Entries[n-1].Index < acked.Index || r.HardState.Term < acked.Term {
		t.Fatalf("group %d acknowledged %s, %d entries are left, term %d", id, acked, n, r.HardState.Term)
	}
	for _, e := range r.Entries {
		if want := makeEntries(id, e.Index, 1, e.Term, 700)[0]; !sameEntry(e, want) {
			t.Fatalf("group %d: entry %s, want %s", id, e, want)
		}
		if e.Index == acked.Index && e.Term != acked.Term {
			t.Fatalf("group %d acknowledged %s, entry %s is there", id, acked, e)
		}
	}
}
