package prepare

// operands says what follows an instruction's opcode.
type operands uint8

const (
	operandsUnknown operands = iota
	operandsNone
	operandsBlock    // a block type; opens a block
	operandsLabel    // one label
	operandsIndex    // one index
	operandsTwoIndex // two indices
	operandsMemory   // alignment and offset
	operandsI32
	operandsI64
	operandsF32
	operandsF64
	operandsBrTable
	operandsTypes   // a vector of value types
	operandsRefType // a reference type
	operandsRefused
)

// Opcodes that the walk itself, or a pass, has to know. Those after the prefix 0xfc are written as
// 0xfc00 plus the second number.
const (
	opBlock = 0x02
	opLoop  = 0x03
	opIf    = 0x04
	opElse  = 0x05
	opEnd   = 0x0b

	opUnreachable  = 0x00
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45
	opI32LeU       = 0x4d
	opI64LtS       = 0x53
	opF32Eq        = 0x5b
	opF64Eq        = 0x61
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Mul       = 0x7e
	opI64Or        = 0x84
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad

	opTruncSatLast = 0xfc07
	opMemoryInit   = 0xfc08
	opMemoryCopy   = 0xfc0a
	opMemoryFill   = 0xfc0b

	blockEmpty = 0x40

	prefixMisc    = 0xfc
	prefixSIMD    = 0xfd
	prefixThreads = 0xfe
	prefixGC      = 0xfb
)

type opcode struct {
	operands operands
	// refusal names the instruction and says why it is refused.
	refusal string
}

const (
	refuseExceptions = "exceptions are refused, build without WebAssembly exception handling"
	refuseTail       = "tail calls are not supported"
	refuseTypedRefs  = "typed function references are not supported"
	refuseTable      = "tables cannot change after instantiation: they are no part of a machine's state"
	refuseSegment    = "dropped segments are no part of a machine's state"
)

// opcodes has one entry for each single-byte opcode of WebAssembly 2.0; an entry that is not set is
// an unknown instruction.
var opcodes = buildOpcodes()

func buildOpcodes() (t [256]opcode) {
	fill := func(from, to int, o operands) {
		for i := from; i <= to; i++ {
			t[i].operands = o
		}
	}
	fill(0x00, 0x01, operandsNone)  // unreachable, nop
	fill(0x02, 0x04, operandsBlock) // block, loop, if
	fill(0x05, 0x05, operandsNone)  // else
	fill(0x0b, 0x0b, operandsNone)  // end
	fill(0x0c, 0x0d, operandsLabel) // br, br_if
	fill(0x0e, 0x0e, operandsBrTable)
	fill(0x0f, 0x0f, operandsNone)     // return
	fill(0x10, 0x10, operandsIndex)    // call
	fill(0x11, 0x11, operandsTwoIndex) // call_indirect
	fill(0x1a, 0x1b, operandsNone)     // drop, select
	fill(0x1c, 0x1c, operandsTypes)    // select t
	fill(0x20, 0x25, operandsIndex)    // local.get to global.set, table.get
	fill(0x28, 0x3e, operandsMemory)   // loads and stores
	fill(0x3f, 0x40, operandsIndex)    // memory.size, memory.grow
	fill(0x41, 0x41, operandsI32)
	fill(0x42, 0x42, operandsI64)
	fill(0x43, 0x43, operandsF32)
	fill(0x44, 0x44, operandsF64)
	fill(0x45, 0xc4, operandsNone) // numeric instructions, sign extension
	fill(0xd0, 0xd0, operandsRefType)
	fill(0xd1, 0xd1, operandsNone) // ref.is_null
	for op, refusal := range refusedOpcodes {
		t[op] = opcode{operandsRefused, refusal}
	}
	return t
}

var refusedOpcodes = map[byte]string{
	0x06: "try is refused: " + refuseExceptions,
	0x07: "catch is refused: " + refuseExceptions,
	0x08: "throw is refused: " + refuseExceptions,
	0x09: "rethrow is refused: " + refuseExceptions,
	0x0a: "throw_ref is refused: " + refuseExceptions,
	0x18: "delegate is refused: " + refuseExceptions,
	0x19: "catch_all is refused: " + refuseExceptions,
	0x1f: "try_table is refused: " + refuseExceptions,
	0x12: "return_call is refused: " + refuseTail,
	0x13: "return_call_indirect is refused: " + refuseTail,
	0x14: "call_ref is refused: " + refuseTypedRefs,
	0x15: "return_call_ref is refused: " + refuseTail,
	0x26: "table.set is refused: " + refuseTable,
	// The engine keeps a host object for every ref.func that a command executes, without bound.
	0xd2: "ref.func in code is refused: take the function's address through a table",
	0xd3: "ref.eq is refused: the garbage collection proposal is not supported",
	0xd4: "ref.as_non_null is refused: " + refuseTypedRefs,
	0xd5: "br_on_null is refused: " + refuseTypedRefs,
	0xd6: "br_on_non_null is refused: " + refuseTypedRefs,
}

// miscOpcodes are those after the prefix 0xfc.
var miscOpcodes = [18]opcode{
	0:  {operands: operandsNone}, // saturating float-to-int conversions
	1:  {operands: operandsNone},
	2:  {operands: operandsNone},
	3:  {operands: operandsNone},
	4:  {operands: operandsNone},
	5:  {operands: operandsNone},
	6:  {operands: operandsNone},
	7:  {operands: operandsNone},
	8:  {operands: operandsTwoIndex}, // memory.init
	9:  {operandsRefused, "data.drop is refused: " + refuseSegment},
	10: {operands: operandsTwoIndex}, // memory.copy
	11: {operands: operandsIndex},    // memory.fill
	12: {operandsRefused, "table.init is refused: " + refuseTable},
	13: {operandsRefused, "elem.drop is refused: " + refuseSegment},
	14: {operandsRefused, "table.copy is refused: " + refuseTable},
	15: {operandsRefused, "table.grow is refused: " + refuseTable},
	16: {operands: operandsIndex}, // table.size
	17: {operandsRefused, "table.fill is refused: " + refuseTable},
}

var prefixRefusals = map[byte]string{
	prefixSIMD:    "SIMD instruction %d is refused: build without -msimd128 (or +simd128)",
	prefixThreads: "atomic instruction %d is refused: threads cannot be replicated, build without -pthread (or +atomics)",
	prefixGC:      "instruction %d of the garbage collection proposal is refused: it is not supported",
}
