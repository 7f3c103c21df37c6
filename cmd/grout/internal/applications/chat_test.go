package applications

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
)

const chatRooms = `{"rooms":{}}`

// talker is a chat terminal.
type talker struct {
	name    string
	command *exec.Cmd
	input   io.WriteCloser
	// lines yields what it prints, and is closed at its end.
	lines chan string
	// messages are those that it has shown, without their times.
	messages []string
}

// maxPrinted is more lines than a terminal of this test prints.
const maxPrinted = 4096

func startTalker(t *testing.T, binary, url, name string) *talker {
	t.Helper()
	p := &talker{name: name, lines: make(chan string, maxPrinted)}
	p.command = exec.Command(binary, "-nats-url", url, "-name", name, "-lease", "3s")
	p.command.Stderr = os.Stderr
	p.input = must[io.WriteCloser](t)(p.command.StdinPipe())
	output := must[io.ReadCloser](t)(p.command.StdoutPipe())
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.command.Process.Kill() }) // most have ended
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	p.await(t, "you are in lobby as "+name)
	return p
}

func (p *talker) say(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.input, line); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

var shown = regexp.MustCompile(`^#(\d+) \d\d:\d\d:\d\d (.*)$`)

// next takes the next line that the terminal prints.
func (p *talker) next(t *testing.T, ctx context.Context) string {
	t.Helper()
	select {
	case line, more := <-p.lines:
		if !more {
			t.Fatalf("%s ended, after %d messages", p.name, len(p.messages))
		}
		if m := shown.FindStringSubmatch(line); m != nil {
			p.messages = append(p.messages, m[1]+" "+m[2])
		}
		return line
	case <-ctx.Done():
		t.Fatalf("%s: nothing more came, after %d messages", p.name, len(p.messages))
		return ""
	}
}

// await takes lines until one has that text.
func (p *talker) await(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !strings.Contains(p.next(t, ctx), text) {
	}
}

// TestChat has three terminals talk while the hosts that lead are killed: each shows every message exactly once, all in one order. One that
// is killed is gone for the others when its lease ends; one that leaves has left at once.
func TestChat(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c := start(t, ctx, "chat")
	binary := must[string](t)(procs.Build(ctx, c.Dir, "terminal", "github.com/groutlabs/grout/examples/wasm/chat/terminal"))
	var talkers []*talker
	for _, name := range []string{"ana", "bo", "cy"} {
		talkers = append(talkers, startTalker(t, binary, c.URL, name))
	}
	const rounds, each = 4, 10
	for round := range rounds {
		for i := range each {
			for _, p := range talkers {
				p.say(t, fmt.Sprintf("round %d line %d", round, i))
			}
		}
		if round < rounds-1 {
			c.restart(t, c.killLeader(t, ctx, chatRooms))
		}
		for _, p := range talkers {
			for len(p.messages) < (round+1)*each*len(talkers) {
				p.next(t, ctx)
			}
		}
	}
	want := talkers[0].messages
	counts := map[string]int{}
	for i, m := range want {
		id, rest, _ := strings.Cut(m, " ")
		if id != fmt.Sprint(i+1) {
			t.Errorf("message %d is %q", i+1, m)
		}
		counts[rest]++
	}
	for _, p := range talkers {
		if !slices.Equal(p.messages, want) {
			t.Errorf("%s shows %q\nand %s %q", p.name, p.messages, talkers[0].name, want)
		}
		for round := range rounds {
			for i := range each {
				if said := fmt.Sprintf("%s: round %d line %d", p.name, round, i); counts[said] != 1 {
					t.Errorf("%q is shown %d times", said, counts[said])
				}
			}
		}
	}
	if err := talkers[2].command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	talkers[0].await(t, "-- cy is gone")
	talkers[1].say(t, "/leave")
	talkers[0].await(t, "-- bo left")
	talkers[0].say(t, "/who")
	talkers[0].await(t, "-- 1 here: ana")
	if err := talkers[1].command.Wait(); err != nil {
		t.Errorf("the terminal of bo ended with %v", err)
	}
}
