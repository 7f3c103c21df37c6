package chaos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// wire is the network of namespaces: every process lives in a network namespace with one TUN device,
// whose other end is in the hands of the test. So the test sees every packet, and a link can be slow,
// lossy or cut in one direction on any kernel that has TUN devices.
type wire struct {
	rooms map[string]*room
	// byAddress finds the room of a destination: the last byte of its address.
	byAddress [256]*room
	done      chan struct{}
	readers   sync.WaitGroup
}

const (
	wireDevice = "grout-chaos"
	// wireNet is inside the namespaces only: nothing leaves them.
	wireNet  = "10.99.0."
	wireMTU  = 9000
	natsPort = 4222
	// resetFor is how long a reset link turns what passes into resets.
	resetFor = 200 * time.Millisecond
)

// newWire makes a room for the test itself, which must be in a network namespace of its own, for the NATS
// server, and for each host.
func newWire(seed uint64, hosts []string) (*wire, error) {
	w := &wire{rooms: map[string]*room{}, done: make(chan struct{})}
	for i, name := range append([]string{"", natsName}, hosts...) {
		r, err := newRoom(fmt.Sprint(wireNet, i+1), name == "")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("network namespace %q: %w", name, err), w.close())
		}
		r.in = newHop(seed+uint64(2*i), w.done, r.receive)
		r.out = newHop(seed+uint64(2*i+1), w.done, w.route)
		w.rooms[name], w.byAddress[i+1] = r, r
	}
	for _, r := range w.rooms {
		w.readers.Go(r.read)
	}
	return w, nil
}

func (w *wire) begin(name string, command *exec.Cmd) error {
	done := make(chan error)
	w.rooms[name].begin <- start{command, done}
	return <-done
}

func (w *wire) url(string) string {
	address, port := w.listen()
	return fmt.Sprintf("nats://%s:%d", address, port)
}

func (w *wire) listen() (string, int) { return wireNet + "2", natsPort }

func (w *wire) link(host string) link { return w.rooms[host] }

// route hands a packet to the link of its destination.
func (w *wire) route(packet []byte) {
	if to := w.byAddress[packet[19]]; to != nil {
		to.in.pass(packet)
	}
}

// close ends all rooms. The processes in them must have ended: they would be killed.
func (w *wire) close() error {
	close(w.done)
	var errs []error
	for _, r := range w.rooms {
		close(r.begin)
		errs = append(errs, r.tun.Close())
	}
	w.readers.Wait()
	return errors.Join(errs...)
}

// room is one network namespace, its TUN device, and the thread that lives in it and starts processes there.
type room struct {
	begin   chan start
	tun     *os.File
	in, out *hop
	// resets counts the packets that became resets.
	resets atomic.Int64
	// resetUntil, in nanoseconds since the Unix epoch, is when a reset ends.
	resetUntil atomic.Int64
}

type start struct {
	command *exec.Cmd
	done    chan error
}

// newRoom makes a namespace, unless here is set: then the room is where the caller is.
func newRoom(address string, here bool) (*room, error) {
	r := &room{begin: make(chan start)}
	ready := make(chan error)
	go r.live(address, here, ready)
	return r, <-ready
}

// live is the room's thread. It ends with the goroutine, which stays locked to it.
func (r *room) live(address string, here bool, ready chan<- error) {
	runtime.LockOSThread()
	var err error
	if !here {
		err = unix.Unshare(unix.CLONE_NEWNET)
	}
	if err == nil {
		r.tun, err = openTUN(address)
	}
	ready <- err
	for s := range r.begin {
		s.done <- s.command.Start()
	}
}

func (r *room) suffer(out, in condition) {
	r.out.suffer(out)
	r.in.suffer(in)
}

func (r *room) reset() {
	r.resetUntil.Store(time.Now().Add(resetFor).UnixNano())
	<-time.After(resetFor)
}

func (r *room) harmed() int64 { return r.in.harmed.Load() + r.out.harmed.Load() + r.resets.Load() }

// read passes on what the room's processes send.
func (r *room) read() {
	buffer := make([]byte, wireMTU+64)
	for {
		n, err := r.tun.Read(buffer)
		if err != nil {
			return // closed
		}
		packet := buffer[:n]
		if n < 20 || packet[0]>>4 != 4 {
			continue // not IPv4: neighbours are not looked for here
		}
		r.out.pass(r.maybeReset(packet))
	}
}

// receive delivers a packet to the room's processes. A packet that does not fit is lost.
func (r *room) receive(packet []byte) {
	_, _ = r.tun.Write(r.maybeReset(packet))
}

// maybeReset turns a TCP segment into a reset while the link is being reset.
func (r *room) maybeReset(packet []byte) []byte {
	if time.Now().UnixNano() >= r.resetUntil.Load() {
		return packet
	}
	out := asReset(packet)
	if len(out) != len(packet) || &out[0] != &packet[0] {
		r.resets.Add(1)
	}
	return out
}

const (
	protocolTCP = 6
	flagSYN     = 0x02
	flagRST     = 0x04
)

// asReset makes of a TCP segment the reset that a middlebox sends in its place (RFC 9293, section
// 3.5.2): the same sequence number, no data. Other packets, and those that open a connection, stay.
func asReset(packet []byte) []byte {
	head := int(packet[0]&0xf) * 4
	if packet[9] != protocolTCP || len(packet) < head+20 || packet[head+13]&flagSYN != 0 {
		return packet
	}
	out := append([]byte(nil), packet[:head+20]...)
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
	out[head+12], out[head+13] = 5<<4, flagRST
	binary.BigEndian.PutUint16(out[10:], 0)
	binary.BigEndian.PutUint16(out[10:], checksum(out[:head], 0))
	pseudo := uint32(protocolTCP) + 20
	for i := 12; i < 20; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(out[i:]))
	}
	binary.BigEndian.PutUint16(out[head+16:], 0)
	binary.BigEndian.PutUint16(out[head+16:], checksum(out[head:], pseudo))
	return out
}

// checksum is the internet checksum (RFC 1071) of an even number of bytes.
func checksum(data []byte, sum uint32) uint16 {
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// openTUN makes the device of the thread's network namespace, with an address, and brings it up.
func openTUN(address string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	device, err := unix.NewIfreq(wireDevice)
	if err == nil {
		device.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, device)
	}
	if err == nil {
		err = configure(address)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("TUN device: %w", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "tun"), nil
}

// configure gives the devices of the thread's namespace their address, and brings them up.
func configure(address string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ip := [4]byte{10, 99, 0, 0}
	if _, err := fmt.Sscanf(address, wireNet+"%d", &ip[3]); err != nil {
		return errors.Join(err, unix.Close(socket))
	}
	for _, step := range []struct {
		device  string
		request uint
		set     func(*unix.Ifreq) error
	}{
		{wireDevice, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(ip[:]) }},
		{wireDevice, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 0}) }},
		{wireDevice, unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(wireMTU); return nil }},
		{wireDevice, unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
		{"lo", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		request, err := unix.NewIfreq(step.device)
		if err == nil {
			err = step.set(request)
		}
		if err == nil {
			err = unix.IoctlIfreq(socket, step.request, request)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("device %s, request %#x: %w", step.device, step.request, err), unix.Close(socket))
		}
	}
	return unix.Close(socket)
}
