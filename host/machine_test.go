package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/groutlabs/grout/sdk/api"
)

// register is a native machine for tests: 26 counters named A to Z, and the tags of all commands that
// it ever applied. Its commands and queries are words:
//
//	add A 5 tag    adds and returns the sum; tag is optional
//	emit A tag     adds 1 and emits the sum with the suffix A
//	nothing        has an empty output and emits an empty event
//	refuse, trap   end without effect
//	break          this member cannot go on
//	wait           holds the goroutine until gate is closed
//	spend A 5      adds 1 and returns five bytes; traps over the limit on outputs
//	get A          is the only query, beside wait
type register struct {
	cells [26]int64
	tags  map[string]int64
	gate  chan struct{}
	// limits are the present ones. The cell M is the memory, in pages.
	limits api.Limits

	mu     sync.Mutex
	closed int
	// dozing is set from a doze to the next call, dozes counts the times that it was set.
	dozing bool
	dozes  int
}

var errBroken = errors.New("the machine broke")

// Doze implements Dozer. A register has nothing to give back: it notes that it was told.
func (r *register) Doze() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.dozing {
		r.dozing = true
		r.dozes++
	}
	return nil
}

func (r *register) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dozing = false
}

func newRegister() *register { return &register{tags: map[string]int64{}, gate: make(chan struct{})} }

func (r *register) Apply(entry EntryContext, command []byte) (Outcome, error) {
	r.wake()
	words := strings.Fields(string(command))
	if len(words) == 0 {
		return Outcome{Kind: Trapped, Message: "empty"}, nil
	}
	switch {
	case words[0] == "wait":
		<-r.gate
		return Outcome{}, nil
	case words[0] == "nothing":
		return Outcome{Output: []byte{}, Events: []Event{{Suffix: "none", Payload: []byte{}}}}, nil
	case words[0] == "refuse":
		return Outcome{Kind: Refused, Code: 7, Message: "as asked"}, nil
	case words[0] == "break":
		return Outcome{}, errBroken
	case len(words) == 3 && words[0] == "spend":
		return r.spend(words[1], words[2])
	case len(words) < 3 || words[0] != "add" && words[0] != "emit":
		return Outcome{Kind: Trapped, Message: "unknown command"}, nil
	}
	n, tag := int64(1), words[len(words)-1]
	if words[0] == "add" {
		var err error
		if n, err = strconv.ParseInt(words[2], 10, 64); err != nil {
			return Outcome{Kind: Trapped, Message: err.Error()}, nil
		}
	}
	if words[0] == "emit" || len(words) == 4 {
		r.tags[tag]++
	}
	cell := &r.cells[words[1][0]-'A']
	*cell += n
	sum := strconv.FormatInt(*cell, 10)
	out := Outcome{Output: []byte(sum)}
	if words[0] == "emit" {
		out.Events = []Event{{Suffix: words[1], Payload: []byte(tag)}, {Suffix: words[1], Payload: nil}}
	}
	return out, nil
}

func (r *register) spend(cell, bytes string) (Outcome, error) {
	n, err := strconv.Atoi(bytes)
	if limit := int(r.limits.OutputBytes); err != nil || limit > 0 && n > limit {
		return Outcome{Kind: Trapped, Message: fmt.Sprintf("%s bytes of output, the limit is %d", bytes, limit)}, nil
	}
	r.cells[cell[0]-'A']++
	return Outcome{Output: make([]byte, n)}, nil
}

func (r *register) SetLimits(limits api.Limits) error {
	r.limits = limits
	return nil
}

func (r *register) MemoryBytes() int64 { return r.cells['M'-'A'] * PageBytes }

func (r *register) Query(_ EntryContext, query []byte) (Outcome, error) {
	r.wake()
	words := strings.Fields(string(query))
	if len(words) == 1 && words[0] == "wait" {
		<-r.gate
		return Outcome{}, nil
	}
	if len(words) != 2 || words[0] != "get" {
		return Outcome{Kind: Refused, Code: 1, Message: "unknown query"}, nil
	}
	return Outcome{Output: []byte(strconv.FormatInt(r.cells[words[1][0]-'A'], 10))}, nil
}

// Image spreads the cells over three pages, the last of them short. The tags are in the header.
func (r *register) Image() (Image, error) {
	r.wake()
	image := Image{Pages: make([][]byte, 3)}
	for i, n := range r.cells {
		if n == 0 {
			continue
		}
		page := &image.Pages[i%3]
		if *page == nil {
			*page = make([]byte, []int{PageBytes, PageBytes, 512}[i%3])
		}
		binary.BigEndian.PutUint64((*page)[8*(i/3):], uint64(n))
	}
	for _, tag := range slices.Sorted(maps.Keys(r.tags)) {
		image.Header = fmt.Appendf(image.Header, "%s %d\n", tag, r.tags[tag])
	}
	return image, nil
}

func (r *register) Restore(image Image) error {
	r.wake()
	if len(image.Pages) != 3 {
		return fmt.Errorf("an image of %d pages", len(image.Pages))
	}
	r.cells, r.tags = [26]int64{}, map[string]int64{}
	for i := range r.cells {
		if page := image.Pages[i%3]; page != nil {
			r.cells[i] = int64(binary.BigEndian.Uint64(page[8*(i/3):]))
		}
	}
	for line := range strings.Lines(string(image.Header)) {
		tag, count, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return err
		}
		r.tags[tag] = n
	}
	return nil
}

func (r *register) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	return nil
}

// registers makes registers from any module that does not begin with "bad", and counts those that
// were made and not closed. An init argument of "bad" makes New fail.
type registers struct {
	mu   sync.Mutex
	made []*register
	// failure is why no machine can be made now.
	failure error
}

func (m *registers) setFailure(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

func (m *registers) Check(module []byte) error {
	if strings.HasPrefix(string(module), "bad") {
		return errors.New("byte 0 is wrong")
	}
	return nil
}

// Version is 1.
func (m *registers) Version() int { return 1 }

// Upgrade makes a register with the cells and tags of another, from any module that does not begin with
// "refuse" or "trap". It marks the cell Z.
func (m *registers) Upgrade(old Machine, config MachineConfig, _ EntryContext) (Machine, Outcome, error) {
	switch module := string(config.Module); {
	case strings.HasPrefix(module, "refuse"):
		return nil, Outcome{Kind: Refused, Code: 9, Message: "grout_migrate: as asked"}, nil
	case strings.HasPrefix(module, "trap"):
		return nil, Outcome{Kind: Trapped, Message: "grout_migrate: as asked"}, nil
	}
	next, err := m.New(config)
	if err != nil {
		return nil, Outcome{Kind: Trapped, Message: err.Error()}, nil
	}
	from, to := old.(*register), next.(*register)
	to.cells, to.tags = from.cells, maps.Clone(from.tags)
	to.cells[25]++
	return to, Outcome{}, nil
}

func (m *registers) New(config MachineConfig) (Machine, error) {
	if string(config.Init) == "bad" {
		return nil, errors.New("init was refused")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return nil, m.failure
	}
	r := newRegister()
	r.limits = config.Limits
	m.made = append(m.made, r)
	return r, nil
}

// open counts the machines that were made and not closed exactly once.
func (m *registers) open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, r := range m.made {
		r.mu.Lock()
		if r.closed != 1 {
			n++
		}
		r.mu.Unlock()
	}
	return n
}

// begun is a replica of one machine.
func begun(machine Machine) *replica {
	r := newReplica(fixedMachine{machine}, machineSpec{})
	r.machine = machine
	return r
}
