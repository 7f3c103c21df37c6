package main

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/groutlabs/grout/examples/wasm/chat/protocol"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed"
)

// chat is the machine's state, in plain Go variables.
type chat struct {
	machine *typed.Machine
	rooms   map[string]*room
	// names are those of the rooms, sorted: a page is a slice of it.
	names []string
}

func (c *chat) clear() { c.rooms, c.names = map[string]*room{}, nil }

func checkName(what, name string) error {
	if len(name) == 0 || len(name) > protocol.MaxNameBytes {
		return sdk.Refuse(protocol.CodeBadName, "a %s's name has 1 to %d bytes, this one has %d", what, protocol.MaxNameBytes, len(name))
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
			return sdk.Refuse(protocol.CodeBadName, "a %s's name has letters, digits, - and _, and %q has %q", what, name, r)
		}
	}
	return nil
}

func checkText(text string) error {
	if strings.TrimSpace(text) == "" || len(text) > protocol.MaxTextBytes {
		return sdk.Refuse(protocol.CodeBadText, "a text has 1 to %d bytes and not only spaces, this one has %d", protocol.MaxTextBytes, len(text))
	}
	if !utf8.ValidString(text) {
		return sdk.Refuse(protocol.CodeBadText, "the text is not UTF-8")
	}
	// What terminals would obey instead of show.
	control := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
	if i := strings.IndexFunc(text, control); i >= 0 {
		return sdk.Refuse(protocol.CodeBadText, "the text has a control character at byte %d: a message is one line", i)
	}
	return nil
}

func checkPage(limit int) (int, error) {
	if limit < 0 || limit > protocol.MaxPage {
		return 0, sdk.Refuse(protocol.CodeBadPage, "a page has 1 to %d items, not %d", protocol.MaxPage, limit)
	}
	if limit == 0 {
		return protocol.DefaultPage, nil
	}
	return limit, nil
}

// find returns a room that exists.
func (c *chat) find(name string) (*room, error) {
	r := c.rooms[name]
	if r == nil {
		return nil, sdk.Refuse(protocol.CodeNotFound, "there is no room %q: the first join or post makes one", name)
	}
	return r, nil
}

// enter returns a room for a command by a user, without whoever's lease has ended. It makes the room if make is set.
func (c *chat) enter(ctx *sdk.Context, name, user string, make bool) (*room, error) {
	if err := checkName("room", name); err != nil {
		return nil, err
	}
	if err := checkName("user", user); err != nil {
		return nil, err
	}
	at, found := slices.BinarySearch(c.names, name)
	switch {
	case found:
	case !make:
		return c.find(name)
	case len(c.names) == protocol.MaxRooms:
		return nil, sdk.Refuse(protocol.CodeFull, "there are %d rooms already: close one", protocol.MaxRooms)
	default:
		c.names = slices.Insert(c.names, at, name)
		c.rooms[name] = &room{name: name, members: map[string]time.Time{}}
	}
	r := c.rooms[name]
	r.sweep(ctx)
	return r, nil
}

// join makes a user present, or renews the lease.
func (c *chat) join(ctx *sdk.Context, j protocol.Join) (protocol.State, error) {
	if j.LeaseSeconds < 1 || j.LeaseSeconds > int64(protocol.MaxLease/time.Second) {
		return protocol.State{}, sdk.Refuse(protocol.CodeBadLease, "a lease has 1 to %d seconds, not %d", protocol.MaxLease/time.Second, j.LeaseSeconds)
	}
	r, err := c.enter(ctx, j.Room, j.User, true)
	if err != nil {
		return protocol.State{}, err
	}
	_, present := r.members[j.User]
	if !present && len(r.members) == protocol.MaxMembers {
		return protocol.State{}, sdk.Refuse(protocol.CodeFull, "there are %d users in %q already", protocol.MaxMembers, j.Room)
	}
	r.members[j.User] = ctx.Time().Add(time.Duration(j.LeaseSeconds) * time.Second)
	if !present {
		r.happened(ctx, protocol.Event{Kind: protocol.Joined, User: j.User})
	}
	return r.state(), nil
}

func (c *chat) leave(ctx *sdk.Context, l protocol.Leave) (protocol.State, error) {
	r, err := c.enter(ctx, l.Room, l.User, false)
	if err != nil {
		return protocol.State{}, err
	}
	// Who is gone already has what was asked for.
	if _, present := r.members[l.User]; present {
		delete(r.members, l.User)
		r.happened(ctx, protocol.Event{Kind: protocol.Left, User: l.User})
	}
	return r.state(), nil
}

func (c *chat) post(ctx *sdk.Context, p protocol.Post) (protocol.Message, error) {
	if err := checkText(p.Text); err != nil {
		return protocol.Message{}, err
	}
	r, err := c.enter(ctx, p.Room, p.User, true)
	if err != nil {
		return protocol.Message{}, err
	}
	return r.say(ctx, p.User, p.Text), nil
}

func (c *chat) edit(ctx *sdk.Context, e protocol.Edit) (protocol.Message, error) {
	if err := checkText(e.Text); err != nil {
		return protocol.Message{}, err
	}
	return c.change(ctx, e, protocol.Edited)
}

func (c *chat) remove(ctx *sdk.Context, d protocol.Delete) (protocol.Message, error) {
	return c.change(ctx, protocol.Edit{Room: d.Room, User: d.User, ID: d.ID}, protocol.Deleted)
}

// change gives a message of the user's own another text.
func (c *chat) change(ctx *sdk.Context, e protocol.Edit, kind string) (protocol.Message, error) {
	r, err := c.enter(ctx, e.Room, e.User, false)
	if err != nil {
		return protocol.Message{}, err
	}
	m := r.message(e.ID)
	switch {
	case m == nil:
		return protocol.Message{}, sdk.Refuse(protocol.CodeNotFound, "%q has no message %d, it keeps %d to %d", e.Room, e.ID, r.first(), r.said)
	case m.User != e.User:
		return protocol.Message{}, sdk.Refuse(protocol.CodeNotYours, "message %d is by %q, not by %q", e.ID, m.User, e.User)
	case m.Text == "":
		return protocol.Message{}, sdk.Refuse(protocol.CodeNotFound, "message %d was deleted", e.ID)
	}
	r.bytes += len(e.Text) - len(m.Text)
	m.Text, m.Edited = e.Text, true
	changed := *m
	r.happened(ctx, protocol.Event{Kind: kind, User: e.User, ID: e.ID, Text: e.Text})
	r.forget()
	return changed, nil
}

// closeRoom removes a room with all that was said, once nobody is present.
func (c *chat) closeRoom(ctx *sdk.Context, q protocol.Room) (struct{}, error) {
	r, err := c.find(q.Room)
	if err != nil {
		return struct{}{}, err
	}
	if present := r.present(ctx.Time()); len(present) > 0 {
		return struct{}{}, sdk.Refuse(protocol.CodeInUse, "%d users are present in %q, such as %q", len(present), q.Room, present[0].User)
	}
	delete(c.rooms, q.Room)
	at, _ := slices.BinarySearch(c.names, q.Room)
	c.names = slices.Delete(c.names, at, at+1)
	return struct{}{}, nil
}

// who answers with those whose leases have not ended when the last command came.
func (c *chat) who(ctx *sdk.Context, q protocol.Room) (protocol.State, error) {
	r, err := c.find(q.Room)
	if err != nil {
		return protocol.State{}, err
	}
	state := r.state()
	state.Members = r.present(ctx.Time())
	return state, nil
}

func (c *chat) history(_ *sdk.Context, q protocol.History) (protocol.Messages, error) {
	limit, err := checkPage(q.Limit)
	if err != nil {
		return protocol.Messages{}, err
	}
	r, err := c.find(q.Room)
	if err != nil {
		return protocol.Messages{}, err
	}
	older := r.messages
	if q.Before > 0 {
		older = older[:min(uint64(len(older)), max(q.Before, r.first())-r.first())]
	}
	from := max(0, len(older)-limit)
	return protocol.Messages{Messages: append([]protocol.Message{}, older[from:]...), Event: r.events, More: from > 0}, nil
}

func (c *chat) since(_ *sdk.Context, q protocol.Since) (protocol.Events, error) {
	limit, err := checkPage(q.Limit)
	if err != nil {
		return protocol.Events{}, err
	}
	r, err := c.find(q.Room)
	if err != nil {
		return protocol.Events{}, err
	}
	forgotten := r.events - uint64(len(r.recent))
	if q.After < forgotten {
		return protocol.Events{}, sdk.Refuse(protocol.CodeForgotten, "%q keeps the events after %d, not those after %d: ask for its history", q.Room, forgotten, q.After)
	}
	later := r.recent[min(q.After-forgotten, uint64(len(r.recent))):]
	return protocol.Events{Events: append([]protocol.Event{}, later[:min(limit, len(later))]...), Last: r.events}, nil
}

func (c *chat) list(_ *sdk.Context, q protocol.Rooms) (protocol.RoomList, error) {
	limit, err := checkPage(q.Limit)
	if err != nil {
		return protocol.RoomList{}, err
	}
	at, found := slices.BinarySearch(c.names, q.After)
	if found {
		at++
	}
	names := c.names[at:]
	answer := protocol.RoomList{Rooms: []protocol.RoomInfo{}}
	if len(names) > limit {
		names = names[:limit]
		answer.Next = names[limit-1]
	}
	for _, name := range names {
		r := c.rooms[name]
		answer.Rooms = append(answer.Rooms, protocol.RoomInfo{Room: name, Members: len(r.members), Messages: len(r.messages)})
	}
	return answer, nil
}
