// Package api holds the names that clients and hosts share: subjects, headers and error codes. It
// imports nothing but the standard library, so that a client carries no host code.
package api

import (
	"errors"
	"fmt"
)

// Prefix begins every subject of Grout.
const Prefix = "grout.v1"

// Headers of requests and replies.
const (
	// HeaderIndex is the log index at which a command applied or a query ran, in decimal.
	HeaderIndex = "Grout-Index"
	// HeaderTerm is the term of the entry, in decimal.
	HeaderTerm = "Grout-Term"
	// HeaderFuel is the work that a command or query took, in decimal, about one for each simple instruction;
	// it is absent where nothing is counted.
	HeaderFuel = "Grout-Fuel"
	// HeaderLeader is the name of the host that leads the group, as far as the answering host knows.
	HeaderLeader = "Grout-Leader"
	// HeaderConsistency asks for "linearizable" (default), "stale" or "at-least=N".
	HeaderConsistency = "Grout-Consistency"
	// HeaderSession and HeaderSeq make a command exactly-once; the sequence starts at 1.
	HeaderSession = "Grout-Session"
	HeaderSeq     = "Grout-Seq"
	// HeaderAcked tells, beside HeaderSeq, that the results up to this sequence will not be asked for again.
	HeaderAcked = "Grout-Acked"
	// HeaderDuplicate is "true" on the reply to a command that had been applied before.
	HeaderDuplicate = "Grout-Duplicate"
	// HeaderCaller names the caller to the machine.
	HeaderCaller = "Grout-Caller"
	// HeaderMachineCode is the machine's own code with CodeRefused.
	HeaderMachineCode = "Grout-Machine-Code"
	// HeaderMode is "execute" (default: answered when applied) or "feed" (answered when appended). The reply
	// to a command that was fed carries it too.
	HeaderMode = "Grout-Mode"
	// HeaderOrdered is "true" on a command that is to be applied only after the sequence before it.
	HeaderOrdered = "Grout-Ordered"
	// HeaderBatch is the number of commands in the body, and of results in the reply's: see ParseBatch
	// and ParseResults for their encoding.
	HeaderBatch = "Grout-Batch"
	// HeaderMsgID is the header of NATS for deduplication.
	HeaderMsgID = "Nats-Msg-Id"
)

// Code is the value of the Nats-Service-Error-Code header. Codes are stable.
type Code string

// The codes, by who has to act.
const (
	// CodeRefused: the machine refused the command or query; nothing changed.
	CodeRefused Code = "409"
	// CodeTrapped: the command or query trapped; nothing changed.
	CodeTrapped Code = "422"
	// CodeBadRequest: the request is malformed.
	CodeBadRequest Code = "400"
	// CodeNotFound: no such group, module or verb.
	CodeNotFound Code = "404"
	// CodeExists: the group exists already.
	CodeExists Code = "412"
	// CodeTooLarge: the command, query or result is over the limit.
	CodeTooLarge Code = "413"
	// CodeBadModule: the module was refused; the text says where and why.
	CodeBadModule Code = "415"
	// CodeSession: the session has expired or the sequence is behind its window.
	CodeSession Code = "410"
	// CodeOutOfOrder: a command under Grout-Ordered came before the one with the sequence before it;
	// nothing happened.
	CodeOutOfOrder Code = "425"
	// CodeBusy: bounded queues are full; nothing happened, try again.
	CodeBusy Code = "429"
	// CodeNoLeader: the group has no leader that answers; nothing happened, try again.
	CodeNoLeader Code = "503"
	// CodeUnknown: the outcome is unknown; try again with the same session and sequence.
	CodeUnknown Code = "504"
	// CodeInternal: a host failed.
	CodeInternal Code = "500"
)

// MaxNameBytes bounds the names of groups and hosts.
const MaxNameBytes = 64

// ErrBadName marks a name that cannot be a token of a subject.
var ErrBadName = errors.New("bad name")

// ReservedNames cannot be groups: they have subjects of their own.
var ReservedNames = map[string]bool{"ctl": true, "catalog": true}

// CheckName returns an error unless name can name a group or a host: 1 to 64 of a-z, A-Z, 0-9, '-' and '_'.
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameBytes {
		return fmt.Errorf("%w %q: a name has 1 to %d characters", ErrBadName, name, MaxNameBytes)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return fmt.Errorf("%w %q: %q is not allowed, use letters, digits, '-' and '_'", ErrBadName, name, r)
		}
	}
	return nil
}

// Command is the subject of a group's commands. With a host's name it reaches that host alone.
func Command(group, host string) string { return endpoint(group, "cmd", host) }

// Query is the subject of a group's queries. With a host's name it reaches that host alone.
func Query(group, host string) string { return endpoint(group, "query", host) }

// Event is the subject of what a group's machine emits.
func Event(group, suffix string) string { return Prefix + "." + group + ".evt." + suffix }

// Raft is the subject of frames between members.
func Raft(group, to, from string) string {
	return Prefix + "." + group + ".raft." + to + "." + from
}

// Control is the subject of an administrative verb. With a host's name it reaches that host alone.
func Control(verb, host string) string {
	if host == "" {
		return Prefix + ".ctl." + verb
	}
	return Prefix + ".ctl." + verb + "." + host
}

func endpoint(group, kind, host string) string {
	if host == "" {
		return Prefix + "." + group + "." + kind
	}
	return Prefix + "." + group + "." + kind + "." + host
}
