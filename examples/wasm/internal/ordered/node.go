package ordered

import "encoding/binary"

// A node is a page:
//
//	0       kind: leaf or inner, as the size of its cells' heads
//	2..3    how many cells there are
//	4..5    where the lowest cell begins
//	6..7    how many bytes above that belong to no cell any more
//	8..     the slots, two bytes for each cell in order: where it begins
//	..4095  the cells, in any order
//
// A leaf's cell is an entry:
//
//	2 bytes  length of the key
//	2 bytes  length of the value; its top bit marks a long one, of which 8 bytes follow the key: length and first page
//	n bytes  the key, then the value
//
// An inner node's cell is a child:
//
//	2 bytes  length of the key
//	4 bytes  the child's page
//	4 bytes  how many entries are below it
//	n bytes  a key that is above all entries of the children before, and not above those of this one
//
// The key of a node's first child means nothing: whatever is below the second one's belongs to it.
//
// All numbers are little-endian.
const (
	headBytes = 8
	slotBytes = 2

	leaf  = 4
	inner = 10

	// MaxKeyBytes bounds a key.
	MaxKeyBytes = 1000
	// maxCellBytes lets at least four cells fit on a page, so that a full one can always be divided.
	maxCellBytes = (pageBytes-headBytes)/4 - slotBytes
	// long marks the value of a cell as one with pages of its own; longBytes is what the cell has in its place.
	long      = 1 << 15
	longBytes = 8
)

func (p *page) reset(kind byte) {
	p[0] = kind
	p.setWord(2, 0)
	p.setWord(4, pageBytes)
	p.setWord(6, 0)
}

func (p *page) word(at int) int { return int(binary.LittleEndian.Uint16(p[at : at+2])) }

func (p *page) setWord(at, n int) { binary.LittleEndian.PutUint16(p[at:at+2], uint16(n)) }

func (p *page) isLeaf() bool { return p[0] == leaf }

// cells is how many cells there are.
func (p *page) cells() int { return p.word(2) }

// slot is where cell i begins.
func (p *page) slot(i int) int { return p.word(headBytes + slotBytes*i) }

// cell returns the bytes of cell i.
func (p *page) cell(i int) []byte {
	at := p.slot(i)
	size := int(p[0]) + p.word(at)
	if p.isLeaf() {
		size += tailBytes(p.word(at + 2))
	}
	return p[at : at+size]
}

// tailBytes is how many bytes follow the key, by a leaf cell's second number.
func tailBytes(length int) int {
	if length&long != 0 {
		return longBytes
	}
	return length
}

func (p *page) key(i int) []byte {
	at := p.slot(i)
	from := at + int(p[0])
	return p[from : from+p.word(at)]
}

// child, below and setBelow are of an inner node's cell i.
func (p *page) child(i int) pageID {
	at := p.slot(i) + 2
	return pageID(binary.LittleEndian.Uint32(p[at : at+4]))
}

func (p *page) below(i int) int {
	at := p.slot(i) + 6
	return int(binary.LittleEndian.Uint32(p[at : at+4]))
}

func (p *page) setBelow(i, n int) {
	at := p.slot(i) + 6
	binary.LittleEndian.PutUint32(p[at:at+4], uint32(n))
}

// total is how many entries are on or below the node.
func (p *page) total() int {
	if p.isLeaf() {
		return p.cells()
	}
	sum := 0
	for i := range p.cells() {
		sum += p.below(i)
	}
	return sum
}

// used is how many bytes the cells and their slots take.
func (p *page) used() int { return pageBytes - p.word(4) - p.word(6) + slotBytes*p.cells() }

// search returns the first cell from a slot on whose key is not below key, and whether it is key.
//
// The keys between two that begin alike begin so too: what key has in common with both ends is not compared again. The loop
// calls nothing, which in a guest is half of its cost.
func (p *page) search(key []byte, from int) (slot int, found bool) {
	to, head := p.cells(), int(p[0])
	low, high := 0, 0 // how many bytes key has in common with the keys at the ends
	for from < to {
		middle := int(uint(from+to) >> 1)
		at := p.slot(middle)
		own := p[at+head : at+head+p.word(at)]
		n, i := min(len(own), len(key)), min(low, high)
		for i < n && own[i] == key[i] {
			i++
		}
		switch {
		case i == n && len(own) == len(key):
			return middle, true
		case i == n && n == len(own) || i < n && own[i] < key[i]:
			from, low = middle+1, i
		default:
			to, high = middle, i
		}
	}
	return from, false
}

// childOf returns the child of an inner node that has key, or would have it.
func (p *page) childOf(key []byte) int {
	slot, found := p.search(key, 1)
	if !found {
		slot--
	}
	return slot
}

// insert puts a cell into slot i and reports false if there is no room. spare is overwritten.
func (p *page) insert(i int, cell []byte, spare *page) bool {
	n, low := p.cells(), p.word(4)
	need := len(cell) + slotBytes
	if room := low - headBytes - slotBytes*n; room < need {
		if room+p.word(6) < need {
			return false
		}
		p.compact(spare)
		low = p.word(4)
	}
	low -= len(cell)
	copy(p[low:], cell)
	at := headBytes + slotBytes*i
	copy(p[at+slotBytes:headBytes+slotBytes*(n+1)], p[at:headBytes+slotBytes*n])
	p.setWord(at, low)
	p.setWord(2, n+1)
	p.setWord(4, low)
	return true
}

// push adds a cell behind the last one of a page that has room for it without being compacted.
func (p *page) push(cell []byte) {
	n, low := p.cells(), p.word(4)-len(cell)
	copy(p[low:], cell)
	p.setWord(headBytes+slotBytes*n, low)
	p.setWord(2, n+1)
	p.setWord(4, low)
}

// replace puts a cell in the place of cell i and reports false if it is longer.
func (p *page) replace(i int, cell []byte) bool {
	old := p.cell(i)
	if len(cell) > len(old) {
		return false
	}
	copy(old, cell)
	p.setWord(6, p.word(6)+len(old)-len(cell))
	return true
}

// drop removes cell i.
func (p *page) drop(i int) {
	n := p.cells()
	p.setWord(6, p.word(6)+len(p.cell(i)))
	at := headBytes + slotBytes*i
	copy(p[at:], p[at+slotBytes:headBytes+slotBytes*n])
	p.setWord(2, n-1)
	if n == 1 {
		p.reset(p[0])
	}
}

// compact moves the cells together. spare is overwritten.
func (p *page) compact(spare *page) {
	*spare = *p
	p.reset(spare[0])
	for i := range spare.cells() {
		p.push(spare.cell(i))
	}
}

// appendEntry appends the cell of an entry.
func appendEntry(dst, key, value []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(key)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(value)))
	dst = append(dst, key...)
	return append(dst, value...)
}

// appendLong appends the cell of an entry whose value has pages of its own.
func appendLong(dst, key []byte, length int, first pageID) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(key)))
	dst = binary.LittleEndian.AppendUint16(dst, long)
	dst = append(dst, key...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(length))
	return binary.LittleEndian.AppendUint32(dst, uint32(first))
}

// appendChild appends the cell of a child.
func appendChild(dst, key []byte, child pageID, below int) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(key)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(child))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(below))
	return append(dst, key...)
}

// tail returns what follows the key of an entry's cell: the value, or where it is with longValue true.
func tail(cell []byte) (rest []byte, longValue bool) {
	key := int(binary.LittleEndian.Uint16(cell))
	return cell[leaf+key:], binary.LittleEndian.Uint16(cell[2:])&long != 0
}

// longAt reads where a long value is.
func longAt(rest []byte) (length int, first pageID) {
	return int(binary.LittleEndian.Uint32(rest)), pageID(binary.LittleEndian.Uint32(rest[4:]))
}
