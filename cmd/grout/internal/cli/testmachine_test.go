package cli

import "slices"

// testMachine is a module of some 250 bytes, so that tests need not wait for a compiler:
//
//	command  "r..." is refused with code 7 and the command as the message, "t..." traps, any other
//	         one becomes the state and is the answer
//	query    "r..." is refused with code 8; any other one is answered with the state
//	init     "x..." is refused with code 9
func testMachine() []byte {
	module := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range [][]byte{
		wasmSection(1, wasmList(
			[]byte{0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f}, []byte{0x60, 2, 0x7f, 0x7f, 0}, []byte{0x60, 1, 0x7f, 1, 0x7f})),
		wasmSection(2, wasmList(wasmImport("input_read", 0), wasmImport("output_write", 1), wasmImport("error_write", 1))),
		wasmSection(3, wasmList([]byte{2}, []byte{2}, []byte{2})),
		wasmSection(5, wasmList([]byte{0, 17})),
		wasmSection(6, wasmList([]byte{0x7f, 1, 0x41, 0, 0x0b})),
		wasmSection(7, wasmList(append(wasmName("memory"), 2, 0), append(wasmName("grout_init"), 0, 3),
			append(wasmName("grout_apply"), 0, 4), append(wasmName("grout_query"), 0, 5))),
		wasmSection(10, wasmList(
			wasmBody(wasmRead(scratch), wasmRefuseIf(scratch, 'x', 9), wasmReturnZero),
			wasmBody(wasmRead(0), wasmRefuseIf(0, 'r', 7), wasmTrapIf(0, 't'),
				[]byte{0x20, 0, 0x24, 0}, wasmAnswer, wasmReturnZero),
			wasmBody(wasmRead(scratch), wasmRefuseIf(scratch, 'r', 8), wasmAnswer, wasmReturnZero))),
	} {
		module = append(module, s...)
	}
	return module
}

// scratch is where queries and init arguments are read to; the state is at 0, and its length in global 0.
const scratch = 9 << 16

var (
	// wasmAnswer is output_write(0, global 0), wasmReturnZero the number 0.
	wasmAnswer     = slices.Concat(wasmConst(0), []byte{0x23, 0, 0x10, 1})
	wasmReturnZero = wasmConst(0)
)

// wasmRead is input_read(to, 0, parameter 0).
func wasmRead(to int) []byte {
	return slices.Concat(wasmConst(to), wasmConst(0), []byte{0x20, 0, 0x10, 0, 0x1a})
}

// wasmIf is what follows when the byte at an address is first.
func wasmIf(address int, first byte, then ...byte) []byte {
	return slices.Concat(wasmConst(address), []byte{0x2d, 0, 0}, wasmConst(int(first)), []byte{0x46, 0x04, 0x40}, then, []byte{0x0b})
}

func wasmTrapIf(address int, first byte) []byte { return wasmIf(address, first, 0x00) }

// wasmRefuseIf calls error_write with the input and returns the code.
func wasmRefuseIf(address int, first byte, code int) []byte {
	return wasmIf(address, first, slices.Concat(wasmConst(address), []byte{0x20, 0, 0x10, 2}, wasmConst(code), []byte{0x0f})...)
}

// wasmConst is i32.const n, n in signed LEB128.
func wasmConst(n int) []byte {
	out := []byte{0x41}
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func wasmLength(n int) []byte {
	var out []byte
	for n >= 0x80 {
		out = append(out, byte(n)|0x80)
		n >>= 7
	}
	return append(out, byte(n))
}

func wasmName(name string) []byte { return append(wasmLength(len(name)), name...) }

func wasmImport(name string, kind byte) []byte {
	return append(append(wasmName("grout_v1"), wasmName(name)...), 0, kind)
}

func wasmList(items ...[]byte) []byte {
	return append(wasmLength(len(items)), slices.Concat(items...)...)
}

func wasmBody(code ...[]byte) []byte {
	body := append([]byte{0}, append(slices.Concat(code...), 0x0b)...)
	return append(wasmLength(len(body)), body...)
}

func wasmSection(id byte, content []byte) []byte {
	return append(append([]byte{id}, wasmLength(len(content))...), content...)
}
