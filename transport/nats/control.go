package nats

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// maxAdminRequests is how many administrative requests a host works on at a time.
const maxAdminRequests = 16

// verb carries out one administrative request and returns what to answer as JSON.
type verb func(ctx context.Context, msg controlRequest) (any, error)

// controlRequest is the part of a message that a verb may read.
type controlRequest struct {
	headers natsgo.Header
	data    []byte
}

// serveControl registers the service grout-ctl, with what any host may answer if shared.
func (s *server) serveControl(shared bool) (micro.Service, error) {
	me := s.transport.config.Host
	var endpoints []endpoint
	for name, run := range map[string]verb{
		api.VerbUpload:   s.upload,
		api.VerbDeploy:   s.deploy,
		api.VerbUpgrade:  s.upgrade,
		api.VerbList:     s.list,
		api.VerbInfo:     s.info,
		api.VerbRemove:   s.change(api.VerbRemove),
		api.VerbTransfer: s.change(api.VerbTransfer),
		api.VerbSnapshot: s.change(api.VerbSnapshot),
		api.VerbStatus:   s.status,
		api.VerbMembers:  s.changeMembers,
		api.VerbHosts:    s.changeHosts,
		api.VerbLimits:   s.limits,
		api.VerbSources:  s.sources,
		api.VerbSinks:    s.sinks,
	} {
		handle := s.controlHandler(run)
		endpoints = append(endpoints, endpoint{name + "-" + me, api.Control(name, me), false, handle})
		// Every host answers for its status; anything else is for one of them.
		if shared || name == api.VerbStatus {
			endpoints = append(endpoints, endpoint{name, api.Control(name, ""), name != api.VerbStatus, handle})
		}
	}
	return s.addService(micro.Config{
		Name: controlService, Version: s.transport.config.Version, Description: "administration of Grout",
		Metadata: map[string]string{metadataHost: me},
	}, endpoints)
}

// controlHandler runs a verb in a goroutine of its own, if one of the bounded number is free.
func (s *server) controlHandler(run verb) micro.HandlerFunc {
	return func(r micro.Request) {
		s.requests.Add(1)
		to, request := r.Reply(), controlRequest{natsgo.Header(r.Headers()), r.Data()}
		select {
		case s.turns <- struct{}{}:
		default:
			s.answer(to, nil, &host.Error{Code: api.CodeBusy,
				Text: fmt.Sprintf("%d administrative requests are under way on this host, try again", maxAdminRequests)})
			return
		}
		s.work.Add(1)
		go func() {
			defer s.work.Done()
			defer func() { <-s.turns }()
			ctx, cancel := context.WithTimeout(s.ctx, s.transport.config.AdminTimeout)
			defer cancel()
			value, err := run(ctx, request)
			s.answer(to, value, err)
		}()
	}
}

// answer sends value as JSON, or the error.
func (s *server) answer(to string, value any, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(value)
	}
	msg := natsgo.NewMsg(to)
	msg.Data = body
	if err != nil {
		msg = errorMsg(to, controlError(err))
	}
	s.replies.push(queuedReply{to: to, finished: msg})
}

// controlError names the time limit as such; everything else is the host's word.
func controlError(err error) *host.Error {
	var e *host.Error
	if !errors.As(err, &e) && errors.Is(err, context.DeadlineExceeded) {
		return &host.Error{Code: api.CodeUnknown, Text: "the host ran out of time: " + err.Error() + "; look at the state before trying again"}
	}
	return hostError(err)
}

// decodeJSON reads a request's body into value. An empty body leaves it as it is.
func decodeJSON(data []byte, value any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return badRequest("the body is not the JSON expected here: %s", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body goes on after its JSON")
	}
	return nil
}

func badRequest(format string, args ...any) *host.Error {
	return &host.Error{Code: api.CodeBadRequest, Text: fmt.Sprintf(format, args...)}
}

func checkGroup(name string) error {
	if err := api.CheckName(name); err != nil {
		return badRequest("group: %s", err)
	}
	return nil
}

func (s *server) upload(ctx context.Context, msg controlRequest) (any, error) {
	piece, err := parseUpload(msg.headers, msg.data)
	if err != nil {
		return nil, err
	}
	return s.admin.Upload(ctx, piece)
}

// parseUpload reads the headers of VerbUpload.
func parseUpload(from natsgo.Header, data []byte) (host.UploadPiece, error) {
	piece := host.UploadPiece{Data: data}
	h := headers{from: from}
	digest := h.text(api.HeaderDigest)
	piece.Offset = h.size(api.HeaderOffset)
	piece.Size = h.size(api.HeaderSize)
	if h.err != nil {
		return piece, h.err
	}
	if n, err := hex.Decode(piece.Digest[:], []byte(limited(digest))); err != nil || n != len(piece.Digest) {
		return piece, badRequest("header %s: %q is not a SHA-256 in hexadecimal", api.HeaderDigest, digest)
	}
	if piece.Offset > piece.Size || int64(len(data)) > piece.Size-piece.Offset {
		return piece, badRequest("a piece of %d bytes at %d is past the size of %d", len(data), piece.Offset, piece.Size)
	}
	return piece, nil
}

// limited cuts a digest that is too long, so that it cannot overrun its array; it stays wrong.
func limited(digest string) string {
	if len(digest) > 64 {
		return ""
	}
	return digest
}

// size returns a header's value as a count of bytes. The header is required.
func (h *headers) size(name string) int64 {
	value := h.text(name)
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		h.fail(name, "%q is not a number of bytes", value)
		return 0
	}
	return n
}

func (s *server) deploy(ctx context.Context, msg controlRequest) (any, error) {
	var request api.DeployRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	if err := checkGroup(request.Group); err != nil {
		return nil, err
	}
	return s.admin.Deploy(ctx, request)
}

func (s *server) upgrade(ctx context.Context, msg controlRequest) (any, error) {
	var request api.UpgradeRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	if err := checkGroup(request.Group); err != nil {
		return nil, err
	}
	return s.upgrades.Upgrade(ctx, request)
}

func (s *server) limits(ctx context.Context, msg controlRequest) (any, error) {
	var request api.LimitsRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	if err := checkGroup(request.Group); err != nil {
		return nil, err
	}
	return s.upgrades.Limits(ctx, request)
}

func (s *server) sources(ctx context.Context, msg controlRequest) (any, error) {
	var request api.SourcesRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	if err := checkGroup(request.Group); err != nil {
		return nil, err
	}
	return s.bindings.Sources(ctx, request)
}

func (s *server) sinks(ctx context.Context, msg controlRequest) (any, error) {
	var request api.SinkRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	if err := checkGroup(request.Group); err != nil {
		return nil, err
	}
	return s.bindings.Sink(ctx, request)
}

func (s *server) list(ctx context.Context, msg controlRequest) (any, error) {
	if err := decodeJSON(msg.data, &api.Empty{}); err != nil {
		return nil, err
	}
	groups, err := s.admin.Describe(ctx, "")
	return api.ListReply{Groups: groups}, err
}

func (s *server) info(ctx context.Context, msg controlRequest) (any, error) {
	var request api.GroupRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	if err := checkGroup(request.Group); err != nil {
		return nil, err
	}
	groups, err := s.admin.Describe(ctx, request.Group)
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		return nil, &host.Error{Code: api.CodeNotFound, Text: fmt.Sprintf("there is no group %q", request.Group)}
	}
	return groups[0], nil
}

// change makes the verb that hands a request to Admin.Change.
func (s *server) change(name string) verb {
	return func(ctx context.Context, msg controlRequest) (any, error) {
		var request api.TransferRequest
		if name == api.VerbTransfer {
			if err := decodeJSON(msg.data, &request); err != nil {
				return nil, err
			}
			if err := api.CheckName(request.Host); err != nil {
				return nil, badRequest("host: %s", err)
			}
		} else {
			var group api.GroupRequest
			if err := decodeJSON(msg.data, &group); err != nil {
				return nil, err
			}
			request.Group = group.Group
		}
		if err := checkGroup(request.Group); err != nil {
			return nil, err
		}
		return api.Empty{}, s.admin.Change(ctx, name, request)
	}
}

func (s *server) changeMembers(ctx context.Context, msg controlRequest) (any, error) {
	var request api.MembersRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	if err := checkGroup(request.Group); err != nil {
		return nil, err
	}
	return s.members.Members(ctx, request)
}

func (s *server) changeHosts(ctx context.Context, msg controlRequest) (any, error) {
	var request api.HostsRequest
	if err := decodeJSON(msg.data, &request); err != nil {
		return nil, err
	}
	return s.members.Hosts(ctx, request)
}

func (s *server) status(context.Context, controlRequest) (any, error) {
	return s.admin.Status(), nil
}
