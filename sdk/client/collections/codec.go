package collections

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/typed/wire"
)

// Codec turns values into bytes and back. Equal values need equal bytes: keys are found by them, and CompareAndSwap compares them.
type Codec[T any] interface {
	// Append appends the bytes of value to dst.
	Append(dst []byte, value T) ([]byte, error)
	// Parse reads what Append wrote. data is the value's to keep.
	Parse(data []byte) (T, error)
}

// JSON returns a codec for any type that package sdk/typed/wire carries.
func JSON[T any]() Codec[T] { return wired[T](wire.JSON) }

// MessagePack is JSON in fewer bytes.
func MessagePack[T any]() Codec[T] { return wired[T](wire.MessagePack) }

func wired[T any](e wire.Encoding) Codec[T] {
	codec, err := wire.For[T]()
	return wireCodec[T]{codec, e, err}
}

type wireCodec[T any] struct {
	codec    wire.Codec[T]
	encoding wire.Encoding
	// broken is why there is none.
	broken error
}

func (c wireCodec[T]) check() error { return c.broken }

// Append implements Codec.
func (c wireCodec[T]) Append(dst []byte, value T) ([]byte, error) {
	if c.broken != nil {
		return dst, c.broken
	}
	return c.codec.Append(dst, c.encoding, &value)
}

// Parse implements Codec.
func (c wireCodec[T]) Parse(data []byte) (value T, err error) {
	if c.broken != nil {
		return value, c.broken
	}
	err = c.codec.ParseReply(c.encoding, data, &value)
	return value, err
}

// Ordered returns a codec whose bytes have the order of the values, for strings, bytes, integers, floats, time.Time, and types
// made of them:
//
//	string, []byte   themselves
//	uint...          eight bytes, big-endian
//	int...           the same, with the sign's bit turned over: negative numbers come first
//	float...         eight bytes of the float64, big-endian, with the sign's bit turned over, and all bits of a negative one
//	time.Time        as an integer, nanoseconds since 1970 in UTC: years 1678 to 2261
//
// NaN has no order and is an error; the zero with a sign is zero.
func Ordered[T any]() Codec[T] { return ordered[T]{} }

type ordered[T any] struct{}

var timeType = reflect.TypeFor[time.Time]()

// check implements checker: it refuses types that have no order.
func (ordered[T]) check() error {
	t := reflect.TypeFor[T]()
	switch k := t.Kind(); {
	case t == timeType, k == reflect.String, k >= reflect.Int && k <= reflect.Uint64, k == reflect.Float32, k == reflect.Float64,
		k == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return nil
	}
	return fmt.Errorf("%s has no order of its own: choose a codec", t)
}

const signBit = 1 << 63

// Append implements Codec.
func (c ordered[T]) Append(dst []byte, value T) ([]byte, error) {
	v := reflect.ValueOf(&value).Elem()
	switch {
	case v.Type() == timeType:
		t := any(value).(time.Time)
		if nanos := t.UnixNano(); time.Unix(0, nanos).Equal(t) {
			return binary.BigEndian.AppendUint64(dst, uint64(nanos)^signBit), nil
		}
		return dst, fmt.Errorf("the time %v is outside of the years 1678 to 2261", t)
	case v.Kind() == reflect.String:
		return append(dst, v.String()...), nil
	case v.CanInt():
		return binary.BigEndian.AppendUint64(dst, uint64(v.Int())^signBit), nil
	case v.CanUint():
		return binary.BigEndian.AppendUint64(dst, v.Uint()), nil
	case v.CanFloat():
		if math.IsNaN(v.Float()) {
			return dst, fmt.Errorf("NaN has no order")
		}
		return binary.BigEndian.AppendUint64(dst, floatBits(v.Float())), nil
	case c.check() == nil:
		return append(dst, v.Bytes()...), nil
	}
	return dst, c.check()
}

func floatBits(f float64) uint64 {
	bits := math.Float64bits(f + 0) // minus zero and zero are zero
	if bits&signBit != 0 {
		return ^bits
	}
	return bits | signBit
}

// Parse implements Codec.
func (c ordered[T]) Parse(data []byte) (value T, err error) {
	v := reflect.ValueOf(&value).Elem()
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(string(data))
		return value, nil
	case k == reflect.Slice:
		if err := c.check(); err != nil {
			return value, err
		}
		v.SetBytes(data)
		return value, nil
	}
	if len(data) != 8 {
		return value, fmt.Errorf("%d bytes for a %s, which has 8", len(data), v.Type())
	}
	return value, setNumber(v, binary.BigEndian.Uint64(data))
}

// setNumber sets v to the number of such bits.
func setNumber(v reflect.Value, bits uint64) error {
	signed, fits := int64(bits^signBit), true
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Unix(0, signed).UTC()))
	case v.CanInt():
		fits = !v.OverflowInt(signed)
		v.SetInt(signed)
	case v.CanUint():
		fits = !v.OverflowUint(bits)
		v.SetUint(bits)
	default:
		if bits&signBit != 0 {
			bits ^= signBit
		} else {
			bits = ^bits
		}
		v.SetFloat(math.Float64frombits(bits))
	}
	if !fits {
		return fmt.Errorf("the number of bits %#x does not fit a %s", bits, v.Type())
	}
	return nil
}

// checker is a codec that can tell beforehand that it carries nothing.
type checker interface{ check() error }

// choose returns codec, or fallback for nil.
//
// # Errors
//
// client.ErrBadConfig for a codec that carries nothing.
func choose[T any](what string, codec, fallback Codec[T]) (Codec[T], error) {
	if codec == nil {
		codec = fallback
	}
	if c, ok := codec.(checker); ok {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", client.ErrBadConfig, what, err)
		}
	}
	return codec, nil
}

// encode returns the bytes of a value.
func encode[T any](what string, codec Codec[T], value T) ([]byte, error) {
	data, err := codec.Append(nil, value)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadValue, what, err)
	}
	return data, nil
}

// decode reads the bytes of a value.
func decode[T any](what string, codec Codec[T], data []byte) (T, error) {
	value, err := codec.Parse(data)
	if err != nil {
		return value, fmt.Errorf("%w: %s: %w", client.ErrBadReply, what, err)
	}
	return value, nil
}
