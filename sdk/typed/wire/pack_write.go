package wire

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
)

// The first bytes of MessagePack's forms, https://github.com/msgpack/msgpack/blob/master/spec.md.
const (
	packFixMap   = 0x80
	packFixArray = 0x90
	packFixText  = 0xa0
	packNil      = 0xc0
	packFalse    = 0xc2
	packTrue     = 0xc3
	packBytes8   = 0xc4
	packBytes16  = 0xc5
	packBytes32  = 0xc6
	packFloat32  = 0xca
	packFloat64  = 0xcb
	packUint8    = 0xcc
	packUint16   = 0xcd
	packUint32   = 0xce
	packUint64   = 0xcf
	packInt8     = 0xd0
	packInt16    = 0xd1
	packInt32    = 0xd2
	packInt64    = 0xd3
	packText8    = 0xd9
	packText16   = 0xda
	packText32   = 0xdb
	packArray16  = 0xdc
	packArray32  = 0xdd
	packMap16    = 0xde
	packMap32    = 0xdf
	packNegative = 0xe0
)

// writePack appends the MessagePack of a value, each part in its shortest form.
func (p *plan) writePack(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, tooDeep()
	}
	if p.nullable() && v.IsNil() {
		return append(dst, packNil), nil
	}
	switch p.form {
	case formBool:
		if v.Bool() {
			return append(dst, packTrue), nil
		}
		return append(dst, packFalse), nil
	case formInt:
		return appendPackInt(dst, v.Int()), nil
	case formUint:
		return appendPackUint(dst, v.Uint()), nil
	case formFloat:
		if p.bits == 32 {
			return binary.BigEndian.AppendUint32(append(dst, packFloat32), math.Float32bits(float32(v.Float()))), nil
		}
		return binary.BigEndian.AppendUint64(append(dst, packFloat64), math.Float64bits(v.Float())), nil
	case formString:
		return appendPackText(dst, v.String()), nil
	case formBytes:
		b := v.Bytes()
		return append(appendSize(dst, len(b), 0, 0, packBytes8, packBytes16), b...), nil
	case formText:
		text, err := textOf(v)
		return appendPackText(dst, text), err
	case formPointer:
		return p.element.writePack(dst, v.Elem(), depth+1)
	case formList, formArray:
		return p.writePackList(dst, v, depth)
	case formMap:
		return p.writePackMap(dst, v, depth)
	}
	return p.writePackStruct(dst, v, depth)
}

func (p *plan) writePackList(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	dst = appendSize(dst, v.Len(), packFixArray, 16, 0, packArray16)
	for i := range v.Len() {
		if dst, err = p.element.writePack(dst, v.Index(i), depth+1); err != nil {
			return dst, inElement(i, err)
		}
	}
	return dst, nil
}

func (p *plan) writePackMap(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	dst = appendSize(dst, v.Len(), packFixMap, 16, 0, packMap16)
	for _, key := range p.sortedKeys(v) {
		if dst, err = p.key.writePack(dst, key, depth+1); err == nil {
			dst, err = p.element.writePack(dst, v.MapIndex(key), depth+1)
		}
		if err != nil {
			return dst, inField(p.key.keyText(key), err)
		}
	}
	return dst, nil
}

func (p *plan) writePackStruct(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	count := 0
	for i := range p.fields {
		if f := &p.fields[i]; !f.omit || !f.leftOut(f.at(v)) {
			count++
		}
	}
	dst = appendSize(dst, count, packFixMap, 16, 0, packMap16)
	for i := range p.fields {
		f := &p.fields[i]
		value := f.at(v)
		if f.leftOut(value) {
			continue
		}
		dst = appendPackText(dst, f.name)
		if dst, err = f.plan.writePack(dst, value, depth+1); err != nil {
			return dst, inField(f.name, err)
		}
	}
	return dst, nil
}

// appendSize writes the first bytes of what has a size: with one byte below fixedBelow, then with a size of 8 bits
// if there is such a form, of 16, or of 32, whose form follows that of 16.
func appendSize(dst []byte, n int, fixed byte, fixedBelow int, form8, form16 byte) []byte {
	switch {
	case n < fixedBelow:
		return append(dst, fixed|byte(n))
	case n <= math.MaxUint8 && form8 != 0:
		return append(dst, form8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, form16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, form16+1), uint32(n))
}

func appendPackText(dst []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\ufffd")
	return append(appendSize(dst, len(s), packFixText, 32, packText8, packText16), s...)
}

func appendPackUint(dst []byte, n uint64) []byte {
	switch {
	case n <= math.MaxInt8:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, packUint8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, packUint16), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, packUint32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, packUint64), n)
}

func appendPackInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendPackUint(dst, uint64(n))
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, packInt8, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, packInt16), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, packInt32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, packInt64), uint64(n))
}
