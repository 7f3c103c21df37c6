package prepare

import "slices"

// canonicalizer is the pass that keeps the bits of NaNs from depending on the processor. WebAssembly lets an
// operation choose the sign and payload of a NaN that it makes, and processors choose differently.
//
// A NaN that was made is replaced by the canonical one before anything can see its bits: a store, a
// call, a branch, a reinterpretation. Arithmetic and comparisons cannot see them, so between the operations of
// an expression nothing is done; nor for a local that takes nothing but results of arithmetic, whose
// reads are treated as such results. The bits of NaNs that the guest made itself (constants, loads) are
// its own.
type canonicalizer struct {
	check   *checker
	edits   *edits
	scratch *scratch
	// branches counts those of the present function that were written.
	branches int64
}

// maxNaNBranches is how many values of a function are looked at by a branch. A branch is quick, since it is foreseen,
// where a select has what comes after wait for it. But compiling takes time with the square of a function's branches.
const maxNaNBranches = 256

func (n *canonicalizer) enter(int, body) {
	n.branches = 0
	n.check.seen = n.canonicalize
	n.check.later = append(n.check.later[:0], make([]bool, len(n.check.locals))...)
	for i, kind := range n.check.locals {
		n.check.later[i] = !n.check.survey.kept[i] && (kind == 'f' || kind == 'F')
	}
}

func (n *canonicalizer) instruction(*instruction) {}

func (n *canonicalizer) leave(body) {}

// canonicalize replaces what is on top of the stack at a place if it is a NaN.
func (n *canonicalizer) canonicalize(at int, kind byte) {
	t, nan, equal := typeF64, []byte{opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f}, byte(opF64Eq)
	if kind == 'f' {
		t, nan, equal = typeF32, []byte{opF32Const, 0, 0, 0xc0, 0x7f}, opF32Eq
	}
	local := n.scratch.use(t)
	get := appendU32([]byte{opLocalGet}, local)
	same := slices.Concat(get, get, []byte{equal})
	if n.branches == maxNaNBranches {
		text := append(appendU32([]byte{opLocalTee}, local), nan...)
		n.edits.insert(at, append(append(text, same...), opSelect)...)
		return
	}
	n.branches++
	text := append(appendU32([]byte{opLocalSet}, local), same...)
	text = append(append(text, opI32Eqz, opIf, blockEmpty), nan...)
	text = append(appendU32(append(text, opLocalSet), local), opEnd)
	n.edits.insert(at, append(text, get...)...)
}
