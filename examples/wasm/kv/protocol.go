package main

import (
	"bytes"
	"strconv"

	"github.com/groutlabs/grout/sdk"
)

// The codes of refusals, for clients that look at Grout-Machine-Code.
const (
	codeBadRequest = 1
	codeNotFound   = 2
	codeMismatch   = 3
	codeExists     = 4
	codeTooLarge   = 5
)

// The limits of a pair, so that any pair fits into an answer.
const (
	maxKeyBytes   = 4 << 10
	maxValueBytes = 256 << 10
)

// cutWord returns the bytes up to the first space, and what follows the space. more is false when
// there is no space.
func cutWord(request []byte) (word, rest []byte, more bool) {
	return bytes.Cut(request, []byte{' '})
}

// cutArgument returns the first argument of request and what follows the space behind it. more is
// false when nothing follows, not even a space. An argument is bare, up to the next space, or
// counted: '#', its length in decimal, ':', and that many bytes, whatever they are.
func cutArgument(request []byte) (argument, rest []byte, more bool, err error) {
	if len(request) == 0 || request[0] != '#' {
		argument, rest, more = cutWord(request)
		return argument, rest, more, nil
	}
	digits, counted, ok := bytes.Cut(request[1:], []byte{':'})
	length, parseErr := strconv.ParseUint(string(digits[:min(len(digits), 10)]), 10, 31)
	if !ok || parseErr != nil || len(digits) > 10 {
		return nil, nil, false, sdk.Refuse(codeBadRequest,
			"kv: %.40q: an argument that begins with '#' goes on with its length and ':', as in '#5:a key'", request)
	}
	if length > uint64(len(counted)) {
		return nil, nil, false, sdk.Refuse(codeBadRequest,
			"kv: %.40q: the argument promises %d bytes, %d follow", request, length, len(counted))
	}
	argument, rest = counted[:length:length], counted[length:]
	if len(rest) == 0 {
		return argument, nil, false, nil
	}
	if rest[0] != ' ' {
		return nil, nil, false, sdk.Refuse(codeBadRequest,
			"kv: %.40q: after the argument's %d bytes a space or the end must come", request, length)
	}
	return argument, rest[1:], true, nil
}

// appendArgument appends text as an argument that cutArgument reads back: bare if it can be, and
// so that an answer has one pair a line and no control characters outside of counted arguments.
func appendArgument(dst []byte, text string) []byte {
	if isBare(text) {
		return append(dst, text...)
	}
	dst = append(dst, '#')
	dst = strconv.AppendInt(dst, int64(len(text)), 10)
	dst = append(dst, ':')
	return append(dst, text...)
}

func isBare(text string) bool {
	if text == "" || text[0] == '#' {
		return false
	}
	for i := 0; i < len(text); i++ {
		if text[i] <= ' ' || text[i] == 0x7f {
			return false
		}
	}
	return true
}
