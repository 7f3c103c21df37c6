package warm

import (
	"flag"
	"os"
	"testing"

	"github.com/groutlabs/grout/wasmsm"
)

var (
	cache  = flag.String("cache", "", "the folder of the cache")
	module = flag.String("module", "", "the module to compile; without one there is nothing to do")
)

func TestWarm(t *testing.T) {
	if *module == "" {
		t.Skip("no -module")
	}
	binary, err := os.ReadFile(*module)
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := wasmsm.NewRuntime(wasmsm.Config{CacheDir: *cache})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runtime.Compile(binary); err != nil {
		t.Fatal(err)
	}
	if err := runtime.Close(); err != nil {
		t.Fatal(err)
	}
}
