package wasmsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"

	"github.com/groutlabs/grout/wasmsm/prepare"
	"github.com/tetratelabs/wazero"
)

// Runtime compiles modules and holds what their machines share. It is safe for concurrent use.
type Runtime struct {
	config Config
	engine wazero.Runtime
	cache  wazero.CompilationCache

	mu      sync.Mutex
	closed  bool
	modules map[[sha256.Size]byte]*sharedModule
}

// sharedModule is one compiled module for all that asked for it.
type sharedModule struct {
	ready    chan struct{} // closed when code or err is set
	code     wazero.CompiledModule
	prepared *prepare.Prepared
	err      error
	users    int // guarded by Runtime.mu
	// fresh is what freshMemory returns, once it was asked for.
	once     sync.Once
	fresh    []byte
	freshErr error
	// scratch has memories that instances begin with which get another one at once.
	scratch sync.Pool
}

// NewRuntime returns a runtime. Close frees it, after its machines.
func NewRuntime(config Config) (*Runtime, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	ctx := context.Background()
	rc := config.engine()
	r := &Runtime{config: config, modules: make(map[[sha256.Size]byte]*sharedModule)}
	if config.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(config.CacheDir)
		if err != nil {
			return nil, fmt.Errorf("wasmsm: the compilation cache in %s cannot be used: %w", config.CacheDir, err)
		}
		r.cache, rc = cache, rc.WithCompilationCache(cache)
	}
	r.engine = wazero.NewRuntimeWithConfig(ctx, rc)
	if err := r.addHostModules(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close frees the runtime and everything compiled in it.
func (r *Runtime) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	ctx := context.Background()
	err := r.engine.Close(ctx)
	if r.cache != nil {
		err = errors.Join(err, r.cache.Close(ctx))
	}
	return err
}

// Compile prepares and compiles a module. Modules with the same bytes share one compilation, also
// when they are asked for at the same time. The bytes are not kept.
//
// # Errors
//
// A module that was refused gives a *BadModuleError. The result must be closed.
func (r *Runtime) Compile(module []byte) (*CompiledModule, error) {
	digest := sha256.Sum256(module)
	shared, first, err := r.acquire(digest)
	if err != nil {
		return nil, err
	}
	if first {
		shared.prepared, shared.code, shared.err = r.compile(module)
		close(shared.ready)
	}
	<-shared.ready
	if shared.err != nil {
		r.release(digest)
		return nil, shared.err
	}
	return &CompiledModule{runtime: r, shared: shared, digest: digest}, nil
}

func (r *Runtime) acquire(digest [sha256.Size]byte) (shared *sharedModule, first bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, false, ErrClosed
	}
	shared, ok := r.modules[digest]
	if !ok {
		shared = &sharedModule{ready: make(chan struct{})}
		r.modules[digest] = shared
	}
	shared.users++
	return shared, !ok, nil
}

// release gives a use of a compiled module back; the last one frees the code.
func (r *Runtime) release(digest [sha256.Size]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shared := r.modules[digest]
	shared.users--
	if shared.users > 0 {
		return
	}
	delete(r.modules, digest)
	if shared.code != nil && !r.closed {
		// The engine's Close of compiled code never fails.
		_ = shared.code.Close(context.Background())
	}
}

// compile turns a panic of the engine into an error: the module comes from outside, and other
// groups live in this process.
func (r *Runtime) compile(module []byte) (prepared *prepare.Prepared, code wazero.CompiledModule, err error) {
	prepared, err = prepare.Prepare(module, r.config.Prepare)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = badCode(fmt.Sprintf("the engine failed on it: %v\n%s", p, debug.Stack()))
		}
	}()
	code, err = r.engine.CompileModule(context.Background(), prepared.Module)
	if cacheFailed(err) {
		// The module is compiled, and only the cache did not take it. The engine keeps it in memory, where
		// it is found now.
		code, err = r.engine.CompileModule(context.Background(), prepared.Module)
	}
	switch {
	case cacheFailed(err):
		return nil, nil, fmt.Errorf("wasmsm: keeping the compiled code: %w", err)
	case err != nil:
		return nil, nil, badCode("it does not validate: " + err.Error())
	}
	return prepared, code, nil
}

// cacheFailed tells a disk that takes nothing, or is broken, from a module that the engine refuses: only the
// latter is so on every host.
func cacheFailed(err error) bool {
	_, path := errors.AsType[*fs.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	return path || link
}

func badCode(cause string) *BadModuleError {
	return &BadModuleError{Cause: cause, Section: "code", Function: prepare.NoFunction}
}
