package wasmsm

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"slices"
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

// storeTest is one store beside its model.
type storeTest struct {
	*testing.T
	random *rand.Rand
	s      store
	memory []byte
	m      model
	views  []*viewTest
	// changes are all changes so far, put together.
	changes []byte
	// frozen are pages that are still to be read, with what they have to be.
	frozen []frozenPage
}

// frozenPage is a page of a checkpoint that may be over, to be read of from, nil for zeros.
type frozenPage struct {
	from  *frozen
	index int
	want  []byte
}

func exerciseStore(t *testing.T, random *rand.Rand, s store) {
	x := &storeTest{T: t, random: random, s: s, memory: s.resize(0)}
	for range 3 {
		v, err := s.view()
		if err != nil {
			t.Fatal(err)
		}
		x.views = append(x.views, &viewTest{T: t, random: random, v: v})
	}
	for step := range 300 {
		x.step(step)
		if !bytes.Equal(x.memory, x.m.memory) {
			t.Fatalf("step %d: the memory differs", step)
		}
		for _, v := range x.views {
			v.step(step, x.m.saved)
		}
		if step%25 == 0 {
			wantPages(t, step, s, x.m.saved)
		}
		if random.IntN(30) == 0 {
			x.wantChanges(step)
		}
		if random.IntN(3) == 0 {
			x.wantFrozen(step, random.IntN(3))
		}
	}
	for _, v := range x.views {
		v.stop()
		if err := v.v.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func (x *storeTest) step(step int) {
	switch what := x.random.IntN(21); {
	case what == 20:
		x.load(step)
	case what == 0:
		size := uint64(x.random.IntN(storeLimit/pageBytes+1)) * pageBytes
		if size >= uint64(len(x.m.memory)) || x.random.IntN(4) == 0 {
			x.m.resize(size)
			x.memory = x.s.resize(size)
		}
	case what < 8:
		for range 1 + x.random.IntN(6) {
			scribble(x.random, x.memory, x.m.memory)
		}
	case what < 14:
		shown := 0
		if err := x.s.commit(func() { shown++ }); err != nil || shown != 1 {
			x.Fatalf("step %d: commit: %v, shown %d times", step, err, shown)
		}
		x.m.saved = bytes.Clone(x.m.memory)
	default:
		size, err := x.s.rollback()
		if err != nil || size != uint64(len(x.m.saved)) {
			x.Fatalf("step %d: rollback to %d bytes, %v, want %d", step, size, err, len(x.m.saved))
		}
		x.memory = x.s.resize(size)
		x.m.rollback()
	}
}

// load takes an image in, some pages of which are zero.
func (x *storeTest) load(step int) {
	size := x.random.IntN(storeLimit/pageBytes+1) * pageBytes
	image := make([]byte, size)
	for at := 0; at < size; at += pageBytes {
		if x.random.IntN(3) > 0 {
			scribble(x.random, image[at:at+pageBytes], make([]byte, pageBytes))
		}
	}
	x.memory = x.s.resize(uint64(size))
	next, shown := 0, 0
	err := x.s.load(func(page int, into []byte) (bool, error) {
		if page != next || len(into) != pageBytes {
			x.Fatalf("step %d: page %d is read into %d bytes, not page %d", step, page, len(into), next)
		}
		next++
		from := image[page*pageBytes:][:pageBytes]
		if bytes.Equal(from, zeroPage[:]) {
			return false, nil
		}
		copy(into, from)
		return true, nil
	}, func() { shown++ })
	if err != nil || shown != 1 || next != size/pageBytes {
		x.Fatalf("step %d: load: %v, shown %d times, %d pages read of %d", step, err, shown, next, size/pageBytes)
	}
	x.m.memory, x.m.saved = image, bytes.Clone(image)
	x.s.forget()
	x.changes = bytes.Clone(image)
}

// wantChanges shows that the changes told so far make up the checkpoint.
func (x *storeTest) wantChanges(step int) {
	x.Helper()
	f, pages := x.s.freeze(), 0
	x.changes = resized(slices.Clip(x.changes), uint64(len(x.m.saved)))
	f.pending.each(f.size, func(at uint64) {
		pages++
		page := x.m.saved[at:][:pageBytes]
		copy(x.changes[at:], page)
		x.frozen = append(x.frozen, frozenPage{f, int(at / pageBytes), copyPage(page)})
	})
	if !bytes.Equal(x.changes, x.m.saved) {
		x.Fatalf("step %d: what was told of %d changed pages does not make up the checkpoint", step, pages)
	}
	if x.random.IntN(3) == 0 {
		x.wantFrozen(step, len(x.frozen))
	}
}

// wantFrozen reads some of the pages that are still to be read.
func (x *storeTest) wantFrozen(step, pages int) {
	x.Helper()
	for range min(pages, len(x.frozen)) {
		i := x.random.IntN(len(x.frozen))
		p := x.frozen[i]
		x.frozen = slices.Delete(x.frozen, i, i+1)
		if got, err := p.from.page(p.index); err != nil || !bytes.Equal(got, p.want) {
			x.Fatalf("step %d: page %d is not what it was, %v", step, p.index, err)
		}
		if _, err := p.from.page(p.index); err == nil {
			x.Fatalf("step %d: page %d was read twice", step, p.index)
		}
	}
}

// viewTest is one view beside its model. It runs for some steps and rests for some.
type viewTest struct {
	*testing.T
	random *rand.Rand
	v      viewBacking
	memory []byte
	model  []byte
	left   int
	held   bool
}

func (v *viewTest) hold(hold bool) {
	if v.held = hold; hold {
		v.v.hold()
	} else {
		v.v.release()
	}
}

func (v *viewTest) step(step int, saved []byte) {
	v.Helper()
	if v.left == 0 {
		v.left = v.random.IntN(12)
		if hold := v.random.IntN(3) == 0; hold != v.held {
			v.hold(hold)
		}
		taken := 0
		size, err := v.v.begin(func() { taken++ })
		if err != nil || size != uint64(len(saved)) || taken != 1 {
			v.Fatalf("step %d: a view of %d bytes, taken %d times, %v, want %d", step, size, taken, err, len(saved))
		}
		v.memory, v.model = v.v.resize(size), bytes.Clone(saved)
	}
	if v.random.IntN(3) == 0 {
		scribble(v.random, v.memory, v.model)
	}
	if v.random.IntN(20) == 0 && len(v.model) < storeLimit {
		v.model = append(v.model, zeroPage[:]...)
		v.memory = v.v.resize(uint64(len(v.model)))
	}
	if !bytes.Equal(v.memory, v.model) {
		v.Fatalf("step %d: the view's memory differs", step)
	}
	if v.left--; v.left <= 0 {
		v.left = 1
		v.stop()
	}
}

func (v *viewTest) stop() {
	if v.left > 0 {
		v.v.end()
		v.left = 0
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
	if err != nil {
		t.Fatal(err)
	}
	rebuilt := make([]byte, len(saved))
	for _, p := range pages {
		if bytes.Equal(p.Data, zeroPage[:]) {
			t.Fatalf("step %d: page %d is all zero", step, p.Index)
		}
		copy(rebuilt[p.Index*pageBytes:], p.Data)
	}
	if !bytes.Equal(rebuilt, saved) {
		t.Fatalf("step %d: the pages differ from the checkpoint", step)
	}
}
