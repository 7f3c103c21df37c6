package benchkit

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory is what a process has in memory, in KiB. Shared are the checkpoints of machines, Files the program.
type Memory struct{ Resident, Anonymous, Shared, Files int64 }

// MemoryOf reads /proc/PID/status.
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("the memory of a process is read from /proc, which is Linux's: %w", err)
	}
	var m Memory
	for name, value := range map[string]*int64{"VmRSS": &m.Resident, "RssAnon": &m.Anonymous, "RssShmem": &m.Shared, "RssFile": &m.Files} {
		_, rest, ok := strings.Cut(string(text), name+":")
		if !ok {
			return Memory{}, fmt.Errorf("/proc/%d/status has no %s", pid, name)
		}
		if *value, err = strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err != nil {
			return Memory{}, fmt.Errorf("/proc/%d/status: %s: %w", pid, name, err)
		}
	}
	return m, nil
}

// ProcessorTime sums the processor time of processes so far, from /proc/PID/stat.
func ProcessorTime(pids []int) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go has
	total := time.Duration(0)
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		// The fields count from behind the name, which is in brackets: 12 and 13 are the user's and the system's time.
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			return 0, fmt.Errorf("/proc/%d/stat has %d fields after the name", pid, len(fields))
		}
		for _, field := range fields[11:13] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
			}
			total += time.Duration(ticks) * tick
		}
	}
	return total, nil
}
