package client

import (
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// Result is the answer to a command or query.
type Result struct {
	// Output is what the machine answered. It is the caller's.
	Output []byte
	// Index is where the command was applied or the query ran; Term is the entry's.
	Index, Term uint64
	// Fuel is the work that it took, about one for each simple instruction.
	Fuel uint64
	// Duplicate is set when the command had been applied before and its result was remembered.
	Duplicate bool
	// Leader is the host that leads the group, "" when the answering host does not know.
	Leader string
	// batch are the results of a batch.
	batch []BatchResult
}

const (
	errorHeader     = "Nats-Service-Error"
	errorCodeHeader = "Nats-Service-Error-Code"
	statusHeader    = "Status"
	noResponders    = "503"
)

// get is Header.Get without a copy of the semantics: the names are sent as they are written.
func get(h natsgo.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// parseReply returns the result of a reply, or its error: ErrNoHosts, *RefusedError, *TrappedError,
// *Error or ErrBadReply. The Result's Leader is set either way.
func parseReply(msg *natsgo.Msg) (Result, error) {
	h := msg.Header
	if len(msg.Data) == 0 && get(h, statusHeader) == noResponders {
		return Result{}, ErrNoHosts
	}
	r := Result{Leader: get(h, api.HeaderLeader), Duplicate: get(h, api.HeaderDuplicate) == "true"}
	var err error
	if r.Index, err = number(h, api.HeaderIndex); err != nil {
		return r, err
	}
	if r.Term, err = number(h, api.HeaderTerm); err != nil {
		return r, err
	}
	if r.Fuel, err = number(h, api.HeaderFuel); err != nil {
		return r, err
	}
	code := api.Code(get(h, errorCodeHeader))
	text := get(h, errorHeader)
	switch code {
	case "":
		r.Output = msg.Data
		return r, nil
	case api.CodeRefused:
		machine, err := strconv.ParseInt(get(h, api.HeaderMachineCode), 10, 32)
		if err != nil {
			// Another service's 409, or a host that refuses on its own account.
			return r, &Error{Code: code, Text: text, Index: r.Index}
		}
		return r, &RefusedError{Code: int32(machine), Message: longer(msg.Data, text), Index: r.Index, Term: r.Term, Duplicate: r.Duplicate, Fuel: r.Fuel}
	case api.CodeTrapped:
		return r, &TrappedError{Reason: longer(msg.Data, text), Index: r.Index, Term: r.Term, Duplicate: r.Duplicate, Fuel: r.Fuel}
	}
	return r, &Error{Code: code, Text: text, Index: r.Index}
}

// longer is the whole text of an error, which the body carries; the header's is cut to one line.
func longer(body []byte, header string) string {
	if len(body) > 0 {
		return string(body)
	}
	return header
}

// number reads a header that may be absent.
func number(h natsgo.Header, name string) (uint64, error) {
	value := get(h, name)
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: header %s is %q", ErrBadReply, name, value)
	}
	return n, nil
}
