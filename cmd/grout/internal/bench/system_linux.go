package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// syncData writes a file's bytes to the device, but not its time stamps.
func syncData(file *os.File) error { return unix.Fdatasync(int(file.Fd())) }

// processorTime is what this process used so far.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // its arguments are constants
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
