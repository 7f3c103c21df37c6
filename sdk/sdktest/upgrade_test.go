package sdktest

import (
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
)

// note is a machine whose state is its last command; version is what its export begins with.
type note struct {
	version, text string
	init          string
}

func (n *note) Init(_ *sdk.Context, arg []byte) error { n.init = "init:" + string(arg); return nil }

func (n *note) Apply(_ *sdk.Context, command []byte) ([]byte, error) {
	n.text = string(command)
	return nil, nil
}

func (n *note) Query(*sdk.Context, []byte) ([]byte, error) { return []byte(n.init + n.text), nil }

func (n *note) Export(ctx *sdk.Context) ([]byte, error) {
	switch n.text {
	case "refuse":
		return nil, sdk.Refuse(3, "not now")
	case "emit":
		ctx.Emit("x", nil)
	case "large":
		return make([]byte, MaxOutputBytes+1), nil
	}
	return []byte(n.version + n.text), nil
}

func (n *note) Migrate(ctx *sdk.Context, old []byte) error {
	text, ok := strings.CutPrefix(string(old), "1")
	if !ok {
		return sdk.Refuse(4, "unknown version %.1q", old)
	}
	n.text = text + " at " + string(rune('0'+ctx.Index()))
	return nil
}

// TestUpgrade shows that a harness upgrades as a group does: export, start, migrate at the next index, and that the
// old machine stays when one of them refuses or traps.
func TestUpgrade(t *testing.T) {
	h := New(t, &note{version: "1"})
	h.MustApply("hello")
	if outcome := h.Upgrade(&note{version: "2"}); outcome.Kind != sdk.Applied {
		t.Fatalf("%+v", outcome)
	}
	if got := h.MustQuery(""); got != "init:hello at 2" {
		t.Errorf("the new machine answers %q", got)
	}
	if outcome := h.Upgrade(&note{}); outcome.Kind != sdk.Refused || outcome.Code != 4 {
		t.Errorf("a version that is not known: %+v", outcome)
	}
	if got := h.MustQuery(""); got != "init:hello at 2" {
		t.Errorf("after a refusal the machine answers %q", got)
	}
	h = New(t, &note{version: "1"})
	for command, want := range map[string]string{"refuse": "not now", "emit": "emit in Export"} {
		h.MustApply(command)
		if outcome := h.Upgrade(&note{}); outcome.Kind == sdk.Applied || !strings.Contains(outcome.Message, want) {
			t.Errorf("%s: %+v", command, outcome)
		}
	}
	h.MustApply("large")
	if outcome := h.Export(); outcome.Kind != sdk.Applied || len(outcome.Output) != MaxOutputBytes+1 {
		t.Errorf("an export larger than an answer: %s %s", outcome.Kind, outcome.Message)
	}
	if outcome := New(t, plain{}).Export(); outcome.Kind != sdk.Refused || !strings.Contains(outcome.Message, "give sdktest.plain a method Export") {
		t.Errorf("a machine without an export: %+v", outcome)
	}
}

// plain has what every machine has.
type plain struct{}

func (plain) Apply(*sdk.Context, []byte) ([]byte, error) { return nil, nil }
func (plain) Query(*sdk.Context, []byte) ([]byte, error) { return nil, nil }
