package main

import (
	"slices"
	"time"

	"github.com/groutlabs/grout/examples/wasm/chat/protocol"
	"github.com/groutlabs/grout/sdk"
)

// saved is the whole state, as the next module reads it. Format says how, for modules to come.
type saved struct {
	Format int         `json:"format"`
	Rooms  []savedRoom `json:"rooms"`
}

type savedRoom struct {
	Name     string             `json:"name"`
	Said     uint64             `json:"said"`
	Events   uint64             `json:"events"`
	Messages []protocol.Message `json:"messages"`
	Recent   []protocol.Event   `json:"recent"`
	Members  []protocol.Member  `json:"members"`
}

const format = 1

func (c *chat) save() saved {
	s := saved{Format: format}
	for _, name := range c.names {
		r := c.rooms[name]
		s.Rooms = append(s.Rooms, savedRoom{name, r.said, r.events, r.messages, r.recent, r.present(time.Time{})})
	}
	return s
}

func (c *chat) load(s saved) error {
	if s.Format != format {
		return sdk.Refuse(protocol.CodeNotFound, "the old module's state has format %d, this one reads %d", s.Format, format)
	}
	c.clear()
	for _, old := range s.Rooms {
		if err := old.check(); err != nil {
			return err
		}
		r := &room{name: old.Name, members: map[string]time.Time{}, said: old.Said, events: old.Events, messages: old.Messages, recent: old.Recent}
		for _, m := range old.Messages {
			r.bytes += len(m.Text)
		}
		for _, m := range old.Members {
			r.members[m.User] = m.Until
		}
		at, found := slices.BinarySearch(c.names, old.Name)
		if found || at != len(c.names) {
			return sdk.Refuse(protocol.CodeBadName, "in the old module's state the room %q is out of order", old.Name)
		}
		c.names, c.rooms[old.Name] = append(c.names, old.Name), r
	}
	return nil
}

// check refuses a room whose messages or events are not numbered up to its last ones.
func (s *savedRoom) check() error {
	if err := checkName("room", s.Name); err != nil {
		return err
	}
	right := uint64(len(s.Messages)) <= s.Said && uint64(len(s.Recent)) <= s.Events &&
		len(s.Messages) <= protocol.MaxMessages && len(s.Recent) <= protocol.MaxEvents && len(s.Members) <= protocol.MaxMembers
	for i, m := range s.Messages {
		right = right && m.ID == s.Said-uint64(len(s.Messages))+1+uint64(i)
	}
	for i, e := range s.Recent {
		right = right && e.Number == s.Events-uint64(len(s.Recent))+1+uint64(i)
	}
	if !right {
		return sdk.Refuse(protocol.CodeNotFound, "in the old module's state %q has too many messages, events or members, or they are not numbered in a row", s.Name)
	}
	return nil
}
