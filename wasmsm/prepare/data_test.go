package prepare

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/groutlabs/grout/wasmsm/internal/leb128"
	"github.com/tetratelabs/wazero"
)

// segment is an active data segment as a module has it.
func segment(offset int, text string) []byte {
	return slices.Concat(leb128.AppendSigned(raw(0, opI32Const), int64(offset)), raw(opEnd), str(text))
}

// TestNearDataIsMerged shows which segments become one, and that the memory begins as it would have.
func TestNearDataIsMerged(t *testing.T) {
	passive := slices.Concat(raw(1), str("passive"))
	for name, c := range map[string]struct {
		segments [][]byte
		counted  bool
		want     uint32
	}{
		"near":             {segments: [][]byte{segment(100, "ab"), segment(110, "cd"), segment(112, "ef")}, want: 1},
		"as far as may be": {segments: [][]byte{segment(100, "ab"), segment(102+nearBytes, "cd")}, want: 1},
		"too far":          {segments: [][]byte{segment(100, "ab"), segment(103+nearBytes, "cd"), segment(200, "ef")}, want: 2},
		"out of order":     {segments: [][]byte{segment(110, "cd"), segment(100, "ab"), segment(40000, "z")}, want: 2},
		"empty":            {segments: [][]byte{segment(100, ""), segment(110, "cd"), segment(112, "")}, want: 1},
		"overlapping":      {segments: [][]byte{segment(100, "abcd"), segment(102, "ef")}, want: 2},
		"the same place":   {segments: [][]byte{segment(100, "ab"), segment(100, "cd")}, want: 2},
		"inside another":   {segments: [][]byte{segment(100, "abcdefgh"), segment(102, "x"), segment(105, "y")}, want: 3},
		"a passive one":    {segments: [][]byte{segment(100, "ab"), passive, segment(110, "cd")}, want: 3},
		"counted":          {segments: [][]byte{segment(100, "ab"), segment(110, "cd")}, counted: true, want: 2},
		"at the end":       {segments: [][]byte{segment(pageSize-4, "ab"), segment(pageSize-2, "cd")}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDraft().with(sectionData, vec(c.segments...))
			if c.counted {
				d = d.with(sectionDataCount, leb(len(c.segments)))
			}
			module := d.bytes()
			prepared := mustPrepare(t, module)
			if got := dataCountOf(t, prepared.Module); got != c.want {
				t.Errorf("%d segments, want %d", got, c.want)
			}
			if !bytes.Equal(memoryOf(t, prepared.Module), memoryOf(t, module)) {
				t.Error("the memory begins differently")
			}
		})
	}
}

// TestDataOutsideTheMemoryStaysSo shows that no merging lets a module start that could not.
func TestDataOutsideTheMemoryStaysSo(t *testing.T) {
	for name, last := range map[string][]byte{"beyond": segment(pageSize-1, "cd"), "empty, beyond": segment(pageSize+1, "")} {
		module := newDraft().with(sectionData, vec(segment(pageSize-8, "ab"), last)).bytes()
		if memory := memoryOf(t, mustPrepare(t, module).Module); memory != nil {
			t.Errorf("%s: the module starts", name)
		}
	}
}

const pageSize = 1 << 16

// dataCountOf reads the number of data segments.
func dataCountOf(t *testing.T, module []byte) uint32 {
	t.Helper()
	r := newReader(module)
	for r.pos = len(preamble); r.left() > 0 && r.err == nil; {
		id, size := r.byte("an id"), r.u32("a size")
		if id == sectionData {
			return r.u32("the number of segments")
		}
		r.bytes(int(size), "a section")
	}
	t.Fatal("no data section", r.err)
	return 0
}

// memoryOf returns the memory that an instance begins with, or nil if the module cannot be instantiated.
func memoryOf(t *testing.T, module []byte) []byte {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	addOutputWrite(t, r)
	m, err := r.Instantiate(ctx, module)
	if err != nil {
		return nil
	}
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	return bytes.Clone(memory)
}
