package chaos

import (
	"encoding/binary"
	"testing"
	"time"
)

// TestReset shows that a segment becomes a reset with the same addresses, ports and sequence number, no data
// and right checksums, and that what is no segment of an open connection stays as it is.
func TestReset(t *testing.T) {
	packet := make([]byte, 20+32+5)
	packet[0], packet[8], packet[9] = 0x45, 64, protocolTCP
	copy(packet[12:], []byte{10, 99, 0, 3, 10, 99, 0, 2})
	segment := packet[20:]
	binary.BigEndian.PutUint16(segment, 40000)
	binary.BigEndian.PutUint16(segment[2:], natsPort)
	binary.BigEndian.PutUint32(segment[4:], 0xdeadbeef)
	segment[12], segment[13] = 8<<4, 0x18 // with options and data, PSH and ACK
	out := asReset(packet)
	if len(out) != 40 || out[33] != flagRST || string(out[12:28]) != string(packet[12:28]) {
		t.Fatalf("% x", out)
	}
	if sum := checksum(out[:20], 0); sum != 0 {
		t.Errorf("the checksum of the header is off by %#x", sum)
	}
	pseudo := append(append([]byte(nil), out[12:20]...), 0, protocolTCP, 0, 20)
	if sum := checksum(append(pseudo, out[20:]...), 0); sum != 0 {
		t.Errorf("the checksum of the segment is off by %#x", sum)
	}
	for _, change := range []func([]byte){
		func(p []byte) { p[33] = flagSYN }, func(p []byte) { p[9] = 17 },
	} {
		other := append([]byte(nil), packet...)
		change(other)
		if same := asReset(other); &same[0] != &other[0] {
			t.Errorf("% x became % x", other, same)
		}
	}
}

// TestHop shows that a link loses what it should, delays in order, also what comes after the delay has ended,
// and counts both.
func TestHop(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	arrived := make(chan byte, 16)
	h := newHop(1, done, func(p []byte) { arrived <- p[0] })
	h.suffer(condition{cut: true})
	h.pass([]byte{1})
	h.suffer(condition{loss: 1})
	h.pass([]byte{2})
	h.suffer(condition{delay: 20 * time.Millisecond, jitter: 10 * time.Millisecond})
	began := time.Now()
	h.pass([]byte{3})
	h.pass([]byte{4})
	h.suffer(condition{})
	h.pass([]byte{5})
	for _, want := range []byte{3, 4, 5} {
		if got := <-arrived; got != want {
			t.Errorf("packet %d arrived, want %d", got, want)
		}
	}
	if late := time.Since(began); late < 20*time.Millisecond {
		t.Errorf("a delay of 20ms took %s", late)
	}
	if n := h.harmed.Load(); n < 4 {
		t.Errorf("%d packets were harmed, want 4 or more", n)
	}
}
