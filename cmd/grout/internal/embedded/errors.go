package embedded

import "errors"

// Sentinels for errors.Is.
var (
	// ErrBadConfig marks a Config that cannot work.
	ErrBadConfig = errors.New("embedded: bad config")
	// ErrListen means that the server could not listen where it was told to.
	ErrListen = errors.New("embedded: cannot listen")
	// ErrNotReady means that the server did not start in time.
	ErrNotReady = errors.New("embedded: the NATS server did not start")
	// ErrLocked means that another process has the folder of the streams.
	ErrLocked = errors.New("embedded: in use by another process")
)
