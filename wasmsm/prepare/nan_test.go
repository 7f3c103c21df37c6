package prepare

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// TestMadeNaNsAreCanonical shows that a NaN that arithmetic makes has the canonical bits wherever they can be
// seen, on both engines, whatever the processor makes of the operands' bits.
func TestMadeNaNsAreCanonical(t *testing.T) {
	const canonical, kept = 0x7ff8000000000000, 0xfff4000000000123
	x := slices.Concat(op(opLocalGet, 0), raw(0xbf))                      // the argument as a float
	double := binary.LittleEndian.AppendUint64([]byte{opF64Const}, 2<<61) // 2.0
	made := slices.Concat(x, double, raw(0xa0))                           // x + 2
	bits := raw(0xbd)                                                     // i64.reinterpret_f64
	zero := raw(opI32Const, 0)                                            // an address
	set, get := op(opLocalSet, 1), op(opLocalGet, 1)                      // a local that arithmetic alone sets
	load, store := raw(0x2b, 3, 0), raw(0x39, 3, 0)                       // f64.load, f64.store
	single := slices.Concat(made, raw(0xb6, 0xbb))                        // through an f32
	accumulate := slices.Concat(get, x, raw(0xa0), set)                   // l += x
	loop := slices.Concat(raw(opLoop, blockEmpty), accumulate, raw(opI32Const, 0), op(opBrIf, 0), raw(opEnd), get, bits)
	for name, test := range map[string]struct {
		body []byte
		want uint64
	}{
		"sum":             {append(made, bits...), canonical},
		"0/0":             {slices.Concat(get, get, raw(0xa3), bits), canonical},
		"root":            {slices.Concat(raw(opF64Const), make([]byte, 6), raw(0xf0, 0xbf, 0x9f), bits), canonical},
		"stored":          {slices.Concat(zero, made, store, zero, raw(0x29, 3, 0)), canonical},
		"f32":             {append(single, bits...), canonical},
		"local":           {slices.Concat(made, set, get, bits), canonical},
		"mixed local":     {slices.Concat(x, set, made, set, get, bits), canonical},
		"loop":            {loop, canonical},
		"block":           {slices.Concat(raw(opBlock, byte(typeF64)), made, raw(opI32Const, 1), op(opBrIf, 0), raw(opEnd), bits), canonical},
		"select":          {slices.Concat(made, x, raw(opI32Const, 1, opSelect), bits), canonical},
		"select of made":  {slices.Concat(made, made, raw(opI32Const, 1, opSelect), bits), canonical},
		"negated":         {slices.Concat(made, raw(0x9a), bits), canonical},
		"sign to copy":    {slices.Concat(double, made, raw(0xa6), bits), 2 << 61},
		"sign copied":     {slices.Concat(made, double, raw(0x9a, 0xa6), bits), canonical | 1<<63},
		"argument":        {append(x, bits...), kept},
		"argument's sign": {slices.Concat(x, raw(0x9a), bits), kept ^ 1<<63},
		"loaded":          {slices.Concat(zero, x, store, zero, load, bits), kept},
		"kept in a local": {slices.Concat(x, set, get, bits), kept},
		"kept, selected":  {slices.Concat(made, x, raw(opI32Const, 0, opSelect), bits), kept},
		"kept when mixed": {slices.Concat(made, set, x, set, get, bits), kept},
		"after many":      {slices.Concat(bytes.Repeat(slices.Concat(zero, made, store), maxNaNBranches), made, bits), canonical},
	} {
		module := withMemory(0, test.body)
		// A local of type f64: the body declares no group of locals that is not empty.
		module = floatLocal(t, module, test.body)
		for engine, config := range engines() {
			got, _, err := outcomeOf(t, config, module, 1_000_000, kept)
			if err != nil || got != test.want {
				t.Errorf("%s, %s: %#x, want %#x; %v", name, engine, got, test.want, err)
			}
		}
	}
}

// floatLocal gives the function a local of type f64.
func floatLocal(t *testing.T, module, body []byte) []byte {
	t.Helper()
	old := sec(sectionCode, vec(code(vec(append(leb(0), i64t)), body...), code(raw(0))))
	changed := sec(sectionCode, vec(code(vec(append(leb(1), f64t)), body...), code(raw(0))))
	if !bytes.Contains(module, old) {
		t.Fatal("the code is not there")
	}
	return bytes.Replace(module, old, changed, 1)
}
