package nats

import (
	"fmt"
	"strconv"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// maxHeaderValueBytes bounds the names that clients choose: sessions, message IDs and callers.
const maxHeaderValueBytes = 256

const (
	yes               = "true"
	modeExecute       = "execute"
	modeFeed          = "feed"
	consistencyLinear = "linearizable"
	consistencyStale  = "stale"
	atLeastPrefix     = "at-least="
)

// headers reads Grout's headers and remembers the first thing that was wrong.
type headers struct {
	from natsgo.Header
	err  *host.Error
}

func (h *headers) fail(name, format string, args ...any) {
	if h.err == nil {
		h.err = &host.Error{Code: api.CodeBadRequest, Text: "header " + name + ": " + fmt.Sprintf(format, args...)}
	}
}

// text returns the only value of a header, "" when it is absent.
func (h *headers) text(name string) string {
	values := h.from[name]
	if len(values) == 0 {
		return ""
	}
	if len(values) > 1 {
		h.fail(name, "given %d times, at most once is allowed", len(values))
		return ""
	}
	value := values[0]
	if value == "" || len(value) > maxHeaderValueBytes {
		h.fail(name, "has %d bytes, 1 to %d are allowed", len(value), maxHeaderValueBytes)
		return ""
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			h.fail(name, "byte %d is not printable ASCII", i)
			return ""
		}
	}
	return value
}

// number returns the value of a header in decimal; false when it is absent or wrong.
func (h *headers) number(name string) (uint64, bool) {
	value := h.text(name)
	if value == "" {
		return 0, false
	}
	return h.parse(name, value)
}

func (h *headers) parse(name, value string) (uint64, bool) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		h.fail(name, "%q is not a decimal number below 2^64", value)
		return 0, false
	}
	return n, true
}

// flag returns whether a header is there, with the only value that it can have.
func (h *headers) flag(name string) bool {
	value := h.text(name)
	if value != "" && value != yes {
		h.fail(name, "%q is not %q, the only value that it can have", value, yes)
	}
	return value == yes
}

// parseCommand makes the host's request of a client's message. The mode is that of the header, or
// host.ModeForget when the client does not wait.
func parseCommand(group string, from natsgo.Header, payload []byte, waits bool) (host.CommandRequest, *host.Error) {
	request := host.CommandRequest{Group: group, Payload: payload}
	var err *host.Error
	if len(from) > 0 {
		err = parseCommandHeaders(&request, from)
	}
	if !waits {
		request.Mode = host.ModeForget
	}
	return request, err
}

func parseCommandHeaders(request *host.CommandRequest, from natsgo.Header) *host.Error {
	h := headers{from: from}
	request.Session, request.MsgID, request.Caller = h.text(api.HeaderSession), h.text(api.HeaderMsgID), h.text(api.HeaderCaller)
	var hasSeq, hasAcked bool
	request.Seq, hasSeq = h.number(api.HeaderSeq)
	request.Acked, hasAcked = h.number(api.HeaderAcked)
	request.Ordered = h.flag(api.HeaderOrdered)
	switch mode := h.text(api.HeaderMode); mode {
	case "", modeExecute:
	case modeFeed:
		request.Mode = host.ModeFeed
	default:
		h.fail(api.HeaderMode, "%q is none of %q and %q", mode, modeExecute, modeFeed)
	}
	if count, isBatch := h.number(api.HeaderBatch); isBatch && h.err == nil {
		var err error
		if request.Batch, err = api.ParseBatch(request.Payload, count); err != nil {
			h.fail(api.HeaderBatch, "%s", err)
		}
		request.Payload = nil
	}
	h.checkSession(request, hasSeq, hasAcked)
	return h.err
}

// checkSession refuses headers of a session that do not go together.
func (h *headers) checkSession(request *host.CommandRequest, hasSeq, hasAcked bool) {
	switch {
	case request.Session == "" && (hasSeq || hasAcked):
		h.fail(api.HeaderSession, "is missing beside %s", api.HeaderSeq)
	case request.Session != "" && !hasSeq:
		h.fail(api.HeaderSeq, "is missing beside %s", api.HeaderSession)
	case request.Session != "" && request.Seq == 0:
		h.fail(api.HeaderSeq, "sequences start at 1")
	case request.Session != "" && request.MsgID != "":
		h.fail(api.HeaderMsgID, "excludes %s: use one or the other", api.HeaderSession)
	case hasAcked && request.Acked >= request.Seq:
		h.fail(api.HeaderAcked, "%d has to be below the sequence %d", request.Acked, request.Seq)
	}
}

// parseQuery makes the host's request of a client's message.
func parseQuery(group string, from natsgo.Header, payload []byte) (host.QueryRequest, *host.Error) {
	request := host.QueryRequest{Group: group, Payload: payload}
	if len(from) == 0 {
		return request, nil
	}
	h := headers{from: from}
	request.Caller = h.text(api.HeaderCaller)
	value := h.text(api.HeaderConsistency)
	switch {
	case value == "" || value == consistencyLinear:
		request.Consistency = host.Linearizable
	case value == consistencyStale:
		request.Consistency = host.Stale
	case strings.HasPrefix(value, atLeastPrefix):
		index, _ := h.parse(api.HeaderConsistency, strings.TrimPrefix(value, atLeastPrefix))
		request.Consistency, request.AtLeastIndex = host.AtLeast, consensus.Index(index)
	default:
		h.fail(api.HeaderConsistency, "%q is none of %q, %q and %q", value, consistencyLinear, consistencyStale, atLeastPrefix+"N")
	}
	return request, h.err
}
