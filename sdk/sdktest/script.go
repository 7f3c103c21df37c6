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
