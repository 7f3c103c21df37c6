package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/sdk/api"
)

// FuzzReadCommand shows that splitting the input of feed, piece by piece, gives what splitting it as
// a whole would.
func FuzzReadCommand(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), byte('\n'))
	f.Add([]byte("a\x00"), byte(0))
	f.Add(bytes.Repeat([]byte("x"), 100), byte(';'))
	f.Fuzz(func(t *testing.T, data []byte, delimiter byte) {
		want := bytes.Split(data, []byte{delimiter})
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1] // what ends with the delimiter has no further command
		}
		input := bufio.NewReaderSize(bytes.NewReader(data), 16)
		for _, command := range want {
			got, err := readCommand(input, delimiter)
			if err != nil || !bytes.Equal(got, command) {
				t.Fatalf("command %q %v, want %q", got, err, command)
			}
		}
		if got, err := readCommand(input, delimiter); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last command: %q %v", got, err)
		}
	})
}

// FuzzReadReply shows that no reply, whoever sent it, is taken for an answer when it says that it is
// an error, and that reading it never fails otherwise than with an error.
func FuzzReadReply(f *testing.F) {
	f.Add("12", "3", "", "", "", []byte("answer"))
	f.Add("12", "3", "409", "refused", "7", []byte("the machine's words"))
	f.Add("-1", "", "422", "", "", []byte(nil))
	f.Add("", "", "409", "not a machine's", "x", []byte(nil))
	f.Fuzz(func(t *testing.T, index, term, code, text, machine string, data []byte) {
		msg := &natsgo.Msg{Header: natsgo.Header{}, Data: data}
		for name, value := range map[string]string{api.HeaderIndex: index, api.HeaderTerm: term, micro.ErrorCodeHeader: code,
			micro.ErrorHeader: text, api.HeaderMachineCode: machine} {
			if value != "" {
				msg.Header[name] = []string{value}
			}
		}
		result, err := readReply(msg)
		if err == nil && (code != "" || !bytes.Equal(result.Output, data)) {
			t.Fatalf("result %+v of a reply with the code %q", result, code)
		}
		if err != nil && asFailure(err).exit == Done {
			t.Fatalf("%v counts as done", err)
		}
	})
}

// FuzzArrange shows that arguments of any kind are put in order without losing one.
func FuzzArrange(f *testing.F) {
	f.Add("exec", "counter", "--json", "-5")
	f.Add("--server", "x", "ls", "--")
	f.Add("feed", "--window=3", "--", "--json")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		app := newApp(&console{in: bytes.NewReader(nil), out: io.Discard, err: io.Discard, terminal: isTerminal})
		app.Setup()
		ordered, err := arrange(app, []string{a, b, c, d})
		if err != nil {
			if asFailure(err).exit != Usage {
				t.Fatalf("%v is no usage error", err)
			}
			return
		}
		again, err := arrange(app, ordered[1:])
		if err != nil || len(again) != len(ordered) {
			t.Fatalf("%q in order is %q, and that in order %q %v", []string{a, b, c, d}, ordered, again, err)
		}
	})
}
