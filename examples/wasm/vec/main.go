// Command vec is a replicated vector, for collections.Vec. README.md describes it.
package main

import (
	"bytes"
	"fmt"

	"github.com/groutlabs/grout/examples/wasm/internal/feed"
	"github.com/groutlabs/grout/examples/wasm/internal/ordered"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// vec is the machine. An element's position is counted by the tree, so that inserting one in the middle moves none.
type vec struct {
	elements ordered.Tree
	feed     feed.Feed

	// What follows is used again by every call.
	commit         protocol.VecCommit
	reply, element []byte
}

func newMachine() sdk.Machine { return &vec{} }

func init() { sdk.Register(newMachine()) }

func main() {} // never runs: the host calls Apply and Query

// Init implements sdk.Initializer: the argument is empty or protocol.Quiet.
func (v *vec) Init(_ *sdk.Context, arg []byte) error { return v.feed.Init("vec", arg) }

func refuse(code int32, format string, args ...any) error {
	return sdk.Refuse(code, "vec: "+format, args...)
}

// Apply implements sdk.Machine.
func (v *vec) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	if len(command) > protocol.MaxRequestBytes {
		return nil, refuse(protocol.CodeTooLarge, "a command of %d bytes: the limit is %d", len(command), protocol.MaxRequestBytes)
	}
	r := protocol.Read(command)
	if r.Byte() != protocol.OpEdit {
		return nil, refuse(protocol.CodeBadRequest, "%.40q is no command of vectors", command)
	}
	if err := v.commit.Parse(&r); err != nil {
		return nil, refuse(protocol.CodeBadRequest, "%v", err)
	}
	holds, err := v.check()
	if err != nil {
		return nil, err
	}
	v.reply = append(v.reply[:0], 0)
	if !holds {
		v.reply = append(protocol.AppendNumber(v.reply, uint64(v.elements.Len())), protocol.PageEnd)
		return v.reply, nil
	}
	v.reply[0] = 1
	v.edit(ctx)
	return v.reply, nil
}

// check refuses a commit with bad positions or too much in it, and reports whether its conditions hold. Nothing is changed.
func (v *vec) check() (holds bool, err error) {
	length := uint64(v.elements.Len())
	holds = true
	for i := range v.commit.Conditions {
		c := &v.commit.Conditions[i]
		if c.At >= length {
			holds = false
			continue
		}
		v.element = v.get(int(c.At))
		holds = holds && bytes.Equal(v.element, c.Value)
	}
	if v.commit.Old && len(v.commit.Edits) != 1 {
		return false, refuse(protocol.CodeBadRequest, "old elements are those of a single edit: this commit has %d", len(v.commit.Edits))
	}
	if !holds {
		return false, nil // nor need the positions of what is not done
	}
	for i := range v.commit.Edits {
		e := &v.commit.Edits[i]
		if length, err = after(length, e); err != nil {
			return false, refuse(protocol.CodeOutOfRange, "edit %d: %v", i, err)
		}
		if len(e.Value) > protocol.MaxValueBytes {
			return false, refuse(protocol.CodeTooLarge, "edit %d: the element has %d bytes, the limit is %d", i, len(e.Value), protocol.MaxValueBytes)
		}
	}
	if v.commit.Old {
		return true, v.checkOld(&v.commit.Edits[0])
	}
	return true, nil
}

// after returns the length after an edit of a vector of this length.
func after(length uint64, e *protocol.VecEdit) (uint64, error) {
	switch e.Kind {
	case protocol.VecInsert:
		if e.At > length {
			return 0, outside(e.At, length)
		}
		return length + 1, nil
	case protocol.VecPush:
		return length + 1, nil
	case protocol.VecSet:
		if e.At >= length {
			return 0, outside(e.At, length)
		}
	case protocol.VecSwap:
		if most := max(e.At, e.N); most >= length {
			return 0, outside(most, length)
		}
	case protocol.VecRemove:
		if e.At > length || e.N > length-e.At {
			return 0, outside(e.At+e.N, length)
		}
		return length - e.N, nil
	case protocol.VecTruncate:
		return min(length, e.At), nil
	case protocol.VecPopFront, protocol.VecPopBack:
		return length - min(length, e.N), nil
	}
	return length, nil
}

func outside(position, length uint64) error {
	return fmt.Errorf("position %d of a vector of %d", position, length)
}

// checkOld refuses to return more elements than fit.
func (v *vec) checkOld(e *protocol.VecEdit) error {
	from, to := v.touched(e)
	size := 0
	for c, n := v.elements.At(from), from; n < to && e.Kind < protocol.VecPopFront; n++ {
		if size += 1 + protocol.BytesSize(c.ValueBytes()); n > from && size > protocol.MaxAnswerBytes {
			return refuse(protocol.CodeTooLarge, "the old elements have over %d bytes: remove them in pieces, or without asking for them", protocol.MaxAnswerBytes)
		}
		c.Next()
	}
	return nil
}

// touched returns the positions of the elements that an edit replaces or removes.
func (v *vec) touched(e *protocol.VecEdit) (from, to int) {
	length := v.elements.Len()
	switch e.Kind {
	case protocol.VecSet:
		return int(e.At), int(e.At) + 1
	case protocol.VecRemove:
		return int(e.At), int(e.At + e.N)
	case protocol.VecTruncate:
		return int(min(e.At, uint64(length))), length
	case protocol.VecPopFront:
		return 0, int(min(e.N, uint64(length)))
	case protocol.VecPopBack:
		return length - int(min(e.N, uint64(length))), length
	}
	return 0, 0
}

// get returns an element. It is good until the next call.
func (v *vec) get(at int) []byte {
	c := v.elements.At(at)
	v.element = c.Value(v.element[:0])
	return v.element
}

// edit makes the edits, and the reply: the length afterwards, and the old elements if they were asked for.
func (v *vec) edit(ctx *sdk.Context) {
	v.feed.Begin()
	var old []byte
	for i := range v.commit.Edits {
		e := &v.commit.Edits[i]
		if v.commit.Old {
			old = v.takeOld(e)
		}
		if v.apply(e) {
			v.feed.Event = e.Append(v.feed.Event)
		}
	}
	v.feed.End(ctx)
	v.reply = append(protocol.AppendNumber(v.reply, uint64(v.elements.Len())), old...)
	v.reply = append(v.reply, protocol.PageEnd)
}

// takeOld returns the elements that an edit is about to replace or remove, with their marks, and has a pop take no more than fit.
func (v *vec) takeOld(e *protocol.VecEdit) (old []byte) {
	from, to := v.touched(e)
	taken := uint64(0)
	for n := from; n < to; n++ {
		at := n
		if e.Kind == protocol.VecPopBack {
			at = to - 1 - (n - from)
		}
		element := v.get(at)
		if e.Kind >= protocol.VecPopFront && n > from && len(old)+len(element)+maxMarks > protocol.MaxAnswerBytes {
			break
		}
		old = protocol.AppendBytes(append(old, protocol.PageNext), element)
		taken++
	}
	if e.Kind >= protocol.VecPopFront {
		e.N = taken
	}
	return old
}

// maxMarks is the most that an element has in an answer beside itself: a mark and a length, and at the end another mark.
const maxMarks = 1 + 3 + 1

// apply makes an edit, and reports whether it changed anything.
func (v *vec) apply(e *protocol.VecEdit) bool {
	switch e.Kind {
	case protocol.VecPush:
		v.elements.InsertAt(v.elements.Len(), e.Value)
	case protocol.VecInsert:
		v.elements.InsertAt(int(e.At), e.Value)
	case protocol.VecSet:
		v.elements.SetAt(int(e.At), e.Value)
	case protocol.VecSwap:
		if e.At == e.N {
			return false
		}
		one := bytes.Clone(v.get(int(e.At)))
		v.elements.SetAt(int(e.At), v.get(int(e.N)))
		v.elements.SetAt(int(e.N), one)
	default:
		from, to := v.touched(e)
		v.elements.DeleteRange(from, to)
		return to > from
	}
	return true
}

// Query implements sdk.Machine.
func (v *vec) Query(_ *sdk.Context, query []byte) ([]byte, error) {
	r := protocol.Read(query)
	v.reply = v.reply[:0]
	switch r.Byte() {
	case protocol.OpElements:
		var p protocol.VecPage
		if err := p.Parse(&r); err != nil {
			return nil, refuse(protocol.CodeBadRequest, "%v", err)
		}
		v.page(&p)
	case protocol.OpStatus:
		v.reply = v.feed.Status(v.elements.Len()).Append(v.reply)
		if err := r.End(); err != nil {
			return nil, refuse(protocol.CodeBadRequest, "%v", err)
		}
	default:
		return nil, refuse(protocol.CodeBadRequest, "%.40q is no query of vectors", query)
	}
	return v.reply, nil
}

func (v *vec) page(p *protocol.VecPage) {
	length := uint64(v.elements.Len())
	to := min(p.To, length)
	from := min(p.From, to)
	left := to - from
	limit := left
	if p.Limit > 0 {
		limit = min(limit, p.Limit)
	}
	c := v.elements.At(int(from))
	if p.Descending {
		c = v.elements.At(int(to) - 1)
	}
	for n := uint64(0); n < limit; n++ {
		if n > 0 && len(v.reply)+c.ValueBytes()+maxMarks > protocol.MaxAnswerBytes {
			v.reply = append(v.reply, protocol.PageMore)
			return
		}
		v.element = c.Value(v.element[:0])
		v.reply = protocol.AppendBytes(append(v.reply, protocol.PageNext), v.element)
		if p.Descending {
			c.Prev()
		} else {
			c.Next()
		}
	}
	v.reply = append(v.reply, protocol.LastMark(left-limit))
}
