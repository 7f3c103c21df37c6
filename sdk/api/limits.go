package api

import "fmt"

// MaxCommandBytes bounds a command, a query, an init argument and a result.
const MaxCommandBytes = 512 << 10

// Limits bound one group's machine, equally on every member. In a request a zero stands for the default, and for
// what a group has where the group exists.
type Limits struct {
	// MemoryBytes bounds the linear memory: growing beyond it fails, as WebAssembly has it.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// CommandBytes bounds one command, and OutputBytes the output of one command or query.
	CommandBytes int64 `json:"command_bytes,omitempty"`
	OutputBytes  int64 `json:"output_bytes,omitempty"`
	// Fuel bounds the work of one command, and QueryFuel that of one query: about one for each simple instruction
	// (docs/PREPARER.md). More is a trap.
	Fuel      int64 `json:"fuel,omitempty"`
	QueryFuel int64 `json:"query_fuel,omitempty"`
	// Events and EventBytes bound what one command emits: their number, and their suffixes and payloads together.
	Events     int64 `json:"events,omitempty"`
	EventBytes int64 `json:"event_bytes,omitempty"`
	// LogBytes bounds what one command or query logs. More is dropped.
	LogBytes int64 `json:"log_bytes,omitempty"`
	// ModuleBytes bounds the modules that the group can be deployed with and upgraded to.
	ModuleBytes int64 `json:"module_bytes,omitempty"`
}

// LimitField is one of the limits, for whoever reads, checks or shows them all.
type LimitField struct {
	// Name is the field's in JSON. One that ends in "_bytes" is a size.
	Name string
	// Value points to the field of the limits in question.
	Value *int64
	// Least and Most bound the value, Default is what a group has that was not deployed with another.
	Least, Most, Default int64
}

// Fields are all limits, in the order in which they are shown. Their values may be changed.
func (l *Limits) Fields() []LimitField {
	return []LimitField{
		{"memory_bytes", &l.MemoryBytes, 64 << 10, 65535 << 16, 256 << 20},
		{"command_bytes", &l.CommandBytes, 1, MaxCommandBytes, MaxCommandBytes},
		{"output_bytes", &l.OutputBytes, 1, MaxCommandBytes, MaxCommandBytes},
		{"fuel", &l.Fuel, 1, 1 << 50, 5_000_000_000},
		{"query_fuel", &l.QueryFuel, 1, 1 << 50, 5_000_000_000},
		{"events", &l.Events, 1, 1024, 1024},
		{"event_bytes", &l.EventBytes, 1, MaxCommandBytes, MaxCommandBytes},
		{"log_bytes", &l.LogBytes, 1, 1 << 20, 64 << 10},
		{"module_bytes", &l.ModuleBytes, 1, 64 << 20, 64 << 20},
	}
}

// DefaultLimits are those of a group that was deployed without any.
func DefaultLimits() Limits {
	var l Limits
	for _, f := range l.Fields() {
		*f.Value = f.Default
	}
	return l
}

// Or returns the limits, with every zero taken from fallback.
func (l Limits) Or(fallback Limits) Limits {
	other := fallback.Fields()
	for i, f := range l.Fields() {
		if *f.Value == 0 {
			*f.Value = *other[i].Value
		}
	}
	return l
}

// Check refuses what no machine can have. Zero is fine.
func (l Limits) Check() error {
	for _, f := range l.Fields() {
		if *f.Value != 0 && (*f.Value < f.Least || *f.Value > f.Most) {
			return fmt.Errorf("%s is %d, %d to %d is possible", f.Name, *f.Value, f.Least, f.Most)
		}
	}
	return nil
}

// LimitsRequest asks for the limits of a group, and for a change of those that are not zero.
type LimitsRequest struct {
	Group  string `json:"group"`
	Limits Limits `json:"limits"`
}

// LimitsReply answers VerbLimits.
type LimitsReply struct {
	Group  string `json:"group"`
	Limits Limits `json:"limits"`
	// Used is how far the machine goes towards its limits, as the leader's host has seen it: of memory what it
	// has, of the rest the most that a command or query took lately, and zero where nothing was seen.
	Used Limits `json:"used"`
	// Index is the entry of the group's log that brought the present limits, or their module; 0 for those of
	// the deployment.
	Index uint64 `json:"index"`
	// Alarms say which limits are near.
	Alarms []string `json:"alarms,omitempty"`
}
