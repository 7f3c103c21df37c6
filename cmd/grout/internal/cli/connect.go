package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/groutlabs/grout/sdk/client"
)

// reconnectWait is the pause before a lost connection is tried again.
const reconnectWait = 100 * time.Millisecond

// source is where NATS is, as the user said.
type source struct {
	server, creds, context string
}

// source reads the flags and, when neither a server nor a context is among them, the environment.
// Like with the nats CLI, a context gives way to a server or credentials named beside it, and the
// context that is selected there counts when nothing else names a server.
func (c *call) source() source {
	s := source{server: c.cli.String(flagServer), creds: c.cli.String(flagCreds), context: c.cli.String(flagContext)}
	if s.creds == "" {
		s.creds = os.Getenv("NATS_CREDS")
	}
	if s.server == "" && s.context == "" {
		s.server, s.context = os.Getenv("NATS_URL"), os.Getenv("NATS_CONTEXT")
	}
	return s
}

// String names the source for people, without its secrets.
func (s source) String() string {
	switch {
	case s.server != "":
		return withoutSecrets(s.server)
	case s.context != "":
		return "the server of context " + s.context
	}
	return natsgo.DefaultURL
}

// withoutSecrets takes users, passwords and tokens out of URLs.
func withoutSecrets(urls string) string {
	var out []string
	for text := range strings.SplitSeq(urls, ",") {
		text = strings.TrimSpace(text)
		if parsed, err := url.Parse(text); err == nil && parsed.User != nil {
			parsed.User = nil
			text = parsed.String()
		} else if at := strings.LastIndex(text, "@"); at >= 0 {
			text = text[at+1:]
		}
		out = append(out, text)
	}
	return strings.Join(out, ",")
}

// link is a connection to NATS.
type link struct {
	conn   *natsgo.Conn
	client *client.Client
	// at names the server for people.
	at string
}

// connect reaches NATS within --timeout.
func (c *call) connect() (*link, error) {
	return c.connectTo(c.source())
}

func (c *call) connectTo(s source) (*link, error) {
	ctx, cancel := c.bounded()
	defer cancel()
	conn, err := dialWithin(ctx, s, c.timeout)
	if err != nil {
		return nil, connectFailure(err, s)
	}
	at := s.String()
	if s.server == "" {
		at = withoutSecrets(conn.ConnectedUrl())
	}
	caller, err := client.Connect(client.Config{Conn: conn, Caller: c.cli.String(flagCaller)})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &link{conn: conn, client: caller, at: at}, nil
}

// connectFailure says which server could not be reached and what to do.
func connectFailure(err error, s source) error {
	_, network := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return &failure{exit: Interrupted, text: "interrupted", err: err}
	case network, errors.Is(err, natsgo.ErrNoServers), errors.Is(err, context.DeadlineExceeded), errors.Is(err, natsgo.ErrTimeout), errors.Is(err, io.EOF):
		return &failure{exit: Unavailable, err: err, text: fmt.Sprintf(
			"no NATS server answers at %s (%s): start one with 'grout dev', or name another with --server or --context", s, plain(err))}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return &failure{exit: Usage, err: err, text: fmt.Sprintf("connecting to NATS at %s: credentials: %s", s, err)}
	case errors.Is(err, natsgo.ErrAuthorization), errors.Is(err, natsgo.ErrAuthExpired):
		return &failure{exit: Failed, err: err, text: fmt.Sprintf("the NATS server at %s refuses the credentials: name others with --creds or --context", s)}
	}
	return &failure{exit: Failed, err: err, text: fmt.Sprintf("connecting to NATS at %s: %s", s, plain(err))}
}

type dialled struct {
	conn *natsgo.Conn
	err  error
}

// dialWithin gives up when ctx ends, whatever the servers, their number and their names do.
func dialWithin(ctx context.Context, s source, timeout time.Duration) (*natsgo.Conn, error) {
	result := make(chan dialled, 1)
	go func() {
		conn, err := dial(s, timeout)
		result <- dialled{conn, err}
	}()
	select {
	case d := <-result:
		return d.conn, d.err
	case <-ctx.Done():
		go func() {
			if late := <-result; late.conn != nil {
				late.conn.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

func dial(s source, timeout time.Duration) (*natsgo.Conn, error) {
	options := []natsgo.Option{
		natsgo.Name("grout-cli"), natsgo.Timeout(timeout), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(reconnectWait),
		// Requests are repeated by the client: what is kept back here would only be sent twice.
		natsgo.ReconnectBufSize(-1),
	}
	if s.creds != "" {
		options = append(options, natsgo.UserCredentials(s.creds))
	}
	if s.server != "" && s.context == "" {
		return natsgo.Connect(s.server, options...)
	}
	if s.server != "" {
		options = append(options, func(o *natsgo.Options) error {
			o.Servers = strings.Split(s.server, ",")
			return nil
		})
	}
	// Without a name this takes the selected context, and the default server where none is selected.
	conn, _, err := natscontext.Connect(s.context, options...)
	return conn, err
}

// close ends the connection.
func (l *link) close() {
	l.client.Close()
	l.conn.Close()
}
