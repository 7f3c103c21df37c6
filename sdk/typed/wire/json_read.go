package wire

import (
	"encoding"
	"encoding/base64"
	"reflect"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads one JSON text.
type jsonReader struct {
	data []byte
	at   int
	// scratch holds the last text that had escapes.
	scratch []byte
	// lenient passes over fields that are not known.
	lenient bool
}

// peek passes over white space and returns the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	for ; r.at < len(r.data); r.at++ {
		if c := r.data[r.at]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// take passes over c if it is next.
func (r *jsonReader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.at++
	return true
}

// expect passes over c.
func (r *jsonReader) expect(c byte) error {
	if r.take(c) {
		return nil
	}
	return r.bad("%q is expected", c)
}

// bad says what is wrong at the present place.
func (r *jsonReader) bad(format string, args ...any) error {
	if r.peek() == 0 && r.at == len(r.data) {
		return invalid("the JSON ends too early: "+format, args...)
	}
	return invalid("bad JSON at %.20q: "+format, append([]any{r.data[r.at:]}, args...)...)
}

// word passes over a word such as null.
func (r *jsonReader) word(w string) bool {
	r.peek()
	if end := r.at + len(w); end <= len(r.data) && string(r.data[r.at:end]) == w {
		r.at = end
		return true
	}
	return false
}

// what describes the next value for a message.
func (r *jsonReader) what() string {
	switch c := r.peek(); {
	case c == '"':
		if text, err := r.text(); err == nil {
			return "the text " + strconv.Quote(string(text[:min(len(text), 40)]))
		}
		return "a text"
	case c == '{':
		return "a map"
	case c == '[':
		return "a list"
	case c == 't' || c == 'f':
		return "true or false"
	case c == 'n':
		return "null"
	case c == '-' || c >= '0' && c <= '9':
		if text, _, err := r.number(); err == nil {
			return "the number " + string(text[:min(len(text), 40)])
		}
	}
	return "what follows"
}

// readJSON reads the next value into v.
func (p *plan) readJSON(r *jsonReader, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return tooDeep()
	}
	if p.nullable() && r.peek() == 'n' && r.word("null") {
		v.SetZero()
		return nil
	}
	switch p.form {
	case formBool:
		return p.readJSONBool(r, v)
	case formInt, formUint, formFloat:
		return p.readJSONNumber(r, v)
	case formString, formBytes, formText:
		return p.readJSONText(r, v)
	case formPointer:
		v.Set(reflect.New(p.element.typ))
		return p.element.readJSON(r, v.Elem(), depth+1)
	case formList, formArray:
		return p.readJSONList(r, v, depth)
	case formMap:
		return p.readJSONMap(r, v, depth)
	}
	return p.readJSONStruct(r, v, depth)
}

func (p *plan) readJSONBool(r *jsonReader, v reflect.Value) error {
	switch {
	case r.word("true"):
		v.SetBool(true)
	case r.word("false"):
		v.SetBool(false)
	default:
		return p.mistaken(r.what())
	}
	return nil
}

func (p *plan) readJSONNumber(r *jsonReader, v reflect.Value) error {
	if c := r.peek(); c != '-' && (c < '0' || c > '9') {
		return p.mistaken(r.what())
	}
	text, whole, err := r.number()
	if err != nil {
		return err
	}
	if p.form == formFloat {
		f, err := strconv.ParseFloat(string(text), p.bits)
		if err != nil {
			return p.outOfRange(string(text))
		}
		v.SetFloat(f)
		return nil
	}
	if !whole {
		return p.mistaken("the number " + string(text[:min(len(text), 40)]))
	}
	return p.setWhole(text, v)
}

// setWhole sets an integer from its digits.
func (p *plan) setWhole(text []byte, v reflect.Value) error {
	if p.form == formInt {
		n, err := strconv.ParseInt(string(text), 10, p.bits)
		if err != nil {
			return p.outOfRange(string(text))
		}
		v.SetInt(n)
		return nil
	}
	if text[0] == '-' && string(text) != "-0" {
		return p.mistaken("the number " + string(text[:min(len(text), 40)]))
	}
	n, err := strconv.ParseUint(string(trimMinus(text)), 10, p.bits)
	if err != nil {
		return p.outOfRange(string(text))
	}
	v.SetUint(n)
	return nil
}

func trimMinus(text []byte) []byte {
	if text[0] == '-' {
		return text[1:]
	}
	return text
}

// number passes over a number; whole says that it has neither fraction nor exponent.
func (r *jsonReader) number() (text []byte, whole bool, err error) {
	begin := r.at
	if r.data[r.at] == '-' {
		r.at++
	}
	if r.at < len(r.data) && r.data[r.at] == '0' {
		r.at++
	} else if !r.digits() {
		return nil, false, r.bad("a digit is expected")
	}
	whole = true
	if r.at < len(r.data) && r.data[r.at] == '.' {
		r.at++
		if whole = false; !r.digits() {
			return nil, false, r.bad("a digit is expected")
		}
	}
	if r.at < len(r.data) && (r.data[r.at]|0x20) == 'e' {
		r.at++
		if r.at < len(r.data) && (r.data[r.at] == '+' || r.data[r.at] == '-') {
			r.at++
		}
		if whole = false; !r.digits() {
			return nil, false, r.bad("a digit is expected")
		}
	}
	return r.data[begin:r.at], whole, nil
}

func (r *jsonReader) digits() bool {
	begin := r.at
	for r.at < len(r.data) && r.data[r.at] >= '0' && r.data[r.at] <= '9' {
		r.at++
	}
	return r.at > begin
}

func (p *plan) readJSONText(r *jsonReader, v reflect.Value) error {
	if r.peek() != '"' {
		return p.mistaken(r.what())
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	switch p.form {
	case formString:
		v.SetString(string(text))
	case formBytes:
		decoded, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
		if err != nil {
			return invalid("the text %.40q is not bytes in base64", text)
		}
		v.SetBytes(decoded)
	default:
		return p.setText(text, v)
	}
	return nil
}

// setText has a value read itself from a text. Its own words are no secret: they end up in the refusal.
func (p *plan) setText(text []byte, v reflect.Value) error {
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(text); err != nil {
		return invalid("the text %.40q is no %s: %v", text, p.typ, err)
	}
	return nil
}

// text reads a string. The bytes are valid until the next call.
func (r *jsonReader) text() ([]byte, error) {
	r.at++ // the quotation mark
	begin := r.at
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; {
		case c == '"':
			text := r.data[begin:r.at]
			r.at++
			return text, checkUTF8(text)
		case c == '\\':
			return r.escapedText(begin)
		case c < ' ':
			return nil, r.bad("a text cannot hold the control character %#02x", c)
		}
	}
	return nil, r.bad("a text has no end")
}

func checkUTF8(text []byte) error {
	if !utf8.Valid(text) {
		return invalid("the text %.40q is not UTF-8", text)
	}
	return nil
}

// escapedText reads the rest of a string that began at begin and has a backslash at the present place.
func (r *jsonReader) escapedText(begin int) ([]byte, error) {
	r.scratch = append(r.scratch[:0], r.data[begin:r.at]...)
	for r.at < len(r.data) {
		c := r.data[r.at]
		switch {
		case c == '"':
			r.at++
			return r.scratch, checkUTF8(r.scratch)
		case c < ' ':
			return nil, r.bad("a text cannot hold the control character %#02x", c)
		case c != '\\':
			r.scratch = append(r.scratch, c)
			r.at++
		default:
			if err := r.escape(); err != nil {
				return nil, err
			}
		}
	}
	return nil, r.bad("a text has no end")
}

// plainEscapes are the characters that one letter after a backslash stands for.
var plainEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (r *jsonReader) escape() error {
	if r.at+1 == len(r.data) {
		return r.bad("an escape has no end")
	}
	letter := r.data[r.at+1]
	if letter != 'u' {
		plain, ok := plainEscapes[letter]
		if !ok {
			return r.bad("there is no such escape")
		}
		r.scratch = append(r.scratch, plain)
		r.at += 2
		return nil
	}
	first, ok := r.unicode()
	if !ok {
		return r.bad("four hexadecimal digits are expected")
	}
	r.at += 6
	if utf16.IsSurrogate(first) {
		second, ok := r.unicode()
		if first = utf16.DecodeRune(first, second); !ok || first == utf8.RuneError {
			return r.bad("half a surrogate pair came before this")
		}
		r.at += 6
	}
	r.scratch = utf8.AppendRune(r.scratch, first)
	return nil
}

// unicode reads the escape \uXXXX at the present place without passing over it.
func (r *jsonReader) unicode() (rune, bool) {
	if r.at+6 > len(r.data) || r.data[r.at] != '\\' || r.data[r.at+1] != 'u' {
		return 0, false
	}
	value, err := strconv.ParseUint(string(r.data[r.at+2:r.at+6]), 16, 16)
	return rune(value), err == nil
}
