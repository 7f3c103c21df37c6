package chaos

import (
	"math/rand/v2"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// network is where the processes run, and what can be done to their links. Every host reaches the NATS
// server over a link of its own.
type network interface {
	// begin starts a command where the host or server of that name lives.
	begin(name string, command *exec.Cmd) error
	// url is the NATS server's, as the host of that name sees it; "" is the test itself.
	url(name string) string
	// listen is the address that the server listens on.
	listen() (address string, port int)
	// link is a host's.
	link(host string) link
	close() error
}

// natsName is the NATS server among the names of hosts.
const natsName = "nats"

// link is what one host sends and receives over.
type link interface {
	// suffer makes out the condition of what the host sends, and in of what it receives.
	suffer(out, in condition)
	// reset tears down the connections that are open, and returns once it has.
	reset()
	// harmed counts what was lost, delayed or reset on this link so far.
	harmed() int64
}

// condition is what happens to what passes in one direction. The zero condition is a healthy one.
type condition struct {
	// cut: nothing passes.
	cut bool
	// delay is added to everything, and up to jitter on top, without changing the order.
	delay, jitter time.Duration
	// loss is the share of packets that are lost.
	loss float64
}

// hop is one direction of a link: what enters leaves through next, in order, after what it suffers.
type hop struct {
	next func(packet []byte)

	mu  sync.Mutex
	is  condition
	rng *rand.Rand
	// queue holds what is delayed; waiting is set while it is not empty.
	queue   chan delayed
	waiting int
	// harmed counts the packets that were lost or delayed.
	harmed atomic.Int64
}

type delayed struct {
	packet []byte
	until  time.Time
}

// hopQueue bounds what one direction delays: what does not fit is lost, as it is in a router.
const hopQueue = 4096

func newHop(seed uint64, done <-chan struct{}, next func([]byte)) *hop {
	h := &hop{next: next, rng: rand.New(rand.NewPCG(seed, 2)), queue: make(chan delayed, hopQueue)}
	go h.deliver(done)
	return h
}

func (h *hop) suffer(c condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.is = c
}

// pass takes a packet, which is the caller's again on return.
func (h *hop) pass(packet []byte) {
	h.mu.Lock()
	if h.is.cut || (h.is.loss > 0 && h.rng.Float64() < h.is.loss) {
		h.mu.Unlock()
		h.harmed.Add(1)
		return
	}
	if h.is.delay == 0 && h.waiting == 0 {
		h.mu.Unlock()
		h.next(packet)
		return
	}
	h.harmed.Add(1)
	delay := h.is.delay
	if h.is.jitter > 0 {
		delay += time.Duration(h.rng.Int64N(int64(h.is.jitter)))
	}
	select {
	case h.queue <- delayed{append([]byte(nil), packet...), time.Now().Add(delay)}:
		h.waiting++
	default:
	}
	h.mu.Unlock()
}

// deliver hands on what was delayed, until done.
func (h *hop) deliver(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case d := <-h.queue:
			timer := time.NewTimer(time.Until(d.until))
			select {
			case <-timer.C:
			case <-done:
				timer.Stop()
				return
			}
			h.next(d.packet)
			h.mu.Lock()
			h.waiting--
			h.mu.Unlock()
		}
	}
}
