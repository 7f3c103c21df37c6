package wasmsm

import (
	"log"
	"os"
	"testing"
)

// compiled is where all tests keep compiled code, so that the Go guest is compiled once.
var compiled string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasmsm")
	if err != nil {
		log.Fatal(err)
	}
	compiled = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}
