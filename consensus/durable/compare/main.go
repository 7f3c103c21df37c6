package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// settings are the command's flags.
type settings struct {
	dir      string
	rounds   int
	appends  int
	recovery int
	only     string
	fill     string
}

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", os.TempDir(), "folder on the device to measure")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds over all engines")
	flag.IntVar(&s.appends, "appends", 2000, "appends per measurement")
	flag.IntVar(&s.recovery, "recovery", 1_000_000, "entries in the log that is recovered")
	flag.StringVar(&s.only, "only", "", "measure the one engine of this name")
	flag.StringVar(&s.fill, "fill", "", "fill dir by the engine of this name, and measure nothing")
	flag.Parse()
	do := run
	if s.fill != "" {
		do = fill
	}
	if err := do(s); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// engine is a log on disk for a number of groups.
type engine interface {
	// open opens the folder; groups are numbered from 0.
	open(dir string, groups int) error
	// append stores n entries after those of the group, durable on return.
	append(group, n int) error
	// vote stores a term and a vote, durable on return.
	vote(group int, term uint64) error
	// load reads the whole log of a group and returns how many entries it has.
	load(group int) (int, error)
	// keep forgets all but the last n entries of a group, and returns when that is done.
	keep(group, n int) error
	close() error
}

type contender struct {
	name string
	make func() engine
	// floor has no log to recover.
	floor bool
}

var contenders = []contender{
	{name: "bare write + fdatasync", make: func() engine { return &bare{} }, floor: true},
	{name: "grout durable (Pebble v2.1.7)", make: func() engine { return &grout{} }},
	{name: "raft-wal v0.4.0", make: func() engine { return &raftWAL{} }},
	{name: "bbolt v1.3.6", make: func() engine { return &bolt{} }},
}

// row collects what each round measured for one contender, by column.
type row map[string][]float64

var columns = []string{
	"1 entry p50 µs", "1 entry p99 µs", "64 entries p50 µs", "hard state p50 µs",
	"100 groups x 1: appends/s", "100 x 1 p99 µs", "100 groups x 64: appends/s",
	"recover s", "disk MB before", "disk MB after",
}

func run(s settings) error {
	rows := map[string]row{}
	for round := range s.rounds {
		for _, c := range contenders {
			if s.only != "" && !strings.HasPrefix(c.name, s.only) {
				continue
			}
			if rows[c.name] == nil {
				rows[c.name] = row{}
			}
			started := time.Now()
			if err := measure(s, c, rows[c.name], round == 0); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d, %s: %v\n", round+1, c.name, time.Since(started).Round(time.Millisecond))
		}
	}
	printTable(rows)
	return nil
}

func printTable(rows map[string]row) {
	fmt.Printf("| log | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, c := range contenders {
		if rows[c.name] == nil {
			continue
		}
		fmt.Printf("| %s |", c.name)
		for _, column := range columns {
			fmt.Printf(" %s |", cell(rows[c.name][column]))
		}
		fmt.Println()
	}
}

// cell is the median of the rounds.
func cell(values []float64) string {
	if len(values) == 0 {
		return "-"
	}
	slices.Sort(values)
	v := values[len(values)/2]
	if v < 20 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func fresh(s settings) (string, error) {
	return os.MkdirTemp(s.dir, "compare-")
}

// diskUse returns the bytes that the files of a folder take on the device.
func diskUse(dir string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if os.IsNotExist(err) {
			return nil // Deleted while walking.
		}
		if err != nil {
			return err
		}
		total += allocated(info)
		return nil
	})
	return total, err
}
