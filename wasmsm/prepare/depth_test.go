package prepare

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// recursive is a module with a function (i64) -> i64 that has the given locals and body and is exported as
// "f", and a function () -> () that does nothing, with the index 1.
func recursive(locals int, body []byte) []byte {
	return slices.Concat(preamble,
		sec(sectionType, vec(functionType(raw(i64t), raw(i64t)), functionType(nil, nil))),
		sec(sectionFunction, vec(raw(0), raw(1))),
		sec(sectionExport, vec(exp("f", kindFunction, 0))),
		sec(sectionCode, vec(code(vec(append(leb(locals), i64t)), body...), code(raw(0)))))
}

// op is an instruction with an index.
func op(code byte, index int) []byte { return appendU32([]byte{code}, uint32(index)) }

func each(n int, f func(i int) []byte) (all []byte) {
	for i := range n {
		all = append(all, f(i)...)
	}
	return all
}

// add1 adds 1 to local i.
func add1(i int) []byte {
	return slices.Concat(op(opLocalGet, i), raw(opI64Const, 1, opI64Add), op(opLocalSet, i))
}

// sumOf pushes the sum of the first n locals.
func sumOf(n int) []byte {
	return append(op(opLocalGet, 0), each(n-1, func(i int) []byte { return append(op(opLocalGet, i+1), opI64Add) })...)
}

// TestDepthEndsFirst shows that a recursion without end is ended by the limit of the prepared module and not
// by the engine's, which is another for each engine, whatever the engine has to keep on the stack for a call.
func TestDepthEndsFirst(t *testing.T) {
	const n = 100
	self := slices.Concat(op(opLocalGet, 0), op(opCall, 0), raw(opDrop))
	nothing := op(opCall, 1)
	nested := func(n int, open []byte, middle, closing []byte) []byte {
		return slices.Concat(bytes.Repeat(open, n), middle, bytes.Repeat(closing, n))
	}
	loop, block := raw(opLoop, blockEmpty), raw(opBlock, blockEmpty)
	again := slices.Concat(op(opLocalGet, 0), raw(0x50), op(opBrIf, 0), raw(opEnd)) // br_if 0 if local 0 is 0
	for name, body := range map[string][]byte{
		"small": slices.Concat(self, op(opLocalGet, 0)),
		"locals": slices.Concat(each(n, func(i int) []byte {
			return slices.Concat(op(opLocalGet, i), raw(opI64Const, 3, opI64Mul), op(opLocalSet, i+1))
		}), self, sumOf(n)),
		"operands": slices.Concat(each(n, func(i int) []byte { return append(op(opLocalGet, 0), opI64Const, byte(i%60), opI64Mul) }), self,
			bytes.Repeat(raw(opI64Add), n-1)),
		"short lives": slices.Concat(each(n, func(i int) []byte {
			return slices.Concat(add1(0), op(opLocalGet, 0), nothing, op(opLocalGet, 0), raw(opI64Add), op(opLocalSet, 0))
		}), self, op(opLocalGet, 0)),
		"loops":          slices.Concat(nested(40, slices.Concat(loop), slices.Concat(each(n, add1), self), again), sumOf(n)),
		"loops that set": slices.Concat(nested(40, slices.Concat(loop, each(n, add1)), self, slices.Concat(each(n, add1), again)), sumOf(n)),
		"blocks around":  slices.Concat(nested(40, slices.Concat(block, op(opLocalGet, 0), raw(0x50), op(opBrIf, 0)), slices.Concat(each(n, add1), self), raw(opEnd)), sumOf(n)),
		"blocks":         slices.Concat(nested(40, block, slices.Concat(each(n, add1), self), again), sumOf(n)),
		"blocks that set": slices.Concat(nested(40, slices.Concat(block, op(opLocalGet, 0), raw(0x50), op(opBrIf, 0), each(n, add1)), self,
			slices.Concat(nothing, each(n, add1), again)), sumOf(n)),
	} {
		t.Run(name, func(t *testing.T) {
			prepared, err := prepareBy(recursive(n, body), Limits{}, rules{whole: true})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
			defer r.Close(ctx)
			m, err := r.Instantiate(ctx, prepared.Module)
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.ExportedFunction("f").Call(ctx, 1)
			room := int64(m.ExportedGlobal(StackGlobal).(api.MutableGlobal).Get())
			if err == nil || !strings.Contains(err.Error(), "unreachable") || room >= 0 {
				t.Errorf("%.60v, with %d slots left", err, room)
			}
		})
	}
}
