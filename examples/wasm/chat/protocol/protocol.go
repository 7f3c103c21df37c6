// Package protocol is what clients of the chat send and get: its commands, queries and events, in the envelopes of sdk/typed.
package protocol

import "time"

// The limits of the chat.
const (
	// MaxNameBytes bounds the names of rooms and users.
	MaxNameBytes = 32
	// MaxTextBytes bounds the text of a message.
	MaxTextBytes = 2000
	// MaxRooms and MaxMembers bound the rooms, and who is present in one of them. BenchmarkFull has what all rooms take.
	MaxRooms   = 64
	MaxMembers = 256
	// MaxMessages and MaxHistoryBytes bound the messages that a room keeps: it forgets the oldest.
	MaxMessages     = 1000
	MaxHistoryBytes = 256 << 10
	// MaxEvents bounds the events that a room keeps for whoever missed some.
	MaxEvents = 64
	// MaxPage bounds the messages, events or rooms of one answer, so that the longest one is below the sandbox's limit; DefaultPage is for
	// a limit of 0.
	MaxPage     = 100
	DefaultPage = 50
	// MaxLease bounds a lease.
	MaxLease = time.Hour
)

// The codes of refusals, beside those of sdk/typed.
const (
	CodeBadName  = 1
	CodeBadText  = 2
	CodeBadLease = 3
	CodeBadPage  = 4
	CodeNotFound = 5
	CodeNotYours = 6
	CodeFull     = 7
	CodeInUse    = 8
	// CodeForgotten refuses events that the room does not have any more: read its messages instead.
	CodeForgotten = 9
)

// EventSuffix is what the events of a room are emitted under.
func EventSuffix(room string) string { return "room." + room }

type (
	// Join makes a user present in a room, or renews the lease of one who is. The first one makes the room.
	Join struct {
		Room string `json:"room"`
		User string `json:"user"`
		// LeaseSeconds is how long the user is present without another Join.
		LeaseSeconds int64 `json:"lease_seconds"`
	}
	// Leave ends a presence before its lease does.
	Leave struct {
		Room string `json:"room"`
		User string `json:"user"`
	}
	// Post says something in a room. The first one makes the room; nobody has to be present.
	Post struct {
		Room string `json:"room"`
		User string `json:"user"`
		Text string `json:"text"`
	}
	// Edit replaces the text of a message of the user's own; Delete removes it.
	Edit struct {
		Room string `json:"room"`
		User string `json:"user"`
		ID   uint64 `json:"id"`
		Text string `json:"text"`
	}
	// Delete removes the text of a message of the user's own.
	Delete struct {
		Room string `json:"room"`
		User string `json:"user"`
		ID   uint64 `json:"id"`
	}
	// Room names a room: the command close, and the query who.
	Room struct {
		Room string `json:"room"`
	}
	// State is the reply to join and leave, and the answer to who.
	State struct {
		Room string `json:"room"`
		// Event and Message are the numbers of the last event and message, 0 before the first.
		Event   uint64   `json:"event"`
		Message uint64   `json:"message"`
		Members []Member `json:"members"`
	}
	// Member is a user who is present until then, by the time of the log's entries.
	Member struct {
		User  string    `json:"user"`
		Until time.Time `json:"until"`
	}
	// Message is what was said. Without a text it was deleted.
	Message struct {
		// ID counts the messages of the room from 1.
		ID     uint64    `json:"id"`
		User   string    `json:"user"`
		Time   time.Time `json:"time"`
		Text   string    `json:"text"`
		Edited bool      `json:"edited,omitempty"`
	}
	// History asks for the messages before one, newest first in choice and oldest first in order; 0 is behind the last.
	History struct {
		Room   string `json:"room"`
		Before uint64 `json:"before,omitempty"`
		Limit  int    `json:"limit,omitempty"`
	}
	// Messages is a page of them, and the number of the last event that they show.
	Messages struct {
		Messages []Message `json:"messages"`
		Event    uint64    `json:"event"`
		// More is whether there are older ones.
		More bool `json:"more,omitempty"`
	}
	// Since asks for the events after one.
	Since struct {
		Room  string `json:"room"`
		After uint64 `json:"after"`
		Limit int    `json:"limit,omitempty"`
	}
	// Events is a page of them, and the number of the room's last one.
	Events struct {
		Events []Event `json:"events"`
		Last   uint64  `json:"last"`
	}
	// Event is something that happened in a room.
	Event struct {
		// Number counts the events of the room from 1.
		Number uint64    `json:"number"`
		Kind   string    `json:"kind"`
		User   string    `json:"user"`
		Time   time.Time `json:"time"`
		// ID is that of the message, 0 if the event is not about one.
		ID   uint64 `json:"id,omitempty"`
		Text string `json:"text,omitempty"`
	}
	// Rooms asks for the rooms whose names follow After.
	Rooms struct {
		After string `json:"after,omitempty"`
		Limit int    `json:"limit,omitempty"`
	}
	// RoomList is a page of them; Next is the After of the next one, "" after the last.
	RoomList struct {
		Rooms []RoomInfo `json:"rooms"`
		Next  string     `json:"next,omitempty"`
	}
	// RoomInfo is one of them.
	RoomInfo struct {
		Room     string `json:"room"`
		Members  int    `json:"members"`
		Messages int    `json:"messages"`
	}
)

// The kinds of events.
const (
	Said    = "said"
	Edited  = "edited"
	Deleted = "deleted"
	Joined  = "joined"
	Left    = "left"
	// Gone is the end of a lease.
	Gone = "gone"
)
