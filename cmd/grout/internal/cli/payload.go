package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/groutlabs/grout/host"
)

// payload reads a command, query or init argument: the text itself, @FILE, or - for standard input.
// @@x stands for the text @x.
func (c *call) payload(text string) ([]byte, error) {
	switch {
	case text == "-":
		return readBounded(c.console.in, "standard input")
	case strings.HasPrefix(text, "@@"):
		return []byte(text[1:]), nil
	case strings.HasPrefix(text, "@"):
		return readPayloadFile(text[1:])
	}
	return checkSize([]byte(text), "the argument")
}

func readPayloadFile(name string) (data []byte, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usage("payload: %s; write @@ for text that begins with @", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return readBounded(file, name)
}

// readBounded reads all of from, if it is no more than a payload may have.
func readBounded(from io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, host.MaxCommandBytes+1))
	if err != nil {
		return nil, fmt.Errorf("payload: reading %s: %w", name, err)
	}
	return checkSize(data, name)
}

func checkSize(data []byte, name string) ([]byte, error) {
	if len(data) > host.MaxCommandBytes {
		return nil, usage("payload: %s has more than %d bytes, the most that a command or query may have", name, host.MaxCommandBytes)
	}
	return data, nil
}
