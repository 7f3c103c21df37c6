package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

func randomArgument(random *rand.Rand) string {
	if random.IntN(3) == 0 {
		raw := fmt.Sprintf("%d \n%c", random.IntN(300), rune(random.IntN(256)))
		return string(appendArgument(nil, raw))
	}
	return fmt.Sprintf("key-%d", random.IntN(1000))
}

func randomCommand(random *rand.Rand) string {
	key := randomArgument(random)
	switch random.IntN(10) {
	case 0, 1:
		return "delete " + key
	case 2:
		return fmt.Sprintf("cas %s %d %d", key, random.IntN(3), random.IntN(3))
	case 3:
		return fmt.Sprintf("create %s %d", key, random.IntN(3))
	case 4:
		return "get " + key
	case 5:
		return "put " + key + " " + strings.Repeat("z", random.IntN(20_000))
	case 6:
		return "#" + key
	}
	return fmt.Sprintf("put %s %d", key, random.IntN(3))
}

func randomQuery(random *rand.Rand) string {
	switch random.IntN(5) {
	case 0:
		return "count"
	case 1:
		return fmt.Sprintf("range %s %s %d", randomArgument(random), randomArgument(random), random.IntN(50))
	case 2:
		return "range #0: #0: 100000"
	}
	return "get " + randomArgument(random)
}

// TestSandboxEqualsNative shows that random commands and queries have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) {
	twin.Compare(t, twin.Plan{
		New: func() sdk.Machine { return &kv{} }, Command: randomCommand, Query: randomQuery, Steps: 3_000,
	})
}

// FuzzKV shows on sequences of any requests that none traps or changes a pair and is refused all the same, that a store which was
// taken over at any step goes on alike, and that the sandbox agrees.
func FuzzKV(f *testing.F) {
	sdktest.Fuzzing{Machine: sdktest.Native(func() sdk.Machine { return &kv{} }), Twin: sandbox.Open(f, sandbox.Config{})}.Run(f,
		append(sdktest.Commands("put a 1", "create a 2", "cas a 1 3", "put #0: x", "put #2:b  ", "delete a", "get a", "nonsense"),
			sdktest.Queries("get b", "range", "range #0: #0: 1", "count")...))
}

func BenchmarkSandbox(b *testing.B) {
	commands := make([]string, 10_000)
	for i := range commands {
		commands[i] = fmt.Sprintf("put key-%05d value-%05d", i*7919%10_000, i)
	}
	twin.Bench(b, commands)
}

// BenchmarkSandboxManyKeys writes values of 100 bytes to 256,000 keys, so that commands find few of the pages that they
// write in the processor's caches, or written since the last checkpoint.
func BenchmarkSandboxManyKeys(b *testing.B) {
	value := strings.Repeat("v", 100)
	commands := make([]string, 256_000)
	for i := range commands {
		commands[i] = fmt.Sprintf("put k%04d-%06d %s", i%256, i/256, value)
	}
	twin.Bench(b, commands)
}
