package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
)

const (
	// AnyPort lets the system choose a port.
	AnyPort = -1
	// startPatience is how long a start may take.
	startPatience = 10 * time.Second

	loopback        = "127.0.0.1"
	clusterName     = "grout"
	maxConnections  = 10_000
	maxPayloadBytes = 1 << 20
	maxPendingBytes = 64 << 20
	maxPort         = 65535
)

// Config says where the server listens.
type Config struct {
	// Listen is host:port; "" is a free port of 127.0.0.1, and port 0 any free port.
	Listen string
	// ClusterListen is host:port for the servers of other machines, "" for none.
	ClusterListen string
	// Routes are the cluster addresses of other servers, such as nats://10.0.0.2:6222.
	Routes []string
	// StreamDir keeps JetStream's streams; "" for a server without JetStream. It excludes ClusterListen.
	StreamDir string
	// Name is the server's, unique in its cluster; "" for a random one.
	Name string
	// Log gets the server's warnings and errors. Nothing is logged when nil.
	Log *slog.Logger
}

// validate fills in the defaults and returns the server's options.
func (c *Config) validate() (*server.Options, error) {
	options := &server.Options{
		ServerName: c.Name, NoSigs: true, NoLog: c.Log == nil, MaxConn: maxConnections,
		MaxPayload: maxPayloadBytes, MaxPending: maxPendingBytes, MaxControlLine: server.MAX_CONTROL_LINE_SIZE,
		DisableShortFirstPing: true, JetStream: c.StreamDir != "", StoreDir: c.StreamDir,
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Listen == "" {
		c.Listen = net.JoinHostPort(loopback, "0")
	}
	var err error
	if options.Host, options.Port, err = address("Listen", c.Listen); err != nil {
		return nil, err
	}
	if c.ClusterListen == "" {
		if len(c.Routes) > 0 {
			return nil, fmt.Errorf("%w: Routes need ClusterListen: the other servers have to reach this one too", ErrBadConfig)
		}
		return options, nil
	}
	if c.StreamDir != "" {
		return nil, fmt.Errorf("%w: StreamDir excludes ClusterListen: JetStream in a cluster needs servers of its own", ErrBadConfig)
	}
	options.Cluster.Name = clusterName
	if options.Cluster.Host, options.Cluster.Port, err = address("ClusterListen", c.ClusterListen); err != nil {
		return nil, err
	}
	for _, route := range c.Routes {
		parsed, err := url.Parse(route)
		if err != nil || parsed.Host == "" {
			return nil, fmt.Errorf("%w: route %q is not of the form nats://host:port", ErrBadConfig, route)
		}
		options.Routes = append(options.Routes, parsed)
	}
	return options, nil
}

// address splits host:port. Port 0 becomes the server's own word for any free port.
func address(field, text string) (string, int, error) {
	name, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %s: %q is not of the form host:port", ErrBadConfig, field, text)
	}
	port, err := strconv.Atoi(digits)
	if err != nil || port < AnyPort || port > maxPort {
		return "", 0, fmt.Errorf("%w: %s: port %q is not a number from 0 to %d", ErrBadConfig, field, digits, maxPort)
	}
	if port == 0 {
		port = AnyPort
	}
	if name == "" {
		name = loopback
	}
	return name, port, nil
}

// Server is a running NATS server.
type Server struct {
	server *server.Server
	// url is for clients on this machine.
	url string
	// lock holds the folder of the streams, nil without one.
	lock *flock.Flock
}

// Start runs a server and returns when it accepts connections.
//
// # Errors
//
// ErrBadConfig, ErrListen with the system's reason, ErrLocked, and ErrNotReady.
func Start(config Config) (_ *Server, err error) {
	options, err := config.validate()
	if err != nil {
		return nil, err
	}
	lock, err := lockStreams(config.StreamDir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unlock(lock))
		}
	}()
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadConfig, err)
	}
	events := &logger{log: config.Log, fatal: make(chan string, 1)}
	s.SetLoggerV2(events, false, false, false)
	s.Start()
	if err := await(s, events); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, err
	}
	return &Server{server: s, url: clientURL(s), lock: lock}, nil
}

// lockStreams keeps other servers out of a folder: two would destroy each other's streams.
func lockStreams(dir string) (*flock.Flock, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: the folder of the streams: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("embedded: locking %s: %w", dir, err)
	}
	if !held {
		return nil, fmt.Errorf("%w: the folder %s: stop that process, or choose another folder", ErrLocked, dir)
	}
	return lock, nil
}

func unlock(lock *flock.Flock) error {
	if lock == nil {
		return nil
	}
	return lock.Close()
}

// await returns when the server is ready, or as soon as it says that it never will be.
func await(s *server.Server, events *logger) error {
	ready := make(chan bool, 1)
	go func() { ready <- s.ReadyForConnections(startPatience) }()
	select {
	case text := <-events.fatal:
		return fmt.Errorf("%w: %s", ErrListen, text)
	case ok := <-ready:
		if ok {
			return nil
		}
	}
	select {
	case text := <-events.fatal:
		return fmt.Errorf("%w: %s", ErrListen, text)
	default:
		return fmt.Errorf("%w within %s", ErrNotReady, startPatience)
	}
}

// clientURL is where clients of this machine reach the server.
func clientURL(s *server.Server) string {
	address, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		return s.ClientURL()
	}
	name := address.IP.String()
	if address.IP.IsUnspecified() {
		name = loopback
	}
	return "nats://" + net.JoinHostPort(name, strconv.Itoa(address.Port))
}

// URL is where clients on this machine reach the server.
func (s *Server) URL() string { return s.url }

// Routes is the number of connections to other servers of the cluster.
func (s *Server) Routes() int { return s.server.NumRoutes() }

// ClusterURL is where other servers reach this one, "" without a cluster.
func (s *Server) ClusterURL() string {
	address := s.server.ClusterAddr()
	if address == nil {
		return ""
	}
	return "nats://" + address.String()
}

// Close stops the server and waits until it has stopped.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	_ = unlock(s.lock) // the system does it at the end of the process at the latest
}
