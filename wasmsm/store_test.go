package wasmsm

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var storeSeed = flag.Uint64("store.seed", 0, "replay TestStores from this seed; 0 takes a new one")

const storeLimit = 48 * pageBytes

// model is a store that nobody can get wrong.
type model struct{ memory, saved []byte }

func (m *model) resize(size uint64) {
	grown := make([]byte, size)
	copy(grown, m.memory)
	m.memory = grown
}

func (m *model) rollback() { m.memory = bytes.Clone(m.saved) }

// TestStores shows that every store does what the model does, whatever the order of calls.
func TestStores(t *testing.T) {
	seed := *storeSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -store.seed=%d", seed)
	for name, open := range storesUnderTest(t) {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			for range 2 {
				s := open()
				exerciseStore(t, random, s)
				if err := s.close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func exerciseStore(t *testing.T, random *rand.Rand, s store) {
	m := &model{}
	memory := s.resize(0)
	for step := range 250 {
		switch what := random.IntN(20); {
		case what == 0:
			size := uint64(random.IntN(storeLimit/pageBytes+1)) * pageBytes
			if size >= uint64(len(m.memory)) || random.IntN(4) == 0 {
				m.resize(size)
				memory = s.resize(size)
			}
		case what < 8:
			for range 1 + random.IntN(6) {
				scribble(random, memory, m.memory)
			}
		case what < 14:
			if err := s.commit(); err != nil {
				t.Fatal(err)
			}
			m.saved = bytes.Clone(m.memory)
		default:
			size, err := s.rollback()
			if err != nil || size != uint64(len(m.saved)) {
				t.Fatalf("step %d: rollback to %d bytes, %v, want %d", step, size, err, len(m.saved))
			}
			memory = s.resize(size)
			m.rollback()
		}
		if !bytes.Equal(memory, m.memory) {
			t.Fatalf("step %d: the memory differs", step)
		}
		if step%25 == 0 {
			wantPages(t, step, s, m.saved)
		}
	}
}

// scribble writes the same few bytes, or now and then a great many, to both.
func scribble(random *rand.Rand, memory, model []byte) {
	if len(model) == 0 {
		return
	}
	at := random.IntN(len(model))
	end := min(at+1+random.IntN(64), len(model))
	if random.IntN(100) == 0 {
		end = min(at+2<<20, len(model))
	}
	value := []byte{byte(random.Uint32() % 3)} // zeros, too
	written := bytes.Repeat(value, end-at)
	copy(memory[at:end], written)
	copy(model[at:end], written)
}

func wantPages(t *testing.T, step int, s store, saved []byte) {
	t.Helper()
	pages, err := s.pages()
	if err != nil || len(pages)*pageBytes != len(saved) {
		t.Fatalf("step %d: %d pages of %d bytes, %v", step, len(pages), len(saved), err)
	}
	for i, page := range pages {
		want := saved[i*pageBytes:][:pageBytes]
		switch {
		case page == nil:
			page = zeroPage[:]
		case bytes.Equal(page, zeroPage[:]):
			t.Fatalf("step %d: page %d is all zero and not nil", step, i)
		}
		if !bytes.Equal(page, want) {
			t.Fatalf("step %d: page %d differs from the checkpoint", step, i)
		}
	}
}
