package chaos

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// The requests of the kv machine that the clients use.
const (
	verbPut = "put"
	verbCAS = "cas"
	verbGet = "get"
)

// operation is one request on one key of the kv machine.
type operation struct {
	verb string
	key  string
	// value is what put and cas write, old what cas expects.
	value, old string
}

// request is the operation in the machine's own words.
func (o operation) request() string {
	switch o.verb {
	case verbPut:
		return "put " + o.key + " " + o.value
	case verbCAS:
		return "cas " + o.key + " " + o.old + " " + o.value
	}
	return "get " + o.key
}

// outcome is what the client was told.
type outcome struct {
	// unknown means that nobody told: the operation may happen at any time, or never.
	unknown bool
	// found and value answer a get, done a put or cas.
	found bool
	value string
	done  bool
}

// register is the model of one key: its value, "" while it has none.
var register = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		value, o, a := state.(string), input.(operation), output.(outcome)
		switch o.verb {
		case verbPut:
			return a.unknown || a.done, o.value
		case verbCAS:
			if value == o.old && value != "" {
				return a.unknown || a.done, o.value
			}
			return a.unknown || !a.done, value
		}
		return a.found == (value != "") && a.value == value, value
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}
