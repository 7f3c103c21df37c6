package ordered

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// seeds are fixed ones and a new one, which is in the name of its subtest.
func seeds() []uint64 { return []uint64{1, 2, rand.Uint64()} }

// randomKey returns short keys that come again, long ones, and some that begin like others.
func randomKey(random *rand.Rand) string {
	n := random.IntN(4_000)
	switch n % 8 {
	case 0:
		return strings.Repeat("k", n/8) + fmt.Sprint(n)
	case 1:
		return fmt.Sprintf("%0*d", MaxKeyBytes, n)
	case 2:
		return strings.Repeat("\x00", n%17)
	}
	return fmt.Sprint(n)
}

func randomValue(random *rand.Rand) string {
	size := random.IntN(40)
	switch random.IntN(30) {
	case 0:
		size = random.IntN(1_200)
	case 1:
		size = random.IntN(20_000)
	}
	return strings.Repeat(string(rune('a'+random.IntN(26))), size)
}

// TestTreeEqualsModel shows that random puts and removals, in phases of growth and shrinking, leave what a sorted list would hold.
func TestTreeEqualsModel(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			tree, twin := &Tree{}, &model{}
			for _, growth := range []float64{0.9, 0.1, 0.6, 0.05, 0.95, 0} {
				for range 4_000 {
					key := randomKey(random)
					if random.Float64() < growth {
						value := randomValue(random)
						if tree.Put([]byte(key), []byte(value)) != twin.put(key, value) {
							t.Fatalf("put(%.80q) mistakes whether the key is new", key)
						}
					} else if tree.Delete([]byte(key)) != twin.delete(key) {
						t.Fatalf("delete(%.80q) mistakes whether the key is there", key)
					}
					if err := twin.look(tree, randomKey(random)); err != nil {
						t.Fatal(err)
					}
				}
				if err := twin.same(tree, true); err != nil {
					t.Fatal(err)
				}
			}
			pages := tree.Pages()
			tree.DeleteRange(0, tree.Len())
			if err := (&model{}).same(tree, true); err != nil || tree.Pages() != pages {
				t.Fatalf("after all was removed: %v, %d pages of %d", err, tree.Pages(), pages)
			}
		})
	}
}

// TestRangesAreRemoved shows that ranges of any size are removed whole, and nothing beside them, and that the pages are used again.
func TestRangesAreRemoved(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			tree, twin := &Tree{}, &model{}
			most := 0
			for range 60 {
				for range 300 {
					key, value := randomKey(random), randomValue(random)
					tree.Put([]byte(key), []byte(value))
					twin.put(key, value)
				}
				most = max(most, tree.Pages())
				from := random.IntN(tree.Len() + 1)
				to := from + random.IntN(tree.Len()-from+1)
				tree.DeleteRange(from, to)
				twin.entries = slices.Delete(twin.entries, from, to)
				if err := twin.same(tree, true); err != nil {
					t.Fatalf("after %d to %d were removed: %v", from, to, err)
				}
			}
			if tree.Pages() != most {
				t.Errorf("%d pages after a removal, %d before", tree.Pages(), most)
			}
		})
	}
}

// TestPositions shows a sequence without keys: insertions, replacements and removals at any position.
func TestPositions(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			tree, twin := &Tree{}, &model{}
			for _, growth := range []float64{0.9, 0.2, 0.7, 0} {
				for range 3_000 {
					value := randomValue(random)
					switch n := tree.Len(); {
					case random.Float64() < growth:
						at := []int{0, n, random.IntN(n + 1)}[random.IntN(3)]
						tree.InsertAt(at, []byte(value))
						twin.entries = slices.Insert(twin.entries, at, pair{"", value})
					case n == 0:
					case random.IntN(2) == 0:
						at := random.IntN(n)
						tree.SetAt(at, []byte(value))
						twin.entries[at].value = value
					default:
						at := random.IntN(n)
						tree.DeleteAt(at)
						twin.entries = slices.Delete(twin.entries, at, at+1)
					}
				}
				if err := twin.same(tree, false); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range []Cursor{tree.At(-1), tree.At(tree.Len())} {
				if c.Valid() {
					t.Error("a cursor outside stands at an entry")
				}
			}
		})
	}
}

// TestOrderFillsPages shows that entries which come in order, from either end, leave pages that are full.
func TestOrderFillsPages(t *testing.T) {
	const n, entryBytes = 20_000, leaf + slotBytes + 8
	for name, key := range map[string]func(int) int{"ascending": func(i int) int { return i }, "descending": func(i int) int { return n - i }} {
		tree := &Tree{}
		for i := range n {
			tree.Put(fmt.Appendf(nil, "%08d", key(i)), nil)
		}
		if err := tree.valid(true); err != nil {
			t.Fatal(err)
		}
		if least := n*entryBytes/(pageBytes-headBytes) + 1; tree.Pages() > least+1 { // and the root
			t.Errorf("%s: %d pages for what fits into %d", name, tree.Pages(), least)
		}
	}
}

// TestBadPositions shows that positions outside, and keys that are too long, panic before anything changes.
func TestBadPositions(t *testing.T) {
	tree := &Tree{}
	tree.Put([]byte("a"), nil)
	for name, f := range map[string]func(){
		"insert":  func() { tree.InsertAt(2, nil) },
		"set":     func() { tree.SetAt(1, nil) },
		"delete":  func() { tree.DeleteAt(-1) },
		"range":   func() { tree.DeleteRange(1, 0) },
		"too far": func() { tree.DeleteRange(0, 2) },
		"key":     func() { tree.Put(make([]byte, MaxKeyBytes+1), nil) },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "ordered: ") {
					t.Errorf("%s ends with %s", name, text)
				}
			}()
			f()
		}()
	}
	if err := (&model{[]pair{{"a", ""}}}).same(tree, true); err != nil {
		t.Error(err)
	}
}

// FuzzTree shows on any sequence of changes that the tree holds what the model does. Each change is a byte for what, two for a key, and one for a size.
func FuzzTree(f *testing.F) {
	f.Add([]byte("\x00ab\x10\x00cd\xff\x01ab\x00\x02ac\x09"))
	f.Add([]byte(strings.Repeat("\x00ab\xf0\x00xy\xf1\x03cd\xf2\x02\x00\x01\x02", 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, twin := &Tree{}, &model{}
		for ; len(data) >= 4; data = data[4:] {
			size := int(data[3])
			key := string(data[1:3]) + strings.Repeat("k", size%4*320)
			value := strings.Repeat("v", size*size/8)
			switch data[0] % 4 {
			case 0, 3:
				if tree.Put([]byte(key), []byte(value)) != twin.put(key, value) {
					t.Fatalf("put(%.80q) mistakes whether the key is new", key)
				}
			case 1:
				if tree.Delete([]byte(key)) != twin.delete(key) {
					t.Fatalf("delete(%.80q) mistakes whether the key is there", key)
				}
			case 2:
				from := int(data[1]) % (tree.Len() + 1)
				to := from + int(data[2])%(tree.Len()-from+1)
				tree.DeleteRange(from, to)
				twin.entries = slices.Delete(twin.entries, from, to)
			}
			if err := twin.look(tree, key); err != nil {
				t.Fatal(err)
			}
		}
		if err := twin.same(tree, true); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkMillion(b *testing.B) {
	key := func(dst []byte, i uint32) []byte {
		return fmt.Appendf(dst, "%016x", uint64(i%1_000_000)*0x9e3779b97f4a7c15)
	}
	tree, value := &Tree{}, []byte("0123456789abcdef")
	for i := range uint32(1_000_000) {
		tree.Put(key(nil, i), value)
	}
	keys := make([][]byte, 1<<16)
	for i := range keys {
		keys[i] = key(nil, uint32(i)*13)
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			tree.Put(keys[i%len(keys)], value)
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		var dst []byte
		for i := 0; b.Loop(); i++ {
			dst, _ = tree.Get(dst[:0], keys[i%len(keys)])
		}
	})
	b.Run("rank", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			tree.Rank(keys[i%len(keys)])
		}
	})
	b.ReportMetric(float64(tree.Pages())*pageBytes/1e6, "bytes/entry")
}
