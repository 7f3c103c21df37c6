package nats

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// A frame:
//
//	offset  bytes
//	     0      1  version
//	     1      8  incarnation of the sender, big-endian: grows with every start, and within one
//	     9      8  salt, random per start
//	    17      8  sequence within the incarnation, big-endian, from 1
//	    25      n  body, encrypted (AES-256-GCM)
//	  25+n     16  tag, over the header and the subject too
//
// The key of a frame is derived from the group's key, incarnation, salt and subject, so that the
// sequence alone can be the nonce: no two senders, hosts or lanes ever share a key.
const (
	frameVersion     = 1
	frameHeaderBytes = 25
	frameTagBytes    = 16
	frameOverhead    = frameHeaderBytes + frameTagBytes
	nonceBytes       = 12
	keyInfo          = "grout frame 1 "
)

// windowFrames is how far behind the newest frame an older one may arrive.
const windowFrames = 1024

// silence is how long a sender's newer life must have been silent before an older one is believed
// again. Without it, a host whose clock was set back would stay unheard for as long as the jump.
// It is safe: what is then accepted is at worst a message that was long under way, and Raft expects those.
const silence = time.Minute

// identity is one life of a sender.
type identity struct {
	incarnation uint64
	salt        uint64
}

// deriveAEAD makes the cipher for one sender's frames on one subject.
func deriveAEAD(key [32]byte, id identity, subject string) (cipher.AEAD, error) {
	var salt [16]byte
	binary.BigEndian.PutUint64(salt[:8], id.incarnation)
	binary.BigEndian.PutUint64(salt[8:], id.salt)
	derived, err := hkdf.Key(sha256.New, key[:], salt[:], keyInfo+subject, 32)
	if err != nil {
		return nil, fmt.Errorf("nats: deriving a frame key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("nats: making a frame cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// sealer seals the frames of one sender on one subject. It is not safe for concurrent use.
type sealer struct {
	aead cipher.AEAD
	seq  uint64
	// head is the header and the subject: what the tag covers beside the body.
	head  []byte
	nonce [nonceBytes]byte
}

func newSealer(key [32]byte, id identity, subject string) (*sealer, error) {
	aead, err := deriveAEAD(key, id, subject)
	if err != nil {
		return nil, err
	}
	head := make([]byte, frameHeaderBytes, frameHeaderBytes+len(subject))
	head[0] = frameVersion
	binary.BigEndian.PutUint64(head[1:], id.incarnation)
	binary.BigEndian.PutUint64(head[9:], id.salt)
	return &sealer{aead: aead, head: append(head, subject...)}, nil
}

// seal writes the next frame over dst, which must not overlap with body, and returns it.
func (s *sealer) seal(dst, body []byte) []byte {
	s.seq++
	binary.BigEndian.PutUint64(s.head[17:], s.seq)
	dst = append(dst[:0], s.head[:frameHeaderBytes]...)
	binary.BigEndian.PutUint64(s.nonce[nonceBytes-8:], s.seq)
	return s.aead.Seal(dst, s.nonce[:], body, s.head)
}

// verdict says what became of a frame. The verdicts other than accepted are counted in Stats.
type verdict int

const (
	accepted verdict = iota
	// malformed: too short, or of another version.
	malformed
	// forged: the tag does not fit; also frames of another group's life or of another key.
	forged
	// replayed: seen before, or too far behind the newest.
	replayed
	// stale: of a former life of its sender.
	stale
	// foreign: for a group that this host has no member of, or an unknown subject.
	foreign
	// undecodable: sealed rightly, but the body breaks the format.
	undecodable
	verdicts
)

// opener opens the frames of one sender on one subject. It is not safe for concurrent use.
type opener struct {
	key    [32]byte
	id     identity
	aead   cipher.AEAD
	window replayWindow
	heard  time.Time
	// head and nonce are scratch space.
	head  []byte
	nonce [nonceBytes]byte
}

// open returns the body, decrypted in place, when the verdict is accepted.
func (o *opener) open(subject string, frame []byte, now time.Time) ([]byte, verdict) {
	if len(frame) < frameOverhead || frame[0] != frameVersion {
		return nil, malformed
	}
	id := identity{binary.BigEndian.Uint64(frame[1:]), binary.BigEndian.Uint64(frame[9:])}
	seq := binary.BigEndian.Uint64(frame[17:])
	if seq == 0 {
		return nil, malformed
	}
	aead := o.aead
	if current := aead != nil && id == o.id; current {
		if o.window.seen(seq) {
			return nil, replayed
		}
	} else {
		if aead != nil && id.incarnation <= o.id.incarnation && now.Sub(o.heard) < silence {
			return nil, stale
		}
		var err error
		if aead, err = deriveAEAD(o.key, id, subject); err != nil {
			return nil, forged
		}
	}
	o.head = append(append(o.head[:0], frame[:frameHeaderBytes]...), subject...)
	binary.BigEndian.PutUint64(o.nonce[nonceBytes-8:], seq)
	sealed := frame[frameHeaderBytes:]
	body, err := aead.Open(sealed[:0], o.nonce[:], sealed, o.head)
	if err != nil {
		return nil, forged
	}
	if o.aead == nil || id != o.id {
		o.id, o.aead, o.window = id, aead, replayWindow{}
	}
	o.window.mark(seq)
	o.heard = now
	return body, accepted
}

// replayWindow remembers which of the newest sequences were seen. Sequences begin at 1.
type replayWindow struct {
	newest uint64
	bits   [windowFrames / 64]uint64
}

// seen reports whether seq was marked, or is too old to tell.
func (w *replayWindow) seen(seq uint64) bool {
	if seq > w.newest {
		return false
	}
	if w.newest-seq >= windowFrames {
		return true
	}
	slot := seq % windowFrames
	return w.bits[slot/64]&(1<<(slot%64)) != 0
}

// mark remembers seq, which must not be seen already.
func (w *replayWindow) mark(seq uint64) {
	if seq > w.newest {
		if seq-w.newest >= windowFrames {
			w.bits = [windowFrames / 64]uint64{}
		} else {
			for skipped := w.newest + 1; skipped < seq; skipped++ {
				slot := skipped % windowFrames
				w.bits[slot/64] &^= 1 << (slot % 64)
			}
		}
		w.newest = seq
	}
	slot := seq % windowFrames
	w.bits[slot/64] |= 1 << (slot % 64)
}
