package prepare

// Prices in fuel. One fuel is about one simple instruction; the others are what they took beside an
// addition, compiled, rounded up. A host function charges by itself, see docs/PREPARER.md.
const (
	priceSimple       = 1
	priceMemory       = 1  // a load or a store
	priceCall         = 10 // a function of at most smallPrice without loops and calls included
	priceCallIndirect = 14 // with its checks of bound and type
	priceBranchTable  = 4  // an indirect jump
	priceDivide       = 8  // integer division and remainder
	priceFloatDivide  = 6  // also square roots
	priceRound        = 2  // ceil, floor, trunc, nearest, min, max and conversions between kinds
	priceBulk         = 16 // memory.copy, memory.fill, memory.init: a call of a routine, before the bytes
	priceGrow         = 64 // memory.grow, before the pages
)

// Prices of dynamic amounts.
const (
	// bulkShift: memory.copy, memory.fill and memory.init cost one fuel for each 4 bytes.
	bulkShift = 2
	// PagePrice is what memory.grow costs for each page of 64 KiB: the kernel clears it.
	PagePrice = 4096
)

// prices has the price of each opcode of one byte.
var prices = buildPrices()

func buildPrices() (t [256]int64) {
	fill := func(from, to int, price int64) {
		for i := from; i <= to; i++ {
			t[i] = price
		}
	}
	fill(0x00, 0xff, priceSimple)
	fill(0x00, 0x03, 0) // unreachable, nop, block, loop: no code
	t[opElse], t[opEnd] = 0, 0
	t[opBrTable] = priceBranchTable
	t[opCall], t[opCallIndirect] = priceCall, priceCallIndirect
	fill(0x28, 0x3e, priceMemory)
	t[opMemoryGrow] = priceGrow
	fill(0x6d, 0x70, priceDivide)
	fill(0x7f, 0x82, priceDivide)
	for _, base := range []int{0x8b, 0x99} { // f32 and f64: abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign
		fill(base+2, base+5, priceRound)
		t[base+6], t[base+10] = priceFloatDivide, priceFloatDivide
		fill(base+11, base+12, priceRound)
	}
	fill(0xa8, 0xab, priceRound) // truncations to i32
	fill(0xae, 0xb6, priceRound) // truncations to i64, conversions to f32, demotion
	fill(0xb7, 0xbb, priceRound) // conversions to f64, promotion
	return t
}

// price is what an instruction costs beside dynamic amounts.
func price(op uint16) int64 {
	switch {
	case op < 0x100:
		return prices[op]
	case op <= opTruncSatLast:
		return priceRound
	case op == opMemoryInit || op == opMemoryCopy || op == opMemoryFill:
		return priceBulk
	}
	return priceSimple
}
