package main

import (
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/keyed"
	"github.com/groutlabs/grout/examples/wasm/internal/keyed/trial"
)

// TestSandboxEqualsNative shows that random requests have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) { trial.Compare(t, keyed.Set) }

// TestRestoreAnywhere shows that a machine which is restored at any command goes on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) { trial.Check(t, keyed.Set) }

// FuzzSet shows the same on sequences of any requests, and that none traps.
func FuzzSet(f *testing.F) { trial.Fuzz(f, keyed.Set) }
