package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// simMachine is a machine of sixteen numbered cells on four small pages. Its digest covers all that it
// was ever told: equal digests mean equal histories. Its commands and queries are words:
//
//	add 3 5 tag    adds and answers the sum
//	put 3 5 tag    sets
//	cas 3 4 5 tag  sets to 5 where 4 is found, and answers 1 or 0
//	emit 3 tag     adds 1 and emits two events, the first with the tag
//	refuse tag, trap tag
//	get 3          is the only query
type simMachine struct {
	// life is the process, nil for the world's own copy.
	life    *simLife
	cells   [16]int64
	digest  uint64
	version uint8
	// told are the pages of the last Changes or Restore.
	told   [][]byte
	closed bool
	// asleep has the cells and the digest while the machine dozes, when they are wrong here.
	asleep *simMachine
}

// Doze implements Dozer.
func (m *simMachine) Doze() error {
	if m.asleep == nil {
		m.asleep = &simMachine{cells: m.cells, digest: m.digest}
		m.cells, m.digest = [16]int64{-1, -1, -1, -1}, 0
		m.life.node.w.stats.dozes++
	}
	return nil
}

func (m *simMachine) awake() *simMachine {
	if m.asleep != nil {
		m.cells, m.digest, m.asleep = m.asleep.cells, m.asleep.digest, nil
	}
	return m
}

func newSimMachine() *simMachine { return &simMachine{digest: 14695981039346656037, version: 1} }

// fold adds to the digest (FNV-1a).
func (m *simMachine) fold(data []byte) {
	for _, b := range data {
		m.digest = (m.digest ^ uint64(b)) * 1099511628211
	}
}

// Apply implements Machine.
func (m *simMachine) Apply(entry EntryContext, command []byte) (Outcome, error) {
	m.awake()
	var context [24]byte
	binary.BigEndian.PutUint64(context[:], uint64(entry.Index))
	binary.BigEndian.PutUint64(context[8:], uint64(entry.Term))
	binary.BigEndian.PutUint64(context[16:], uint64(entry.TimeNanos))
	out := m.execute(strings.Fields(string(command)))
	if out.Kind == Applied {
		m.fold(context[:])
		m.fold([]byte(entry.Caller))
		m.fold(command)
		m.fold([]byte{m.version})
	}
	if m.life != nil {
		m.life.node.w.truth.applied(m.life, entry, m)
	}
	return out, nil
}

func (m *simMachine) execute(words []string) Outcome {
	switch words[0] {
	case "refuse":
		return Outcome{Kind: Refused, Code: 7, Message: "as asked"}
	case "trap":
		return Outcome{Kind: Trapped, Message: "as asked"}
	}
	cell := &m.cells[number(words[1])]
	switch words[0] {
	case "add":
		*cell += number(words[2])
	case "put":
		*cell = number(words[2])
	case "emit":
		*cell++
		return Outcome{Output: strconv.AppendInt(nil, *cell, 10), Events: []Event{
			{Suffix: words[1], Payload: []byte(words[2])}, {Suffix: "also", Payload: nil},
		}}
	case "cas":
		if *cell != number(words[2]) {
			return Outcome{Output: []byte("0")}
		}
		*cell = number(words[3])
		return Outcome{Output: []byte("1")}
	}
	return Outcome{Output: strconv.AppendInt(nil, *cell, 10)}
}

func number(word string) int64 {
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// Query implements Machine.
func (m *simMachine) Query(_ EntryContext, query []byte) (Outcome, error) {
	m.awake()
	_, cell, _ := strings.Cut(string(query), " ")
	return Outcome{Output: strconv.AppendInt(nil, m.cells[number(cell)], 10)}, nil
}

const simPages = 4

// Image implements Machine. The pages are far smaller than a sandbox's: what the host does with them
// is the same.
func (m *simMachine) Image() (Image, error) {
	m.awake()
	image := Image{Header: binary.BigEndian.AppendUint64(nil, m.digest), Pages: make([][]byte, simPages)}
	for i, n := range m.cells {
		if n != 0 && image.Pages[i%simPages] == nil {
			image.Pages[i%simPages] = make([]byte, 8*len(m.cells)/simPages)
		}
		if n != 0 {
			binary.BigEndian.PutUint64(image.Pages[i%simPages][8*(i/simPages):], uint64(n))
		}
	}
	return image, nil
}

// Changes implements Changer.
func (m *simMachine) Changes() (Changes, error) {
	image, err := m.Image()
	changes := Changes{Header: image.Header, Count: len(image.Pages)}
	for i, page := range image.Pages {
		var before []byte
		if m.told != nil {
			before = m.told[i]
		}
		if !bytes.Equal(before, page) {
			changes.Pages = append(changes.Pages, ChangedPage{Index: i})
		}
	}
	m.told = image.Pages
	changes.Read = func(page int) ([]byte, error) {
		if m.closed {
			return nil, errors.New("the machine is closed")
		}
		return image.Pages[page], nil
	}
	return changes, err
}

// Restore implements Machine.
func (m *simMachine) Restore(image Image) error {
	if len(image.Pages) != simPages || len(image.Header) != 8 {
		return fmt.Errorf("an image of %d pages", len(image.Pages))
	}
	m.awake()
	if m.life.g != nil {
		m.life.node.w.stats.installs++
	}
	m.digest, m.cells, m.told = binary.BigEndian.Uint64(image.Header), [16]int64{}, slices.Clone(image.Pages)
	for i := range m.cells {
		if page := image.Pages[i%simPages]; page != nil {
			m.cells[i] = int64(binary.BigEndian.Uint64(page[8*(i/simPages):]))
		}
	}
	return nil
}

// Load implements Loader.
func (m *simMachine) Load(header []byte, pages int, read func(page int, into []byte) (bool, error)) error {
	image := Image{Header: header, Pages: make([][]byte, pages)}
	for i := range pages {
		page := make([]byte, 8*len(m.cells)/simPages)
		if data, err := read(i, page); err != nil {
			return err
		} else if data {
			image.Pages[i] = page
		}
	}
	return m.Restore(image)
}

// Close implements Machine.
func (m *simMachine) Close() error {
	m.closed = true
	return nil
}
