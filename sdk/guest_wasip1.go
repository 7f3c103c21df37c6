package sdk

import "unsafe"

// The imports of docs/ABI.md. The host reads and writes the guest's memory only during the call,
// so nothing escapes through them.

//go:wasmimport grout_v1 input_read
//go:noescape
func importInputRead(dst unsafe.Pointer, offset, length uint32) uint32

//go:wasmimport grout_v1 output_write
//go:noescape
func importOutputWrite(ptr unsafe.Pointer, length uint32)

//go:wasmimport grout_v1 error_write
//go:noescape
func importErrorWrite(ptr unsafe.Pointer, length uint32)

//go:wasmimport grout_v1 ctx_index
func importIndex() uint64

//go:wasmimport grout_v1 ctx_term
func importTerm() uint64

//go:wasmimport grout_v1 ctx_time
func importTime() int64

//go:wasmimport grout_v1 ctx_caller
//go:noescape
func importCaller(dst unsafe.Pointer, length uint32) uint32

//go:wasmimport grout_v1 random
//go:noescape
func importRandom(dst unsafe.Pointer, length uint32)

//go:wasmimport grout_v1 log
//go:noescape
func importLog(level int32, ptr unsafe.Pointer, length uint32)

//go:wasmimport grout_v1 emit
//go:noescape
func importEmit(suffix unsafe.Pointer, suffixLength uint32, ptr unsafe.Pointer, length uint32)

//go:wasmimport grout_v1 abort
//go:noescape
func importAbort(ptr unsafe.Pointer, length uint32)

// The exports of docs/ABI.md. They are exported from any module that links this package.

//go:wasmexport grout_init
func exportInit(length uint32) int32 { return serve(OperationInit, length) }

//go:wasmexport grout_apply
func exportApply(length uint32) int32 {
	code := serve(OperationApply, length)
	collect()
	return code
}

//go:wasmexport grout_query
func exportQuery(length uint32) int32 { return serve(OperationQuery, length) }

//go:wasmexport grout_export
func exportExport(length uint32) int32 { return serve(OperationExport, length) }

//go:wasmexport grout_migrate
func exportMigrate(length uint32) int32 {
	code := serve(OperationMigrate, length)
	input = make([]byte, 4<<10) // the old machine's state need not stay in the new one's
	return code
}

// input holds the bytes of the present call. It is reused, so that a command costs no allocation and
// touches the same pages of memory as the one before.
var input = make([]byte, 4<<10)

// call is the Context of every call; on this side it holds nothing.
var call Context

func serve(op Operation, length uint32) int32 {
	output, trap, err := invoke(registered, op, &call, readInput(length))
	switch {
	case trap != "":
		abort(trap)
		return -1
	case err != nil:
		text := errorText(err)
		importErrorWrite(textPointer(text), uint32(len(text)))
		return refusalCode(err)
	}
	if len(output) > 0 {
		importOutputWrite(unsafe.Pointer(unsafe.SliceData(output)), uint32(len(output)))
	}
	return 0
}

func readInput(length uint32) []byte {
	if int(length) > len(input) {
		input = make([]byte, (int(length)+4095)&^4095)
	}
	if length == 0 {
		return input[:0]
	}
	read := importInputRead(unsafe.Pointer(unsafe.SliceData(input)), 0, length)
	return input[:read:read]
}

// abort traps the call; it does not return.
func abort(message string) {
	importAbort(textPointer(message), uint32(len(message)))
}

// ending is called when runtime.Goexit ends the call's goroutine: the call could never return.
func ending(message string) { abort(message) }

func textPointer(text string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(text)) }

// environment asks the host. It is empty: a machine pays only for what it asks.
type environment struct{}

func (environment) index() uint64    { return importIndex() }
func (environment) term() uint64     { return importTerm() }
func (environment) timeNanos() int64 { return importTime() }

func (environment) caller() string {
	name := make([]byte, 64)
	length := importCaller(unsafe.Pointer(unsafe.SliceData(name)), uint32(len(name)))
	if int(length) > len(name) {
		name = make([]byte, length)
		length = importCaller(unsafe.Pointer(unsafe.SliceData(name)), length)
	}
	return string(name[:min(int(length), len(name))])
}

func (environment) random(p []byte) {
	importRandom(unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p)))
}

func (environment) log(level Level, text string) {
	importLog(int32(level), textPointer(text), uint32(len(text)))
}

func (environment) emit(suffix string, payload []byte) {
	importEmit(textPointer(suffix), uint32(len(suffix)), unsafe.Pointer(unsafe.SliceData(payload)), uint32(len(payload)))
}
