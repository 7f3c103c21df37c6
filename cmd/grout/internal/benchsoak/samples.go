package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
)

const (
	// minSamples is the least to judge by: the second quarter is compared with the last.
	minSamples = 8
	// growth is how much more the last quarter may have than the second one, and slack what does not count as growth, in KiB or
	// entries: a log is cut and a garbage collector runs when it is their time.
	growth, slack = 1.15, 16 << 10

	header = "  after host  commands/s      p50      p99 | MiB: resident anonymous  data | log entries"
)

// sample is one host at one time. Memory and data are in KiB.
type sample struct {
	host             string
	memory           benchkit.Memory
	data, logEntries int64
}

// series are the samples of all hosts, in the order of time.
type series [][]sample

func (s sample) line(after time.Duration, w benchkit.Window) string {
	const mebi = 1024
	return fmt.Sprintf("%6ds %-5s %10.0f %8s %8s | %13d %9d %5d | %11d", int(after.Seconds()), s.host, w.Rate(),
		w.P50.Round(100*time.Microsecond), w.P99.Round(100*time.Microsecond),
		s.memory.Resident/mebi, s.memory.Anonymous/mebi, s.data/mebi, s.logEntries)
}

// sampleAll looks at every host.
func sampleAll(ctx context.Context, c *benchkit.Cluster) ([]sample, error) {
	statuses, err := c.Client.Admin().Status(ctx)
	if err != nil {
		return nil, err
	}
	var out []sample
	for _, name := range c.Names {
		s := sample{host: name}
		if s.memory, err = benchkit.MemoryOf(c.Pid(name)); err != nil {
			return nil, err
		}
		if s.data, err = folderKiB(filepath.Join(c.Dir, name)); err != nil {
			return nil, err
		}
		for _, status := range statuses {
			for _, g := range status.Groups {
				if status.Host == name && g.Group == benchkit.Group {
					s.logEntries = int64(g.LogEntries)
				}
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// folderKiB sums the files of a folder that is written to meanwhile.
func folderKiB(dir string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreGone(err)
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return ignoreGone(err)
	})
	return total >> 10, err
}

// ignoreGone forgives that a file was deleted meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// judge prints what each host has at the end, and how that compares with the second quarter of the time.
func (s series) judge() error {
	metrics := []struct {
		name string
		of   func(sample) int64
	}{
		{"resident KiB", func(s sample) int64 { return s.memory.Resident }}, {"anonymous KiB", func(s sample) int64 { return s.memory.Anonymous }},
		{"data KiB", func(s sample) int64 { return s.data }}, {"log entries", func(s sample) int64 { return s.logEntries }},
	}
	var errs []error
	fmt.Printf("%-5s %-14s %14s %14s %7s\n", "host", "mean", "2nd quarter", "last quarter", "ratio")
	for host := range s[0] {
		for _, m := range metrics {
			early, late := s.mean(len(s)/4, len(s)/2, host, m.of), s.mean(len(s)-len(s)/4, len(s), host, m.of)
			name := s[0][host].host
			fmt.Printf("%-5s %-14s %14d %14d %7.2f\n", name, m.name, early, late, float64(late)/float64(max(early, 1)))
			if float64(late) > growth*float64(early) && late-early > slack {
				errs = append(errs, fmt.Errorf("host %s: %s grew from %d to %d", name, m.name, early, late))
			}
		}
	}
	return errors.Join(errs...)
}

// mean is that of a host's samples from one to before another.
func (s series) mean(from, to, host int, of func(sample) int64) int64 {
	total := int64(0)
	for _, at := range s[from:to] {
		total += of(at[host])
	}
	return total / int64(to-from)
}
