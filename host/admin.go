package host

import (
	"context"

	"github.com/groutlabs/grout/sdk/api"
)

// Requests is what clients may ask of a host's groups. No method blocks: reply is called exactly once,
// from a goroutine of the host, and must not block either.
type Requests interface {
	Execute(request CommandRequest, reply func(Reply))
	Query(request QueryRequest, reply func(Reply))
	// Await answers with nil when what it waits for has come about, and else with ErrTimeout, ErrLost,
	// ErrForgotten, ErrStopped, ErrBusy or an *Error.
	Await(request AwaitRequest, reply func(MemberStatus, error))
}

// Admin is what an operator may ask of a host. Errors are *Error.
type Admin interface {
	// Upload stores a piece of a module; the last piece makes it checked and stored.
	Upload(ctx context.Context, piece UploadPiece) (api.UploadReply, error)
	// Deploy creates a group and waits until it has a leader.
	Deploy(ctx context.Context, request api.DeployRequest) (api.GroupInfo, error)
	// Change carries out one of the verbs VerbRemove, VerbTransfer and VerbSnapshot.
	Change(ctx context.Context, verb string, request api.TransferRequest) error
	// Describe returns what this host knows of one group, or of every group when name is "".
	Describe(ctx context.Context, name string) ([]api.GroupInfo, error)
	// Status describes this host.
	Status() api.HostStatus
}

// Membership is what an operator may ask about the members of groups and of the cluster. Errors are
// *Error.
type Membership interface {
	// Members describes the members of a group that is led from this host, after the change that the
	// request asks for, if any, was noted; it goes on by itself until the reply says Settled.
	Members(ctx context.Context, request api.MembersRequest) (api.MembersReply, error)
	// Hosts describes the hosts of the cluster, after the change that the request asks for.
	Hosts(ctx context.Context, request api.HostsRequest) (api.HostsReply, error)
}

// Bindings is what an operator may ask about the streams of a group that is led from this host. Errors are *Error.
type Bindings interface {
	// Sources describes the group's sources, after the change that the request asks for.
	Sources(ctx context.Context, request api.SourcesRequest) (api.SourcesReply, error)
	// Sink describes the stream of the group's events, after the change that the request asks for.
	Sink(ctx context.Context, request api.SinkRequest) (api.SinkReply, error)
}

// Blobs serves pieces of modules, manifests and chunks to other hosts.
type Blobs interface {
	// Piece returns at most request.Limit bytes from request.Offset, and the blob's whole size.
	Piece(request BlobRequest) (piece []byte, total int64, err error)
}

// UploadPiece is a contiguous part of a module on its way to a host.
type UploadPiece struct {
	Digest [32]byte
	Offset int64
	// Size is the whole module's size.
	Size int64
	Data []byte
}
