package sandbox

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// CacheVariable is the environment variable that names a folder for compiled code, which saves a second or two of each run of a
// test. Whoever can write there can run code in the test. Unset, nothing is kept.
const CacheVariable = "GROUT_SANDBOX_CACHE"

// shareWithWorkers has the processes that `go test -fuzz` starts find the compiled code of this one: they inherit the environment.
// Each of them would compile for itself otherwise, slowly, since it counts what the compiler covers.
func shareWithWorkers(t testing.TB) error {
	if _, fuzz := t.(*testing.F); !fuzz || os.Getenv(CacheVariable) != "" || setting("test.fuzz") == "" || setting("test.fuzzworker") == "true" {
		return nil
	}
	if err := os.Setenv(CacheVariable, t.TempDir()); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	modules.Lock()
	defer modules.Unlock()
	modules.runtime, modules.built = nil, nil // compiled without a cache until now
	return nil
}

// setting is the value of a flag of the test's.
func setting(name string) string {
	f := flag.Lookup(name)
	if f == nil {
		return ""
	}
	return f.Value.String()
}
