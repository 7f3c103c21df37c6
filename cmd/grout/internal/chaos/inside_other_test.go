//go:build !linux

package chaos

import (
	"errors"
	"testing"
)

const (
	insideDir  = "GROUT_CHAOS_INSIDE"
	insideTask = "GROUT_CHAOS_TASK"
)

// Namespaces are Linux's. Elsewhere the test runs over proxies.
func runInside(t *testing.T, _ string) bool {
	if *on != "auto" {
		t.Fatalf("-network %s: this machine does not allow it", *on)
	}
	return false
}

func runTask(*testing.T, string, string) {}

func newNamespaces(uint64, []string) (network, error) {
	return nil, errors.New("there are no namespaces")
}

func newFullableDisk(string) (disk, error) { return nil, errors.New("there are no mounts") }

func limitFiles(int) error { return errors.New("a process's files cannot be limited") }

func nothingLeft(*testing.T, string) {}
