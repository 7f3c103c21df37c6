package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/ugorji/go/codec"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	// maxPieceBytes bounds one piece of a blob, so that fetches and frames share a connection fairly.
	maxPieceBytes = 512 << 10
	// maxBlobReads is how many pieces are read at a time for other hosts.
	maxBlobReads = 64
	// maxBlobRequestBytes bounds the request: a digest and three numbers.
	maxBlobRequestBytes = 256
)

// Fetch implements host.Transport. A piece has at most 512 KiB, and at most half of the server's
// max_payload; a request for more gets less. The answer is not authenticated here: the caller
// compares the whole blob with its digest.
//
// # Errors
//
// *host.Error as the other host gave it, ErrNoAnswer when it did not, and the context's error.
func (t *Transport) Fetch(ctx context.Context, from string, request host.BlobRequest) ([]byte, int64, error) {
	if err := api.CheckName(from); err != nil {
		return nil, 0, fmt.Errorf("%w: host: %w", ErrBadName, err)
	}
	data, err := encodeBlobRequest(request)
	if err != nil {
		return nil, 0, err
	}
	msg, err := t.lanes[bulkLane].conn.RequestWithContext(ctx, api.Control(blobVerb, from), data)
	if errors.Is(err, natsgo.ErrNoResponders) {
		return nil, 0, fmt.Errorf("%w: host %q is not connected", ErrNoAnswer, from)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: host %q: %w", ErrNoAnswer, from, err)
	}
	if code := msg.Header.Get(micro.ErrorCodeHeader); code != "" {
		return nil, 0, &host.Error{Code: api.Code(code), Text: msg.Header.Get(micro.ErrorHeader)}
	}
	total, err := strconv.ParseInt(msg.Header.Get(api.HeaderSize), 10, 64)
	if err != nil || total < 0 || request.Offset > total || int64(len(msg.Data)) > total-request.Offset {
		return nil, 0, fmt.Errorf("%w: host %q sent %d bytes from %d with the size %q",
			ErrNoAnswer, from, len(msg.Data), request.Offset, msg.Header.Get(api.HeaderSize))
	}
	return msg.Data, total, nil
}

func encodeBlobRequest(request host.BlobRequest) ([]byte, error) {
	var data []byte
	if err := codec.NewEncoderBytes(&data, wireHandle).Encode(&request); err != nil {
		return nil, fmt.Errorf("%w: blob request: %w", ErrBadRequest, err)
	}
	return data, nil
}

// decodeBlobRequest reads what encodeBlobRequest wrote.
func decodeBlobRequest(data []byte) (host.BlobRequest, error) {
	var request host.BlobRequest
	if len(data) > maxBlobRequestBytes {
		return request, fmt.Errorf("%w: blob request of %d bytes, at most %d are allowed", ErrBadRequest, len(data), maxBlobRequestBytes)
	}
	decoder := codec.NewDecoderBytes(data, wireHandle)
	if err := decoder.Decode(&request); err != nil {
		return request, fmt.Errorf("%w: blob request: %w", ErrBadRequest, err)
	}
	if n := decoder.NumBytesRead(); n != len(data) {
		return request, fmt.Errorf("%w: blob request: %d bytes after the end", ErrBadRequest, len(data)-n)
	}
	if request.Offset < 0 || request.Limit < 0 {
		return request, fmt.Errorf("%w: blob request: offset %d and limit %d cannot be negative", ErrBadRequest, request.Offset, request.Limit)
	}
	return request, nil
}

// serveBlobs answers the Fetch of other hosts.
func (s *server) serveBlobs() (*natsgo.Subscription, error) {
	conn := s.transport.lanes[bulkLane].conn
	subject := api.Control(blobVerb, s.transport.config.Host)
	turn := make(chan struct{}, maxBlobReads)
	sub, err := conn.Subscribe(subject, func(msg *natsgo.Msg) {
		select {
		case turn <- struct{}{}:
		default:
			s.respondPiece(conn, msg, errorMsg(msg.Reply, &host.Error{Code: api.CodeBusy,
				Text: "too many pieces are being read, try again"}))
			return
		}
		s.work.Add(1)
		go func() {
			defer s.work.Done()
			defer func() { <-turn }()
			s.respondPiece(conn, msg, s.piece(conn, msg))
		}()
	})
	if err != nil {
		return nil, fmt.Errorf("nats: subscribing to %s: %w", subject, err)
	}
	if err := sub.SetPendingLimits(maxPendingMessages, s.transport.config.PendingBytes); err != nil {
		return nil, fmt.Errorf("nats: limiting %s: %w", subject, err)
	}
	return sub, nil
}

// piece makes the answer to one request.
func (s *server) piece(conn *natsgo.Conn, msg *natsgo.Msg) *natsgo.Msg {
	request, err := decodeBlobRequest(msg.Data)
	if err != nil {
		return errorMsg(msg.Reply, &host.Error{Code: api.CodeBadRequest, Text: err.Error()})
	}
	limit := min(maxPieceBytes, int(conn.MaxPayload()/2))
	if request.Limit == 0 || request.Limit > limit {
		request.Limit = limit
	}
	data, total, err := s.blobs.Piece(request)
	if err != nil {
		return errorMsg(msg.Reply, hostError(err))
	}
	if len(data) > request.Limit {
		data = data[:request.Limit]
	}
	answer := natsgo.NewMsg(msg.Reply)
	answer.Header[api.HeaderSize] = []string{strconv.FormatInt(total, 10)}
	answer.Data = data
	return answer
}

func (s *server) respondPiece(conn *natsgo.Conn, msg, answer *natsgo.Msg) {
	if msg.Reply == "" {
		return
	}
	if err := conn.PublishMsg(answer); err != nil {
		s.transport.config.Log.Debug("piece dropped", "subject", msg.Subject, "error", err)
	}
}
