package sdk

import (
	"fmt"
	"runtime"
	"strings"
)

// describePanic says what a machine panicked with, and where: "panic: TEXT at FILE:LINE (FUNCTION)".
// It is called by the deferred function that recovered, while the panicking frames still stand.
func describePanic(recovered any) string {
	if recovered == nil {
		return "the machine called runtime.Goexit" + panicPlace("runtime.Goexit")
	}
	return fmt.Sprint("panic: ", recovered) + panicPlace("runtime.gopanic")
}

// panicPlace finds the caller of the runtime function that began the unwinding, passing over the
// runtime's own frames in between (an index out of range panics from inside the runtime).
func panicPlace(began string) string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	unwinding := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == began:
			unwinding = true
		case unwinding && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf(" at %s:%d (%s)", shortFile(frame.File), frame.Line, frame.Function)
		}
		if !more {
			return ""
		}
	}
}

// shortFile keeps the last two elements of a path: enough to find the file, and equal wherever
// the module was built.
func shortFile(path string) string {
	last := strings.LastIndexByte(path, '/')
	if last < 0 {
		return path
	}
	return path[strings.LastIndexByte(path[:last], '/')+1:]
}

// errorText is err's text. The text of a faulty error type may panic, which fmt turns into text.
func errorText(err error) string {
	if refusal, ok := err.(*Refusal); ok {
		return refusal.Message
	}
	return fmt.Sprint(err)
}
