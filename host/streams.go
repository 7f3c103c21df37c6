package host

import (
	"context"
	"errors"
	"slices"

	"github.com/groutlabs/grout/sdk/api"
)

// maxStreamBytes bounds the name of a stream and the subject of a source: what JetStream allows.
const maxStreamBytes = 255

// Sources implements Bindings.
func (h *Host) Sources(ctx context.Context, request api.SourcesRequest) (api.SourcesReply, error) {
	if err := h.waiting(); err != nil {
		return api.SourcesReply{}, err
	}
	_, g, err := h.ledGroup(ctx, request.Group)
	if err == nil {
		err = g.settle(ctx)
	}
	if err != nil {
		return api.SourcesReply{}, err
	}
	switch request.Action {
	case "":
	case api.StreamAdd:
		err = h.addSource(ctx, g, request)
	case api.StreamRemove:
		err = g.removeSource(ctx, request.Name)
	default:
		err = fault(api.CodeBadRequest, "unknown action %q: there are add and remove", request.Action)
	}
	if err != nil {
		return api.SourcesReply{}, err
	}
	return g.describeSources(ctx), nil
}

// addSource binds a stream to a group.
func (h *Host) addSource(ctx context.Context, g *group, request api.SourcesRequest) error {
	if request.Name == "" {
		request.Name = request.Stream
	}
	if err := checkSource(&request); err != nil {
		return err
	}
	if h.cfg.Streams == nil {
		return noStreamsFault()
	}
	state, err := h.cfg.Streams.Source(ctx, request.Stream, request.Subject)
	if err != nil {
		return streamFault(err)
	}
	start := max(request.Start, 1)
	switch {
	case request.New:
		start = state.Last + 1
	case request.Start == 0:
		start = max(state.First, 1)
	case request.Start > state.Last+1:
		return fault(api.CodeBadRequest, "stream %s ends at sequence %d: it can be read from %d at most", request.Stream, state.Last, state.Last+1)
	}
	payload, err := pack(source{
		Name: request.Name, Stream: request.Stream, Filter: request.Subject, BornNanos: state.BornNanos, Position: start - 1,
	})
	if err != nil {
		return err
	}
	return g.proposeStream(ctx, streamMark{Op: opBind}, payload)
}

// checkSource refuses what no source can be called or made of.
func checkSource(r *api.SourcesRequest) error {
	switch err := api.CheckName(r.Name); {
	case r.Stream == "" || len(r.Stream) > maxStreamBytes:
		return fault(api.CodeBadRequest, "stream: a name of %d bytes, 1 to %d are possible", len(r.Stream), maxStreamBytes)
	case err != nil:
		return fault(api.CodeBadRequest, "name of the source: %v", err)
	case len(r.Subject) > maxStreamBytes:
		return fault(api.CodeBadRequest, "subject: %d bytes, at most %d are possible", len(r.Subject), maxStreamBytes)
	case r.New && r.Start != 0:
		return fault(api.CodeBadRequest, "start and new exclude each other: give one of them")
	}
	return nil
}

func (g *group) removeSource(ctx context.Context, name string) error {
	sources := g.applier.replica.bindings.all()
	i := slices.IndexFunc(sources, func(s source) bool { return s.Name == name })
	if i < 0 {
		return fault(api.CodeNotFound, "group %s has no source %q", g.ref.Name, name)
	}
	return g.proposeStream(ctx, streamMark{Op: opUnbind, Source: sources[i].ID}, nil)
}

func (g *group) describeSources(ctx context.Context) api.SourcesReply {
	reply := api.SourcesReply{Group: g.ref.Name, Sources: []api.SourceInfo{}}
	for _, s := range g.applier.replica.bindings.all() {
		info := api.SourceInfo{
			Name: s.Name, Stream: s.Stream, Subject: s.Filter, Position: s.Position,
			Applied: s.Applied, Refused: s.Refused, Trapped: s.Trapped, Skipped: s.Skipped, Missing: s.Missing,
		}
		err := error(noLeaderFault(g.ref.Name))
		if g.streams == nil {
			err = noStreamsFault()
		} else if running := g.pullers.puller(s.ID); running != nil {
			info.Lag, err = running.lag(ctx)
		}
		if err != nil {
			info.Problem = problemText(err)
		}
		reply.Sources = append(reply.Sources, info)
	}
	return reply
}

// Sink implements Bindings.
func (h *Host) Sink(ctx context.Context, request api.SinkRequest) (api.SinkReply, error) {
	if err := h.waiting(); err != nil {
		return api.SinkReply{}, err
	}
	_, g, err := h.ledGroup(ctx, request.Group)
	if err == nil {
		err = g.settle(ctx)
	}
	if err != nil {
		return api.SinkReply{}, err
	}
	switch request.Action {
	case "":
	case api.StreamAdd:
		err = h.addSink(ctx, g, request.Stream)
	case api.StreamRemove:
		if g.applier.replica.bindings.target() == "" {
			return api.SinkReply{}, fault(api.CodeNotFound, "the events of group %s go to no stream", g.ref.Name)
		}
		err = g.proposeStream(ctx, streamMark{Op: opSink}, nil)
	default:
		err = fault(api.CodeBadRequest, "unknown action %q: there are add and remove", request.Action)
	}
	if err != nil {
		return api.SinkReply{}, err
	}
	reply := api.SinkReply{
		Group: g.ref.Name, Stream: g.applier.replica.bindings.target(),
		Published: max(g.events.done.Load(), g.applier.replica.published.Load()),
	}
	if problem := g.events.problem.Load(); problem != nil {
		reply.Problem = *problem
	}
	return reply, nil
}

// addSink has the events of a group go to a stream.
func (h *Host) addSink(ctx context.Context, g *group, stream string) error {
	if stream == "" || len(stream) > maxStreamBytes {
		return fault(api.CodeBadRequest, "stream: a name of %d bytes, 1 to %d are possible", len(stream), maxStreamBytes)
	}
	if h.cfg.Streams == nil {
		return noStreamsFault()
	}
	if err := h.cfg.Streams.CheckSink(ctx, stream, g.ref); err != nil {
		return streamFault(err)
	}
	return g.proposeStream(ctx, streamMark{Op: opSink}, []byte(stream))
}

// settle waits until this leader has applied everything that leaders before it have answered.
func (g *group) settle(ctx context.Context) error {
	if _, err := (&Member{g}).AwaitOnline(ctx); err != nil {
		return noLeaderFault(g.ref.Name)
	}
	return nil
}

// proposeStream changes what streams the group is bound to, and waits until that is applied here.
func (g *group) proposeStream(ctx context.Context, mark streamMark, payload []byte) error {
	answer := make(chan Reply, 1)
	g.execute(CommandRequest{Payload: payload, marks: []streamMark{mark}}, func(r Reply) { answer <- r })
	select {
	case r := <-answer:
		if r.Err != nil {
			return r.Err
		}
		return nil
	case <-ctx.Done():
		return fault(api.CodeUnknown, "the change was proposed and not applied in time: look at the group before trying again")
	}
}

// streamFault is an error of Streams as a client sees it.
func streamFault(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return fault(api.CodeNoLeader, "JetStream does not answer: %v: nothing happened, try again", err)
}

func noStreamsFault() *Error {
	return fault(api.CodeBadRequest, "this host has no access to streams")
}

// problemText is an error's text without the part that says where it comes from.
func problemText(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Text
	}
	return err.Error()
}
