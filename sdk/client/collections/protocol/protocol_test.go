package protocol

import (
	"errors"
	"reflect"
	"testing"
)

// commits are of every kind of condition and write.
var commits = []Commit{
	{},
	{Writes: []Write{{Kind: Put, Key: []byte("k"), Value: []byte("v")}}, Old: true},
	{Conditions: []Condition{{Kind: Absent}, {Kind: Present, Key: []byte("k")}, {Kind: Equals, Value: []byte("v")}, {Kind: Unchanged, Version: 300}},
		Writes: []Write{{Kind: Remove, Key: []byte("k")}, {Kind: RemoveRange, Key: []byte("a"), Value: []byte("b")}}},
}

// TestSizes shows what BytesSize promises.
func TestSizes(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 16383, 16384, 1 << 21} {
		if got := len(AppendBytes(nil, make([]byte, n))); got != BytesSize(n) {
			t.Errorf("%d bytes take %d, BytesSize says %d", n, got, BytesSize(n))
		}
	}
}

// TestCutOff shows that no beginning of a request is one, and none with bytes behind it.
func TestCutOff(t *testing.T) {
	for _, c := range commits {
		data := c.Append(nil)
		for n := 1; n < len(data); n++ {
			r := Read(data[1:n])
			if err := new(Commit).Parse(&r); !errors.Is(err, ErrMalformed) {
				t.Errorf("%q is read: %v", data[:n], err)
			}
		}
		r := Read(append(data[1:], 0))
		if err := new(Commit).Parse(&r); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q and a byte are read: %v", data, err)
		}
	}
}

// commitment is what the fuzz tests write again.
type commitment interface {
	Parse(r *Reader) error
	Append(out []byte) []byte
}

// readAlike reads data into c and, if that is possible, what c then writes into again, which has to be the same.
func readAlike(t *testing.T, data []byte, c, again commitment) {
	t.Helper()
	r := Read(data)
	if c.Parse(&r) != nil {
		return
	}
	r = Read(c.Append(nil)[1:])
	if err := again.Parse(&r); err != nil || !reflect.DeepEqual(c, again) {
		t.Fatalf("%+v is read again as %+v, %v", c, again, err)
	}
}

// FuzzCommit shows that no bytes break the reader, and that what is read means the same when it is written again.
func FuzzCommit(f *testing.F) {
	for _, c := range commits {
		f.Add(c.Append(nil)[1:])
	}
	f.Fuzz(func(t *testing.T, data []byte) { readAlike(t, data, &Commit{}, &Commit{}) })
}

// FuzzVecCommit is FuzzCommit for vectors.
func FuzzVecCommit(f *testing.F) {
	c := VecCommit{Conditions: []VecCondition{{At: 1, Value: []byte("v")}}}
	for kind := VecPush; kind <= VecPopBack; kind++ {
		c.Edits = append(c.Edits, VecEdit{Kind: kind, At: 2, N: 3, Value: []byte("v")})
	}
	f.Add(c.Append(nil)[1:])
	f.Fuzz(func(t *testing.T, data []byte) { readAlike(t, data, &VecCommit{}, &VecCommit{}) })
}

// FuzzAnswers shows that no bytes break the readers of answers and events.
func FuzzAnswers(f *testing.F) {
	f.Add((&CommitReply{Failed: -1, Before: []uint64{0, 1}, Old: Entry{Present: true, Version: 3, Value: []byte("v")}}).Append(nil, true))
	f.Add((&CommitReply{Failed: 1}).Append(nil, false))
	f.Add(append((&Page{}).AppendElement(nil, &Entry{Key: []byte("k"), Value: []byte("v")}), PageMore))
	f.Add((&Granted{OK: true, Lease: Lease{Token: 1, Expires: 2, Owner: []byte("o")}, Left: 3}).Append(nil))
	f.Add((&LockChange{Kind: Acquired, Name: []byte("n"), Owner: []byte("o")}).Append([]byte{1}))
	f.Add((&QueueChange{Kind: Pushed, Item: Item{Key: []byte("k")}}).Append([]byte{1}))
	f.Add((&VecEdit{Kind: VecSwap, At: 1, N: 2}).Append([]byte{1}))
	f.Add(Status{1, 2, true}.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var reply CommitReply
		if reply.Parse(data) == nil && reply.Failed < 0 && len(reply.Before) > len(data) {
			t.Errorf("%d results of %d bytes", len(reply.Before), len(data))
		}
		entries, _, err := (&Page{}).ParseAnswer(data)
		if err == nil && len(entries) > len(data) {
			t.Errorf("%d entries of %d bytes", len(entries), len(data))
		}
		var granted Granted
		if granted.Parse(data) == nil && granted.Left < 0 {
			t.Errorf("%v are left", granted.Left)
		}
		if s, err := ParseStatus(data); err == nil {
			if again, err := ParseStatus(s.Append(nil)); err != nil || again != s {
				t.Errorf("%+v is read again as %+v, %v", s, again, err)
			}
		}
		for name, parse := range map[string]func(*Reader) error{
			"write": func(r *Reader) error { _, err := ParseWrite(r); return err }, "lock": func(r *Reader) error { _, err := ParseLockChange(r); return err },
			"queue": func(r *Reader) error { _, err := ParseQueueChange(r); return err }, "vec": func(r *Reader) error { _, err := ParseVecEdit(r); return err },
		} {
			event, err := ParseEvent(data)
			for n := 0; err == nil && event.Changes.More(); n++ {
				if err = parse(&event.Changes); n > len(data) {
					t.Fatalf("%s: %d changes of %d bytes", name, n, len(data))
				}
			}
		}
	})
}
