package benchkit

import (
	"time"

	"golang.org/x/sys/unix"
)

// OwnProcessorTime is what this process used so far.
func OwnProcessorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // its arguments are constants
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
