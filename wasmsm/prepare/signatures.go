package prepare

// signatures has the operand and result types of the opcodes of one byte whose types do not depend on
// anything else, miscSignatures those after the prefix 0xfc. "" means that check.go knows the rest.
var (
	signatures     = buildSignatures()
	miscSignatures = [18]Signature{
		0: "f:i", 1: "f:i", 2: "F:i", 3: "F:i", 4: "f:I", 5: "f:I", 6: "F:I", 7: "F:I",
		8: "iii:", 9: ":", 10: "iii:", 11: "iii:", 12: "iii:", 13: ":", 14: "iii:", 15: "ri:i", 16: ":i", 17: "iri:",
	}
)

func buildSignatures() (t [256]Signature) {
	for _, row := range []struct {
		from, to  int
		signature Signature
	}{
		{0x01, 0x01, ":"}, // nop
		{0x25, 0x25, "i:r"}, {0x26, 0x26, "ir:"},
		{0x28, 0x28, "i:i"}, {0x29, 0x29, "i:I"}, {0x2a, 0x2a, "i:f"}, {0x2b, 0x2b, "i:F"}, {0x2c, 0x2f, "i:i"}, {0x30, 0x35, "i:I"},
		{0x36, 0x36, "ii:"}, {0x37, 0x37, "iI:"}, {0x38, 0x38, "if:"}, {0x39, 0x39, "iF:"}, {0x3a, 0x3b, "ii:"}, {0x3c, 0x3e, "iI:"},
		{0x3f, 0x3f, ":i"}, {0x40, 0x40, "i:i"},
		{0x41, 0x41, ":i"}, {0x42, 0x42, ":I"}, {0x43, 0x43, ":f"}, {0x44, 0x44, ":F"},
		{0x45, 0x45, "i:i"}, {0x46, 0x4f, "ii:i"}, {0x50, 0x50, "I:i"}, {0x51, 0x5a, "II:i"}, {0x5b, 0x60, "ff:i"}, {0x61, 0x66, "FF:i"},
		{0x67, 0x69, "i:i"}, {0x6a, 0x78, "ii:i"}, {0x79, 0x7b, "I:I"}, {0x7c, 0x8a, "II:I"},
		{0x8b, 0x91, "f:f"}, {0x92, 0x98, "ff:f"}, {0x99, 0x9f, "F:F"}, {0xa0, 0xa6, "FF:F"},
		{0xa7, 0xa7, "I:i"}, {0xa8, 0xa9, "f:i"}, {0xaa, 0xab, "F:i"}, {0xac, 0xad, "i:I"}, {0xae, 0xaf, "f:I"}, {0xb0, 0xb1, "F:I"},
		{0xb2, 0xb3, "i:f"}, {0xb4, 0xb5, "I:f"}, {0xb6, 0xb6, "F:f"}, {0xb7, 0xb8, "i:F"}, {0xb9, 0xba, "I:F"}, {0xbb, 0xbb, "f:F"},
		{0xbc, 0xbc, "f:i"}, {0xbd, 0xbd, "F:I"}, {0xbe, 0xbe, "i:f"}, {0xbf, 0xbf, "I:F"}, {0xc0, 0xc1, "i:i"}, {0xc2, 0xc4, "I:I"},
		{0xd0, 0xd0, ":r"}, {0xd1, 0xd1, "r:i"}, {0xd2, 0xd2, ":r"},
	} {
		for op := row.from; op <= row.to; op++ {
			t[op] = row.signature
		}
	}
	return t
}

// nanClass says what an instruction makes of the bits of NaNs.
type nanClass uint8

const (
	// nanShows: the operands' bits can be told from its result or effect.
	nanShows nanClass = iota
	// nanMakes: they cannot, and the result may be a NaN whose bits the processor chose.
	nanMakes
	// nanHides: they cannot, and the result is no float.
	nanHides
	// nanPasses: the result is its operand but for the sign.
	nanPasses
	// nanNumber: the result is a float that is never a NaN of the processor's choice.
	nanNumber
)

// nanClasses has the class of each opcode of one byte.
var nanClasses = buildNanClasses()

func buildNanClasses() (t [256]nanClass) {
	fill := func(from, to int, class nanClass) {
		for op := from; op <= to; op++ {
			t[op] = class
		}
	}
	fill(0x5b, 0x66, nanHides)              // comparisons
	for _, abs := range []int{0x8b, 0x99} { // f32, f64: abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign
		fill(abs, abs+1, nanPasses)
		fill(abs+2, abs+12, nanMakes)
	}
	fill(0xa8, 0xab, nanHides) // truncations
	fill(0xae, 0xb1, nanHides)
	fill(0xb2, 0xb5, nanNumber) // conversions of integers
	fill(0xb7, 0xba, nanNumber)
	fill(0xb6, 0xb6, nanMakes) // demotion, promotion
	fill(0xbb, 0xbb, nanMakes)
	fill(0x1a, 0x1a, nanHides) // drop
	return t
}

func nanClassOf(op uint16) nanClass {
	if op < 0x100 {
		return nanClasses[op]
	}
	if op <= opTruncSatLast {
		return nanHides
	}
	return nanShows
}
