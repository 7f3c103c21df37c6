package prepare

import (
	"fmt"
	"strings"
)

// NoFunction is BadModuleError.Function when the fault is not inside a function's code.
const NoFunction = -1

// BadModuleError says why a module was refused, and where.
type BadModuleError struct {
	// Cause says what was wrong and, where it is known, what to do.
	Cause string
	// Section names the section, "" when the fault is not inside one.
	Section string
	// Function is the index of the function, imported ones counted, or NoFunction.
	Function int
	// FunctionName is the function's name from the name section, "" when there is none.
	FunctionName string
	// Offset is the position in the module, in bytes.
	Offset int
}

// Error implements error.
func (e *BadModuleError) Error() string {
	var b strings.Builder
	b.WriteString("prepare: bad module: ")
	if e.Section != "" {
		fmt.Fprintf(&b, "%s section, ", e.Section)
	}
	if e.Function != NoFunction {
		fmt.Fprintf(&b, "function %d", e.Function)
		if e.FunctionName != "" {
			fmt.Fprintf(&b, " (%s)", e.FunctionName)
		}
		b.WriteString(", ")
	}
	fmt.Fprintf(&b, "byte %d (%#x): %s", e.Offset, e.Offset, e.Cause)
	return b.String()
}
