package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData writes a file's bytes to the device, but not its time stamps.
func syncData(file *os.File) error { return unix.Fdatasync(int(file.Fd())) }
