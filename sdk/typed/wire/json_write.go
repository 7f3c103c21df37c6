package wire

import (
	"encoding"
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// writeJSON appends the JSON of a value.
func (p *plan) writeJSON(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, tooDeep()
	}
	if p.nullable() && v.IsNil() {
		return append(dst, "null"...), nil
	}
	switch p.form {
	case formBool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case formInt:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case formUint:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case formFloat:
		return appendJSONFloat(dst, v.Float(), p.bits)
	case formString:
		return appendJSONString(dst, v.String()), nil
	case formBytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"'), nil
	case formText:
		text, err := textOf(v)
		return appendJSONString(dst, text), err
	case formPointer:
		return p.element.writeJSON(dst, v.Elem(), depth+1)
	case formList, formArray:
		return p.writeJSONList(dst, v, depth)
	case formMap:
		return p.writeJSONMap(dst, v, depth)
	}
	return p.writeJSONStruct(dst, v, depth)
}

func (p *plan) writeJSONList(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = p.element.writeJSON(dst, v.Index(i), depth+1); err != nil {
			return dst, inElement(i, err)
		}
	}
	return append(dst, ']'), nil
}

func (p *plan) writeJSONMap(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	dst = append(dst, '{')
	for i, key := range p.sortedKeys(v) {
		if i > 0 {
			dst = append(dst, ',')
		}
		name := p.key.keyText(key)
		dst = append(appendJSONString(dst, name), ':')
		if dst, err = p.element.writeJSON(dst, v.MapIndex(key), depth+1); err != nil {
			return dst, inField(name, err)
		}
	}
	return append(dst, '}'), nil
}

func (p *plan) writeJSONStruct(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	dst = append(dst, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		value := f.at(v)
		if f.leftOut(value) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendJSONString(dst, f.name), ':')
		if dst, err = f.plan.writeJSON(dst, value, depth+1); err != nil {
			return dst, inField(f.name, err)
		}
	}
	return append(dst, '}'), nil
}

// sortedKeys are a map's keys in the order of their bytes, or of their values if they are numbers: a range over a
// Go map has an arbitrary order, and equal states have to give equal bytes.
func (p *plan) sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch p.key.form {
		case formInt:
			return compare(a.Int(), b.Int())
		case formUint:
			return compare(a.Uint(), b.Uint())
		}
		return strings.Compare(a.String(), b.String())
	})
	return keys
}

func compare[N int64 | uint64](a, b N) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// keyText is a key as a JSON object has it.
func (p *plan) keyText(key reflect.Value) string {
	switch p.form {
	case formInt:
		return strconv.FormatInt(key.Int(), 10)
	case formUint:
		return strconv.FormatUint(key.Uint(), 10)
	}
	return key.String()
}

// textOf is the text of a value that marshals itself.
func textOf(v reflect.Value) (string, error) {
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return "", invalid("it cannot be written: %v", err)
	}
	return string(text), nil
}

// appendJSONFloat writes the shortest digits that give the number again, in the form that JavaScript has.
func appendJSONFloat(dst []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, invalid("%v has no form in JSON", f)
	}
	size := math.Abs(f)
	small, large := size < 1e-6, size >= 1e21
	if bits == 32 {
		small, large = float32(size) < 1e-6, float32(size) >= 1e21
	}
	if size == 0 || !small && !large {
		return strconv.AppendFloat(dst, f, 'f', -1, bits), nil
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	// Go writes at least two digits of an exponent, JavaScript no more than needed.
	if n := len(dst); dst[n-2] == '0' && dst[n-3] == '-' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst, nil
}

const hexDigits = "0123456789abcdef"

// shortControls are the control characters that have an escape of one letter.
const shortControls = "\b\t\n\f\r"

// appendJSONString writes a text. What is no UTF-8 becomes U+FFFD, since JSON has no other bytes.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		var instead []byte
		switch {
		case c == '"' || c == '\\':
			instead = []byte{'\\', c}
		case strings.IndexByte(shortControls, c) >= 0:
			instead = []byte{'\\', "btnfr"[strings.IndexByte(shortControls, c)]}
		case c < ' ':
			instead = []byte{'\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15]}
		default:
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			instead = []byte("\ufffd")
		}
		dst = append(append(dst, s[done:i]...), instead...)
		i += size
		done = i
	}
	return append(append(dst, s[done:]...), '"')
}
