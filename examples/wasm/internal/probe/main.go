// Command probe is a machine that does everything a machine can do with the SDK, once for each
// command. It exists for tests.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/groutlabs/grout/sdk"
)

type probe struct {
	init    string
	applied int
	kept    []byte
	none    map[string]int // never made
}

func init() { sdk.Register(&probe{}) }

func main() {}

// Init implements sdk.Initializer.
func (p *probe) Init(_ *sdk.Context, arg []byte) error {
	if string(arg) == "refuse" {
		return sdk.Refuse(9, "probe: told to refuse")
	}
	p.init = string(arg)
	return nil
}

// Apply does what the command's first word says with the rest.
func (p *probe) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	p.applied++
	return p.run(ctx, command)
}

// Query does the same. Whatever it changes must be gone afterwards.
func (p *probe) Query(ctx *sdk.Context, query []byte) ([]byte, error) {
	p.applied += 1000
	return p.run(ctx, query)
}

func (p *probe) run(ctx *sdk.Context, request []byte) ([]byte, error) {
	verb, rest, _ := bytes.Cut(request, []byte{' '})
	switch string(verb) {
	case "echo":
		return rest, nil
	case "context":
		return fmt.Appendf(nil, "%d %d %s %q", ctx.Index(), ctx.Term(), ctx.Time().Format(time.RFC3339Nano), ctx.Caller()), nil
	case "clock": // the language's own clock has to agree
		return fmt.Append(nil, time.Now().Equal(ctx.Time())), nil
	case "init":
		return []byte(p.init), nil
	case "applied":
		return strconv.AppendInt(nil, int64(p.applied), 10), nil
	case "random":
		word := make([]byte, 8)
		ctx.Random(word)
		return fmt.Appendf(nil, "%x %d %d", word, ctx.Uint64(), rand.New(ctx).IntN(1000)), nil
	case "log":
		ctx.Log(sdk.LevelWarn, "probe says %s", rest)
	case "emit":
		suffix, payload, _ := strings.Cut(string(rest), " ")
		ctx.Emit(suffix, []byte(payload))
	case "output":
		size, err := strconv.Atoi(string(rest))
		return bytes.Repeat([]byte{'x'}, size), err
	case "garbage": // answers how many collections that much of it started
		return garbage(string(rest))
	case "memory":
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return fmt.Append(nil, stats.NumGC, " ", stats.Sys), nil
	case "keep":
		p.kept = rest // wrong on purpose: the bytes are not the machine's
		return nil, nil
	case "kept":
		return p.kept, nil
	case "sum":
		return strconv.AppendInt(nil, int64(sum(request)), 10), nil
	default:
		return p.fail(string(verb), string(rest))
	}
	return nil, nil
}

func garbage(size string) ([]byte, error) {
	var before, after runtime.MemStats
	left, err := strconv.Atoi(size)
	runtime.ReadMemStats(&before)
	for ; left > 0; left -= 1000 {
		waste = make([]byte, 1000)
	}
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(waste)
	return strconv.AppendUint(nil, uint64(after.NumGC-before.NumGC), 10), err
}

// waste makes what garbage allocates escape.
var waste []byte

func sum(b []byte) (total int) {
	for _, c := range b {
		total += int(c)
	}
	return total
}

// fail ends the call in every way but well.
func (p *probe) fail(verb, rest string) ([]byte, error) {
	var none *probe
	switch verb {
	case "refuse":
		return nil, sdk.Refuse(7, "probe: refused: %s", rest)
	case "wrapped":
		return nil, fmt.Errorf("probe: outer: %w", sdk.Refuse(8, "inner %s", rest))
	case "error":
		return nil, errors.New("probe: " + rest)
	case "panic":
		panic(rest)
	case "panic-error":
		panic(fmt.Errorf("probe: %s", rest))
	case "index":
		return []byte(rest)[len(rest)+5:], nil
	case "nil":
		none.applied++
	case "map":
		p.none[rest]++
	case "goexit":
		runtime.Goexit()
	case "deadlock":
		<-make(chan int)
	}
	return nil, sdk.Refuse(1, "probe: no verb %q", verb)
}
