package sdktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/groutlabs/grout/sdk"
)

// WantEvents checks that the commands since the last call of WantEvents, or since the start, emitted these events and no
// others, in this order. Each is the suffix, a space and the payload, or the suffix alone if the payload is empty.
func (h *Harness) WantEvents(events ...string) {
	h.t.Helper()
	got := eventTexts(h.Events[min(h.asserted.events, len(h.Events)):])
	h.asserted.events = len(h.Events)
	if !slices.Equal(got, events) {
		h.t.Errorf("sdktest: at index %d the events are\n%s\nwant\n%s", h.Index, list(got), list(events))
	}
}

// WantLogs checks that the calls since the last call of WantLogs, or since the start, logged these lines and no others. Each
// is the level (debug, info, warn or error), a space and the text.
func (h *Harness) WantLogs(lines ...string) {
	h.t.Helper()
	var got []string
	for _, l := range h.Logs[min(h.asserted.logs, len(h.Logs)):] {
		got = append(got, levelNames[l.Level]+" "+l.Text)
	}
	h.asserted.logs = len(h.Logs)
	if !slices.Equal(got, lines) {
		h.t.Errorf("sdktest: at index %d the log is\n%s\nwant\n%s", h.Index, list(got), list(lines))
	}
}

var levelNames = map[sdk.Level]string{sdk.LevelDebug: "debug", sdk.LevelInfo: "info", sdk.LevelWarn: "warn", sdk.LevelError: "error"}

func list(lines []string) string {
	if len(lines) == 0 {
		return "  none"
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "  %.300q", line)
	}
	return b.String()
}

// WantRefused applies a command and checks that the machine refuses it with this code and a message that contains words. Where
// the state can be compared, it checks that the machine is as before: natively nothing undoes what it changed.
func (h *Harness) WantRefused(command string, code int32, words string) {
	h.t.Helper()
	h.refused(Step{Input: command}, code, words)
}

// WantQueryRefused is WantRefused for a query.
func (h *Harness) WantQueryRefused(query string, code int32, words string) {
	h.t.Helper()
	h.refused(Step{Query: true, Input: query}, code, words)
}

func (h *Harness) refused(step Step, code int32, words string) {
	h.t.Helper()
	outcome, changed := h.watched(step)
	if outcome.Kind != sdk.Refused || outcome.Code != code || !strings.Contains(outcome.Message, words) {
		h.t.Errorf("sdktest: %s at index %d was %s\nwant a refusal with code %d and %q", step, h.Index, outcome, code, words)
	}
	if changed != "" {
		h.t.Errorf("sdktest: %s at index %d: %s", step, h.Index, changed)
	}
}

// WantTrapped applies a command and checks that it traps for a reason that contains words.
func (h *Harness) WantTrapped(command, words string) {
	h.t.Helper()
	outcome := h.Apply(command)
	if outcome.Kind != sdk.Trapped || !strings.Contains(outcome.Message, words) {
		h.t.Errorf("sdktest: command %.80q at index %d was %s\nwant a trap with %q", command, h.Index, outcome, words)
	}
}

// watched runs a step, and says that it was not applied and changed the state all the same, or is a query that did.
func (h *Harness) watched(step Step) (outcome Outcome, changed string) {
	h.t.Helper()
	h.start()
	before, err := h.driver.Digest()
	if err != nil && !errors.Is(err, ErrNoDigest) {
		h.t.Fatalf("sdktest: %v", err)
	}
	outcome = h.Do(step)
	if err != nil || outcome.Kind == sdk.Applied && !step.Query {
		return outcome, ""
	}
	after, err := h.driver.Digest()
	switch {
	case err != nil:
		return outcome, fmt.Sprintf("the state can no longer be told: %v", err)
	case after == before:
		return outcome, ""
	case step.Query:
		return outcome, "the query changed the machine: the sandbox undoes it, and this run no longer shows what will happen there"
	}
	return outcome, fmt.Sprintf("it was %s and changed the machine: the sandbox undoes it, and this run no longer shows what will happen there. "+
		"Check first and change last, or test in the sandbox", outcome.Kind)
}
