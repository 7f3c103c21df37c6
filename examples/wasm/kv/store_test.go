package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// valid returns an error that names the first invariant of store that does not hold.
func (s *store) valid() error {
	count, last := 0, ""
	for i, block := range s.blocks {
		if len(block) == 0 || len(block) > blockMax {
			return fmt.Errorf("block %d of %d has %d pairs", i, len(s.blocks), len(block))
		}
		for _, p := range block {
			if count > 0 && p.key() <= last {
				return fmt.Errorf("key %q follows %q in block %d", p.key(), last, i)
			}
			last = p.key()
			count++
		}
	}
	if count != s.count {
		return fmt.Errorf("count is %d, there are %d pairs", s.count, count)
	}
	return nil
}

// TestStoreEqualsMap shows that random puts and removals, in phases of growth and shrinking, leave
// what a Go map would hold, with every scan in order. The seed is in the test's name.
func TestStoreEqualsMap(t *testing.T) {
	seed := rand.Uint64()
	for _, seed := range []uint64{1, 2, seed} {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			s, twin := &store{}, map[string]string{}
			for phase := range 6 {
				growth := []float64{0.9, 0.1, 0.6, 0.05, 0.95, 0}[phase]
				for range 20_000 {
					key := fmt.Sprint(random.IntN(6_000))
					_, present := twin[key]
					if random.Float64() < growth {
						value := fmt.Sprint(random.Uint32())
						if s.put([]byte(key), []byte(value)) == present {
							t.Fatalf("put(%q) mistakes whether the key is new", key)
						}
						twin[key] = value
					} else {
						if s.remove(key) != present {
							t.Fatalf("remove(%q) mistakes whether the key is there", key)
						}
						delete(twin, key)
					}
				}
				compare(t, s, twin, random)
			}
		})
	}
}

func compare(t *testing.T, s *store, twin map[string]string, random *rand.Rand) {
	t.Helper()
	if err := s.valid(); err != nil {
		t.Fatal(err)
	}
	keys := make([]string, 0, len(twin))
	for key, value := range twin {
		keys = append(keys, key)
		if got, found := s.get(key); !found || got != value {
			t.Fatalf("get(%q) = %q, %v, want %q", key, got, found, value)
		}
	}
	slices.Sort(keys)
	for range 20 {
		from := fmt.Sprint(random.IntN(7_000))
		at, _ := slices.BinarySearch(keys, from)
		s.scan(from, func(p pair) bool {
			if at == len(keys) || p.key() != keys[at] {
				t.Fatalf("scan(%q) gives %q at %d of %d", from, p.key(), at, len(keys))
			}
			at++
			return true
		})
		if at != len(keys) {
			t.Fatalf("scan(%q) ends at %d of %d", from, at, len(keys))
		}
	}
}

// TestAscendingKeysFillBlocks shows that loading sorted keys leaves full blocks.
func TestAscendingKeysFillBlocks(t *testing.T) {
	s := &store{}
	for i := range 10 * blockMax {
		s.put(fmt.Appendf(nil, "%09d", i), nil)
	}
	if err := s.valid(); err != nil {
		t.Fatal(err)
	}
	if len(s.blocks) != 10 {
		t.Fatalf("%d ascending keys take %d blocks, want 10", s.count, len(s.blocks))
	}
}

func BenchmarkStoreMillion(b *testing.B) {
	s := &store{}
	key := make([]byte, 0, 16)
	value := []byte("0123456789abcdef")
	for i := range 1_000_000 {
		s.put(fmt.Appendf(key[:0], "%08x", uint32(i)*2654435761), value)
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		i := uint32(0)
		for b.Loop() {
			i++
			s.put(appendHex(key[:0], i%1_000_000*2654435761), value)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		i := uint32(0)
		for b.Loop() {
			i++
			key = appendHex(key[:0], i%1_000_000*2654435761)
			if _, found := s.get(string(key)); !found {
				b.Fatalf("no key %q", key)
			}
		}
	})
	b.Run("range100", func(b *testing.B) {
		b.ReportAllocs()
		i := uint32(0)
		for b.Loop() {
			i++
			n := 0
			s.scan(string(appendHex(key[:0], i*2654435761)), func(pair) bool { n++; return n < 100 })
		}
	})
}

func appendHex(dst []byte, n uint32) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[n>>shift&15])
	}
	return dst
}
