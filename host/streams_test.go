package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

func packed(t testing.TB, value any) []byte {
	t.Helper()
	out, err := pack(value)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bound is a replica with a source that was bound by entry 1 and stands at 10.
func bound(t *testing.T, m Machine) *replica {
	t.Helper()
	r := begun(m)
	done, err := r.apply(entryOf(1, command{Stream: streamMark{Op: opBind}, Payload: packed(t, source{Name: "s", Stream: "S", Position: 10})}))
	if err != nil || done.reply.Err != nil || !r.rebound {
		t.Fatal(err, done.reply.Err)
	}
	return r
}

// TestOnlyTheNextMessageCounts shows the rule that makes a source exact: a message is applied only where the source stands
// at the one that it follows, and each moves it on, also when the machine refuses or traps, or when it is no command.
func TestOnlyTheNextMessageCounts(t *testing.T) {
	m := newRegister()
	r := bound(t, m)
	for i, c := range []struct {
		mark      streamMark
		command   string
		code      api.Code
		duplicate bool
		sum       int64
		position  uint64
	}{
		{streamMark{After: 9, Seq: 10}, "add A 1", "", true, 0, 10},
		{streamMark{After: 11, Seq: 12}, "add A 1", api.CodeOutOfOrder, false, 0, 10},
		{streamMark{After: 10, Seq: 11}, "add A 1", "", false, 1, 11},
		{streamMark{After: 10, Seq: 11}, "add A 1", "", true, 1, 11},
		{streamMark{After: 10, Seq: 12}, "add A 1", api.CodeOutOfOrder, false, 1, 11},
		{streamMark{After: 11, Seq: 15, Missing: 3}, "add A 1", "", false, 2, 15},
		{streamMark{After: 15, Seq: 16}, "refuse", "", false, 2, 16},
		{streamMark{After: 16, Seq: 17}, "what?", "", false, 2, 17},
		{streamMark{Op: opSkip, After: 17, Seq: 18, Missing: 1}, "", "", false, 2, 18},
		{streamMark{Source: 2, After: 18, Seq: 19}, "add A 1", api.CodeNotFound, false, 2, 18},
	} {
		if c.mark.Op == opNone {
			c.mark.Op = opMessage
		}
		if c.mark.Source == 0 {
			c.mark.Source = 1
		}
		done, err := r.apply(entryOf(i+2, command{Stream: c.mark, Payload: []byte(c.command)}))
		if err != nil {
			t.Fatal(err)
		}
		code := api.Code("")
		if done.reply.Err != nil {
			code = done.reply.Err.Code
		}
		s, _ := r.bindings.source(1)
		if code != c.code || done.reply.Duplicate != c.duplicate || m.cells[0] != c.sum || s.Position != c.position {
			t.Errorf("message %+v: %+v, sum %d, position %d; want %+v", c.mark, done.reply, m.cells[0], s.Position, c)
		}
	}
	if s, _ := r.bindings.source(1); s.Applied != 2 || s.Refused != 1 || s.Trapped != 1 || s.Skipped != 1 || s.Missing != 4 {
		t.Errorf("%+v", s)
	}
}

// TestBindingsAreInTheImage shows that what a group is bound to, and how far it has read, is the same after a restore,
// and that groups without streams have the image that they had before there were any.
func TestBindingsAreInTheImage(t *testing.T) {
	r := bound(t, newRegister())
	for i, c := range []command{
		{Stream: streamMark{Op: opMessage, Source: 1, After: 10, Seq: 20}, Payload: []byte("add A 1")},
		{Stream: streamMark{Op: opSink}, Payload: []byte("E")},
	} {
		if _, err := r.apply(entryOf(i+2, c)); err != nil {
			t.Fatal(err)
		}
	}
	image, err := r.image()
	if err != nil {
		t.Fatal(err)
	}
	other := begun(newRegister())
	if err := other.restore(image); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(other.bindings.all(), r.bindings.all()) || other.bindings.target() != "E" || !other.rebound {
		t.Errorf("%+v to %q", other.bindings.all(), other.bindings.target())
	}
	plain, err := begun(newRegister()).image()
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := unpack(plain.state, &fields); err != nil || fields["q"] != nil || fields["k"] != nil || len(fields) == 0 {
		t.Errorf("%v, %v", fields, err)
	}
}

// TestBindingRules shows which bindings are refused, and that messages of an earlier binding count for nothing.
func TestBindingRules(t *testing.T) {
	r := bound(t, newRegister())
	index := 1
	apply := func(mark streamMark, payload []byte) api.Code {
		t.Helper()
		index++
		done, err := r.apply(entryOf(index, command{Stream: mark, Payload: payload}))
		if err != nil {
			t.Fatal(err)
		}
		if done.reply.Err != nil {
			return done.reply.Err.Code
		}
		return ""
	}
	bind := func(name string) api.Code { return apply(streamMark{Op: opBind}, packed(t, source{Name: name})) }
	want := func(what string, got, code api.Code) {
		t.Helper()
		if got != code {
			t.Errorf("%s: code %q, want %q", what, got, code)
		}
	}
	want("a name again", bind("s"), api.CodeExists)
	want("another", bind("t"), "")
	want("the end of one", apply(streamMark{Op: opUnbind, Source: 1}, nil), "")
	want("its end again", apply(streamMark{Op: opUnbind, Source: 1}, nil), api.CodeNotFound)
	want("the name anew", bind("s"), "")
	want("a message of the first", apply(streamMark{Op: opMessage, Source: 1, After: 10, Seq: 11}, []byte("add A 1")), api.CodeNotFound)
	want("a sink", apply(streamMark{Op: opSink}, []byte("E")), "")
	want("the sink again", apply(streamMark{Op: opSink}, []byte("E")), "")
	want("a second sink", apply(streamMark{Op: opSink}, []byte("F")), api.CodeExists)
	want("the sink's end", apply(streamMark{Op: opSink}, nil), "")
	for n := len(r.bindings.all()); n < maxSources; n++ {
		want("more", bind(fmt.Sprint("n", n)), "")
	}
	want("too many", bind("last"), api.CodeRefused)
}

// sources asks the leader's host, as often as it is another.
func (w *town) sources(request api.SourcesRequest) (reply api.SourcesReply, err error) {
	w.t.Helper()
	request.Group = "g"
	w.atLeader(func(ctx context.Context, h *home) error {
		reply, err = h.host.Sources(ctx, request)
		return err
	})
	return reply, err
}

func (w *town) sink(request api.SinkRequest) (reply api.SinkReply, err error) {
	w.t.Helper()
	request.Group = "g"
	w.atLeader(func(ctx context.Context, h *home) error {
		reply, err = h.host.Sink(ctx, request)
		return err
	})
	return reply, err
}

// atLeader tries every host that has started the group until one does not say that it does not lead.
func (w *town) atLeader(ask func(context.Context, *home) error) {
	w.t.Helper()
	for range 100 {
		for _, h := range w.all() {
			if !slices.ContainsFunc(h.groups(), func(g *group) bool { return g.ref.Name == "g" }) {
				continue
			}
			_, err := wait(w, "an answer", func(ctx context.Context) (int, error) { return 0, ask(ctx, h) })
			if e := (*Error)(nil); err == nil || !errors.As(err, &e) || e.Code != api.CodeNoLeader {
				return
			}
		}
		w.step()
	}
	w.t.Fatal("no host leads")
}

// at waits until the source has read so far.
func (w *town) at(position uint64) api.SourceInfo {
	w.t.Helper()
	for {
		reply, err := w.sources(api.SourcesRequest{})
		if err != nil {
			w.t.Fatal(err)
		}
		if s := reply.Sources[0]; s.Position >= position {
			return s
		}
		w.step()
	}
}

func (w *town) leaderOf(group string) *home {
	w.t.Helper()
	var found *home
	w.until("a leader", func() bool {
		for _, h := range w.all() {
			for _, g := range h.groups() {
				if g.ref.Name == group && g.status.Load().Role == consensus.Leader {
					found = h
				}
			}
		}
		return found != nil
	})
	return found
}

// TestATownBetweenStreams shows whole hosts that read one stream and write another, each message and each event once and
// in order, while leaders stop and the streams fail, with all that a message can be.
func TestATownBetweenStreams(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.run("g")
	w.river.put("emit A before")
	for _, c := range []struct {
		request api.SourcesRequest
		code    api.Code
	}{
		{api.SourcesRequest{Action: "move"}, api.CodeBadRequest},
		{api.SourcesRequest{Action: api.StreamAdd}, api.CodeBadRequest},
		{api.SourcesRequest{Action: api.StreamAdd, Stream: "no name"}, api.CodeBadRequest},
		{api.SourcesRequest{Action: api.StreamAdd, Stream: "N"}, api.CodeNotFound},
		{api.SourcesRequest{Action: api.StreamAdd, Stream: "R", Start: 1, New: true}, api.CodeBadRequest},
		{api.SourcesRequest{Action: api.StreamAdd, Stream: "R", Start: 3}, api.CodeBadRequest},
		{api.SourcesRequest{Action: api.StreamAdd, Stream: "R", Subject: strings.Repeat("s", 256)}, api.CodeBadRequest},
		{api.SourcesRequest{Action: api.StreamRemove, Name: "R"}, api.CodeNotFound},
		{api.SourcesRequest{Action: api.StreamAdd, Stream: "R", New: true}, ""},
		{api.SourcesRequest{Action: api.StreamAdd, Stream: "R"}, api.CodeExists},
	} {
		_, err := w.sources(c.request)
		if e := (*Error)(nil); c.code == "" && err != nil || c.code != "" && (!errors.As(err, &e) || e.Code != c.code) {
			t.Errorf("%+v: %v, want %q", c.request, err, c.code)
		}
	}
	if _, err := w.sink(api.SinkRequest{Action: api.StreamAdd, Stream: "E"}); err != nil {
		t.Fatal(err)
	}
	want, sent := "", 1
	send := func(n int) {
		for range n {
			sent++
			w.river.put(fmt.Sprintf("emit A m%d", sent))
			want += fmt.Sprintf("m%d..", sent)
		}
	}
	send(300)
	w.at(uint64(sent))
	for _, fails := range []func(){
		func() { h := w.leaderOf("g"); h.stop(); defer w.start(h.name); send(50); w.at(uint64(sent)) },
		func() { w.river.set(errDry); send(50); w.dry(); w.river.set(nil) },
		func() { w.river.mu.Lock(); w.river.tear = 7; w.river.mu.Unlock(); send(20) },
	} {
		send(50)
		fails()
		send(50)
		w.at(uint64(sent))
	}
	w.river.put("refuse", "what?", "-", "-", "add A "+strings.Repeat("1", MaxCommandBytes), "nothing")
	got := w.at(uint64(sent + 6))
	if got.Refused != 1 || got.Trapped != 1 || got.Skipped != 1 || got.Missing != 2 || got.Applied != uint64(sent) || got.Lag != 0 || got.Problem != "" {
		t.Errorf("%+v after %d", got, sent)
	}
	want += "."
	w.until("all events", func() bool { return len(w.river.written()) >= len(want) })
	if got := w.river.written(); got != want {
		t.Errorf("the sink has\n%s\nwant\n%s", got, want)
	}
	w.until("the group knows that all are out", w.allNoted)
	if _, err := w.sources(api.SourcesRequest{Action: api.StreamRemove, Name: "R"}); err != nil {
		t.Fatal(err)
	}
	w.until("the stream is closed", func() bool { w.river.mu.Lock(); defer w.river.mu.Unlock(); return w.river.open == 0 })
}

// dry waits until both ends say that the streams fail.
func (w *town) dry() {
	w.t.Helper()
	for {
		in, err := w.sources(api.SourcesRequest{})
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(in.Sources[0].Problem, errDry.Error()) {
			return
		}
		w.step()
	}
}

// allNoted reports whether every member knows that all events are in the sink.
func (w *town) allNoted() bool {
	for _, h := range w.all() {
		for _, g := range h.groups() {
			if g.ref.Name == "g" && g.applier.replica.published.Load() < uint64(w.river.lastIndex()) {
				return false
			}
		}
	}
	return true
}

// lastIndex is that of the last event in the sink.
func (r *river) lastIndex() consensus.Index {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[len(r.events)-1].Index
}
