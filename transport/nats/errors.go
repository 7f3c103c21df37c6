package nats

import "errors"

// The errors of this package. Callers compare with errors.Is.
var (
	// ErrBadConfig marks a Config that cannot work.
	ErrBadConfig = errors.New("nats: bad config")
	// ErrNoServer means that no NATS server could be reached, or that it was gone before the connection stood.
	ErrNoServer = errors.New("nats: no server")
	// ErrClosed refuses work after Close.
	ErrClosed = errors.New("nats: the transport is closed")
	// ErrTaken refuses a second receiver or service for one group.
	ErrTaken = errors.New("nats: the group is registered already")
	// ErrNotServing refuses AddGroup before Serve.
	ErrNotServing = errors.New("nats: Serve has not been called")
	// ErrNoKey refuses a group without a key for its frames.
	ErrNoKey = errors.New("nats: the group has no key")
	// ErrBadName marks a group, host or event suffix that cannot be part of a subject.
	ErrBadName = errors.New("nats: bad name")
	// ErrTooLarge marks what does not fit into one NATS message.
	ErrTooLarge = errors.New("nats: too large for one message")
	// ErrNoAnswer marks a host that did not answer a Fetch.
	ErrNoAnswer = errors.New("nats: no answer")
	// ErrBadFrame marks a frame body that no correct member can have written.
	ErrBadFrame = errors.New("nats: bad frame")
	// ErrBadMessage marks a message that cannot be sent as it is.
	ErrBadMessage = errors.New("nats: bad message")
	// ErrBadRequest marks a request between hosts that cannot be decoded.
	ErrBadRequest = errors.New("nats: bad request")
)
