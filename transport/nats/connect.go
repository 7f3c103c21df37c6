package nats

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natscontext"
)

const (
	connectTimeout = 5 * time.Second
	// An outage is longer than an election anyway; what counts is to be back soon after it.
	reconnectWait   = 100 * time.Millisecond
	reconnectJitter = 100 * time.Millisecond
	// Two pings without an answer end a connection that is dead without saying so.
	pingInterval = 5 * time.Second
	maxPings     = 2
	// writeTimeout bounds how long a server that stopped reading can hold up a writer.
	writeTimeout = 10 * time.Second
)

// dial opens one connection. The function that waits returns once the connection was closed and its
// last callback has run.
func dial(config *Config, purpose string) (conn *natsgo.Conn, wait func(), err error) {
	closed := make(chan struct{})
	options := append(watch(config, purpose),
		natsgo.ClosedHandler(func(*natsgo.Conn) { close(closed) }),
		natsgo.Name(config.Name+" "+purpose),
		natsgo.Timeout(connectTimeout),
		natsgo.MaxReconnects(-1),
		natsgo.ReconnectWait(reconnectWait),
		natsgo.ReconnectJitter(reconnectJitter, reconnectJitter),
		// Nothing is kept during an outage: old frames only delay new ones.
		natsgo.ReconnectBufSize(-1),
		natsgo.IgnoreAuthErrorAbort(),
		natsgo.PingInterval(pingInterval),
		natsgo.MaxPingsOutstanding(maxPings),
		natsgo.FlusherTimeout(writeTimeout),
	)
	if config.Context != "" {
		conn, _, err = natscontext.Connect(config.Context, options...)
		if err != nil {
			return nil, nil, fmt.Errorf("nats: connecting with the context %q: %w; look at `nats context ls`", config.Context, noServer(err))
		}
		return conn, func() { <-closed }, nil
	}
	if config.Creds != "" {
		options = append(options, natsgo.UserCredentials(config.Creds))
	}
	url := config.URL
	if url == "" {
		url = natsgo.DefaultURL
	}
	if conn, err = natsgo.Connect(url, options...); err != nil {
		return nil, nil, fmt.Errorf("nats: connecting to %s: %w; is a server running there?", url, noServer(err))
	}
	return conn, func() { <-closed }, nil
}

// noServer marks an error as ErrNoServer if it is the network's and not the server's own word.
func noServer(err error) error {
	_, network := errors.AsType[*net.OpError](err)
	if network || errors.Is(err, natsgo.ErrNoServers) || errors.Is(err, natsgo.ErrTimeout) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	return err
}

// watch logs what happens to a connection.
func watch(config *Config, purpose string) []natsgo.Option {
	log := config.Log.With("connection", purpose)
	return []natsgo.Option{
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) {
			if err != nil {
				log.Warn("disconnected from NATS, reconnecting", "error", err)
			}
		}),
		natsgo.ReconnectHandler(func(c *natsgo.Conn) {
			log.Info("reconnected to NATS", "server", c.ConnectedUrlRedacted())
		}),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, sub *natsgo.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("NATS reported an error", "subject", subject, "error", err)
		}),
	}
}
