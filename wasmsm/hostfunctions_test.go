package wasmsm

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A record calls one import: its number in two bytes, and nine arguments of eight bytes each, little-endian.
const (
	recordBytes = 2 + 9*8
	// recordAt is where the guest reads a record to, resultAt where it puts what the import returns.
	recordAt   = 1024
	resultAt   = 2048
	maxRecords = 12
)

// switchboard is a machine whose command or query is a record.
func switchboard() []byte {
	code := slices.Concat(number(recordAt), number(0), number(recordBytes), callImport("input_read"), []byte{0x1a})
	for i, h := range hostImports {
		params, results, _ := strings.Cut(string(h.signature), ":")
		code = slices.Concat(code, number(recordAt), []byte{0x2f, 0, 0}, number(uint32(i)), []byte{0x46, 0x04, 0x40})
		if results != "" {
			code = append(code, number(resultAt)...)
		}
		for at, p := range params {
			load := map[rune]byte{'i': 0x28, 'I': 0x29}[p]
			code = slices.Concat(code, number(recordAt), []byte{load, 0}, uleb(2+8*at))
		}
		code = slices.Concat(code, []byte{0x10}, uleb(i))
		if store, ok := map[string]byte{"i": 0x36, "I": 0x37}[results]; ok {
			code = append(code, store, 0, 0)
		}
		code = append(code, 0x0b)
	}
	code = append(code, number(0)...)
	return hostile{apply: code, query: code, pages: 2}.module()
}

// record is a command for the switchboard.
func record(name string, arguments ...uint64) []byte {
	i := slices.IndexFunc(hostImports, func(h hostImport) bool { return h.name == name })
	b := binary.LittleEndian.AppendUint16(nil, uint16(i))
	for _, a := range arguments {
		b = binary.LittleEndian.AppendUint64(b, a)
	}
	return append(b, make([]byte, recordBytes-len(b))...)
}

// corners are arguments at the edges of memories and of numbers.
var corners = []uint64{0, 1, 4, 1000, recordAt, 2*pageBytes - 1, 2*pageBytes - 8, 2 * pageBytes, 1 << 31, math.MaxUint32 - 7, math.MaxUint32, math.MaxUint64}

// switchboards are machines of the same module on every kind of memory and both engines.
type switchboards struct {
	names    []string
	machines []*Machine
	start    Image
}

// newSwitchboards makes them once for all runs of a test binary: they end with the process.
var newSwitchboards = sync.OnceValues(func() (*switchboards, error) {
	s := &switchboards{}
	configs := map[string]Config{"interpreter": {Engine: EngineInterpreter, Memory: MemoryCopy}}
	for name, kind := range memoryKinds() {
		configs[name] = Config{Memory: kind}
	}
	for name, config := range configs {
		r, err := NewRuntime(config)
		if err != nil {
			return nil, err
		}
		c, err := r.Compile(switchboard())
		if err != nil {
			return nil, err
		}
		m, err := c.New(MachineConfig{Seed: [32]byte{3}, Limits: Limits{Fuel: 3_000_000, QueryFuel: 3_000_000, LogBytes: 1000}})
		if err != nil {
			return nil, err
		}
		s.names, s.machines = append(s.names, name), append(s.machines, m)
	}
	var err error
	s.start, err = s.machines[0].Image()
	return s, err
})

// run applies records and shows that all machines agree on each outcome and state, and that what failed left no trace.
func (s *switchboards) run(t *testing.T, records [][]byte) {
	for _, m := range s.machines {
		if err := m.Restore(s.start); err != nil {
			t.Fatal(err)
		}
	}
	before := fingerprint(t, s.machines[0])
	for i, record := range records {
		var first, state string
		for n, m := range s.machines {
			asked := query(t, m, uint64(i), record)
			outcome := apply(t, m, uint64(i+1), record)
			if asked.Kind == Refused || outcome.Kind == Refused {
				t.Fatalf("record %d: a switchboard never refuses: %+v, %+v", i, asked, outcome)
			}
			ended, now := fmt.Sprintf("%+v %+v", outcome, asked), fingerprint(t, m)
			if n == 0 {
				first, state = ended, now
			}
			if ended != first || now != state {
				t.Fatalf("record %d (%x): %s has %.300s and %s, %s has %.300s and %s", i, record, s.names[0], first, state, s.names[n], ended, now)
			}
			if outcome.Kind != Applied && now != before {
				t.Fatalf("record %d (%x) trapped and left something: %.300s", i, record, ended)
			}
		}
		before = state
	}
}

// TestHostFunctions shows that every function of the host takes any arguments at the edges: it works or traps, the
// same on both engines and every memory, and leaves nothing when it traps.
func TestHostFunctions(t *testing.T) {
	s, err := newSwitchboards()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hostImports {
		params, _, _ := strings.Cut(string(h.signature), ":")
		var records [][]byte
		for a := range corners {
			for b := range corners {
				arguments := make([]uint64, len(params))
				for i := range arguments {
					arguments[i] = corners[(a*(1-i%2)+b*(i%2)+i/2)%len(corners)]
				}
				records = append(records, record(h.name, arguments...))
			}
			if len(params) < 2 {
				records = records[:a+1]
			}
		}
		s.run(t, records)
	}
}

// FuzzHostFunctions calls the host's functions in any order with any arguments.
func FuzzHostFunctions(f *testing.F) {
	for _, h := range hostImports {
		for _, c := range corners {
			f.Add(append(record(h.name, c, c, c, c, c, c, c, c, c), record(h.name, 64, 8, c, 16, 1, c, 3)...))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := newSwitchboards()
		if err != nil {
			t.Fatal(err)
		}
		var records [][]byte
		for len(data) > 0 && len(records) < maxRecords {
			n := min(len(data), recordBytes)
			one := slices.Clone(data[:n])
			if n >= 2 { // most numbers are none of an import
				binary.LittleEndian.PutUint16(one, binary.LittleEndian.Uint16(one)%uint16(len(hostImports)+1))
			}
			records, data = append(records, one), data[n:]
		}
		s.run(t, records)
	})
}
