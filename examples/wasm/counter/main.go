// Command counter is the smallest useful machine: a number that commands add to.
package main

import (
	"math"
	"strconv"

	"github.com/groutlabs/grout/sdk"
)

// The codes of refusals, for clients that look at Grout-Machine-Code.
const (
	codeNotANumber = 1
	codeOverflow   = 2
	codeBadQuery   = 3
)

// counter's state is one number: Grout snapshots it with the rest of the memory.
type counter struct {
	value int64
	// reply is used again by every call, as the SDK allows: no command allocates.
	reply []byte
}

func init() { sdk.Register(&counter{}) }

func main() {} // never runs: the host calls Apply and Query

// Apply adds the command, a decimal integer (nothing means 1), and answers the new value.
func (c *counter) Apply(_ *sdk.Context, command []byte) ([]byte, error) {
	delta := int64(1)
	if len(command) > 0 {
		parsed, err := strconv.ParseInt(string(command), 10, 64)
		if err != nil {
			return nil, sdk.Refuse(codeNotANumber,
				"counter: %.40q is not a whole number: send one from %d to %d, or nothing for 1", command, math.MinInt64, math.MaxInt64)
		}
		delta = parsed
	}
	if sum := c.value + delta; (sum > c.value) != (delta > 0) && delta != 0 {
		return nil, sdk.Refuse(codeOverflow, "counter: %d%+d does not fit into 64 bits: the value stays", c.value, delta)
	}
	c.value += delta
	return c.answer(), nil
}

// Query answers the value. The query is empty.
func (c *counter) Query(_ *sdk.Context, query []byte) ([]byte, error) {
	if len(query) > 0 {
		return nil, sdk.Refuse(codeBadQuery, "counter: %.40q is no query: send an empty one to get the value", query)
	}
	return c.answer(), nil
}

func (c *counter) answer() []byte {
	c.reply = strconv.AppendInt(c.reply[:0], c.value, 10)
	return c.reply
}
