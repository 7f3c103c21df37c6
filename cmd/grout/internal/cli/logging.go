package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	urfave "github.com/urfave/cli/v2"
)

// logFlags are the flags of verbs that run hosts.
func logFlags(level string) []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: flagReadyFile, Usage: "a `FILE` that is written, with the NATS URL, when everything is ready"},
		&urfave.StringFlag{Name: flagLogLevel, Value: level, Usage: "debug, info, warn or error"},
		&urfave.StringFlag{Name: flagLogFormat, Value: "text", Usage: "text or json"},
	}
}

// logger makes the log that the flags ask for, on standard error.
func (c *call) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.cli.String(flagLogLevel))); err != nil {
		return nil, usage("%s: --log-level %q: use debug, info, warn or error", c.verb, c.cli.String(flagLogLevel))
	}
	return newLogger(c.console.err, level, c.cli.String(flagLogFormat), c.verb)
}

func newLogger(to io.Writer, level slog.Level, format, verb string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch strings.ToLower(format) {
	case "text":
		return slog.New(slog.NewTextHandler(to, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, options)), nil
	}
	return nil, usage("%s: --log-format %q: use text or json", verb, format)
}

// writeReadyFile writes --ready-file, whole or not at all.
func (c *call) writeReadyFile(url string) error {
	path := c.cli.String(flagReadyFile)
	if path == "" {
		return nil
	}
	scratch := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(scratch, []byte(url+"\n"), 0o644); err != nil {
		return fmt.Errorf("%s: --ready-file: %w", c.verb, err)
	}
	if err := os.Rename(scratch, path); err != nil {
		return fmt.Errorf("%s: --ready-file: %w", c.verb, err)
	}
	return nil
}
