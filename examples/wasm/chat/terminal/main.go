// Command terminal is a chat in a terminal: it shows what is said in a room, and says what is typed. README.md of the chat describes it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/groutlabs/grout/examples/wasm/chat/protocol"
	"github.com/groutlabs/grout/sdk/client"
)

func main() {
	var s settings
	flag.StringVar(&s.url, "nats-url", "nats://127.0.0.1:4222", "the NATS server")
	flag.StringVar(&s.group, "group", "chat", "the group that was deployed")
	flag.StringVar(&s.room, "room", "lobby", "the room")
	flag.StringVar(&s.user, "name", os.Getenv("USER"), "your name")
	flag.DurationVar(&s.lease, "lease", 15*time.Second, "how long you stay present without a sign of life, in whole seconds")
	flag.IntVar(&s.history, "history", 20, fmt.Sprintf("how many messages to show first, up to %d", protocol.MaxPage))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	url, group, room, user string
	lease                  time.Duration
	history                int
}

func (s *settings) validate() error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: everything is a flag, see -help", flag.Arg(0))
	case s.user == "":
		return errors.New("no name: give -name")
	case s.lease < time.Second || s.lease > protocol.MaxLease || s.lease%time.Second != 0:
		return fmt.Errorf("-lease %v: give whole seconds, from 1s to %v", s.lease, protocol.MaxLease)
	case s.history < 1 || s.history > protocol.MaxPage:
		return fmt.Errorf("-history %d: give 1 to %d", s.history, protocol.MaxPage)
	}
	return nil
}

func run(ctx context.Context, s settings) error {
	if err := s.validate(); err != nil {
		return err
	}
	c, err := client.Connect(client.Config{URL: s.url, Caller: s.user})
	if err != nil {
		return err
	}
	defer c.Close()
	group := c.Group(s.group)
	// Before the first look at the room, so that nothing falls between the two.
	events, err := group.Events(protocol.EventSuffix(s.room))
	if err != nil {
		return err
	}
	t := &terminal{settings: s, machine: group.Typed(client.JSON), out: os.Stdout, lines: make(chan string, maxTyped)}
	return t.run(ctx, events, os.Stdin)
}
