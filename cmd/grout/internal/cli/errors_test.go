package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/transport/nats"
)

// TestExitOfErrors shows which exit code each error gets, and which counts when several are joined.
func TestExitOfErrors(t *testing.T) {
	code := func(c api.Code) error { return fmt.Errorf("wrapped: %w", &client.Error{Code: c, Text: "text"}) }
	for _, c := range []struct {
		err  error
		exit Exit
	}{
		{errors.New("anything"), Failed}, {code(api.CodeInternal), Failed}, {code(api.CodeBadRequest), Usage}, {code(api.CodeTooLarge), Usage},
		{code(api.CodeSession), Usage}, {code(api.CodeRefused), Refused}, {code(api.CodeTrapped), Trapped}, {code(api.CodeNotFound), NotFound},
		{code(api.CodeNoLeader), Unavailable}, {code(api.CodeBusy), Unavailable}, {code(api.CodeUnknown), Unknown}, {code(api.CodeBadModule), BadModule},
		{code(api.CodeExists), Exists}, {fmt.Errorf("%w: %w", client.ErrUnknownOutcome, code(api.CodeNoLeader)), Unknown},
		{fmt.Errorf("%w: %w", client.ErrUnknownOutcome, context.Canceled), Unknown}, {context.Canceled, Interrupted},
		{fmt.Errorf("%w (%w)", timeoutError{1}, code(api.CodeNotFound)), NotFound}, {timeoutError{1}, Unavailable},
		{fmt.Errorf("%w (%w)", timeoutError{1}, client.ErrNoHosts), Unavailable}, {natsgo.ErrNoServers, Unavailable},
		{fmt.Errorf("%w: %w", nats.ErrNoServer, io.EOF), Unavailable}, {io.EOF, Failed}, {&node.StoreError{Dir: "/d", Err: fs.ErrNotExist}, StoreFailed},
		{fs.ErrNotExist, Usage}, {fmt.Errorf("%w: %w", durable.ErrLocked, fs.ErrNotExist), InUse},
	} {
		if got := asFailure(c.err).exit; got != c.exit {
			t.Errorf("%v: exit %d, want %d", c.err, got, c.exit)
		}
		if c.exit != Done && kinds[c.exit] == "" {
			t.Errorf("exit %d has no name", c.exit)
		}
	}
	applied := asFailure(&client.Error{Code: api.CodeTooLarge, Text: "the result has 2 MiB", Index: 9})
	if applied.exit != Failed || !strings.Contains(applied.text, "applied at index 9") {
		t.Errorf("a result that is too large: %+v", applied)
	}
}

// TestPrintableStopsEscapes shows that a machine's words cannot steer the terminal.
func TestPrintableStopsEscapes(t *testing.T) {
	if got := printable("a\x1b[2Jb\r\u202ec\n"); strings.ContainsAny(got, "\x1b\r\u202e\n") || !strings.HasPrefix(got, "a") {
		t.Errorf("printable gives %q", got)
	}
}

// swallow is a host that takes everything and answers nothing but that it is there.
func swallow(t *testing.T, url, group string) {
	t.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	for _, subject := range []string{api.Command(group, ""), api.Query(group, ""), api.Control(api.VerbDeploy, ""), api.Control(api.VerbList, "")} {
		if _, err := conn.Subscribe(subject, func(*natsgo.Msg) {}); err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{"$SRV.PING.grout-" + group, api.Control(api.VerbStatus, "")} {
		if _, err := conn.Subscribe(subject, func(msg *natsgo.Msg) {
			if err := msg.Respond([]byte("{}")); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestStatusNamesSilentHosts shows that a host which holds members of groups and does not answer is
// named, and one that answers only when it is asked alone is counted. The hosts are answers made up here.
func TestStatusNamesSilentHosts(t *testing.T) {
	url := bareServer(t)
	conn, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for subject, answer := range map[string]string{
		api.Control(api.VerbStatus, ""):     `{"host":"quick"}`,
		api.Control(api.VerbStatus, "slow"): `{"host":"slow"}`,
		api.Control(api.VerbList, ""):       `{"groups":[{"group":"g","members":[{"host":"dead"},{"host":"quick"},{"host":"slow"}]}]}`,
	} {
		if _, err := conn.Subscribe(subject, func(msg *natsgo.Msg) {
			if err := msg.Respond([]byte(answer)); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	s := decode[statusJSON](t, grout(t, url, "status", "--json").want(t, Done).out)
	if len(s.Hosts) != 2 || s.Hosts[0].Host != "quick" || s.Hosts[1].Host != "slow" || len(s.Silent) != 1 || s.Silent[0] != "dead" {
		t.Errorf("status %+v", s)
	}
	grout(t, url, "status").want(t, Done).prints(t, "2 host(s)", "no answer from dead")
}

// TestSilentHost shows that a command which a host may have taken is reported as unknown within
// --timeout, and a query, which changes nothing, as unanswered.
func TestSilentHost(t *testing.T) {
	url := bareServer(t)
	swallow(t, url, "deaf")
	for _, args := range [][]string{{"exec", "deaf", "x"}, {"exec", "deaf", "x", "--id", "i"}, {"exec", "deaf", "x", "--session", "s", "--seq", "1"}} {
		e := errorOf(t, grout(t, url, append(args, "--timeout", "200ms", "--json")...).want(t, Unknown))
		if e.Kind != "unknown_outcome" || !strings.Contains(e.Text, "may or may not") || !strings.Contains(e.Text, "200ms") {
			t.Errorf("%v: %+v", args, e)
		}
	}
	r := groutWith(t, url, "a\nb\n", "feed", "deaf", "-", "--timeout", "200ms", "--json").want(t, Unknown, "command 1")
	if s := decode[feedSummary](t, r.out); s.Applied != 0 || s.Unknown == 0 || s.Unknown+s.Failed != s.Commands {
		t.Errorf("summary %+v", s)
	}
	grout(t, url, "query", "deaf", "--timeout", "200ms").want(t, Unavailable, "200ms")
	grout(t, url, "ls", "--timeout", "200ms").want(t, Unavailable, "200ms")
}
