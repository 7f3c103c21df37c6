package wasmsm

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var scheduleSeed = flag.Uint64("schedule.seed", 0, "replay TestSchedules from this seed; 0 takes a new one")

// probeModel is the probe's state, and what its operations do to it, written down plainly.
type probeModel struct {
	memory []byte
	g32    uint32
	g64    uint64
	f32    float32
	f64    float64
}

const probeMaxPages = 8

func newProbeModel() *probeModel {
	p := &probeModel{memory: make([]byte, pageBytes), g32: math.MaxUint32, g64: math.MaxUint64 - 1, f32: 1.5, f64: 2.5}
	copy(p.memory[4096:], "data segment")
	return p
}

func (p *probeModel) clone() *probeModel {
	c := *p
	c.memory = bytes.Clone(p.memory)
	return &c
}

func (p *probeModel) pages() uint32 { return uint32(len(p.memory) / pageBytes) }

func (p *probeModel) grow(pages uint32) uint32 {
	old := p.pages()
	if old+pages > probeMaxPages {
		return math.MaxUint32
	}
	p.memory = append(p.memory, make([]byte, pages*pageBytes)...)
	return old
}

func (p *probeModel) disturb(pages uint32) {
	p.grow(pages)
	binary.LittleEndian.PutUint32(p.memory[len(p.memory)-4:], 0x55555555)
	binary.LittleEndian.PutUint32(p.memory[8192:], binary.LittleEndian.Uint32(p.memory[8192:])+1)
	copy(p.memory[12288:], "passive")
	p.g32, p.g64, p.f32, p.f64 = p.g32+10, p.g64+10, p.f32+10, p.f64+10
}

// run does what the probe does with one input. The model is to be thrown away unless it ends as Applied.
func (p *probeModel) run(input []byte) Outcome {
	copy(p.memory[256:], input)
	param := func(i int) uint32 { return binary.LittleEndian.Uint32(p.memory[256+4*i:]) }
	switch param(0) {
	case opReturn:
		return codeOutcome(param(1))
	case opOutput:
		return Outcome{Output: bytes.Clone(p.memory[param(1):][:param(2)])}
	case opStore:
		binary.LittleEndian.PutUint32(p.memory[param(1):], param(2))
		return Outcome{}
	case opGrow:
		old := p.grow(param(1)) // moves the memory
		binary.LittleEndian.PutUint32(p.memory[512:], old)
		return Outcome{Output: bytes.Clone(p.memory[512:516])}
	case opDisturb:
		p.disturb(param(1))
		return codeOutcome(param(2))
	case opGlobals:
		b := binary.LittleEndian.AppendUint32(nil, p.g32)
		b = binary.LittleEndian.AppendUint64(b, p.g64)
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(p.f32))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(p.f64))
		b = binary.LittleEndian.AppendUint32(b, p.pages())
		copy(p.memory[512:], b)
		return Outcome{Output: b}
	}
	return Outcome{Kind: Trapped} // opDisturbAndTrap and a division by zero
}

func codeOutcome(code uint32) Outcome {
	if code != 0 {
		return Outcome{Kind: Refused, Code: int32(code)}
	}
	return Outcome{}
}

// schedule drives one machine and its model.
type schedule struct {
	*testing.T
	random *rand.Rand
	r      *Runtime
	m      *Machine
	views  []*View
	model  *probeModel
	index  uint64
	// image and its model are those of an earlier time; told is what the changes so far make up.
	image Image
	past  *probeModel
	told  Image
}

// TestSchedules shows that commands that apply, are refused, trap or grow the memory, queries between
// them and on views, images, changes and restores lead in every order to what a plain model says.
func TestSchedules(t *testing.T) {
	seed := *scheduleSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -schedule.seed=%d", seed)
	eachMemory(t, func(t *testing.T, r *Runtime) {
		s := &schedule{T: t, random: rand.New(rand.NewPCG(seed, 2)), r: r, model: newProbeModel()}
		s.m = newTestMachine(t, r, probeModule, MachineConfig{})
		for range 2 {
			s.views = append(s.views, newTestView(t, s.m))
		}
		s.keepImage()
		for range 2000 {
			s.step()
		}
	})
}

func (s *schedule) step() {
	s.Helper()
	switch what := s.random.IntN(200); {
	case what < 130:
		s.apply()
	case what < 150:
		next := s.model.clone()
		input := s.operation()
		s.same(input, query(s.T, s.m, s.index, input), next.run(input))
	case what < 180:
		s.view()
	case what < 185:
		s.changes()
	case what < 187:
		s.wantImage(s.keepImage())
	case what < 189:
		if err := s.m.Restore(s.image); err != nil {
			s.Fatal(err)
		}
		s.model = s.past.clone()
		s.told = Image{Header: s.image.Header, Pages: append([][]byte(nil), s.image.Pages...)}
	case what < 191:
		i := s.random.IntN(len(s.views))
		if err := s.views[i].Close(); err != nil {
			s.Fatal(err)
		}
		s.views[i] = newTestView(s.T, s.m)
	case what < 193:
		s.doze()
	}
}

// doze has the machine doze, which it does without views alone. The next step wakes it, or new views do.
func (s *schedule) doze() {
	s.Helper()
	if dozes, err := s.m.Doze(); dozes || err != nil {
		s.Fatalf("a machine with views dozes: %t, %v", dozes, err)
	}
	for _, v := range s.views {
		if err := v.Close(); err != nil {
			s.Fatal(err)
		}
	}
	wantDoze(s.T, s.m)
	if s.random.IntN(2) == 0 {
		s.apply()
	}
	for i := range s.views {
		s.views[i] = newTestView(s.T, s.m)
	}
}

func (s *schedule) apply() {
	s.Helper()
	s.index++
	next, input := s.model.clone(), s.operation()
	want := next.run(input)
	s.same(input, apply(s.T, s.m, s.index, input), want)
	if want.Kind == Applied {
		s.model = next
	}
}

// view has all views look at the present state.
func (s *schedule) view() {
	s.Helper()
	if err := s.m.Show(at(s.index)); err != nil {
		s.Fatal(err)
	}
	for _, v := range s.views {
		input := s.operation()
		next := s.model.clone()
		s.same(input, look(s.T, v, s.index, string(input)), next.run(input))
	}
}

func (s *schedule) same(input []byte, got, want Outcome) {
	s.Helper()
	if got.Kind != want.Kind || got.Code != want.Code || !bytes.Equal(got.Output, want.Output) {
		s.Fatalf("entry %d, %x: %+v, the model says %+v", s.index, input, got, want)
	}
}

// operation is any that the model knows. Stores leave the place of the input alone.
func (s *schedule) operation() []byte {
	place := func(size uint32) uint32 { return 16384 + s.random.Uint32N(uint32(len(s.model.memory))-16384-size) }
	switch s.random.IntN(12) {
	case 0:
		return operation(opReturn, s.random.Uint32N(3), 0, 0, 0)
	case 1:
		return operation(opGrow, s.random.Uint32N(3), 0, 0, 0)
	case 2:
		return operation(opDisturb, s.random.Uint32N(2), s.random.Uint32N(3), 0, 0)
	case 3:
		return operation(opDisturbAndTrap, s.random.Uint32N(3), 0, 0, 0)
	case 4, 5:
		return operation(opDivide, 1, 0, 0, 0)
	case 6:
		return operation(opGlobals, 0, 0, 0, 0)
	case 7:
		return operation(opOutput, place(400), s.random.Uint32N(400), 0, 0)
	}
	return operation(opStore, place(4), s.random.Uint32N(4), 0, 0)
}

func (s *schedule) keepImage() Image {
	var err error
	if s.image, err = s.m.Image(); err != nil {
		s.Fatal(err)
	}
	s.past = s.model.clone()
	return s.image
}

// changes puts the changes since the last time onto what is known from then.
func (s *schedule) changes() {
	s.Helper()
	c, err := s.m.Changes()
	if err != nil {
		s.Fatal(err)
	}
	pages := make([][]byte, c.Count)
	copy(pages, s.told.Pages)
	for _, p := range c.Pages {
		pages[p.Index] = p.Data
	}
	s.told = Image{Header: c.Header, Pages: pages}
	s.wantImage(s.told)
}

// wantImage shows that an image is that of the model.
func (s *schedule) wantImage(image Image) {
	s.Helper()
	h, err := decodeImageHeader(image.Header)
	if err != nil {
		s.Fatal(err)
	}
	want := []uint64{uint64(s.model.g32), s.model.g64, uint64(math.Float32bits(s.model.f32)), math.Float64bits(s.model.f64)}
	for i, g := range want {
		if h.globals[i] != g {
			s.Errorf("global %d is %#x, the model says %#x", i, h.globals[i], g)
		}
	}
	if int(h.pages) != len(image.Pages) || h.pages != s.model.pages() {
		s.Fatalf("%d pages, the model has %d", h.pages, s.model.pages())
	}
	for i, page := range image.Pages {
		if page == nil {
			page = zeroPage[:]
		}
		if !bytes.Equal(page, s.model.memory[i*pageBytes:][:pageBytes]) {
			s.Fatalf("after entry %d, page %d differs from the model's", s.index, i)
		}
	}
}
