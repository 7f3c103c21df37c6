package sdktest

import "fmt"

// Step is one request of a script.
type Step struct {
	// Query says that it is a query, and not a command.
	Query bool
	Input string
}

// String describes the step for messages.
func (s Step) String() string {
	if s.Query {
		return fmt.Sprintf("query %.80q", s.Input)
	}
	return fmt.Sprintf("command %.80q", s.Input)
}

// Script is a sequence of requests.
type Script []Step

// Commands is a script of commands.
func Commands(inputs ...string) Script {
	script := make(Script, len(inputs))
	for i, input := range inputs {
		script[i].Input = input
	}
	return script
}

// Queries is a script of queries. append joins scripts.
func Queries(inputs ...string) Script {
	script := Commands(inputs...)
	for i := range script {
		script[i].Query = true
	}
	return script
}

// Do runs one step.
func (h *Harness) Do(step Step) Outcome {
	h.t.Helper()
	if step.Query {
		return h.Query(step.Input)
	}
	return h.Apply(step.Input)
}

// A script as the fuzzer has it, step by step:
//
//	head u8: 0x80 for a query, and the size of the input if that is below 127, otherwise 127 | size u16 | input
//
// The size is big-endian. Any bytes are a script, a size that promises more than there is means the rest: so whatever the fuzzer
// changes is a script again.
const (
	queryBit  = 0x80
	longInput = 0x7f
)

// EncodeScript returns a script as the bytes that Fuzz reads, for a corpus of one's own. Inputs over 65,535 bytes are cut off.
func EncodeScript(script Script) []byte {
	var data []byte
	for _, step := range script {
		input := step.Input[:min(len(step.Input), 1<<16-1)]
		head := byte(min(len(input), longInput))
		if step.Query {
			head |= queryBit
		}
		data = append(data, head)
		if len(input) >= longInput {
			data = append(data, byte(len(input)>>8), byte(len(input)))
		}
		data = append(data, input...)
	}
	return data
}

// DecodeScript reads at most steps steps.
func DecodeScript(data []byte, steps int) Script {
	var script Script
	for len(data) > 0 && len(script) < steps {
		head := data[0]
		data = data[1:]
		size := int(head & longInput)
		if size == longInput && len(data) >= 2 {
			size = int(data[0])<<8 | int(data[1])
			data = data[2:]
		}
		size = min(size, len(data))
		script = append(script, Step{head&queryBit != 0, string(data[:size])})
		data = data[size:]
	}
	return script
}
