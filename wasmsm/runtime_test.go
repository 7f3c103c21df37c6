package wasmsm

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestCompileShares shows that the same module is compiled once, however many ask for it at the
// same time, and that its machines outlive the compiled module's handle.
func TestCompileShares(t *testing.T) {
	r := newTestRuntime(t, Config{CacheDir: t.TempDir()})
	var wait sync.WaitGroup
	machines := make([]*Machine, 8)
	for i := range machines {
		wait.Go(func() {
			c, err := r.Compile(probeModule)
			if err != nil {
				t.Error(err)
				return
			}
			if machines[i], err = c.New(MachineConfig{}); err != nil {
				t.Error(err)
			}
			if err := errors.Join(c.Close(), c.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, m := range machines {
		if m == nil || m.module.shared != machines[0].module.shared {
			t.Fatal("a module was compiled twice")
		}
		wantApplied(t, apply(t, m, 1, operation(opOutput, 4096, 4)), "data")
		if err := errors.Join(m.Close(), m.Close()); err != nil {
			t.Error(err)
		}
		_, err := m.Apply(at(1), nil)
		wantError(t, err, ErrClosed)
	}
	if len(r.modules) != 0 {
		t.Errorf("%d modules are left", len(r.modules))
	}
}

// TestBadModules shows that both the preparer's and the engine's refusals are a *BadModuleError, and
// that a refused module is not remembered.
func TestBadModules(t *testing.T) {
	r := newTestRuntime(t, Config{})
	ill := append([]byte(nil), probeModule...)
	at := strings.Index(string(ill), "\x6d\x0b") // i32.div_s, end
	ill[at] = 0x7c                               // i64.add
	unaligned := append([]byte(nil), probeModule...)
	unaligned[strings.Index(string(unaligned), "\x28\x02")+1] = 3 // i32.load, aligned to 8 bytes
	for name, test := range map[string]struct {
		module []byte
		want   string
	}{
		"no module": {[]byte("hello, world"), "this is no WebAssembly module"},
		"ill typed": {ill, "the code does not validate: a value has the type i32, it must be i64"},
		"unaligned": {unaligned, "it does not validate: "},
	} {
		_, err := r.Compile(test.module)
		var bad *BadModuleError
		if !errors.As(err, &bad) || !strings.Contains(bad.Cause, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(r.modules) != 0 {
		t.Errorf("%d refused modules are remembered", len(r.modules))
	}
}

// TestCacheFails shows that a cache that takes nothing any more, as on a full disk, says nothing about a module.
func TestCacheFails(t *testing.T) {
	dir := t.TempDir()
	r := newTestRuntime(t, Config{CacheDir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := r.Compile(probeModule)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.New(MachineConfig{})
		if err != nil {
			t.Fatal(err)
		}
		wantApplied(t, apply(t, m, 1, operation(opOutput, 4096, 4)), "data")
		if err := errors.Join(m.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestConfigIsChecked shows which configurations are refused, and that the defaults are filled in.
func TestConfigIsChecked(t *testing.T) {
	for _, limits := range []Limits{{MemoryBytes: -1}, {MemoryBytes: 4 << 30}, {Events: -1}, {OutputBytes: 2 << 30}} {
		_, err := NewRuntime(Config{Limits: limits})
		wantError(t, err, ErrLimits)
	}
	if _, err := NewRuntime(Config{Memory: 9}); err == nil {
		t.Error("an unknown kind of memory was accepted")
	}
	if _, err := NewRuntime(Config{CacheDir: "/proc/none"}); err == nil {
		t.Error("a cache that cannot be written was accepted")
	}
	if got := (Limits{Events: 5}).or(defaultLimits); got.Events != 5 || got.MemoryBytes != 256<<20 || got.OutputBytes != 512<<10 {
		t.Errorf("limits %+v", got)
	}
}

// TestClosedRuntime shows that a closed runtime compiles nothing.
func TestClosedRuntime(t *testing.T) {
	r, err := NewRuntime(Config{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Compile(probeModule)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = r.Compile(probeModule)
	wantError(t, err, ErrClosed)
	_, err = c.New(MachineConfig{})
	wantError(t, err, ErrClosed)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
