package prepare

import "strings"

// The sections' numbers in the binary format. Their order in a module is sectionOrder.
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
	sectionTag       = 13
)

var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element",
	"code", "data", "data count", "tag",
}

// sectionOrder gives each section its place; the data count stands before the code.
var sectionOrder = [...]int{
	sectionType: 1, sectionImport: 2, sectionFunction: 3, sectionTable: 4, sectionMemory: 5,
	sectionTag: 6, sectionGlobal: 7, sectionExport: 8, sectionStart: 9, sectionElement: 10,
	sectionDataCount: 11, sectionCode: 12, sectionData: 13,
}

// Kinds of imports and exports.
const (
	kindFunction = 0
	kindTable    = 1
	kindMemory   = 2
	kindGlobal   = 3
	kindTag      = 4
)

var kindNames = [...]string{"function", "table", "memory", "global", "tag"}

// valueType is a value type's byte.
type valueType byte

const (
	typeI32       valueType = 0x7f
	typeI64       valueType = 0x7e
	typeF32       valueType = 0x7d
	typeF64       valueType = 0x7c
	typeV128      valueType = 0x7b
	typeFuncref   valueType = 0x70
	typeExternref valueType = 0x6f
	typeExnref    valueType = 0x69
)

func (t valueType) letter() byte {
	switch t {
	case typeI32:
		return 'i'
	case typeI64:
		return 'I'
	case typeF32:
		return 'f'
	case typeF64:
		return 'F'
	}
	return 'r'
}

// span is a range of the module's bytes.
type span struct{ start, end int }

type importedFunction struct {
	module, name string
	typeIndex    uint32
}

type global struct {
	valueType valueType
	mutable   bool
}

type export struct {
	name   string
	kind   byte
	index  uint32
	offset int
}

type body struct {
	span
	code   int // where the instructions start, after the locals
	locals int // without the parameters
	// groups is the number of groups in which the locals are declared, which begin at declared.
	groups   int
	declared int
}

type customSection struct {
	name    string
	content span
}

// parsed is a module after parsing. Everything that is not decoded is copied from the module's
// bytes by the spans in sections.
type parsed struct {
	data     []byte
	sections [sectionTag + 1]*span

	types []Signature
	// results are the encoded results of each type, their number first. typesAt is where the first type begins.
	results [][]byte
	typesAt int
	// addedTypes are the types that preparation adds, by their results, and addedBytes their encoding.
	addedTypes map[string]int
	addedBytes []byte
	imports    []importedFunction
	functions  []uint32 // type indices, without the imports
	tables     int
	hasMemory  bool
	memoryMin  uint32
	memoryMax  uint32
	hasMax     bool
	globals    []global
	globalsAt  int // where the first one that is not imported begins
	// importedGlobals, the first ones, are 0 but under rules.whole.
	importedGlobals int
	rules           rules
	exports         []export
	exportNames     map[string]int
	dataCount       int // -1 without the section
	data0           int // data segments
	// segments are those of them that are active, at an offset that the module itself says.
	segments    []dataSegment
	bodies      []body
	custom      []customSection
	elements    int
	dataBytes   int
	locals      int
	compileCost int64
}

// typeOf returns the type of a function by its index, imports included.
func (p *parsed) typeOf(function uint32) (Signature, bool) {
	if int64(function) < int64(len(p.imports)) {
		return p.types[p.imports[function].typeIndex], true
	}
	local := int64(function) - int64(len(p.imports))
	if local >= int64(len(p.functions)) {
		return "", false
	}
	return p.types[p.functions[local]], true
}

// typeIndexOf returns the index of the type of a function that the module has.
func (p *parsed) typeIndexOf(function int) uint32 {
	if function < len(p.imports) {
		return p.imports[function].typeIndex
	}
	return p.functions[function-len(p.imports)]
}

// params returns the number of a function's parameters.
func (p *parsed) params(function int) int {
	signature, _ := p.typeOf(uint32(function))
	return strings.IndexByte(string(signature), ':')
}
