package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// packReader reads one MessagePack value.
type packReader struct {
	data []byte
	at   int
	// token is the last one that next read.
	token token
	// lenient passes over fields that are not known.
	lenient bool
}

// token is the beginning of a value: all of it, if it has no parts.
type token struct {
	form form
	// isNil is set for nil, which has no form.
	isNil bool
	bool  bool
	// number is a number's value: of a formInt, which is negative, in two's complement.
	number uint64
	float  float64
	// size is that of a list or map, and content that of a text or bytes.
	size    int
	content []byte
}

// what describes a token for a message.
func (t *token) what() string {
	switch {
	case t.isNil:
		return "nil"
	case t.form == formBool:
		return "true or false"
	case t.form == formInt:
		return "the number " + strconv.FormatInt(int64(t.number), 10)
	case t.form == formUint:
		return "the number " + strconv.FormatUint(t.number, 10)
	case t.form == formFloat:
		return "the number " + strconv.FormatFloat(t.float, 'g', -1, 64)
	case t.form == formString:
		return fmt.Sprintf("the text %.40q", t.content)
	case t.form == formBytes:
		return fmt.Sprintf("a string of %d bytes", len(t.content))
	case t.form == formList:
		return "a list"
	}
	return "a map"
}

// bytes passes over n bytes.
func (r *packReader) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(r.data)-r.at) {
		return nil, invalid("the MessagePack ends too early: %d bytes are expected, there are %d", n, len(r.data)-r.at)
	}
	begin := r.at
	r.at += int(n)
	return r.data[begin:r.at:r.at], nil
}

// big reads a number of 1, 2, 4 or 8 bytes.
func (r *packReader) big(size int) (uint64, error) {
	b, err := r.bytes(uint64(size))
	if err != nil {
		return 0, err
	}
	switch size {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

// next reads the next token.
func (r *packReader) next() error {
	if r.at >= len(r.data) {
		return invalid("the MessagePack ends too early: a value is expected")
	}
	c := r.data[r.at]
	r.at++
	t := &r.token
	t.isNil = false
	switch {
	case c < packFixMap:
		t.form, t.number = formUint, uint64(c)
		return nil
	case c < packFixArray:
		return r.sized(formMap, uint64(c&15))
	case c < packFixText:
		return r.sized(formList, uint64(c&15))
	case c < packNil:
		return r.filled(formString, uint64(c&31))
	case c >= packNegative:
		t.form, t.number = formInt, uint64(int64(int8(c)))
		return nil
	case c >= packText8:
		return r.long(c)
	}
	return r.scalar(c)
}

// sized is a list or map of n elements, each of which has at least a byte: a length that lies is found here.
func (r *packReader) sized(f form, n uint64) error {
	if n > uint64(len(r.data)-r.at) {
		return invalid("the MessagePack ends too early: %d elements are expected, %d bytes are left", n, len(r.data)-r.at)
	}
	r.token.form, r.token.size = f, int(n)
	return nil
}

// filled is a text or bytes of n bytes.
func (r *packReader) filled(f form, n uint64) (err error) {
	r.token.form = f
	if r.token.content, err = r.bytes(n); err == nil && f == formString {
		err = checkUTF8(r.token.content)
	}
	return err
}

// long reads texts, lists and maps whose size stands behind the first byte.
func (r *packReader) long(c byte) error {
	sizeBytes := 2
	switch c {
	case packText8:
		sizeBytes = 1
	case packText32, packArray32, packMap32:
		sizeBytes = 4
	}
	n, err := r.big(sizeBytes)
	switch {
	case err != nil:
		return err
	case c <= packText32:
		return r.filled(formString, n)
	case c <= packArray32:
		return r.sized(formList, n)
	}
	return r.sized(formMap, n)
}

// scalar reads numbers, bytes and words.
func (r *packReader) scalar(c byte) error {
	t := &r.token
	switch {
	case c == packNil:
		t.isNil = true
		return nil
	case c == packFalse || c == packTrue:
		t.form, t.bool = formBool, c == packTrue
		return nil
	case c >= packBytes8 && c <= packBytes32:
		n, err := r.big(1 << (c - packBytes8))
		if err != nil {
			return err
		}
		return r.filled(formBytes, n)
	case c == packFloat32:
		n, err := r.big(4)
		t.form, t.float = formFloat, float64(math.Float32frombits(uint32(n)))
		return err
	case c == packFloat64:
		n, err := r.big(8)
		t.form, t.float = formFloat, math.Float64frombits(n)
		return err
	case c >= packUint8 && c <= packUint64:
		n, err := r.big(1 << (c - packUint8))
		t.form, t.number = formUint, n
		return err
	case c >= packInt8 && c <= packInt64:
		n, err := r.big(1 << (c - packInt8))
		shift := 64 - 8<<(c-packInt8)
		value := int64(n<<shift) >> shift
		t.form, t.number = formUint, uint64(value)
		if value < 0 {
			t.form = formInt
		}
		return err
	}
	return invalid("the byte %#02x begins no value: extensions are not used", c)
}

// readPack reads the next value into v.
func (p *plan) readPack(r *packReader, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return tooDeep()
	}
	if p.form == formPointer {
		if r.at < len(r.data) && r.data[r.at] == packNil {
			r.at++
			v.SetZero()
			return nil
		}
		v.Set(reflect.New(p.element.typ))
		return p.element.readPack(r, v.Elem(), depth+1)
	}
	if err := r.next(); err != nil {
		return err
	}
	if t := &r.token; t.isNil {
		if p.nullable() {
			v.SetZero()
			return nil
		}
		return p.mistaken(t.what())
	}
	return p.readPackToken(r, v, depth)
}

// readPackToken reads the value that the reader's token begins. What is inside of it overwrites the token.
func (p *plan) readPackToken(r *packReader, v reflect.Value, depth int) error {
	t := &r.token
	switch {
	case p.form == formBool && t.form == formBool:
		v.SetBool(t.bool)
	case p.form == formInt || p.form == formUint:
		return p.setPackWhole(t, v)
	case p.form == formFloat:
		return p.setPackFloat(t, v)
	case p.form == formString && t.form == formString:
		v.SetString(string(t.content))
	case p.form == formText && t.form == formString:
		return p.setText(t.content, v)
	case p.form == formBytes && (t.form == formBytes || t.form == formString):
		v.SetBytes(append(make([]byte, 0, len(t.content)), t.content...))
	case (p.form == formList || p.form == formArray) && t.form == formList:
		return p.readPackList(r, t.size, v, depth)
	case p.form == formMap && t.form == formMap:
		return p.readPackMap(r, t.size, v, depth)
	case p.form == formStruct && t.form == formMap:
		return p.readPackStruct(r, t.size, v, depth)
	default:
		return p.mistaken(t.what())
	}
	return nil
}

func (p *plan) setPackWhole(t *token, v reflect.Value) error {
	switch {
	case t.form != formInt && t.form != formUint, p.form == formUint && t.form == formInt:
		return p.mistaken(t.what())
	case p.form == formUint:
		if t.number>>(p.bits-1)>>1 != 0 {
			return p.outOfRange(strconv.FormatUint(t.number, 10))
		}
		v.SetUint(t.number)
	default:
		if t.form == formUint && t.number > math.MaxInt64 {
			return p.outOfRange(strconv.FormatUint(t.number, 10))
		}
		n := int64(t.number)
		if shift := 64 - p.bits; n<<shift>>shift != n {
			return p.outOfRange(strconv.FormatInt(n, 10))
		}
		v.SetInt(n)
	}
	return nil
}

// setPackFloat takes whole numbers too: many encoders write 2.0 as 2.
func (p *plan) setPackFloat(t *token, v reflect.Value) error {
	f := t.float
	switch t.form {
	case formInt:
		f = float64(int64(t.number))
	case formUint:
		f = float64(t.number)
	case formFloat:
	default:
		return p.mistaken(t.what())
	}
	if v.OverflowFloat(f) {
		return p.outOfRange(strconv.FormatFloat(f, 'g', -1, 64))
	}
	v.SetFloat(f)
	return nil
}

func (p *plan) readPackList(r *packReader, size int, v reflect.Value, depth int) error {
	if p.form == formList {
		v.Set(reflect.MakeSlice(p.typ, 0, 0))
	}
	for n := range size {
		if err := p.room(v, n); err != nil {
			return err
		}
		if err := p.element.readPack(r, v.Index(n), depth+1); err != nil {
			return inElement(n, err)
		}
	}
	return p.filled(v, size)
}

func (p *plan) readPackMap(r *packReader, size int, v reflect.Value, depth int) error {
	v.Set(reflect.MakeMap(p.typ))
	for range size {
		key, value := reflect.New(p.key.typ).Elem(), reflect.New(p.element.typ).Elem()
		if err := p.key.readPack(r, key, depth+1); err != nil {
			return err
		}
		if v.MapIndex(key).IsValid() {
			return invalid("%.40q is there twice", p.key.keyText(key))
		}
		if err := p.element.readPack(r, value, depth+1); err != nil {
			return inField(p.key.keyText(key), err)
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func (p *plan) readPackStruct(r *packReader, size int, v reflect.Value, depth int) error {
	var seen seenFields
	for near := range size {
		if err := r.next(); err != nil {
			return err
		}
		if r.token.form != formString || r.token.isNil {
			return invalid("a field's name is a text, not %s", r.token.what())
		}
		i, err := p.fieldNamed(r.token.content, near)
		switch {
		case err != nil && r.lenient:
			if err := r.skip(depth + 1); err != nil {
				return err
			}
			continue
		case err == nil:
			err = seen.add(p, i)
		}
		if err != nil {
			return err
		}
		f := &p.fields[i]
		if err := f.plan.readPack(r, f.at(v), depth+1); err != nil {
			return inField(f.name, err)
		}
	}
	return nil
}

// skip passes over a value that nobody wants.
func (r *packReader) skip(depth int) error {
	if depth > maxDepth {
		return tooDeep()
	}
	if err := r.next(); err != nil {
		return err
	}
	parts := 0
	switch t := &r.token; {
	case t.isNil:
	case t.form == formList:
		parts = t.size
	case t.form == formMap:
		parts = 2 * t.size
	}
	for range parts {
		if err := r.skip(depth + 1); err != nil {
			return err
		}
	}
	return nil
}
