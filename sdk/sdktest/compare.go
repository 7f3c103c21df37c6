package sdktest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/groutlabs/grout/sdk"
)

// Difference says in what two outcomes of one request differ that every member, and the sandbox and a native run, have
// to share: kind, code, output, message and events. It is "" when they agree. Of two traps the
// messages count only if both are the machine's own panics: for a broken limit the sandbox has words of its own.
func Difference(a, b Outcome) string {
	switch {
	case a.Kind != b.Kind:
		return fmt.Sprintf("one is %s, the other %s", a, b)
	case a.Code != b.Code:
		return fmt.Sprintf("code %d and %d", a.Code, b.Code)
	case !bytes.Equal(a.Output, b.Output):
		return fmt.Sprintf("output %s", different(a.Output, b.Output))
	case !sameMessage(a, b):
		return fmt.Sprintf("message %.300q and %.300q", a.Message, b.Message)
	case !slices.EqualFunc(a.Events, b.Events, sameEvent):
		return fmt.Sprintf("events %.300q and %.300q", eventTexts(a.Events), eventTexts(b.Events))
	}
	return ""
}

// different shows two outputs from shortly before the first byte in which they differ.
func different(a, b []byte) string {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	from := max(0, at-20)
	return fmt.Sprintf("%.80q and %.80q, from byte %d on", a[from:], b[from:], from)
}

func sameEvent(a, b Event) bool { return a.Suffix == b.Suffix && bytes.Equal(a.Payload, b.Payload) }

// String describes the outcome for messages.
func (o Outcome) String() string {
	switch o.Kind {
	case sdk.Applied:
		return fmt.Sprintf("applied with %.80q", o.Output)
	case sdk.Refused:
		return fmt.Sprintf("refused with code %d: %.300s", o.Code, o.Message)
	}
	return fmt.Sprintf("trapped: %.300s", o.Message)
}

func sameMessage(a, b Outcome) bool {
	x, y := trimTrap(a.Message), trimTrap(b.Message)
	if a.Kind == sdk.Trapped && !(strings.HasPrefix(x, "panic: ") && strings.HasPrefix(y, "panic: ")) {
		return true
	}
	return x == y
}

// trimTrap cuts off the sandbox's remark that the guest ended the call itself, and the function's name from a panic's
// description, because a package main has another path when it is under test.
func trimTrap(message string) string {
	message = strings.TrimPrefix(message, "aborted: ")
	if at := strings.LastIndex(message, " ("); at >= 0 && strings.HasPrefix(message, "panic: ") {
		return message[:at]
	}
	return message
}

func eventTexts(events []Event) []string {
	texts := make([]string, len(events))
	for i, e := range events {
		texts[i] = strings.TrimSuffix(e.Suffix+" "+string(e.Payload), " ")
	}
	return texts
}
