package prepare

import (
	"cmp"
	"slices"

	"github.com/groutlabs/grout/wasmsm/internal/leb128"
)

// nearBytes is how far apart data segments may be that are written as one, with zeros between. The engine keeps 24 bytes
// for each segment of each instance, and linkers of Go leave runs of eight zeros out: 31,000 segments in a small program.
const nearBytes = 64

// writeData appends the data section. Segments that are near each other become one where nobody can tell: no two
// overlap, so nothing is in the memory between them but zeros, and code does not name them.
func (m *parsed) writeData(out []byte) []byte {
	sorted := m.mergeable()
	if sorted == nil {
		return m.copySection(out, sectionData)
	}
	content, n := []byte(nil), uint32(0)
	for ; len(sorted) > 0; n++ {
		near := 1
		for near < len(sorted) && sorted[near].offset-sorted[near-1].end() <= nearBytes {
			near++
		}
		content = m.appendMerged(content, sorted[:near])
		sorted = sorted[near:]
	}
	return appendSection(out, sectionData, append(appendU32(nil, n), content...))
}

// mergeable returns the segments in the memory's order, or nil unless all are active ones in the module's own
// memory, no two overlap, and no section tells the code how many there are.
func (m *parsed) mergeable() []dataSegment {
	if len(m.segments) < 2 || len(m.segments) != m.data0 || m.dataCount >= 0 || m.sections[sectionMemory] == nil {
		return nil
	}
	sorted := slices.SortedStableFunc(slices.Values(m.segments), func(a, b dataSegment) int { return cmp.Compare(a.offset, b.offset) })
	for i, s := range sorted[1:] {
		if s.offset < sorted[i].end() {
			return nil
		}
	}
	return sorted
}

// appendMerged appends one segment that has all of some, with zeros between them.
func (m *parsed) appendMerged(out []byte, segments []dataSegment) []byte {
	first, last := segments[0], segments[len(segments)-1]
	out = append(out, 0, opI32Const)
	out = append(leb128.AppendSigned(out, int64(int32(uint32(first.offset)))), opEnd)
	out = appendU32(out, uint32(last.end()-first.offset))
	at := first.offset
	for _, s := range segments {
		out = append(out, make([]byte, s.offset-at)...)
		out = append(out, m.data[s.bytes.start:s.bytes.end]...)
		at = s.end()
	}
	return out
}

// end is where the segment ends in the memory.
func (s dataSegment) end() uint64 { return s.offset + uint64(s.bytes.end-s.bytes.start) }
