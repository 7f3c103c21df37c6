package host

import (
	"slices"
	"sync"
	"time"
)

// forgotten bounds the commands that nobody waits for, from their arrival until they are in the log, on
// their way to a leader, or dropped.
type forgotten struct {
	mu       sync.Mutex
	commands int
	bytes    int
}

// enter counts the commands of one request, or reports that there is no room for them.
func (f *forgotten) enter(commands []pendingCommand) bool {
	size := 0
	for _, c := range commands {
		size += len(c.encoded)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.commands+len(commands) > maxWaiters || f.bytes+size > maxWaiterBytes {
		return false
	}
	f.commands += len(commands)
	f.bytes += size
	return true
}

// leave counts off those of commands that nobody waits for.
func (f *forgotten) leave(commands []pendingCommand) {
	n, size := 0, 0
	for _, c := range commands {
		if c.forgotten {
			n++
			size += len(c.encoded)
		}
	}
	if n == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands -= n
	f.bytes -= size
}

// dropLate drops, in place, those that are past their deadline.
func (f *forgotten) dropLate(commands []pendingCommand, now time.Time) []pendingCommand {
	return slices.DeleteFunc(commands, func(c pendingCommand) bool {
		late := c.forgotten && !now.Before(c.deadline)
		if late {
			f.leave([]pendingCommand{c})
		}
		return late
	})
}
