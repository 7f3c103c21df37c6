package check

import "fmt"

// DifferenceError is what Run returns when runs differ.
type DifferenceError struct {
	// Command is the number of the first command after which they do, from 1; 0 is the start.
	Command int
	// What differs: "kind", "code", "message", "output", "events", "fuel", "state" or "error".
	What string
	// Runs are the two runs, and Values what each of them has.
	Runs, Values [2]string
}

// Error implements error.
func (e *DifferenceError) Error() string {
	where := "after the start"
	if e.Command > 0 {
		where = fmt.Sprintf("after command %d", e.Command)
	}
	return fmt.Sprintf("check: %s the runs differ in their %s: %s has %s, %s has %s",
		where, e.What, e.Runs[0], e.Values[0], e.Runs[1], e.Values[1])
}
