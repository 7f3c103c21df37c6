package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	groupServicePrefix = "grout-"
	controlService     = "grout-ctl"
	// metadataHost tells in `nats micro info` which host an instance runs on.
	metadataHost = "host"
	// metadataGroup tells its group.
	metadataGroup = "group"
)

// Services is what a host offers to clients and to other hosts. All of it is required.
type Services struct {
	Requests   host.Requests
	Admin      host.Admin
	Membership host.Membership
	Blobs      host.Blobs
	Upgrades   host.Upgrades
	Bindings   host.Bindings
}

// server is the serving half of a Transport.
type server struct {
	transport *Transport
	requests  atomic.Uint64
	handler   host.Requests
	admin     host.Admin
	members   host.Membership
	blobs     host.Blobs
	upgrades  host.Upgrades
	bindings  host.Bindings
	replies   *replyQueue

	// ctx ends with the server; work counts the goroutines that use it.
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	// turns bounds the administrative requests under way.
	turns chan struct{}

	blobSub *natsgo.Subscription

	mu      sync.Mutex
	control micro.Service
	groups  map[string]micro.Service
}

// Serve starts the service grout-ctl and the blobs for other hosts. Groups are served after AddGroup.
//
// # Errors
//
// ErrBadConfig when a part is missing, ErrTaken on the second call, ErrClosed, or what NATS said.
func (t *Transport) Serve(services Services) error {
	if services.Requests == nil || services.Admin == nil || services.Membership == nil || services.Blobs == nil || services.Upgrades == nil || services.Bindings == nil {
		return fmt.Errorf("%w: Serve needs Requests, Admin, Membership, Blobs, Upgrades and Bindings", ErrBadConfig)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.server != nil {
		return fmt.Errorf("%w: Serve was called before", ErrTaken)
	}
	s := &server{transport: t, handler: services.Requests, admin: services.Admin, members: services.Membership, blobs: services.Blobs,
		upgrades: services.Upgrades, bindings: services.Bindings,
		turns: make(chan struct{}, maxAdminRequests), groups: map[string]micro.Service{},
		replies: newReplyQueue(t.clients, t.config.Log, t.config.ReplyBytes)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.start(); err != nil {
		return errors.Join(err, s.stop())
	}
	t.server = s
	return nil
}

func (s *server) start() error {
	var err error
	if s.blobSub, err = s.serveBlobs(); err != nil {
		return err
	}
	if s.control, err = s.serveControl(true); err != nil {
		return err
	}
	for _, conn := range []*natsgo.Conn{s.transport.clients, s.transport.lanes[bulkLane].conn} {
		if err := conn.FlushTimeout(connectTimeout); err != nil {
			return fmt.Errorf("nats: starting the services: %w", err)
		}
	}
	return nil
}

// stop ends the services, waits for what they had begun, and sends the last replies.
func (s *server) stop() error {
	s.cancel()
	var errs []error
	s.mu.Lock()
	for name, service := range s.groups {
		errs = append(errs, stopService(service))
		delete(s.groups, name)
	}
	errs = append(errs, stopService(s.control))
	s.mu.Unlock()
	if s.blobSub != nil {
		if err := s.blobSub.Unsubscribe(); err != nil && !errors.Is(err, natsgo.ErrConnectionClosed) {
			errs = append(errs, fmt.Errorf("nats: ending the blobs: %w", err))
		}
	}
	s.work.Wait()
	s.replies.stop()
	return errors.Join(errs...)
}

func stopService(service micro.Service) error {
	if service == nil {
		return nil
	}
	if err := service.Stop(); err != nil && !errors.Is(err, natsgo.ErrConnectionClosed) {
		return fmt.Errorf("nats: ending the service %s: %w", service.Info().Name, err)
	}
	return nil
}

// serving returns the server, or why there is none.
func (t *Transport) serving() (*server, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	switch {
	case t.closed:
		return nil, ErrClosed
	case t.server == nil:
		return nil, ErrNotServing
	}
	return t.server, nil
}

// AddGroup serves a group's commands and queries: at subjects that it shares with the group's other
// hosts, of which any one takes a request, and at subjects of this host alone. The server knows the
// subscriptions when it returns.
//
// # Errors
//
// ErrBadName, ErrTaken, ErrNotServing, ErrClosed, or what NATS said.
func (t *Transport) AddGroup(name string) error {
	if err := api.CheckName(name); err != nil {
		return fmt.Errorf("%w: group: %w", ErrBadName, err)
	}
	if api.ReservedNames[name] {
		return fmt.Errorf("%w: group %q is reserved: clients cannot reach it", ErrBadName, name)
	}
	s, err := t.serving()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[name] != nil {
		return fmt.Errorf("%w: %q is served already", ErrTaken, name)
	}
	service, err := s.serveGroup(name)
	if err != nil {
		return err
	}
	s.groups[name] = service
	return nil
}

// RemoveGroup stops serving a group. A name that is not served is no error.
func (t *Transport) RemoveGroup(name string) error {
	s, err := t.serving()
	if err != nil {
		return err
	}
	s.mu.Lock()
	service := s.groups[name]
	delete(s.groups, name)
	s.mu.Unlock()
	return stopService(service)
}

// Withdraw leaves the administrative requests that any host may answer to the others: a host that is not part of
// its cluster any more could only refuse them.
//
// # Errors
//
// ErrNotServing, ErrClosed, or what NATS said.
func (t *Transport) Withdraw() error {
	s, err := t.serving()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := stopService(s.control); err != nil {
		return err
	}
	s.control, err = s.serveControl(false)
	return err
}

// endpoint describes one subscription of a service.
type endpoint struct {
	name    string
	subject string
	// shared endpoints are in a queue group: one host takes each request.
	shared bool
	handle micro.HandlerFunc
}

// addService registers a service with its endpoints, all of them or none.
func (s *server) addService(config micro.Config, endpoints []endpoint) (micro.Service, error) {
	service, err := micro.AddService(s.transport.clients, config)
	if err != nil {
		return nil, fmt.Errorf("nats: adding the service %s: %w", config.Name, err)
	}
	for _, e := range endpoints {
		options := []micro.EndpointOpt{micro.WithEndpointSubject(e.subject),
			micro.WithEndpointPendingLimits(maxPendingMessages, s.transport.config.PendingBytes)}
		if !e.shared {
			options = append(options, micro.WithEndpointQueueGroupDisabled())
		}
		if err := service.AddEndpoint(e.name, e.handle, options...); err != nil {
			err = fmt.Errorf("nats: adding the endpoint %s of %s: %w", e.name, config.Name, err)
			return nil, errors.Join(err, stopService(service))
		}
	}
	return service, nil
}

// groupCounts is what a group's service adds to the data of `nats micro stats`. The library counts
// what it answers itself; these answers come later, from the host.
type groupCounts struct {
	Applied    atomic.Uint64
	Refused    atomic.Uint64
	Trapped    atomic.Uint64
	Failed     atomic.Uint64
	Fed        atomic.Uint64
	Forgotten  atomic.Uint64
	Duplicates atomic.Uint64
}

// count counts one answer, or those of a batch, each for itself.
func (c *groupCounts) count(r *host.Reply) {
	for i := range r.Batch {
		c.count(&r.Batch[i])
	}
	if r.Batch != nil {
		return
	}
	if r.Duplicate {
		c.Duplicates.Add(1)
	}
	switch {
	case r.Err != nil:
		c.Failed.Add(1)
	case r.Last > 0:
		c.Fed.Add(uint64(r.Last - r.Index + 1))
	case r.Outcome.Kind == host.Refused:
		c.Refused.Add(1)
	case r.Outcome.Kind == host.Trapped:
		c.Trapped.Add(1)
	default:
		c.Applied.Add(1)
	}
}

// data is the JSON of one endpoint's statistics.
func (c *groupCounts) data() map[string]uint64 {
	return map[string]uint64{"applied": c.Applied.Load(), "refused": c.Refused.Load(), "trapped": c.Trapped.Load(),
		"failed": c.Failed.Load(), "fed": c.Fed.Load(), "forgotten": c.Forgotten.Load(), "duplicates": c.Duplicates.Load()}
}

// serveGroup registers a group's service.
func (s *server) serveGroup(group string) (micro.Service, error) {
	me := s.transport.config.Host
	commands, queries := &groupCounts{}, &groupCounts{}
	command, query, await := s.commandHandler(group, commands), s.queryHandler(group, queries), s.awaitHandler(group)
	service, err := s.addService(micro.Config{
		Name: groupServicePrefix + group, Version: s.transport.config.Version,
		Description: "commands, queries and waits of the replicated machine " + group,
		Metadata:    map[string]string{metadataHost: me, metadataGroup: group},
		StatsHandler: func(e *micro.Endpoint) any {
			switch e.Name {
			case "query", "query-" + me:
				return queries.data()
			case "cmd", "cmd-" + me:
				return commands.data()
			}
			return nil
		},
	}, []endpoint{
		{"cmd", api.Command(group, ""), true, command},
		{"query", api.Query(group, ""), true, query},
		{"cmd-" + me, api.Command(group, me), false, command},
		{"query-" + me, api.Query(group, me), false, query},
		{"await", api.Await(group, ""), true, await},
		{"await-" + me, api.Await(group, me), false, await},
	})
	if err != nil {
		return nil, err
	}
	if err := s.transport.clients.FlushTimeout(connectTimeout); err != nil {
		return nil, errors.Join(fmt.Errorf("nats: adding the group %s: %w", group, err), stopService(service))
	}
	return service, nil
}

func (s *server) commandHandler(group string, counts *groupCounts) micro.HandlerFunc {
	return func(r micro.Request) {
		s.requests.Add(1)
		to := r.Reply()
		answer := func(reply host.Reply) {
			if to == "" && reply.Err == nil {
				counts.Forgotten.Add(1)
				return
			}
			counts.count(&reply)
			s.replies.push(queuedReply{to: to, reply: reply})
		}
		request, err := parseCommand(group, natsgo.Header(r.Headers()), r.Data(), to != "")
		if err != nil {
			answer(host.Reply{Err: err})
			return
		}
		s.handler.Execute(request, answer)
	}
}

func (s *server) queryHandler(group string, counts *groupCounts) micro.HandlerFunc {
	return func(r micro.Request) {
		s.requests.Add(1)
		to := r.Reply()
		answer := func(reply host.Reply) {
			counts.count(&reply)
			s.replies.push(queuedReply{to: to, reply: reply})
		}
		request, err := parseQuery(group, natsgo.Header(r.Headers()), r.Data())
		if err != nil {
			answer(host.Reply{Err: err})
			return
		}
		s.handler.Query(request, answer)
	}
}
