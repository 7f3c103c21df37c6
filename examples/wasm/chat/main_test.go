package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/examples/wasm/chat/protocol"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

func newMachine() sdk.Machine { return newChat().machine }

// TestRoom shows a room's messages, members and events.
func TestRoom(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.MustApply(`{"join":{"room":"lobby","user":"ana","lease_seconds":10}}`)
	h.MustApply(`{"post":{"room":"lobby","user":"ana","text":"hello"}}`)
	h.MustApply(`{"post":{"room":"lobby","user":"bo","text":"hi"}}`)
	h.MustApply(`{"edit":{"room":"lobby","user":"ana","id":1,"text":"hello!"}}`)
	h.MustApply(`{"delete":{"room":"lobby","user":"bo","id":2}}`)
	h.MustApply(`{"join":{"room":"lobby","user":"ana","lease_seconds":10}}`) // a renewal, without an event
	h.MustApply(`{"leave":{"room":"lobby","user":"ana"}}`)
	h.MustApply(`{"leave":{"room":"lobby","user":"ana"}}`)
	events := h.MustQuery(`{"since":{"room":"lobby","after":0}}`)
	for i, kind := range []string{"joined", "said", "said", "edited", "deleted", "left"} {
		if want := fmt.Sprintf(`{"number":%d,"kind":%q`, i+1, kind); !strings.Contains(events, want) {
			t.Errorf("the events are %s, without %s", events, want)
		}
	}
	if !strings.HasSuffix(events, `"last":6}`) {
		t.Errorf("the events are %s", events)
	}
	history := h.MustQuery(`{"history":{"room":"lobby"}}`)
	if !strings.Contains(history, `"text":"hello!","edited":true`) || !strings.Contains(history, `"text":"","edited":true`) {
		t.Errorf("the messages are %s", history)
	}
	if page := h.MustQuery(`{"history":{"room":"lobby","limit":1}}`); !strings.Contains(page, `"id":2`) || !strings.Contains(page, `"more":true`) {
		t.Errorf("the last message is %s", page)
	}
	if page := h.MustQuery(`{"history":{"room":"lobby","before":2}}`); !strings.Contains(page, `"id":1`) || strings.Contains(page, `"more"`) {
		t.Errorf("before it is %s", page)
	}
	if rooms := h.MustQuery(`{"rooms":{}}`); rooms != `{"rooms":[{"room":"lobby","members":0,"messages":2}]}` {
		t.Errorf("the rooms are %s", rooms)
	}
	h.MustApply(`{"close":{"room":"lobby"}}`)
	h.WantQueryRefused(`{"history":{"room":"lobby"}}`, protocol.CodeNotFound, "")
}

// TestLeases shows that a lease which nobody renews ends with the room's next command.
func TestLeases(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.MustApply(`{"join":{"room":"a","user":"ana","lease_seconds":10}}`)
	h.MustApply(`{"join":{"room":"a","user":"bo","lease_seconds":3600}}`)
	h.Time = h.Time.Add(9 * time.Second)
	h.MustApply(`{"post":{"room":"a","user":"bo","text":"x"}}`)
	if who := h.MustQuery(`{"who":{"room":"a"}}`); !strings.Contains(who, `"ana"`) {
		t.Errorf("before the end: %s", who)
	}
	h.Time = h.Time.Add(2 * time.Second)
	h.MustApply(`{"post":{"room":"b","user":"bo","text":"elsewhere"}}`)
	if who := h.MustQuery(`{"who":{"room":"a"}}`); strings.Contains(who, `"ana"`) {
		t.Errorf("after the end: %s", who)
	}
	h.WantRefused(`{"close":{"room":"a"}}`, protocol.CodeInUse, "")
	h.MustApply(`{"post":{"room":"a","user":"bo","text":"y"}}`)
	if events := h.MustQuery(`{"since":{"room":"a","after":3}}`); !strings.Contains(events, `"number":4,"kind":"gone","user":"ana"`) {
		t.Errorf("the events are %s", events)
	}
}

// TestRefusals shows every refusal.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.MustApply(`{"post":{"room":"a","user":"ana","text":"x"}}`)
	h.MustApply(`{"post":{"room":"a","user":"ana","text":"y"}}`)
	h.MustApply(`{"delete":{"room":"a","user":"ana","id":2}}`)
	long := strings.Repeat("x", protocol.MaxTextBytes+1)
	for command, code := range map[string]int32{
		`{"join":{"room":"a","user":"ana","lease_seconds":0}}`:        protocol.CodeBadLease,
		`{"join":{"room":"a","user":"ana","lease_seconds":3601}}`:     protocol.CodeBadLease,
		`{"join":{"room":"a.b","user":"ana","lease_seconds":1}}`:      protocol.CodeBadName,
		`{"join":{"room":"a","user":"","lease_seconds":1}}`:           protocol.CodeBadName,
		`{"post":{"room":"a","user":"` + long[:33] + `","text":"x"}}`: protocol.CodeBadName,
		`{"post":{"room":"a","user":"ana","text":" "}}`:               protocol.CodeBadText,
		`{"post":{"room":"a","user":"ana","text":"` + long + `"}}`:    protocol.CodeBadText,
		`{"post":{"room":"a","user":"ana","text":"a\u001b[2J"}}`:      protocol.CodeBadText,
		`{"post":{"room":"a","user":"ana","text":"two\nlines"}}`:      protocol.CodeBadText,
		`{"edit":{"room":"a","user":"bo","id":1,"text":"z"}}`:         protocol.CodeNotYours,
		`{"edit":{"room":"a","user":"ana","id":3,"text":"z"}}`:        protocol.CodeNotFound,
		`{"edit":{"room":"a","user":"ana","id":2,"text":"z"}}`:        protocol.CodeNotFound,
		`{"delete":{"room":"a","user":"ana","id":0}}`:                 protocol.CodeNotFound,
		`{"leave":{"room":"b","user":"ana"}}`:                         protocol.CodeNotFound,
		`{"close":{"room":"b"}}`:                                      protocol.CodeNotFound,
	} {
		h.WantRefused(command, code, "")
	}
	h.WantQueryRefused(`{"history":{"room":"b"}}`, protocol.CodeNotFound, "")
	h.WantQueryRefused(`{"history":{"room":"a","limit":101}}`, protocol.CodeBadPage, "")
	h.WantQueryRefused(`{"since":{"room":"a","limit":-1}}`, protocol.CodeBadPage, "")
}

// TestBounds shows that a room forgets its oldest messages and events, and that there is an end to rooms and members.
func TestBounds(t *testing.T) {
	c := newChat()
	h := sdktest.New(t, c.machine)
	text := strings.Repeat("x", 100)
	for range protocol.MaxMessages + 5 {
		h.MustApply(`{"post":{"room":"a","user":"ana","text":"` + text + `"}}`)
	}
	r := c.rooms["a"]
	if len(r.messages) != protocol.MaxMessages || r.first() != 6 || len(r.recent) != protocol.MaxEvents {
		t.Errorf("%d messages from %d, %d events", len(r.messages), r.first(), len(r.recent))
	}
	h.WantQueryRefused(fmt.Sprintf(`{"since":{"room":"a","after":%d}}`, r.events-protocol.MaxEvents-1), protocol.CodeForgotten, "")
	h.MustQuery(fmt.Sprintf(`{"since":{"room":"a","after":%d}}`, r.events-protocol.MaxEvents))
	for range 200 {
		h.MustApply(`{"post":{"room":"a","user":"ana","text":"` + strings.Repeat("y", protocol.MaxTextBytes) + `"}}`)
	}
	if r.bytes > protocol.MaxHistoryBytes || r.bytes < protocol.MaxHistoryBytes-protocol.MaxTextBytes {
		t.Errorf("%d bytes of messages", r.bytes)
	}
	for i := range protocol.MaxMembers {
		h.MustApply(fmt.Sprintf(`{"join":{"room":"a","user":"u%d","lease_seconds":9}}`, i))
	}
	h.WantRefused(`{"join":{"room":"a","user":"one-more","lease_seconds":9}}`, protocol.CodeFull, "")
	h.MustApply(`{"join":{"room":"a","user":"u0","lease_seconds":9}}`)
	for i := range protocol.MaxRooms - 1 {
		h.MustApply(fmt.Sprintf(`{"post":{"room":"r%d","user":"ana","text":"x"}}`, i))
	}
	h.WantRefused(`{"post":{"room":"one-more","user":"ana","text":"x"}}`, protocol.CodeFull, "")
}
