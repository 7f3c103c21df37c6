package chaos

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// proxies is the network where namespaces are not to be had: all processes share the machine's loopback,
// and each host reaches the NATS server through a TCP proxy of its own. TCP hides lost packets, so a cut
// holds back what is under way instead of losing it, and loss shows as the pauses that it causes.
type proxies struct {
	server string
	port   int
	byHost map[string]*proxy
}

// lossPause is how long a stream stands still for a lost packet: TCP's first retransmission.
const lossPause = 200 * time.Millisecond

func newProxies(seed uint64, hosts []string) (*proxies, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := free.Addr().(*net.TCPAddr).Port
	n := &proxies{server: "127.0.0.1", port: port, byHost: map[string]*proxy{}}
	err = free.Close()
	for i, host := range hosts {
		if err != nil {
			return nil, errors.Join(err, n.close())
		}
		p := &proxy{to: fmt.Sprintf("%s:%d", n.server, port), open: map[net.Conn]bool{}}
		p.out, p.in = newStream(seed+uint64(2*i)), newStream(seed+uint64(2*i+1))
		if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			n.byHost[host] = p
			p.running.Go(p.accept)
		}
	}
	return n, err
}

func (n *proxies) begin(_ string, command *exec.Cmd) error { return command.Start() }

func (n *proxies) url(name string) string {
	if p := n.byHost[name]; p != nil {
		return "nats://" + p.listener.Addr().String()
	}
	return fmt.Sprintf("nats://%s:%d", n.server, n.port)
}

func (n *proxies) listen() (string, int) { return n.server, n.port }

func (n *proxies) link(host string) link { return n.byHost[host] }

func (n *proxies) close() error {
	var errs []error
	for _, p := range n.byHost {
		errs = append(errs, p.listener.Close())
		p.suffer(condition{}, condition{})
		p.reset()
		p.running.Wait()
	}
	return errors.Join(errs...)
}

// proxy carries the connections of one host.
type proxy struct {
	to       string
	listener net.Listener
	in, out  *stream
	running  sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool
	// resets counts the connections that were torn down.
	resets atomic.Int64
}

func (p *proxy) accept() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.carry(from) })
	}
}

// carry connects a host with the server until either ends.
func (p *proxy) carry(from net.Conn) {
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = from.Close() // no server: the host sees a connection that ends
		return
	}
	p.mu.Lock()
	p.open[from], p.open[to] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.out.copy(to, from) })
	both.Go(func() { p.in.copy(from, to) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, from)
	delete(p.open, to)
	p.mu.Unlock()
}

func (p *proxy) suffer(out, in condition) {
	p.out.suffer(out)
	p.in.suffer(in)
}

func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // on a connection that has ended there is nothing to reset
		}
		_ = conn.Close()
		p.resets.Add(1)
	}
}

func (p *proxy) harmed() int64 { return p.in.harmed.Load() + p.out.harmed.Load() + p.resets.Load() }

// stream is one direction of a proxy.
type stream struct {
	mu  sync.Mutex
	is  condition
	rng *rand.Rand
	// changed is closed when the condition changes.
	changed chan struct{}
	// harmed counts the pieces that were held back.
	harmed atomic.Int64
}

func newStream(seed uint64) *stream {
	return &stream{rng: rand.New(rand.NewPCG(seed, 3)), changed: make(chan struct{})}
}

func (s *stream) suffer(c condition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is = c
	close(s.changed)
	s.changed = make(chan struct{})
}

// streamQueue bounds the pieces under way in one direction of one connection; then the sender waits.
const streamQueue = 256

// copy carries one direction of one connection. At the end of either side both are closed.
func (s *stream) copy(to io.WriteCloser, from io.ReadCloser) {
	queue := make(chan delayed, streamQueue)
	var writer sync.WaitGroup
	writer.Go(func() {
		for d := range queue {
			s.hold(d.until)
			if _, err := to.Write(d.packet); err != nil {
				break
			}
		}
		_ = errors.Join(to.Close(), from.Close()) // the other direction may have been first
		for range queue {                         // so that the reader is not left waiting
		}
	})
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			late := s.lateness()
			if late > 0 {
				s.harmed.Add(1)
			}
			queue <- delayed{append([]byte(nil), buffer[:n]...), time.Now().Add(late)}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	writer.Wait()
}

// lateness is how long the next piece takes.
func (s *stream) lateness() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.is.delay
	if s.is.jitter > 0 {
		late += time.Duration(s.rng.Int64N(int64(s.is.jitter)))
	}
	if s.is.loss > 0 && s.rng.Float64() < s.is.loss {
		late += lossPause
	}
	return late
}

// hold returns at the time given, or later when the direction is cut until then.
func (s *stream) hold(until time.Time) {
	for {
		s.mu.Lock()
		is, changed := s.is, s.changed
		s.mu.Unlock()
		if is.cut {
			s.harmed.Add(1)
			<-changed
			continue
		}
		wait := time.Until(until)
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
	}
}
