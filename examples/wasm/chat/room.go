package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/groutlabs/grout/examples/wasm/chat/protocol"
	"github.com/groutlabs/grout/sdk"
)

// room is one room. Its messages and events are numbered without a gap: what it forgets are the oldest.
type room struct {
	name string
	// members has the ends of the leases. Some may have passed: the next command of the room removes them.
	members map[string]time.Time
	// said and events are the numbers of the last message and event.
	said, events uint64
	messages     []protocol.Message
	// bytes is the length of the texts in messages.
	bytes  int
	recent []protocol.Event
}

// first is the number of the oldest message that is kept, said+1 without any.
func (r *room) first() uint64 { return r.said - uint64(len(r.messages)) + 1 }

// message returns a message that is kept, or nil.
func (r *room) message(id uint64) *protocol.Message {
	if id < r.first() || id > r.said {
		return nil
	}
	return &r.messages[id-r.first()]
}

func (r *room) say(ctx *sdk.Context, user, text string) protocol.Message {
	r.said++
	m := protocol.Message{ID: r.said, User: user, Time: ctx.Time(), Text: text}
	r.messages = append(r.messages, m)
	r.bytes += len(text)
	r.forget()
	r.happened(ctx, protocol.Event{Kind: protocol.Said, User: user, ID: m.ID, Text: text})
	return m
}

// forget drops the oldest messages until the rest is within the limits.
func (r *room) forget() {
	for len(r.messages) > protocol.MaxMessages || r.bytes > protocol.MaxHistoryBytes {
		r.bytes -= len(r.messages[0].Text)
		r.messages[0] = protocol.Message{} // the array stays until the slice grows
		r.messages = r.messages[1:]
	}
}

// happened numbers an event, keeps it for whoever misses it, and emits it.
func (r *room) happened(ctx *sdk.Context, e protocol.Event) {
	r.events++
	e.Number, e.Time = r.events, ctx.Time()
	if len(r.recent) == protocol.MaxEvents {
		r.recent[0] = protocol.Event{}
		r.recent = r.recent[1:]
	}
	r.recent = append(r.recent, e)
	payload, err := json.Marshal(e)
	if err != nil {
		panic(err) // it has strings, numbers and a time of this era
	}
	ctx.Emit(protocol.EventSuffix(r.name), payload)
}

// sweep removes whose lease has ended, in the order of their names: every member has to do the same.
func (r *room) sweep(ctx *sdk.Context) {
	for _, user := range slices.Sorted(maps.Keys(r.members)) {
		if !r.members[user].After(ctx.Time()) {
			delete(r.members, user)
			r.happened(ctx, protocol.Event{Kind: protocol.Gone, User: user})
		}
	}
}

// present lists the users whose leases have not ended at that time.
func (r *room) present(now time.Time) []protocol.Member {
	list := []protocol.Member{}
	for user, until := range r.members {
		if until.After(now) {
			list = append(list, protocol.Member{User: user, Until: until})
		}
	}
	slices.SortFunc(list, func(a, b protocol.Member) int { return strings.Compare(a.User, b.User) })
	return list
}

func (r *room) state() protocol.State {
	return protocol.State{Room: r.name, Event: r.events, Message: r.said, Members: r.present(time.Time{})}
}
