package wasmsm

import "encoding/binary"

func le32(b []byte) uint32       { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64       { return binary.LittleEndian.Uint64(b) }
func putLE64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }
func putLE16(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) }

// The layout of WASI's subscription (48 bytes) and event (32 bytes).
const (
	subscriptionBytes = 48
	eventBytes        = 32
	maxSubscriptions  = 4096

	eventClock = 0
	eventRead  = 1
	eventWrite = 2

	clockAbsolute = 1
)

// subscription is one thing that the guest waits for.
type subscription struct {
	userdata uint64
	kind     byte
	// clock, timeout and absolute belong to eventClock, fd to the others.
	clock    uint32
	timeout  uint64
	absolute bool
	fd       uint32
}

func readSubscription(b []byte) subscription {
	s := subscription{userdata: le64(b), kind: b[8], fd: le32(b[16:])}
	if s.kind == eventClock {
		s.clock, s.timeout = le32(b[16:]), le64(b[24:])
		s.absolute = b[40]&clockAbsolute != 0
	}
	return s
}

// wait returns how long s waits from now, and the errno of its event.
func (m *Machine) wait(s subscription) (nanos uint64, errno uint16) {
	switch s.kind {
	case eventClock:
		if s.clock > clockThreadCPU {
			return 0, errnoInval
		}
		if !s.absolute {
			return s.timeout, errnoSuccess
		}
		if now := m.clock(s.clock); s.timeout > now {
			return s.timeout - now, errnoSuccess
		}
		return 0, errnoSuccess
	case eventRead, eventWrite:
		if s.fd > fdStderr {
			return 0, errnoBadf
		}
		return 0, errnoSuccess
	}
	return 0, errnoInval
}

// pollOneoff moves the clock on to the first of the events and reports all that have happened by
// then: standard streams are always ready, and nothing else ever happens but time.
func pollOneoff(m *Machine, stack []uint64) {
	n := uint64(uint32(stack[2]))
	if n == 0 || n > maxSubscriptions {
		stack[0] = errnoInval
		return
	}
	in := m.slice("poll_oneoff", stack[0], n*subscriptionBytes)
	// The guest may let the two ranges overlap: what is read is read first.
	subscriptions := make([]subscription, n)
	waits := make([]uint64, n)
	errnos := make([]uint16, n)
	first := ^uint64(0)
	for i := range subscriptions {
		subscriptions[i] = readSubscription(in[uint64(i)*subscriptionBytes:])
		waits[i], errnos[i] = m.wait(subscriptions[i])
		first = min(first, waits[i])
	}
	m.call.sleep(first)
	out := m.slice("poll_oneoff", stack[1], n*eventBytes)
	happened := 0
	for i, s := range subscriptions {
		if waits[i] > first {
			continue
		}
		event := out[happened*eventBytes:][:eventBytes]
		clear(event)
		putLE64(event, s.userdata)
		putLE16(event[8:], errnos[i])
		event[10] = s.kind
		happened++
	}
	m.putU32("poll_oneoff", stack[3], uint32(happened))
	stack[0] = errnoSuccess
}
