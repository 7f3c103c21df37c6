package chaos

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// operation is one request on one key of the kv machine.
type operation struct {
	verb string // "put", "cas" or "get"
	key  string
	// value is what put and cas write, old what cas expects.
	value, old string
}

// answer is what the client was told.
type answer struct {
	// unknown means that nobody told: the operation may happen at any time, or never.
	unknown bool
	// found and value answer a get, done a cas.
	found bool
	value string
	done  bool
}

// register is the model of one key: its value, "" while it has none.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(operation).key
			byKey[key] = append(byKey[key], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		value, o, a := state.(string), input.(operation), output.(answer)
		switch o.verb {
		case "put":
			return true, o.value
		case "cas":
			if value == o.old && value != "" {
				return a.unknown || a.done, o.value
			}
			return a.unknown || !a.done, value
		}
		return a.unknown || (a.found == (value != "") && a.value == value), value
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}
