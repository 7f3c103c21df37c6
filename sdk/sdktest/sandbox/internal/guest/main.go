// Command guest is a machine that the tests of package sandbox run natively and in the sandbox.
package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/groutlabs/grout/sdk"
)

// guest counts words. fault, in native tests alone, has it differ from what is built.
type guest struct {
	fault  string
	counts map[string]int
}

func newGuest() *guest { return &guest{counts: map[string]int{}} }

func init() { sdk.Register(newGuest()) }

func main() {}

// Init implements sdk.Initializer. The argument is a word that is counted already.
func (g *guest) Init(ctx *sdk.Context, arg []byte) error {
	if string(arg) == "refuse" {
		return sdk.Refuse(3, "told to refuse at index %d and time %d", ctx.Index(), ctx.Time().UnixNano())
	}
	if string(arg) == "speak" {
		ctx.Log(sdk.LevelInfo, "started")
	}
	if len(arg) > 0 {
		g.counts[string(arg)]++
	}
	return nil
}

// Apply counts a word, and does something for some of them.
func (g *guest) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	word := string(command)
	g.counts[word]++
	switch word {
	case "late":
		return nil, sdk.Refuse(2, "refused after it was counted")
	case "panic":
		panic("told to panic")
	case "dice":
		return strconv.AppendUint(nil, ctx.Uint64(), 16), nil
	case "loop":
		for g.fault == "" {
			g.counts["spin"]++
		}
	}
	ctx.Log(sdk.LevelWarn, "counted %s", word)
	ctx.Emit("counted", []byte(word))
	if g.fault == "louder" && word == "ada" {
		return []byte("ADA"), nil
	}
	return strconv.AppendInt(nil, int64(g.counts[word]), 10), nil
}

// Query answers the count of a word, and does something for some of them.
func (g *guest) Query(ctx *sdk.Context, query []byte) ([]byte, error) {
	switch string(query) {
	case "dice":
		return strconv.AppendUint(nil, ctx.Uint64(), 16), nil
	case "touch":
		g.counts["touch"]++
		return g.Export(ctx)
	}
	return strconv.AppendInt(nil, int64(g.counts[string(query)]), 10), nil
}

// Export implements sdk.Exporter.
func (g *guest) Export(*sdk.Context) ([]byte, error) {
	var state []byte
	for _, word := range slices.Sorted(maps.Keys(g.counts)) {
		state = fmt.Appendf(state, "%s %d\n", word, g.counts[word])
	}
	return state, nil
}

// Migrate implements sdk.Migrator.
func (g *guest) Migrate(_ *sdk.Context, old []byte) error {
	clear(g.counts)
	for line := range strings.Lines(string(old)) {
		word, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		count, err := strconv.Atoi(digits)
		if err != nil {
			return sdk.Refuse(4, "%q is no count", line)
		}
		g.counts[word] = count
	}
	return nil
}
