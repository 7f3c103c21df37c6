package wasmsm

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/groutlabs/grout/wasmsm/internal/leb128"
	"github.com/groutlabs/grout/wasmsm/prepare"
)

// hostile is a module written by hand: whatever is left out is harmless. Its functions import everything that there
// is to import.
type hostile struct {
	// apply to export are the bodies of the machine's functions, (i32) -> i32, without locals; nil returns 0.
	apply, query, init, migrate, export []byte
	// start is the body of _initialize, nil for none.
	start []byte
	// more are further functions, () -> ().
	more [][]byte
	// pages is the memory's smallest size in pages of 64 KiB, 1 when 0.
	pages int
	// table is the number of its entries, begin the start section's content.
	table int
	begin []byte
}

// hostImports are all functions that a guest may import, with their signatures.
var hostImports = func() (out []hostImport) {
	for _, module := range []string{prepare.ModuleGrout, prepare.ModuleWASI} {
		allowed := prepare.AllowedImports(module)
		for _, name := range slices.Sorted(maps.Keys(allowed)) {
			out = append(out, hostImport{module, name, allowed[name]})
		}
	}
	return out
}()

type hostImport struct {
	module, name string
	signature    prepare.Signature
}

func uleb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func vec(items ...[]byte) []byte { return append(uleb(len(items)), slices.Concat(items...)...) }

func wasmText(s string) []byte { return append(uleb(len(s)), s...) }

func wasmSection(id byte, content []byte) []byte {
	return slices.Concat([]byte{id}, uleb(len(content)), content)
}

// number is an i32.const, of any 32 bits.
func number(n uint32) []byte { return leb128.AppendSigned([]byte{0x41}, int64(int32(n))) }

// callImport calls an import by its name.
func callImport(name string) []byte {
	i := slices.IndexFunc(hostImports, func(h hostImport) bool { return h.name == name })
	return append([]byte{0x10}, uleb(i)...)
}

// callMore calls one of the further functions.
func callMore(n int) []byte { return append([]byte{0x10}, uleb(len(hostImports)+6+n)...) }

// forever repeats a body, after which nothing comes.
func forever(code ...[]byte) []byte {
	return slices.Concat([]byte{0x03, 0x40}, slices.Concat(code...), []byte{0x0c, 0, 0x0b, 0x00})
}

// then returns 0 after some code.
func then(code ...[]byte) []byte { return append(slices.Concat(code...), number(0)...) }

func wasmBody(code []byte) []byte {
	body := slices.Concat([]byte{0}, code, []byte{0x0b})
	return append(uleb(len(body)), body...)
}

func signatureTypes(letters string) []byte {
	out := uleb(len(letters))
	for _, l := range letters {
		out = append(out, map[rune]byte{'i': 0x7f, 'I': 0x7e}[l])
	}
	return out
}

// module puts it together.
func (h hostile) module() []byte {
	types := [][]byte{{0x60, 1, 0x7f, 1, 0x7f}, {0x60, 0, 0}}
	var imports, functions, code [][]byte
	for _, i := range hostImports {
		params, results, _ := bytes.Cut([]byte(i.signature), []byte(":"))
		imports = append(imports, slices.Concat(wasmText(i.module), wasmText(i.name), []byte{0}, uleb(len(types))))
		types = append(types, slices.Concat([]byte{0x60}, signatureTypes(string(params)), signatureTypes(string(results))))
	}
	var exports = [][]byte{append(wasmText("memory"), 2, 0)}
	for i, f := range []struct {
		name string
		body []byte
	}{{"grout_init", h.init}, {"grout_apply", h.apply}, {"grout_query", h.query}, {"grout_migrate", h.migrate}, {"grout_export", h.export}} {
		if f.body == nil {
			f.body = number(0)
		}
		functions, code = append(functions, []byte{0}), append(code, wasmBody(f.body))
		exports = append(exports, slices.Concat(wasmText(f.name), []byte{0}, uleb(len(hostImports)+i)))
	}
	functions, code = append(functions, []byte{1}), append(code, wasmBody(h.start))
	if h.start != nil {
		exports = append(exports, slices.Concat(wasmText("_initialize"), []byte{0}, uleb(len(hostImports)+5)))
	}
	for _, body := range h.more {
		functions, code = append(functions, []byte{1}), append(code, wasmBody(body))
	}
	var begin []byte
	if h.begin != nil {
		begin = wasmSection(8, h.begin)
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		wasmSection(1, vec(types...)), wasmSection(2, vec(imports...)), wasmSection(3, vec(functions...)),
		wasmSection(4, vec(slices.Concat([]byte{0x70, 0}, uleb(h.table)))), wasmSection(5, vec(append([]byte{0}, uleb(max(h.pages, 1))...))),
		wasmSection(7, vec(exports...)), begin, wasmSection(10, vec(code...)))
}
