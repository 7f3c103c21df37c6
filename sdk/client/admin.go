package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

const (
	// maxPieceBytes bounds one piece of an upload.
	maxPieceBytes = 512 << 10
	// pieceHeaderBytes is kept free below max_payload for the headers of a piece.
	pieceHeaderBytes = 4 << 10
	// adminPatience bounds an administrative request whose context has no deadline.
	adminPatience = 90 * time.Second
	// statusFirst is how long Status waits for the first host, and statusRest, after that, for the others.
	statusFirst = 3 * time.Second
	statusRest  = time.Second
	// maxHosts bounds the answers that Status collects.
	maxHosts = 4096
)

// Admin is for operators: modules, groups and hosts. Its requests are tried again while a host says
// that nothing has happened yet, until the context ends, or for 90 s if it has no deadline. Errors are *Error
// as the host gave them, or as those of Group.Query.
type Admin struct {
	client *Client
}

// Admin returns the operator's side of the client.
func (c *Client) Admin() *Admin { return &Admin{client: c} }

// Upload stores a module on one host, from which the others get it, and returns its digest in
// hexadecimal, the name by which Deploy knows it. It is sent in pieces; progress, if not nil, is
// called with the bytes that the host holds after each. Uploading a module again is harmless.
func (a *Admin) Upload(ctx context.Context, module []byte, progress func(stored, size int64)) (string, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	sum := sha256.Sum256(module)
	digest := hex.EncodeToString(sum[:])
	var status api.HostStatus
	if err := a.call(ctx, api.Control(api.VerbStatus, ""), nil, nil, &status); err != nil {
		return "", fmt.Errorf("client: looking for a host to upload to: %w", err)
	}
	if err := api.CheckName(status.Host); err != nil {
		return "", fmt.Errorf("%w: host: %w", ErrBadReply, err)
	}
	size, offset := int64(len(module)), int64(0)
	for {
		end := min(offset+int64(a.pieceBytes()), size)
		var reply api.UploadReply
		header := natsgo.Header{api.HeaderDigest: {digest}, api.HeaderOffset: {strconv.FormatInt(offset, 10)},
			api.HeaderSize: {strconv.FormatInt(size, 10)}}
		if err := a.call(ctx, api.Control(api.VerbUpload, status.Host), header, module[offset:end], &reply); err != nil {
			return "", fmt.Errorf("client: uploading to host %s at byte %d: %w", status.Host, offset, err)
		}
		if progress != nil {
			progress(reply.Received, size)
		}
		if reply.Stored {
			return digest, nil
		}
		if reply.Received <= offset || reply.Received >= size {
			return "", fmt.Errorf("%w: host %s holds %d of %d bytes after the piece at %d, and has not stored the module",
				ErrBadReply, status.Host, reply.Received, size, offset)
		}
		offset = reply.Received
	}
}

func (a *Admin) pieceBytes() int {
	return max(1, min(maxPieceBytes, int(a.client.conn.MaxPayload())-pieceHeaderBytes))
}

// Deploy creates a group and waits until it has a leader. When the context ends first, the error is
// ErrUnknownOutcome: the group was made.
func (a *Admin) Deploy(ctx context.Context, request api.DeployRequest) (api.GroupInfo, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var info api.GroupInfo
	if err := a.verb(ctx, api.VerbDeploy, request, &info); err != nil {
		return info, err
	}
	// A host without a member of the group cannot see whether it has a leader.
	for attempt := 1; info.Leader == "" && len(info.Problems) == 0; attempt++ {
		leader, err := a.leader(ctx, request.Group)
		if err == nil && leader != "" {
			info.Leader = leader
			break
		}
		pause(ctx, a.client.config.backoff(min(attempt, membersPace)))
		if ctx.Err() != nil {
			return info, fmt.Errorf("%w: group %s was made and has no leader yet: %w", ErrUnknownOutcome, request.Group, context.Cause(ctx))
		}
	}
	return info, nil
}

// Upgrade changes the module of a group in place, and waits until it is applied. Asked again, for the same
// module, it finds that there is nothing left to do.
func (a *Admin) Upgrade(ctx context.Context, request api.UpgradeRequest) (api.UpgradeReply, error) {
	var reply api.UpgradeReply
	err := a.verb(ctx, api.VerbUpgrade, request, &reply)
	return reply, err
}

// List describes every group, as one host sees them.
func (a *Admin) List(ctx context.Context) ([]api.GroupInfo, error) {
	var reply api.ListReply
	err := a.verb(ctx, api.VerbList, api.Empty{}, &reply)
	return reply.Groups, err
}

// Info describes a group, as one host sees it.
func (a *Admin) Info(ctx context.Context, group string) (api.GroupInfo, error) {
	var info api.GroupInfo
	err := a.verb(ctx, api.VerbInfo, api.GroupRequest{Group: group}, &info)
	return info, err
}

// Remove removes a group and everything it stored.
func (a *Admin) Remove(ctx context.Context, group string) error {
	return a.verb(ctx, api.VerbRemove, api.GroupRequest{Group: group}, &api.Empty{})
}

// Transfer makes a host the leader of a group.
func (a *Admin) Transfer(ctx context.Context, group, host string) error {
	return a.verb(ctx, api.VerbTransfer, api.TransferRequest{Group: group, Host: host}, &api.Empty{})
}

// Snapshot makes every member of a group take a snapshot.
func (a *Admin) Snapshot(ctx context.Context, group string) error {
	return a.verb(ctx, api.VerbSnapshot, api.GroupRequest{Group: group}, &api.Empty{})
}

// Status asks every host and returns the answers in the order of the hosts' names. The first answer names the
// hosts of the cluster: the others have a second. Without any answer it returns ErrNoHosts.
func (a *Admin) Status(ctx context.Context) ([]api.HostStatus, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("client: the hosts were not asked for their status: %w", context.Cause(ctx))
	}
	conn := a.client.conn
	sub, err := conn.SubscribeSync(conn.NewInbox())
	if err != nil {
		return nil, connError(err)
	}
	statuses, err := a.gather(ctx, sub)
	if stop := sub.Unsubscribe(); stop != nil && err == nil {
		err = connError(stop)
	}
	slices.SortFunc(statuses, func(x, y api.HostStatus) int { return strings.Compare(x.Host, y.Host) })
	return statuses, err
}

func (a *Admin) gather(ctx context.Context, sub *natsgo.Subscription) ([]api.HostStatus, error) {
	if err := a.client.conn.PublishRequest(api.Control(api.VerbStatus, ""), sub.Subject, nil); err != nil {
		return nil, connError(err)
	}
	var statuses []api.HostStatus
	missing := map[string]bool{}
	end := time.Now().Add(statusFirst)
	for len(statuses) < maxHosts {
		limited, cancel := context.WithDeadline(ctx, end)
		msg, err := sub.NextMsgWithContext(limited)
		cancel()
		switch {
		case ctx.Err() != nil:
			return statuses, fmt.Errorf("client: collecting the hosts' status: %w", context.Cause(ctx))
		case errors.Is(err, context.DeadlineExceeded) && len(statuses) > 0:
			return statuses, nil
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, natsgo.ErrNoResponders):
			return nil, ErrNoHosts
		case err != nil:
			return statuses, connError(err)
		}
		var status api.HostStatus
		if err := decodeReply(msg, &status); err != nil {
			return statuses, err
		}
		if len(statuses) == 0 {
			end = time.Now().Add(statusRest)
		}
		statuses = append(statuses, status)
		if expect(missing, status) {
			return statuses, nil
		}
	}
	return statuses, nil
}

// expect notes which hosts an answer names, and who has answered. It reports whether all have. Hosts that belong
// to no cluster yet name none: then there may always be another.
func expect(missing map[string]bool, status api.HostStatus) bool {
	for _, name := range status.Hosts {
		if _, known := missing[name]; !known {
			missing[name] = true
		}
	}
	missing[status.Host] = false
	for _, yes := range missing {
		if yes {
			return false
		}
	}
	return len(status.Hosts) > 0
}

// verb sends a request as JSON to any host.
func (a *Admin) verb(ctx context.Context, name string, request, reply any) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("client: encoding the request %s: %w", name, err)
	}
	return a.call(ctx, api.Control(name, ""), nil, body, reply)
}

// bounded sees to it that ctx has a deadline.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, adminPatience)
}

// call sends one request and decodes its reply. It tries again when nothing has happened.
func (a *Admin) call(ctx context.Context, subject string, header natsgo.Header, body []byte, reply any) error {
	for attempt := 1; ; attempt++ {
		err := a.once(ctx, subject, header, body, reply)
		if err == nil || !nothingHappened(err) {
			return err
		}
		pause(ctx, a.client.config.backoff(attempt))
		if ctx.Err() != nil {
			return fmt.Errorf("client: %s: %w (attempt %d: %w)", subject, context.Cause(ctx), attempt, err)
		}
	}
}

// once sends one request and decodes its reply.
func (a *Admin) once(ctx context.Context, subject string, header natsgo.Header, body []byte, reply any) error {
	answer, err := a.client.conn.RequestMsgWithContext(ctx, &natsgo.Msg{Subject: subject, Header: header, Data: body})
	if err == nil {
		return decodeReply(answer, reply)
	}
	err = requestError(err, a.client.conn)
	if ctx.Err() != nil {
		return fmt.Errorf("client: %s: %w: %w", subject, err, context.Cause(ctx))
	}
	return err
}

// nothingHappened reports whether a failed request had no effect and may go better the next time.
func nothingHappened(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Code == api.CodeBusy || e.Code == api.CodeNoLeader
	}
	return errors.Is(err, ErrNoHosts)
}

// decodeReply reads a reply in JSON.
func decodeReply(msg *natsgo.Msg, reply any) error {
	if len(msg.Data) == 0 && get(msg.Header, statusHeader) == noResponders {
		return ErrNoHosts
	}
	if code := get(msg.Header, errorCodeHeader); code != "" {
		return &Error{Code: api.Code(code), Text: get(msg.Header, errorHeader)}
	}
	if err := json.Unmarshal(msg.Data, reply); err != nil {
		return fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	return nil
}
