package prepare

import "fmt"

// Limits bound what the parser accepts. The zero value of a field means its default. The defaults
// are well above what compilers write and keep the engine's own memory, which grows with these
// numbers, within a small multiple of the module's size.
type Limits struct {
	ModuleBytes    int // default 64 MiB
	Types          int // default 20,000
	Imports        int // default 1,000
	Functions      int // default 200,000, without imports
	Tables         int // default 16
	TableEntries   int // default 1,000,000, the sum of all tables' minimum sizes
	Globals        int // default 10,000
	Exports        int // default 10,000
	ElementEntries int // default 1,000,000, the sum over all segments
	Elements       int // default 10,000
	DataSegments   int // default 100,000
	Params         int // default 255, per function type
	Results        int // default 16, per function or block type
	Locals         int // default 50,000, per function
	TotalLocals    int // default 4,000,000, the sum over all functions
	BodyBytes      int // default 8 MiB, per function
	Nesting        int // default 20,000 open blocks in one function
	NameBytes      int // default 4,096, per import or export name
	CompileCost    int // default 2,000,000,000 (a minute or two at worst), see Info.CompileCost
}

// Hard ceilings keep a configuration from lifting a limit to where the engine itself breaks.
const (
	ceilingModuleBytes = 1 << 30
	ceilingCount       = 10_000_000
)

// DefaultLimits returns the default of every limit.
func DefaultLimits() Limits {
	return Limits{
		ModuleBytes: 64 << 20, Types: 20_000, Imports: 1_000, Functions: 200_000, Tables: 16,
		TableEntries: 1_000_000, Globals: 10_000, Exports: 10_000, ElementEntries: 1_000_000,
		Elements: 10_000, DataSegments: 100_000, Params: 255, Results: 16, Locals: 50_000,
		TotalLocals: 4_000_000, BodyBytes: 8 << 20, Nesting: 20_000, NameBytes: 4_096,
		CompileCost: 2_000_000_000,
	}
}

type limitField struct {
	name    string
	value   *int
	def     int
	ceiling int
}

func (l *Limits) fields() []limitField {
	d := DefaultLimits()
	return []limitField{
		{"ModuleBytes", &l.ModuleBytes, d.ModuleBytes, ceilingModuleBytes},
		{"Types", &l.Types, d.Types, ceilingCount},
		{"Imports", &l.Imports, d.Imports, ceilingCount},
		{"Functions", &l.Functions, d.Functions, ceilingCount},
		{"Tables", &l.Tables, d.Tables, ceilingCount},
		{"TableEntries", &l.TableEntries, d.TableEntries, ceilingCount},
		{"Globals", &l.Globals, d.Globals, ceilingCount},
		{"Exports", &l.Exports, d.Exports, ceilingCount},
		{"ElementEntries", &l.ElementEntries, d.ElementEntries, ceilingCount},
		{"Elements", &l.Elements, d.Elements, ceilingCount},
		{"DataSegments", &l.DataSegments, d.DataSegments, ceilingCount},
		{"Params", &l.Params, d.Params, 1_000},
		{"Results", &l.Results, d.Results, 1_000},
		{"Locals", &l.Locals, d.Locals, ceilingCount},
		{"TotalLocals", &l.TotalLocals, d.TotalLocals, 10 * ceilingCount},
		{"BodyBytes", &l.BodyBytes, d.BodyBytes, ceilingModuleBytes},
		{"Nesting", &l.Nesting, d.Nesting, ceilingCount},
		{"NameBytes", &l.NameBytes, d.NameBytes, 1 << 20},
		{"CompileCost", &l.CompileCost, d.CompileCost, 1<<31 - 1},
	}
}

// validate fills in the defaults.
func (l *Limits) validate() error {
	for _, f := range l.fields() {
		switch {
		case *f.value == 0:
			*f.value = f.def
		case *f.value < 0 || *f.value > f.ceiling:
			return fmt.Errorf("prepare: limit %s is %d: use 1 to %d, or 0 for %d", f.name, *f.value, f.ceiling, f.def)
		}
	}
	return nil
}
