package sdk

import (
	"errors"
	"fmt"
)

// CodeUnspecified is the code of a refusal by an error that Refuse did not make.
const CodeUnspecified int32 = 1

// Refusal is an error with a code of the machine's own, which the client gets beside the message
// in the header Grout-Machine-Code.
type Refusal struct {
	// Code is positive.
	Code int32
	// Message goes to the client; the host keeps its first 4,096 bytes.
	Message string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Refuse returns an error that refuses a command or query with a code of the machine's own and a
// formatted message. A code below 1 becomes CodeUnspecified, since 0 and less mean other things on
// the wire. The error may be wrapped: the code stays, and the client gets the outer text.
func Refuse(code int32, format string, args ...any) error {
	if code < 1 {
		code = CodeUnspecified
	}
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// refusalCode is the code that err refuses with.
func refusalCode(err error) int32 {
	if refusal, ok := err.(*Refusal); ok {
		return max(refusal.Code, 1)
	}
	var wrapped *Refusal
	if errors.As(err, &wrapped) {
		return max(wrapped.Code, 1)
	}
	return CodeUnspecified
}
