package conformance

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// step is one line of the script.
type step struct {
	verb    string
	numbers []uint64
	text    string
}

// readScript reads the lines of sdk/conformance/script.txt.
func readScript(t *testing.T) []step {
	t.Helper()
	file, err := os.Open(filepath.Join(sdkDir, "conformance", "script.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}()
	var steps []step
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			t.Fatalf("script.txt:%d: %v", n, err)
		}
		steps = append(steps, s)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// parseStep reads VERB [NUMBER...] ["TEXT" [pad LENGTH]].
func parseStep(line string) (step, error) {
	verb, rest, _ := strings.Cut(line, " ")
	s := step{verb: verb}
	for rest != "" && rest[0] != '"' {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		number, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return s, err
		}
		s.numbers = append(s.numbers, number)
	}
	if rest == "" {
		return s, nil
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return s, fmt.Errorf("%q: %w", rest, err)
	}
	if s.text, err = strconv.Unquote(quoted); err != nil {
		return s, fmt.Errorf("%s: %w", quoted, err)
	}
	rest = strings.TrimSpace(rest[len(quoted):])
	if rest == "" {
		return s, nil
	}
	padding, ok := strings.CutPrefix(rest, "pad ")
	length, err := strconv.Atoi(padding)
	if !ok || err != nil || length < len(s.text) {
		return s, fmt.Errorf("%q is not pad LENGTH", rest)
	}
	s.text += strings.Repeat("x", length-len(s.text))
	return s, nil
}

// trace runs the script on a machine and says what came of each step.
func (l language) trace(t *testing.T, steps []step) string {
	t.Helper()
	h := sdktest.Open(t, l.driver(t))
	h.Seed = 42
	var out strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&out, "%s", s.verb)
		for _, n := range s.numbers {
			fmt.Fprintf(&out, " %d", n)
		}
		fmt.Fprintf(&out, " %s\n", shortened(s.text))
		if o, ran := l.run(t, h, s); ran {
			describe(&out, o)
		}
	}
	return out.String()
}

// run runs one step. ran is false where a step has no outcome.
func (l language) run(t *testing.T, h *sdktest.Harness, s step) (o sdktest.Outcome, ran bool) {
	t.Helper()
	switch s.verb {
	case "init":
		return h.Init(s.text), true
	case "apply":
		return h.Apply(s.text), true
	case "query":
		return h.Query(s.text), true
	case "migrate":
		return h.Migrate(s.text), true
	case "upgrade":
		return h.UpgradeTo(l.driver(t)), true
	case "restart":
		h.Restart()
	case "entry":
		h.Index, h.Term, h.Time, h.Caller = s.numbers[0], s.numbers[1], time.Unix(0, int64(s.numbers[2])), s.text
	default:
		t.Fatalf("script.txt: there is no verb %q", s.verb)
	}
	return sdktest.Outcome{}, false
}

// describe writes an outcome, its events and logs. Traps are told by kind: what the engine or the SDK says of them, and where, is its
// own.
func describe(out *strings.Builder, o sdktest.Outcome) {
	switch o.Kind {
	case sdk.Applied:
		fmt.Fprintf(out, "  applied %s\n", shortened(string(o.Output)))
	case sdk.Refused:
		fmt.Fprintf(out, "  refused %d %s\n", o.Code, shortened(o.Message))
	default:
		fmt.Fprintf(out, "  %s\n", o.Kind)
		return
	}
	for _, e := range o.Events {
		fmt.Fprintf(out, "  event %d %s %s\n", e.Index, e.Suffix, shortened(string(e.Payload)))
	}
	for _, log := range o.Logs {
		fmt.Fprintf(out, "  log %d %s\n", log.Level, shortened(log.Text))
	}
}

// shortened quotes a text, one that is long by its beginning, length and hash.
func shortened(text string) string {
	if len(text) <= 128 {
		return strconv.Quote(text)
	}
	return fmt.Sprintf("%q... %d bytes, sha256 %.8x", text[:16], len(text), sha256.Sum256([]byte(text)))
}
