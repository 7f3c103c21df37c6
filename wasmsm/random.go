package wasmsm

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// randomDomain separates this use of the group's seed from any other.
const randomDomain = "grout/wasmsm/random/1"

// newRandom derives the stream of random bytes of one call: from the group's seed, the entry's
// index and what the call is for, so that a query never sees the bytes of a command. During
// _initialize it derives from the module alone. ChaCha8 as specified by C2SP chacha8rand gives the
// same bytes in every version of Go.
func newRandom(kind callKind, seed, digest [32]byte, index uint64) *rand.ChaCha8 {
	if kind == callStart {
		seed, index = digest, 0
	}
	material := make([]byte, 0, len(randomDomain)+1+len(seed)+8)
	material = append(material, randomDomain...)
	material = append(material, byte(kind))
	material = append(material, seed[:]...)
	material = binary.LittleEndian.AppendUint64(material, index)
	return rand.NewChaCha8(sha256.Sum256(material))
}

// fillRandom continues the call's stream.
func (m *Machine) fillRandom(dst []byte) {
	c := &m.call
	if c.random == nil {
		c.random = newRandom(c.kind, m.seed, m.module.digest, c.entry.Index)
	}
	if _, err := c.random.Read(dst); err != nil {
		panic(err) // documented never to happen; a host failure if it does
	}
}
