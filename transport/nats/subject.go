package nats

import (
	"fmt"
	"strings"

	"github.com/groutlabs/grout/sdk/api"
)

// laneID numbers the two ways between members.
type laneID int

const (
	// bulkLane carries entries, forwarded requests and offers of snapshots.
	bulkLane laneID = iota
	// voteLane carries what elections and heartbeats need: all of it small.
	voteLane
	lanes
)

// String names the lane in logs.
func (l laneID) String() string { return [...]string{"bulk", "votes"}[l] }

// voteSuffix ends the subjects of the vote lane. It keeps the two connections' subscriptions apart.
const voteSuffix = ".v"

const (
	subjectPrefix  = api.Prefix + "."
	maxSuffixBytes = 256
	blobVerb       = "blob"
	helloVerb      = "hello"
)

// raftSubject is the subject of frames on a lane.
func raftSubject(group, to, from string, lane laneID) string {
	subject := api.Raft(group, to, from)
	if lane == voteLane {
		subject += voteSuffix
	}
	return subject
}

// raftAddress is what the subject of a frame says.
type raftAddress struct {
	group, to, from string
	lane            laneID
}

// parseRaftSubject is the inverse of raftSubject; false for any other subject.
func parseRaftSubject(subject string) (raftAddress, bool) {
	var a raftAddress
	rest, ok := strings.CutPrefix(subject, subjectPrefix)
	if !ok {
		return a, false
	}
	var kind, suffix string
	a.group, rest, _ = strings.Cut(rest, ".")
	kind, rest, _ = strings.Cut(rest, ".")
	a.to, rest, _ = strings.Cut(rest, ".")
	a.from, suffix, ok = strings.Cut(rest, ".")
	if ok {
		a.lane = voteLane
	}
	if kind != "raft" || ok && "."+suffix != voteSuffix {
		return a, false
	}
	for _, name := range []string{a.group, a.to, a.from} {
		if api.CheckName(name) != nil {
			return a, false
		}
	}
	return a, true
}

// checkSuffix returns ErrBadName unless suffix can end the subject of an event: tokens with dots
// between them, without wildcards, spaces or control characters, 256 bytes at most.
func checkSuffix(suffix string) error {
	if suffix == "" || len(suffix) > maxSuffixBytes {
		return fmt.Errorf("%w: event suffix of %d bytes: 1 to %d are allowed", ErrBadName, len(suffix), maxSuffixBytes)
	}
	for token := range strings.SplitSeq(suffix, ".") {
		if token == "" {
			return fmt.Errorf("%w: event suffix %q has an empty token", ErrBadName, suffix)
		}
	}
	for i := range len(suffix) {
		if b := suffix[i]; b <= ' ' || b == 0x7f || b == '*' || b == '>' {
			return fmt.Errorf("%w: event suffix %q contains %q: no wildcards, spaces or control characters", ErrBadName, suffix, b)
		}
	}
	return nil
}
