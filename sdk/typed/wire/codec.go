package wire

import "reflect"

// Encoding is one of the two forms that the same values have.
type Encoding uint8

// The encodings.
const (
	JSON        Encoding = 1
	MessagePack Encoding = 2
)

// String returns the encoding's name.
func (e Encoding) String() string {
	switch e {
	case JSON:
		return "JSON"
	case MessagePack:
		return "MessagePack"
	}
	return "no encoding"
}

// Codec reads and writes values of one type. It may be used by several goroutines at once.
type Codec[T any] struct{ plan *plan }

// For returns the codec of T.
//
// # Errors
//
// ErrBadType, which names the part that cannot be carried.
func For[T any]() (Codec[T], error) {
	p, err := planFor(reflect.TypeFor[T]())
	return Codec[T]{p}, err
}

// Append appends a value to dst. Equal values give equal bytes: maps are written in the order of their keys.
//
// # Errors
//
// *ValueError, for instance for NaN, which JSON does not have.
func (c Codec[T]) Append(dst []byte, e Encoding, value *T) ([]byte, error) {
	v := reflect.ValueOf(value).Elem()
	if e == JSON {
		return c.plan.writeJSON(dst, v, 0)
	}
	return c.plan.writePack(dst, v, 0)
}

// Parse reads data, which has to be one value and nothing else, into a zero value. Nothing of data is kept. null as
// the whole, or no bytes at all, is the zero value.
//
// # Errors
//
// *ValueError, which names the field; value is undefined then.
func (c Codec[T]) Parse(e Encoding, data []byte, value *T) error {
	return c.parse(e, data, value, false)
}

// ParseReply is Parse for a client, which passes over fields that it does not know: a newer machine may say more.
func (c Codec[T]) ParseReply(e Encoding, data []byte, value *T) error {
	return c.parse(e, data, value, true)
}

func (c Codec[T]) parse(e Encoding, data []byte, value *T, lenient bool) error {
	v := reflect.ValueOf(value).Elem()
	if e == JSON {
		return c.plan.parseJSON(&jsonReader{data: data, lenient: lenient}, v)
	}
	return c.plan.parsePack(&packReader{data: data, lenient: lenient}, v)
}

func (p *plan) parseJSON(r *jsonReader, v reflect.Value) error {
	if r.peek() == 0 && r.at == len(r.data) {
		return nil
	}
	if !r.word("null") {
		if err := p.readJSON(r, v, 0); err != nil {
			return err
		}
	}
	if r.peek(); r.at < len(r.data) {
		return r.bad("nothing is expected after the payload")
	}
	return nil
}

func (p *plan) parsePack(r *packReader, v reflect.Value) error {
	if len(r.data) == 0 {
		return nil
	}
	if r.data[0] == packNil {
		r.at++
	} else if err := p.readPack(r, v, 0); err != nil {
		return err
	}
	if r.at < len(r.data) {
		return invalid("%d bytes are left over after it", len(r.data)-r.at)
	}
	return nil
}
