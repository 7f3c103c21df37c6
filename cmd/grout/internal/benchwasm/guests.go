package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/groutlabs/grout/wasmsm/prepare"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// errNoToolchain means that a guest cannot be built here.
var errNoToolchain = errors.New("no toolchain: install clang and lld")

// build compiles a guest from its sources, which are beside this file.
func build(guest string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "benchwasm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	const sources = "cmd/grout/internal/benchwasm/"
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, "./"+sources+"goguest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if guest == "c" {
		if _, err := exec.LookPath("clang"); err != nil {
			return nil, errNoToolchain
		}
		cmd = exec.Command("clang", "--target=wasm32", "-O2", "-nostdlib", "-mbulk-memory", "-Wl,--no-entry", "-o", out, sources+"cguest/guest.c")
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the %s guest: %w\n%s", guest, err, text)
	}
	return os.ReadFile(out)
}

// copies is how often each module is compiled and instantiated: where the system puts code and memory makes a
// difference of up to a third by itself, for a small loop.
const copies = 4

// pair is a module, as it is and prepared.
type pair struct {
	runtimes    [2][copies]wazero.Runtime
	apply       [2][copies]api.Function
	fuel, stack [copies]api.MutableGlobal
	compileTime [2]time.Duration
	bytes       int
}

// input is what the guests read.
var input [16]byte

func open(ctx context.Context, module []byte) (*pair, error) {
	prepared, err := prepare.Prepare(module, prepare.Limits{})
	if err != nil {
		return nil, err
	}
	p := &pair{bytes: len(prepared.Module)}
	for which, code := range [][]byte{module, prepared.Module} {
		for n := range copies {
			r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
			p.runtimes[which][n] = r
			if err := addHost(ctx, r); err != nil {
				return nil, err
			}
			began := time.Now()
			compiled, err := r.CompileModule(ctx, code)
			if err != nil {
				return nil, err
			}
			if took := time.Since(began); n == 0 || took < p.compileTime[which] {
				p.compileTime[which] = took
			}
			if err := p.instantiate(ctx, compiled, which, n); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *pair) instantiate(ctx context.Context, compiled wazero.CompiledModule, which, n int) error {
	m, err := p.runtimes[which][n].InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return err
	}
	if which == 1 {
		p.fuel[n], p.stack[n] = m.ExportedGlobal(prepare.FuelGlobal).(api.MutableGlobal), m.ExportedGlobal(prepare.StackGlobal).(api.MutableGlobal)
		p.fill(n)
	}
	if start := m.ExportedFunction("_initialize"); start != nil {
		if _, err := start.Call(ctx); err != nil {
			return err
		}
	}
	p.apply[which][n] = m.ExportedFunction("grout_apply")
	return nil
}

func (p *pair) close(ctx context.Context) error {
	var err error
	for _, runtimes := range p.runtimes {
		for _, r := range runtimes {
			err = errors.Join(err, r.Close(ctx))
		}
	}
	return err
}

const budget = 1 << 50

func (p *pair) fill(n int) {
	p.fuel[n].Set(budget)
	p.stack[n].Set(prepare.StackSlots)
}

func (p *pair) compiled(guest string, bytes int) string {
	return fmt.Sprintf("%s guest: %d bytes, prepared %d; compiled in %v, prepared in %v", guest, bytes, p.bytes,
		p.compileTime[0].Round(time.Millisecond), p.compileTime[1].Round(time.Millisecond))
}

// call runs rounds of an operation on the machine n.
func (p *pair) call(ctx context.Context, which, n int, op byte, rounds uint32) (time.Duration, error) {
	input[0] = op
	binary.LittleEndian.PutUint32(input[1:], rounds)
	if which == 1 {
		p.fill(n)
	}
	began := time.Now()
	result, err := p.apply[which][n].Call(ctx, uint64(len(input)))
	took := time.Since(began)
	if err == nil && result[0] != 0 {
		err = fmt.Errorf("the guest returned %d", result[0])
	}
	return took, err
}

// addHost offers what the guests import, as little as they need.
func addHost(ctx context.Context, r wazero.Runtime) error {
	for _, name := range []string{prepare.ModuleGrout, prepare.ModuleWASI} {
		b := r.NewHostModuleBuilder(name)
		for function, signature := range prepare.AllowedImports(name) {
			params, results := signature.Types()
			b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
				host(function, m, stack)
			}), params, results).Export(function)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// clock only ever goes on, since Go's runtime looks at it.
var clock uint64 = 1

func host(function string, m api.Module, stack []uint64) {
	switch function {
	case "input_read":
		n := min(uint32(stack[2]), uint32(len(input)))
		b, ok := m.Memory().Read(uint32(stack[0]), n)
		if ok {
			copy(b, input[:])
		}
		stack[0] = uint64(n)
	case "clock_time_get":
		clock++
		m.Memory().WriteUint64Le(uint32(stack[2]), clock)
		stack[0] = 0
	case "environ_sizes_get", "args_sizes_get":
		m.Memory().WriteUint32Le(uint32(stack[0]), 0)
		m.Memory().WriteUint32Le(uint32(stack[1]), 0)
		stack[0] = 0
	case "fd_prestat_get":
		stack[0] = 8 // EBADF: there are no files
	case "output_write":
	default:
		if len(stack) > 0 {
			stack[0] = 0
		}
	}
}

// result is one row's numbers.
type result struct {
	plain, prepared float64 // nanoseconds of one round
	ratio           float64
	fuel            int64 // of one round
}

// warmSlices is how many slices each machine runs before it is measured: until a garbage collector's heap has its size,
// allocations touch new pages, and the row would show the kernel.
const warmSlices = 100

// measure lets both modules take turns, and compares their best times: on a machine that does other work
// besides, those are the least disturbed.
func measure(ctx context.Context, p *pair, op byte, turns int, slice time.Duration) (result, error) {
	rounds := uint32(1)
	for {
		took, err := p.call(ctx, 0, 0, op, rounds)
		if err != nil {
			return result{}, err
		}
		if took > slice || rounds > 1<<24 {
			break
		}
		rounds *= 2
	}
	for which := range p.apply {
		for n := range copies {
			if _, err := p.call(ctx, which, n, op, rounds*warmSlices); err != nil {
				return result{}, err
			}
		}
	}
	best := [2]time.Duration{math.MaxInt64, math.MaxInt64}
	for turn := range turns {
		for which := range best {
			took, err := p.call(ctx, which, turn%copies, op, rounds)
			if err != nil {
				return result{}, err
			}
			best[which] = min(best[which], took)
		}
	}
	plain, prepared := float64(best[0])/float64(rounds), float64(best[1])/float64(rounds)
	return result{plain, prepared, prepared / plain, (budget - int64(p.fuel[(turns-1)%copies].Get())) / int64(rounds)}, nil
}
