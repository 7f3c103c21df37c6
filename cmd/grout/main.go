// Command grout runs replicated state machines and talks to them. See docs/CLI.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/groutlabs/grout/cmd/grout/internal/cli"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3". Without it the package's own counts.
var version string

func main() {
	if version != "" {
		cli.Version = version
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the process, in case a clean stop takes too long for somebody.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
