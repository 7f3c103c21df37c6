package prepare

import (
	"fmt"
	"strconv"
	"strings"
)

// specValue is a value of the specification's tests: its bits in decimal, a kind of NaN, or a
// reference.
type specValue struct {
	Type  string
	Value any
}

// bits is the value as the engine takes it. It takes 0 for a null reference, so that others are
// moved by one.
func (v specValue) bits() uint64 {
	text, ok := v.Value.(string)
	if !ok || text == "null" {
		return 0
	}
	width := 64
	if v.Type == "i32" || v.Type == "f32" {
		width = 32
	}
	n, err := strconv.ParseUint(text, 10, width)
	if err != nil {
		signed, err := strconv.ParseInt(text, 10, width)
		if err != nil {
			panic(err)
		}
		n = uint64(signed) & (1<<width - 1)
	}
	if v.Type == "externref" {
		n++
	}
	return n
}

func (v specValue) matches(got uint64) error {
	ok := false
	switch text, _ := v.Value.(string); {
	case v.Value == nil: // any reference
		ok = true
	case strings.HasPrefix(text, "nan:"):
		ok = v.isNaN(got, text == "nan:canonical")
	case v.Type == "i32" || v.Type == "f32":
		ok = uint32(got) == uint32(v.bits())
	default:
		ok = got == v.bits()
	}
	if !ok {
		return fmt.Errorf("the result is %#x, want %s %v", got, v.Type, v.Value)
	}
	return nil
}

// isNaN asks for the canonical bits but for the sign, or for the first bit of the payload.
func (v specValue) isNaN(got uint64, canonical bool) bool {
	nan, payload := uint64(0x7ff8)<<48, uint64(1)<<51-1
	if v.Type == "f32" {
		nan, payload = 0x7fc00000, 1<<22-1
	}
	return got&nan == nan && (!canonical || got&payload == 0)
}

// specTraps are the engine's words for the specification's.
var specTraps = map[string]string{
	"indirect call": "indirect call type mismatch", "undefined element": "invalid table access", "undefined": "invalid table access",
	"out of bounds table access": "invalid table access",
}

func wantSpecTrap(err error, text string) error {
	if engine, ok := specTraps[text]; ok {
		text = engine
	} else if strings.HasPrefix(text, "uninitialized") {
		text = "invalid table access"
	}
	if err == nil || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("the trap is %q, want %q", fmt.Sprint(err), text)
	}
	return nil
}
