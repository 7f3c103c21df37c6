package api

// The actions of VerbSources and VerbSinks; "" changes nothing.
const (
	// StreamAdd binds a stream to the group, StreamRemove ends that.
	StreamAdd    = "add"
	StreamRemove = "remove"
)

// SourcesRequest asks for the sources of a group, and for a change of them.
type SourcesRequest struct {
	Group  string `json:"group"`
	Action string `json:"action,omitempty"`
	// Name is the source's: the stream's own unless given. It is as CheckName has it.
	Name string `json:"name,omitempty"`
	// Stream is the JetStream stream to add, Subject the subject of the messages wanted, with wildcards, "" for all.
	Stream  string `json:"stream,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Start is the sequence of the first message wanted, 0 for the first that there is. New leaves out what is in the
	// stream already, and excludes Start.
	Start uint64 `json:"start,omitempty"`
	New   bool   `json:"new,omitempty"`
}

// SourcesReply answers VerbSources.
type SourcesReply struct {
	Group   string       `json:"group"`
	Sources []SourceInfo `json:"sources"`
}

// SourceInfo is a stream of which each message is one command of the group.
type SourceInfo struct {
	Name    string `json:"name"`
	Stream  string `json:"stream"`
	Subject string `json:"subject,omitempty"`
	// Position is the sequence in the stream of the last message that the group has consumed, Lag how many messages
	// are left: it means nothing beside a Problem.
	Position uint64 `json:"position"`
	Lag      uint64 `json:"lag"`
	// Applied, Refused and Trapped count the messages by how the machine ended on them, Skipped those that were too
	// large for a command, and Missing those that the stream had lost before they were read.
	Applied uint64 `json:"applied"`
	Refused uint64 `json:"refused"`
	Trapped uint64 `json:"trapped"`
	Skipped uint64 `json:"skipped"`
	Missing uint64 `json:"missing"`
	// Problem is why the stream is not read now, "" when it is.
	Problem string `json:"problem,omitempty"`
}

// SinkRequest asks for the stream that takes a group's events, and for a change of it.
type SinkRequest struct {
	Group  string `json:"group"`
	Action string `json:"action,omitempty"`
	// Stream is the JetStream stream to add. Its one subject is Event(group, ">").
	Stream string `json:"stream,omitempty"`
}

// SinkReply answers VerbSinks.
type SinkReply struct {
	Group string `json:"group"`
	// Stream is "" for none.
	Stream string `json:"stream"`
	// Published is the index up to which all events are known to be published.
	Published uint64 `json:"published"`
	// Problem is why nothing is published now, "" when it is.
	Problem string `json:"problem,omitempty"`
}
