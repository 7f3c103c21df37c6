package wire

import (
	"bytes"
	"fmt"
)

// MaxNameBytes is the size of the longest name of a command or query.
const MaxNameBytes = 64

// The codes of the refusals that come from the layer and not from the machine behind it, far from those that machines
// number for themselves.
const (
	// CodeBadRequest refuses what is no envelope, or in an encoding that the machine does not take.
	CodeBadRequest int32 = 9400
	// CodeUnknownName refuses a command or query that is not registered.
	CodeUnknownName int32 = 9404
	// CodeBadPayload refuses a payload that does not fit the type. The message names the field.
	CodeBadPayload int32 = 9422
	// CodeBadReply refuses a command or query whose reply has no form in the encoding, as NaN in JSON.
	CodeBadReply int32 = 9500
)

// CheckName returns an error unless name can be that of a command or query: 1 to 64 of the characters a to z, A to Z,
// 0 to 9, '-', '_' and '.'. So it stands in JSON as it is.
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameBytes {
		return fmt.Errorf("%w: the name %.80q has %d characters, 1 to %d are allowed", ErrBadRequest, name, len(name), MaxNameBytes)
	}
	for i := range len(name) {
		if c := name[i] | 0x20; (c < 'a' || c > 'z') && (name[i] < '0' || name[i] > '9') && name[i] != '-' && name[i] != '_' && name[i] != '.' {
			return fmt.Errorf("%w: the name %.80q holds %q: use letters, digits, '-', '_' and '.'", ErrBadRequest, name, name[i])
		}
	}
	return nil
}

// AppendRequest appends an envelope with a name and a payload.
//
// # Errors
//
// ErrBadRequest for a bad name, *ValueError for a payload that cannot be written.
func AppendRequest[T any](dst []byte, e Encoding, name string, codec Codec[T], payload *T) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return dst, err
	}
	if e == JSON {
		dst = append(append(append(dst, `{"`...), name...), `":`...)
		dst, err := codec.Append(dst, e, payload)
		return append(dst, '}'), err
	}
	return codec.Append(appendPackText(append(dst, packFixMap|1), name), e, payload)
}

// Open takes an envelope apart. Name and payload are parts of request.
//
// # Errors
//
// ErrBadRequest.
func Open(request []byte) (e Encoding, name, payload []byte, err error) {
	r := jsonReader{data: request}
	switch r.peek() {
	case '{':
		name, payload, err = openJSON(&r)
		return JSON, name, payload, err
	case packFixMap | 1, packMap16, packMap32:
		name, payload, err = openPack(request)
		return MessagePack, name, payload, err
	}
	return 0, nil, nil, fmt.Errorf(`%w: %.40q is no envelope: send {"NAME": PAYLOAD} in JSON, or the same map in MessagePack`, ErrBadRequest, request)
}

// openJSON leaves it to the payload's reader to find the end of the payload: a second look at it costs too much.
func openJSON(r *jsonReader) (name, payload []byte, err error) {
	r.at++
	if r.peek() == '"' {
		name, err = r.text()
	}
	if err != nil || len(name) == 0 {
		return nil, nil, fmt.Errorf(`%w: %.40q holds no name: send {"NAME": PAYLOAD}`, ErrBadRequest, r.data)
	}
	end := bytes.TrimRight(r.data, " \t\r\n")
	if !r.take(':') || len(end) <= r.at || end[len(end)-1] != '}' {
		return nil, nil, fmt.Errorf(`%w: after %.40q a colon, the payload and a closing brace have to follow`, ErrBadRequest, r.data[:r.at])
	}
	payload = end[r.at : len(end)-1]
	if len(bytes.TrimLeft(payload, " \t\r\n")) == 0 {
		return nil, nil, fmt.Errorf(`%w: %.40q has no payload: send null for none`, ErrBadRequest, r.data)
	}
	return name, payload, nil
}

func openPack(request []byte) (name, payload []byte, err error) {
	r := packReader{data: request}
	err = r.next()
	if err == nil && r.token.size != 1 {
		return nil, nil, fmt.Errorf("%w: an envelope is a map of one name, not of %d", ErrBadRequest, r.token.size)
	}
	if err == nil {
		err = r.next()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrBadRequest, err)
	}
	text := &r.token
	if text.form != formString || text.isNil || len(text.content) == 0 {
		return nil, nil, fmt.Errorf("%w: a command's name is a text, not %s", ErrBadRequest, text.what())
	}
	if r.at == len(request) {
		return nil, nil, fmt.Errorf("%w: %.40q has no payload: send nil for none", ErrBadRequest, text.content)
	}
	return text.content, request[r.at:], nil
}
