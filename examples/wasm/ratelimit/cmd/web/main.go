// Command web is a small web server whose requests are limited by the machine ratelimit, together with those of every other one that uses the same group.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limiter"
	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
	"github.com/groutlabs/grout/sdk/client"
)

// setupTimeout bounds the wait for the group at the start, and shutdownTimeout that for requests under way at the end.
const (
	setupTimeout    = 10 * time.Second
	shutdownTimeout = 5 * time.Second
)

type options struct {
	listen, server, group string
	rule                  limits.Rule
	deadline              time.Duration
	failOpen              bool
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8080", "the address to serve at")
	flag.StringVar(&o.server, "server", "", "the NATS server, the local default when empty")
	flag.StringVar(&o.group, "group", "ratelimit", "the limiter's group")
	flag.StringVar(&o.rule.Class, "class", "web", "the class of the rule")
	flag.Int64Var(&o.rule.Capacity, "capacity", 5, "how many requests an address may make at once")
	flag.Int64Var(&o.rule.Rate, "rate", 1, "how many more it may make every second")
	flag.DurationVar(&o.deadline, "deadline", limiter.DefaultDeadline, "how long a request waits for a decision")
	flag.BoolVar(&o.failOpen, "fail-open", false, "serve requests while the limiter does not answer, in place of 503")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o options) error {
	c, err := client.Connect(client.Config{URL: o.server})
	if err != nil {
		return err
	}
	defer c.Close()
	limited := limiter.New(c.Group(o.group))
	setup, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	if _, err := limited.SetRule(setup, o.rule); err != nil {
		return fmt.Errorf("setting the rule of the group %s: %w", o.group, err)
	}
	config := limiter.MiddlewareConfig{Limits: limited, Class: o.rule.Class, Deadline: o.deadline,
		OnError: func(r *http.Request, err error) { log.Printf("%s %s: no decision: %v", r.Method, r.URL.Path, err) }}
	if o.failOpen {
		config.OnFailure = limiter.FailOpen
	}
	middleware, err := limiter.NewMiddleware(config)
	if err != nil {
		return err
	}
	return serve(ctx, o.listen, middleware.Wrap(http.HandlerFunc(hello)))
}

func hello(w http.ResponseWriter, r *http.Request) {
	if _, err := fmt.Fprintf(w, "hello, %s\n", limiter.RemoteHost(r)); err != nil {
		log.Printf("answering %s: %v", r.RemoteAddr, err)
	}
}

// serve answers requests until ctx ends.
func serve(ctx context.Context, listen string, handler http.Handler) error {
	server := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("serving at http://%s", listen)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(limited); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
