package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// probePatience is how long the question whether a group is served may take. No answer is no "no".
	probePatience = 500 * time.Millisecond
	// pollInterval is the pause between two looks at what a host brings about.
	pollInterval = 50 * time.Millisecond
)

// findGroup says at once when nobody serves a group, and why: the client would try until the
// timeout, because a group without a host may be one whose hosts are starting.
func (c *call) findGroup(ctx context.Context, l *link, group string) error {
	probe, err := micro.ControlSubject(micro.PingVerb, "grout-"+group, "")
	if err != nil {
		return fmt.Errorf("looking for group %s: %w", group, err)
	}
	limited, cancel := context.WithTimeout(ctx, min(probePatience, c.timeout))
	defer cancel()
	if _, err := l.conn.RequestWithContext(limited, probe, nil); !errors.Is(err, natsgo.ErrNoResponders) {
		return nil
	}
	err = l.ask(limited, api.VerbInfo, "", api.GroupRequest{Group: group}, &api.GroupInfo{})
	if f := l.explain(err, group); f != nil && f.exit == NotFound {
		return f
	}
	if noHosts(err) {
		return l.explain(client.ErrNoHosts, group)
	}
	return nil
}

// seeLists tells where to find the names that exist.
const seeLists = ": 'grout ls' lists the groups, 'grout status' the hosts"

// unserved says why no member of a group answers on a host: it has none there, or its host is down.
func (l *link) unserved(f *failure, group, host string) *failure {
	ctx, cancel := context.WithTimeout(context.Background(), probePatience)
	defer cancel()
	var info api.GroupInfo
	err := l.ask(ctx, api.VerbInfo, "", api.GroupRequest{Group: group}, &info)
	on := func(m api.MemberInfo) bool { return m.Host == host }
	switch {
	case err == nil && !slices.ContainsFunc(info.Members, on):
		f.exit, f.text = NotFound, fmt.Sprintf("group %s has no member on host %s: 'grout info %s' lists its members", group, host, group)
	default:
		f.text = fmt.Sprintf("no member of group %s answers on host %s: 'grout status' shows whether the host does", group, host)
	}
	return f
}

// noHosts reports whether NATS knows of no host, however often it was asked.
func noHosts(err error) bool { return errors.Is(err, client.ErrNoHosts) }

// explain adds to an error what only the command line knows: where it asked, and what to do. It
// returns nil for nil.
func (l *link) explain(err error, group string) *failure {
	if err == nil {
		return nil
	}
	f := asFailure(err)
	switch {
	case f.exit == Interrupted:
		f.text = "interrupted"
	case f.exit == Unavailable && noHosts(err):
		f.text = fmt.Sprintf("no Grout host answers at %s: start one with 'grout dev' or 'grout serve', or name another server with --server", l.at)
	case f.exit == Unavailable && f.code == "":
		f.text = fmt.Sprintf("%s: %s; try again, or look at 'grout status'", l.at, f.text)
	case f.exit == NotFound && f.code == api.CodeNotFound && !strings.HasSuffix(f.text, seeLists):
		f.text += seeLists
	case f.exit == Unknown:
		f.text = fmt.Sprintf("the outcome is unknown: the command may or may not have been applied (%s); look at the state with 'grout query %s', "+
			"and repeat it safely only under its own --id or --session", f.text, group)
	}
	return f
}

// failed is explain as an error: nil stays nil.
func (l *link) failed(err error, group string) error {
	if f := l.explain(err, group); f != nil {
		return f
	}
	return nil
}

// ask puts an administrative request to one host, or to any when name is "".
func (l *link) ask(ctx context.Context, verb, name string, request, reply any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encoding the request %s: %w", verb, err)
	}
	msg, err := l.conn.RequestWithContext(ctx, api.Control(verb, name), body)
	switch {
	case errors.Is(err, natsgo.ErrNoResponders):
		return client.ErrNoHosts
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	if code := msg.Header.Get(micro.ErrorCodeHeader); code != "" {
		return &client.Error{Code: api.Code(code), Text: msg.Header.Get(micro.ErrorHeader)}
	}
	if err := json.Unmarshal(msg.Data, reply); err != nil {
		return fmt.Errorf("%w: %s: %w", client.ErrBadReply, api.Control(verb, name), err)
	}
	return nil
}

// poll looks until look says that it is done, or fails, or ctx ends.
func poll(ctx context.Context, look func() (done bool, err error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		done, err := look()
		if done || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// later reports whether a request that failed with err may go better soon: leadership is on its way,
// or the host was busy.
func later(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return (ok && (e.Code == api.CodeNoLeader || e.Code == api.CodeBusy)) || noHosts(err)
}
