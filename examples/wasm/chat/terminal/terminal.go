package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/groutlabs/grout/examples/wasm/chat/protocol"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// maxTyped is how many lines may wait to be sent: then the terminal takes no more.
	maxTyped = 64
	// maxLineBytes bounds a line that is typed. The machine tells which shorter ones are too long.
	maxLineBytes = 64 << 10
	// enterTimeout bounds the first requests, so that a group which is not there is told of.
	enterTimeout = 15 * time.Second
	// leaveTimeout bounds the farewell: without it the lease ends.
	leaveTimeout = 5 * time.Second
)

// terminal shows a room. What it shows comes from the room's numbered events: one that comes twice is dropped, and those that
// do not come are asked for, at the next event or the next heartbeat.
type terminal struct {
	settings
	machine client.Typed
	lines   chan string

	// mu is held by whoever writes to out.
	mu  sync.Mutex
	out io.Writer
	// seen is the number of the last event that was shown, oldest and newest are the messages that were.
	seen, oldest, newest uint64
	// catching is held by whoever asks for events: what two ask for would come twice.
	catching sync.Mutex
}

// run is in the room until the input or ctx ends.
func (t *terminal) run(ctx context.Context, events *client.Events, input io.Reader) error {
	// Requests outlive ctx: the farewell is one.
	requests, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	if err := t.enter(ctx); err != nil {
		return err
	}
	go func() { cancel(t.follow(requests, events)) }()
	go func() { cancel(t.beat(requests)) }()
	go t.read(input)
	for {
		select {
		case <-ctx.Done():
			return t.leave(requests)
		case <-requests.Done():
			return context.Cause(requests)
		case line, more := <-t.lines:
			if !more || line == "/leave" {
				return t.leave(requests)
			}
			if err := t.say(requests, line); err != nil {
				return err
			}
		}
	}
}

// read passes on the lines of the input, and closes the channel at its end.
func (t *terminal) read(input io.Reader) {
	defer close(t.lines)
	scanner := bufio.NewScanner(input)
	scanner.Buffer(nil, maxLineBytes)
	for scanner.Scan() {
		t.lines <- scanner.Text()
	}
	if err := scanner.Err(); err != nil {
		t.show("! your input ended: %v", err)
	}
}

func (t *terminal) join(ctx context.Context) (protocol.State, error) {
	request := protocol.Join{Room: t.room, User: t.user, LeaseSeconds: int64(t.lease / time.Second)}
	return client.Call[protocol.State](ctx, t.machine, "join", request)
}

func (t *terminal) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	_, err := client.Call[protocol.State](ctx, t.machine, "leave", protocol.Leave{Room: t.room, User: t.user})
	if err != nil {
		return fmt.Errorf("leaving %s: %w", t.room, err)
	}
	return nil
}

// enter joins, and shows the newest messages and who is there.
func (t *terminal) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, enterTimeout)
	defer cancel()
	state, err := t.join(ctx)
	if err == nil {
		err = t.older(ctx, 0, t.history)
	}
	if err != nil {
		return fmt.Errorf("entering %s of the group %s: %w", t.room, t.settings.group, err)
	}
	t.show("-- you are in %s as %s; %s. /help tells more", t.room, t.user, present(state.Members))
	return nil
}

func present(members []protocol.Member) string {
	names := make([]string, 0, len(members))
	for _, m := range members {
		names = append(names, m.User)
	}
	return fmt.Sprintf("%d here: %s", len(names), strings.Join(names, ", "))
}

// older shows the messages before one. Before 0, behind the last, those are shown that were not yet, and the events go on from there.
func (t *terminal) older(ctx context.Context, before uint64, limit int) error {
	request := protocol.History{Room: t.room, Before: before, Limit: limit}
	page, err := client.Ask[protocol.Messages](ctx, t.machine, "history", request, client.QueryOptions{})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if before == 0 {
		t.seen = page.Event
	}
	for _, m := range page.Messages {
		if before > 0 || m.ID > t.newest {
			t.print("%s", line(m.ID, m.Time, m.User, m.Text))
			t.newest = max(t.newest, m.ID)
		}
	}
	if len(page.Messages) > 0 && (before > 0 || t.oldest == 0) {
		t.oldest = page.Messages[0].ID
	}
	if page.More {
		t.print("-- there are older messages: /history")
	}
	return nil
}

func line(id uint64, at time.Time, user, text string) string {
	if text == "" {
		text = "(deleted)"
	}
	return fmt.Sprintf("#%d %s %s: %s", id, at.Local().Format(time.TimeOnly), user, text)
}

// follow shows events as they come.
func (t *terminal) follow(ctx context.Context, events *client.Events) error {
	for {
		event, err := events.Next(ctx)
		if errors.Is(err, client.ErrMissedEvents) {
			continue // the next one tells by its number
		}
		if err != nil {
			return err
		}
		var e protocol.Event
		if err := json.Unmarshal(event.Payload, &e); err != nil {
			return fmt.Errorf("an event of the room: %w", err)
		}
		if err := t.reach(ctx, e); err != nil {
			return err
		}
	}
}

// reach shows an event, after those before it that did not come.
func (t *terminal) reach(ctx context.Context, e protocol.Event) error {
	if err := t.catchUp(ctx, e.Number-1); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Number == t.seen+1 {
		t.happened(e)
	}
	return nil
}

// beat renews the lease until ctx ends. The answer tells of events that did not come.
func (t *terminal) beat(ctx context.Context) error {
	ticker := time.NewTicker(t.lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		state, err := t.join(ctx)
		if err != nil {
			return err
		}
		if err := t.catchUp(ctx, state.Event); err != nil {
			return err
		}
	}
}

// catchUp asks for the events up to one, unless they were shown.
func (t *terminal) catchUp(ctx context.Context, number uint64) error {
	t.catching.Lock()
	defer t.catching.Unlock()
	for {
		t.mu.Lock()
		seen := t.seen
		t.mu.Unlock()
		if seen >= number {
			return nil
		}
		request := protocol.Since{Room: t.room, After: seen, Limit: protocol.MaxPage}
		page, err := client.Ask[protocol.Events](ctx, t.machine, "since", request, client.QueryOptions{})
		var refused *client.RefusedError
		if errors.As(err, &refused) && refused.Code == protocol.CodeForgotten {
			t.show("-- the room went on without you, its newest messages are:")
			return t.older(ctx, 0, protocol.MaxPage)
		}
		if err != nil {
			return err
		}
		t.mu.Lock()
		for _, e := range page.Events {
			if e.Number == t.seen+1 {
				t.happened(e)
			}
		}
		stuck := t.seen == seen
		t.mu.Unlock()
		if stuck {
			return fmt.Errorf("%s has %d events, and none after %d", t.room, page.Last, seen)
		}
	}
}

// happened shows the next event. The lock is held.
func (t *terminal) happened(e protocol.Event) {
	t.seen = e.Number
	switch e.Kind {
	case protocol.Said:
		t.print("%s", line(e.ID, e.Time, e.User, e.Text))
		t.newest = e.ID
	case protocol.Edited:
		t.print("-- %s edited #%d: %s", e.User, e.ID, e.Text)
	case protocol.Deleted:
		t.print("-- %s deleted #%d", e.User, e.ID)
	case protocol.Joined:
		t.print("-- %s joined", e.User)
	case protocol.Left:
		t.print("-- %s left", e.User)
	case protocol.Gone:
		t.print("-- %s is gone", e.User)
	default:
		t.print("-- %s: %s", e.User, e.Kind)
	}
}

func (t *terminal) show(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.print(format, args...)
}

// print writes a line. A terminal that has gone away ends the program by its signal, or the input.
func (t *terminal) print(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, format+"\n", args...)
}

const help = `-- a line is a message, except for
--   /who                 who is here
--   /history [N]         N older messages
--   /edit ID TEXT        another text for a message of yours
--   /delete ID           no text for it
--   /leave               the end, as of Ctrl-D and Ctrl-C`

// say does what a line asks for. What the machine refuses is shown.
func (t *terminal) say(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	var err error
	switch {
	case word == "":
	case !strings.HasPrefix(word, "/"):
		_, err = client.Call[protocol.Message](ctx, t.machine, "post", protocol.Post{Room: t.room, User: t.user, Text: line})
	case word == "/help":
		t.show("%s", help)
	case word == "/who":
		var state protocol.State
		state, err = client.Ask[protocol.State](ctx, t.machine, "who", protocol.Room{Room: t.room}, client.QueryOptions{})
		if err == nil {
			t.show("-- %s", present(state.Members))
		}
	case word == "/history":
		err = t.back(ctx, rest)
	case word == "/edit" || word == "/delete":
		err = t.change(ctx, word, rest)
	default:
		t.show("! there is no %s: /help lists what there is", word)
	}
	var refused *client.RefusedError
	if errors.As(err, &refused) {
		t.show("! %s", refused.Message)
		return nil
	}
	return err
}

func (t *terminal) back(ctx context.Context, text string) error {
	limit := t.history
	if text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > protocol.MaxPage {
			t.show("! /history %s: give a number from 1 to %d", text, protocol.MaxPage)
			return nil
		}
		limit = n
	}
	t.mu.Lock()
	oldest := t.oldest
	t.mu.Unlock()
	if oldest <= 1 {
		t.show("-- nothing is older")
		return nil
	}
	return t.older(ctx, oldest, limit)
}

func (t *terminal) change(ctx context.Context, word, rest string) (err error) {
	number, text, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseUint(strings.TrimPrefix(number, "#"), 10, 64)
	if err != nil {
		t.show("! %s needs the number of a message, as in %s 12", word, word)
		return nil
	}
	if word == "/edit" {
		_, err = client.Call[protocol.Message](ctx, t.machine, "edit", protocol.Edit{Room: t.room, User: t.user, ID: id, Text: strings.TrimSpace(text)})
	} else {
		_, err = client.Call[protocol.Message](ctx, t.machine, "delete", protocol.Delete{Room: t.room, User: t.user, ID: id})
	}
	return err
}
