package wasmsm

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What a hostile module may cost, in a process that other groups live in. The bounds are several times what is
// measured on a slow machine: they are there to notice what is out of all proportion.
const (
	hostileSeconds = 60
	hostileBytes   = 1 << 30
)

// hostileLimits keep runaway commands short.
var hostileLimits = Limits{Fuel: 20_000_000, QueryFuel: 20_000_000, MemoryBytes: 64 << 20}

// neighbour is another group's machine in the same runtime, at work all the time.
type neighbour struct {
	machine *Machine
	stop    atomic.Bool
	done    chan uint64
}

func startNeighbour(t *testing.T, r *Runtime) *neighbour {
	n := &neighbour{machine: newTestMachine(t, r, cModule, MachineConfig{}), done: make(chan uint64)}
	go func() {
		index := uint64(0)
		defer func() { n.done <- index }()
		for !n.stop.Load() && index < 1_000_000 {
			index++
			if _, err := n.machine.Apply(at(index), neighbourCommand(index)); err != nil {
				t.Errorf("the neighbour broke at %d: %v", index, err)
				return
			}
		}
	}()
	return n
}

// neighbourCommand fills a stack and empties it, so that its memory stays small.
func neighbourCommand(index uint64) []byte {
	if index%97 == 0 {
		return []byte("nonsense")
	}
	return fmt.Appendf(nil, "touch %d", index)
}

// check shows that the neighbour is in the state of one that was alone.
func (n *neighbour) check(t *testing.T, r *Runtime) {
	n.stop.Store(true)
	applied := <-n.done
	alone := newTestMachine(t, r, cModule, MachineConfig{})
	for index := uint64(1); index <= applied; index++ {
		apply(t, alone, index, neighbourCommand(index))
	}
	if applied == 0 || fingerprint(t, alone) != fingerprint(t, n.machine) {
		t.Errorf("after %d commands the neighbour has another state than one that was alone", applied)
	}
}

// bounded runs do and shows that it takes neither too long nor too much of the heap.
func bounded(t *testing.T, name string, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	do()
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc // the neighbour's too
	t.Logf("%-32s %7.3fs, %6d KiB allocated", name, took.Seconds(), allocated>>10)
	if took > hostileSeconds*time.Second || allocated > hostileBytes {
		t.Errorf("%s took %s and allocated %d bytes", name, took, allocated)
	}
}

// TestHostileModulesAreRefused shows modules that never run: each is refused with what is wrong and where, quickly,
// while another group works on undisturbed.
func TestHostileModulesAreRefused(t *testing.T) {
	r := newTestRuntime(t, Config{})
	n := startNeighbour(t, r)
	for name, module := range decodeBombs() {
		bounded(t, name, func() {
			_, err := r.Compile(module)
			if bad := (*BadModuleError)(nil); !errors.As(err, &bad) {
				t.Errorf("%s: %v, want a *BadModuleError", name, err)
			}
		})
	}
	most := binary32(math.MaxUint32)
	for want, module := range map[string][]byte{
		"start section":                   hostile{begin: uleb(len(hostImports) + 5)}.module(),
		"return_call is refused":          hostile{apply: []byte{0x20, 0, 0x12, byte(len(hostImports) + 1)}}.module(),
		"return_call_indirect is refused": hostile{apply: []byte{0x20, 0, 0x41, 0, 0x13, 0, 0}}.module(),
		"table.grow is refused":           hostile{apply: []byte{0xd0, 0x70, 0x41, 1, 0xfc, 15, 0}, table: 1}.module(),
		"the tables have 1000001 entries": hostile{table: 1_000_001}.module(),
		"branch targets":                  hostile{apply: slices.Concat(number(0), []byte{0x0e}, most)}.module(),
		"blocks are open":                 hostile{apply: bytes.Repeat([]byte{0x02, 0x40}, 20_001)}.module(),
		"too costly to compile":           hostile{apply: giantTable(100_000)}.module(),
		"65537 to 65536 pages":            hostile{pages: 65_537}.module(),
	} {
		bounded(t, want, func() {
			_, err := r.Compile(module)
			if bad := (*BadModuleError)(nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
	n.check(t, r)
}

// binary32 is a number in five bytes of LEB128.
func binary32(n uint32) []byte { return uleb(int(n)) }

// giantTable is a br_table with n targets inside a block.
func giantTable(n int) []byte {
	return slices.Concat([]byte{0x02, 0x40}, number(0), []byte{0x0e}, uleb(n), make([]byte, n+1), []byte{0x0b}, number(0))
}

// decodeBombs are modules of a few bytes whose sections claim to hold very much.
func decodeBombs() map[string][]byte {
	preamble := []byte("\x00asm\x01\x00\x00\x00")
	most := binary32(math.MaxUint32)
	bombs := map[string][]byte{}
	for id := byte(1); id < 15; id++ {
		bombs[fmt.Sprintf("section %d, count", id)] = slices.Concat(preamble, wasmSection(id, most))
		bombs[fmt.Sprintf("section %d, a million", id)] = slices.Concat(preamble, wasmSection(id, append(uleb(1_000_000), 0, 0, 0, 0)))
		bombs[fmt.Sprintf("section %d, size", id)] = slices.Concat(preamble, []byte{id}, most)
	}
	bombs["custom, size"] = slices.Concat(preamble, []byte{0}, most)
	bombs["custom, name"] = slices.Concat(preamble, wasmSection(0, most))
	return bombs
}
