package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"golang.org/x/term"

	"github.com/groutlabs/grout/sdk/api"
)

// console is the three standard streams.
type console struct {
	in       io.Reader
	out, err io.Writer
	// terminal tells whether a stream is one that a person looks at.
	terminal func(stream any) bool
}

// isTerminal reports whether stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// printf writes to standard output. Its errors come to light when the process's output is closed;
// what a verb has done stays done.
func (c *console) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(c.out, format, args...); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// json writes one value, indented, and a newline.
func (c *console) json(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	return c.printf("%s\n", text)
}

// table writes rows with aligned columns; the first one is the heading.
func (c *console) table(rows [][]string) error {
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return fmt.Errorf("writing to standard output: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// errorJSON is a failure on standard error with --json.
type errorJSON struct {
	Exit        Exit     `json:"exit"`
	Kind        string   `json:"kind"`
	Text        string   `json:"text"`
	Code        api.Code `json:"code,omitempty"`
	MachineCode *int32   `json:"machine_code,omitempty"`
	Index       uint64   `json:"index,omitempty"`
	Term        uint64   `json:"term,omitempty"`
	Fuel        uint64   `json:"fuel,omitempty"`
}

// report writes a failure to standard error.
func (c *console) report(f *failure, asJSON bool) {
	if !asJSON {
		fmt.Fprintf(c.err, "grout: %s\n", printable(f.text))
		return
	}
	text, err := json.Marshal(map[string]errorJSON{"error": {
		Exit: f.exit, Kind: kinds[f.exit], Text: f.text, Code: f.code, MachineCode: f.machineCode, Index: f.index, Term: f.term, Fuel: f.fuel,
	}})
	if err != nil {
		text = []byte(err.Error())
	}
	fmt.Fprintf(c.err, "%s\n", text)
}

// printable keeps a text that comes from a machine or a server from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.TrimRight(text, "\n"))
}
