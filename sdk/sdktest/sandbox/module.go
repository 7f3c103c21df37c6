package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/groutlabs/grout/sdk/build"
	"github.com/groutlabs/grout/wasmsm"
)

// modules has what was built in this process, by folder or file: the tests of a package share one build. It lives as long as
// the process, and so a file that changes meanwhile is not read again.
var modules struct {
	sync.Mutex
	runtime *wasmsm.Runtime
	built   map[string]*built
}

// built is a module, and its code once it was needed.
type built struct {
	bytes   []byte
	code    *wasmsm.CompiledModule
	stables map[startKey]*stable
}

// Module returns the bytes of the module that config names, built if it is a folder.
func Module(ctx context.Context, config Config) ([]byte, error) {
	modules.Lock()
	defer modules.Unlock()
	b, err := find(ctx, config)
	if err != nil {
		return nil, err
	}
	return b.bytes, nil
}

// compiled is the module that config names, with its code.
func compiled(ctx context.Context, config Config) (*built, error) {
	modules.Lock()
	defer modules.Unlock()
	b, err := find(ctx, config)
	if err != nil || b.code != nil {
		return b, err
	}
	if modules.runtime == nil {
		if modules.runtime, err = wasmsm.NewRuntime(wasmsm.Config{CacheDir: os.Getenv(CacheVariable)}); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	if b.code, err = modules.runtime.Compile(b.bytes); err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", config.source(), err)
	}
	return b, nil
}

// find builds or reads a module, or finds it. The caller holds the lock.
func find(ctx context.Context, config Config) (*built, error) {
	if config.Dir != "" && config.File != "" {
		return nil, errors.New("sandbox: Config has both Dir and File: name the folder to build or the module to run")
	}
	source, err := filepath.Abs(config.source())
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if known := modules.built[source]; known != nil {
		return known, nil
	}
	bytes, err := config.bytes(ctx, source)
	if err != nil {
		return nil, err
	}
	if modules.built == nil {
		modules.built = map[string]*built{}
	}
	modules.built[source] = &built{bytes: bytes}
	return modules.built[source], nil
}

func (c Config) source() string {
	if c.File != "" {
		return c.File
	}
	return c.Dir
}

func (c Config) bytes(ctx context.Context, source string) ([]byte, error) {
	if c.File == "" {
		return buildIn(ctx, source)
	}
	bytes, err := os.ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return bytes, nil
}

// buildIn compiles the package in a folder.
func buildIn(ctx context.Context, dir string) ([]byte, error) {
	scratch, err := os.MkdirTemp("", "grout-sandbox-")
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	out := filepath.Join(scratch, "module.wasm")
	output, err := build.Command(ctx, dir, build.Arguments(out, false)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("sandbox: building %s: %w\n%s", dir, err, output)
		return nil, errors.Join(err, os.RemoveAll(scratch))
	}
	bytes, err := os.ReadFile(out)
	return bytes, errors.Join(err, os.RemoveAll(scratch))
}
