package collections

import (
	"context"
	"strconv"

	"github.com/groutlabs/grout/sdk/client"
)

// Counter is a number of 64 bits, kept by the machine examples/wasm/counter. Its methods may be called from several goroutines at once, and
// their errors are those of client.Group's Execute and Query. It cannot be watched.
type Counter struct{ reader reader }

// NewCounter returns the counter of a group.
func NewCounter(group *client.Group) *Counter { return &Counter{reader{group: group}} }

// Reading returns the same counter with reads by these options.
func (c *Counter) Reading(options client.QueryOptions) *Counter {
	return &Counter{reader{c.reader.group, options}}
}

// Add adds delta and returns the sum. A sum that does not fit into 64 bits is refused with code 2, and the value stays.
func (c *Counter) Add(ctx context.Context, delta int64) (value int64, err error) {
	result, err := c.reader.group.Execute(ctx, strconv.AppendInt(nil, delta, 10))
	return number(result.Output, err)
}

// Get returns the value.
func (c *Counter) Get(ctx context.Context) (value int64, err error) {
	result, err := c.reader.ask(ctx, nil)
	return number(result.Output, err)
}

func number(answer []byte, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseInt(string(answer), 10, 64)
	if err != nil {
		return 0, badReply(err)
	}
	return value, nil
}
