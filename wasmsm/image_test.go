package wasmsm

import (
	"bytes"
	"fmt"
	"testing"
)

// TestImageRoundTrip shows that a machine restored from an image, in another runtime and with the
// other kind of memory, is the same and goes on the same.
func TestImageRoundTrip(t *testing.T) {
	for from, kind := range memoryKinds() {
		for to, other := range memoryKinds() {
			t.Run(from+" to "+to, func(t *testing.T) {
				a := newTestMachine(t, newTestRuntime(t, Config{Memory: kind}), goGuest(t), MachineConfig{Init: []byte("hello")})
				b := newTestMachine(t, newTestRuntime(t, Config{Memory: other}), goGuest(t), MachineConfig{})
				for i := range 50 {
					apply(t, a, uint64(i), fmt.Appendf(nil, "add key-%d", i%7))
				}
				apply(t, b, 1, []byte("grow 3")) // larger than the image, so restoring shrinks
				roundTrip(t, a, b)
				for i := range 50 {
					command := fmt.Appendf(nil, "add key-%d", i%11)
					wantApplied(t, apply(t, b, uint64(50+i), command), string(apply(t, a, uint64(50+i), command).Output))
				}
				apply(t, a, 100, []byte("grow 2"))
				apply(t, b, 100, []byte("grow 2"))
				if fingerprint(t, a) != fingerprint(t, b) {
					t.Fatal("the two have parted")
				}
				roundTrip(t, b, a)
			})
		}
	}
}

func roundTrip(t *testing.T, from, to *Machine) {
	t.Helper()
	image, err := from.Image()
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Restore(image); err != nil {
		t.Fatal(err)
	}
	if fingerprint(t, from) != fingerprint(t, to) {
		t.Fatal("the restored state differs")
	}
	// Rolling back must lead to the restored state, not to what was before it.
	wantTrap(t, apply(t, to, 7, []byte("abort x")), "aborted: x")
	if fingerprint(t, from) != fingerprint(t, to) {
		t.Fatal("the state differs after a rollback")
	}
}

// TestRestoreShrinks shows that restoring a smaller memory leaves no byte of the larger one.
func TestRestoreShrinks(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		small, err := m.Image()
		if err != nil {
			t.Fatal(err)
		}
		apply(t, m, 1, operation(opDisturb, 4, 0))
		if err := m.Restore(small); err != nil {
			t.Fatal(err)
		}
		apply(t, m, 2, operation(opGrow, 4))
		wantApplied(t, apply(t, m, 3, operation(opOutput, 5*pageBytes-4, 4)), "\x00\x00\x00\x00")
		wantApplied(t, apply(t, m, 4, operation(opOutput, 12288, 7)), "\x00\x00\x00\x00\x00\x00\x00")
	})
}

// TestRestoreRefusesForeignImages shows that a wrong image is refused and changes nothing.
func TestRestoreRefusesForeignImages(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{Limits: Limits{MemoryBytes: 4 * pageBytes}})
	apply(t, m, 1, operation(opDisturb, 0, 0))
	before := fingerprint(t, m)
	change := func(f func(h *imageHeader, image *Image)) Image {
		image, err := m.Image()
		if err != nil {
			t.Fatal(err)
		}
		h, err := decodeImageHeader(image.Header)
		if err != nil {
			t.Fatal(err)
		}
		f(h, &image)
		image.Header = h.encode()
		return image
	}
	for name, image := range map[string]Image{
		"module":   change(func(h *imageHeader, _ *Image) { h.digest[0]++ }),
		"version":  change(func(h *imageHeader, _ *Image) { h.preparedVersion++ }),
		"globals":  change(func(h *imageHeader, _ *Image) { h.globals = h.globals[1:] }),
		"count":    change(func(h *imageHeader, _ *Image) { h.pages++ }),
		"page":     change(func(_ *imageHeader, i *Image) { i.Pages[0] = i.Pages[0][1:] }),
		"too big":  change(func(h *imageHeader, i *Image) { h.pages, i.Pages = 65536, make([][]byte, 65536) }),
		"no bytes": {},
	} {
		wantError(t, m.Restore(image), ErrBadImage)
		if fingerprint(t, m) != before {
			t.Fatalf("%s: the refused image changed the state", name)
		}
	}
}

// FuzzImageHeader shows that no header makes the decoder panic or allocate more than it was given,
// and that what it accepts it writes back equally.
func FuzzImageHeader(f *testing.F) {
	f.Add((&imageHeader{pages: 3, globals: []uint64{1, 2}}).encode())
	f.Add([]byte{imageVersion})
	f.Add(append((&imageHeader{}).encode()[:imageHeaderBytes-4], 0xff, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeImageHeader(b)
		if err != nil {
			wantError(t, err, ErrBadImage)
			return
		}
		if again := h.encode(); !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
