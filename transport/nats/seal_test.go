package nats

import (
	"bytes"
	"testing"
	"time"
)

const sealSubject = "grout.v1.counter.raft.b.a"

func mustSealer(tb testing.TB, key [32]byte, id identity, subject string) *sealer {
	tb.Helper()
	s, err := newSealer(key, id, subject)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// open opens a copy, because opening decrypts in place.
func open(o *opener, subject string, frame []byte, now time.Time) (string, verdict) {
	body, v := o.open(subject, bytes.Clone(frame), now)
	return string(body), v
}

// A frame opens once, with its key, on its subject, unchanged.
func TestSealVerdicts(t *testing.T) {
	now := time.Now()
	s := mustSealer(t, testKey(1), identity{5, 9}, sealSubject)
	frame := s.seal(nil, []byte("hello"))
	fresh := func() *opener { return &opener{key: testKey(1)} }

	o := fresh()
	if body, v := open(o, sealSubject, frame, now); v != accepted || body != "hello" {
		t.Fatalf("got %q, %v", body, v)
	}
	if _, v := open(o, sealSubject, frame, now); v != replayed {
		t.Errorf("the same frame again: %v", v)
	}
	if _, v := open(fresh(), sealSubject+".v", frame, now); v != forged {
		t.Errorf("on the other lane: %v", v)
	}
	if _, v := open(&opener{key: testKey(2)}, sealSubject, frame, now); v != forged {
		t.Errorf("under another key: %v", v)
	}
	for i := range frame {
		changed := bytes.Clone(frame)
		changed[i] ^= 0x40
		if body, v := fresh().open(sealSubject, changed, now); v == accepted {
			t.Errorf("with byte %d changed: accepted as %q", i, body)
		}
	}
	for n := range frame {
		if _, v := fresh().open(sealSubject, bytes.Clone(frame[:n]), now); v == accepted {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
}

// Frames may arrive in any order within the window; each is accepted once.
func TestSealReorder(t *testing.T) {
	r := seeded(t)
	s := mustSealer(t, testKey(1), identity{5, 9}, sealSubject)
	const frames = 5 * windowFrames
	sealed := make([][]byte, frames)
	for i := range sealed {
		sealed[i] = bytes.Clone(s.seal(nil, []byte{byte(i)}))
	}
	// Shuffled in blocks of half a window, nothing is ever a whole window late.
	const block = windowFrames / 2
	for at := 0; at+block <= frames; at += block {
		part := sealed[at : at+block]
		r.Shuffle(block, func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	o := &opener{key: testKey(1)}
	now := time.Now()
	for i, frame := range sealed {
		if _, v := open(o, sealSubject, frame, now); v != accepted {
			t.Fatalf("frame %d: %v", i, v)
		}
	}
	for i, frame := range sealed {
		if _, v := open(o, sealSubject, frame, now); v != replayed {
			t.Fatalf("frame %d again: %v", i, v)
		}
	}
}

// A frame that is a window behind cannot be told from a replay, and a jump forward forgets nothing wrongly.
func TestSealWindowEdges(t *testing.T) {
	s := mustSealer(t, testKey(1), identity{5, 9}, sealSubject)
	var sealed [][]byte
	for range 3*windowFrames + 2 {
		sealed = append(sealed, bytes.Clone(s.seal(nil, nil)))
	}
	o := &opener{key: testKey(1)}
	now := time.Now()
	for _, step := range []struct {
		seq  int
		want verdict
	}{
		{1, accepted}, {windowFrames, accepted}, {2, accepted}, {2, replayed}, {windowFrames + 1, accepted},
		{1, replayed}, {3, accepted}, {3 * windowFrames, accepted}, {2 * windowFrames, replayed},
		{2*windowFrames + 1, accepted}, {3*windowFrames - 1, accepted}, {3 * windowFrames, replayed},
	} {
		if _, v := open(o, sealSubject, sealed[step.seq-1], now); v != step.want {
			t.Fatalf("sequence %d: %v, want %v", step.seq, v, step.want)
		}
	}
}

// A restarted sender is heard at once, and its former life no more. After a minute of silence an
// older life is believed again, so that a clock set back does not cut a host off for good.
func TestSealIncarnations(t *testing.T) {
	old := mustSealer(t, testKey(1), identity{5, 9}, sealSubject)
	first, second := bytes.Clone(old.seal(nil, nil)), bytes.Clone(old.seal(nil, nil))
	third := bytes.Clone(old.seal(nil, nil))
	restarted := mustSealer(t, testKey(1), identity{6, 8}, sealSubject)
	o := &opener{key: testKey(1)}
	now := time.Now()
	if _, v := open(o, sealSubject, first, now); v != accepted {
		t.Fatal(v)
	}
	forgery := bytes.Clone(restarted.seal(nil, nil))
	forgery[len(forgery)-1] ^= 1
	if _, v := open(o, sealSubject, forgery, now); v != forged {
		t.Fatalf("a forged newer life: %v", v)
	}
	if _, v := open(o, sealSubject, second, now); v != accepted {
		t.Fatalf("a forged newer life displaced the present one: %v", v)
	}
	if _, v := open(o, sealSubject, restarted.seal(nil, nil), now); v != accepted {
		t.Fatalf("a newer life: %v", v)
	}
	if _, v := open(o, sealSubject, third, now.Add(silence-1)); v != stale {
		t.Fatalf("the former life: %v", v)
	}
	if _, v := open(o, sealSubject, third, now.Add(silence)); v != accepted {
		t.Fatalf("an older life after a minute of silence: %v", v)
	}
}

// No two senders share a key, even with one sequence: the same body gives different frames.
func TestSealKeysDiffer(t *testing.T) {
	seen := map[string]string{}
	for name, s := range map[string]*sealer{
		"one":         mustSealer(t, testKey(1), identity{5, 9}, sealSubject),
		"incarnation": mustSealer(t, testKey(1), identity{6, 9}, sealSubject),
		"salt":        mustSealer(t, testKey(1), identity{5, 8}, sealSubject),
		"subject":     mustSealer(t, testKey(1), identity{5, 9}, sealSubject+".v"),
		"key":         mustSealer(t, testKey(2), identity{5, 9}, sealSubject),
	} {
		body := string(s.seal(nil, make([]byte, 32))[frameHeaderBytes:])
		if other, twice := seen[body]; twice {
			t.Errorf("%s and %s seal alike", name, other)
		}
		seen[body] = name
	}
}

// FuzzOpen shows that no frame makes the opener panic, and that none is accepted without the key.
func FuzzOpen(f *testing.F) {
	s := mustSealer(f, testKey(1), identity{5, 9}, sealSubject)
	f.Add(sealSubject, s.seal(nil, []byte("hello")))
	f.Add(sealSubject, []byte{frameVersion})
	f.Fuzz(func(t *testing.T, subject string, frame []byte) {
		o := &opener{key: testKey(3)}
		for range 2 {
			if _, v := o.open(subject, bytes.Clone(frame), time.Now()); v != malformed && v != forged {
				t.Fatalf("accepted without the key: %v", v)
			}
		}
	})
}
