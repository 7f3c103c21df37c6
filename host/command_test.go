package host

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// TestCommandRoundTrip shows that every field of a command survives encoding, and that stamping
// changes the leader's fields alone.
func TestCommandRoundTrip(t *testing.T) {
	long := strings.Repeat("n", maxNameBytes)
	for name, c := range map[string]command{
		"empty":   {},
		"plain":   {Origin: 7, Request: 9, Payload: []byte("add A 1")},
		"session": {Origin: 1<<64 - 1, Request: 1<<64 - 1, Caller: "me", Session: "s", Seq: 1<<64 - 1, Acked: 1<<64 - 2, Payload: []byte{0}},
		"message": {Caller: long, MsgID: long, Payload: bytes.Repeat([]byte{1}, MaxCommandBytes)},
		"ordered": {Session: "s", Seq: 2, Ordered: true, Payload: []byte("add A 1")},
		"both":    {Session: long, Seq: 1, MsgID: "m"},
		"source":  {Caller: long, Stream: streamMark{Op: opMessage, Source: 1<<64 - 1, After: 1<<64 - 2, Seq: 1<<64 - 1, Missing: 1<<64 - 1}, Payload: []byte{8}},
		"noted":   {Stream: streamMark{Op: opPublished}},
		"stamped": {TimeNanos: -1, Published: 1<<64 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			encoded := encodeCommand(c)
			if over := len(encoded) - len(c.Payload); over > commandOverhead {
				t.Errorf("%d bytes beside the command, at most %d are promised", over, commandOverhead)
			}
			equalCommand(t, encoded, c)
			c.TimeNanos, c.Published = 1234567890, 42
			stampCommand(encoded, c.TimeNanos, c.Published)
			equalCommand(t, encoded, c)
		})
	}
}

func equalCommand(t *testing.T, encoded []byte, want command) {
	t.Helper()
	got, err := decodeCommand(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Payload, want.Payload) {
		t.Fatalf("the payload of %d bytes became %d", len(want.Payload), len(got.Payload))
	}
	got.Payload, want.Payload = nil, nil
	if !equalFields(got, want) {
		t.Fatalf("%+v became %+v", want, got)
	}
}

func equalFields(a, b command) bool {
	return a.TimeNanos == b.TimeNanos && a.Published == b.Published && a.Origin == b.Origin && a.Request == b.Request &&
		a.Caller == b.Caller && a.Session == b.Session && a.Seq == b.Seq && a.Acked == b.Acked && a.Ordered == b.Ordered && a.MsgID == b.MsgID && a.Stream == b.Stream
}

// TestDamagedCommands shows that what is cut short, or of another version, or with fields that are
// too long, is refused as corrupt.
func TestDamagedCommands(t *testing.T) {
	whole := encodeCommand(command{Caller: "me", Session: "s", Seq: 300, MsgID: "id"})
	for n := range len(whole) {
		if _, err := decodeCommand(whole[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the first %d of %d bytes: %v", n, len(whole), err)
		}
	}
	for name, harm := range map[string]func([]byte){
		"version": func(b []byte) { b[0] = 2 },
		"flags":   func(b []byte) { b[33] |= 16 },
		"order":   func(b []byte) { b[33] = flagOrdered }, // without a session
		"nobody's order": func(b []byte) { // of a session without a name
			copy(b, encodeCommand(command{Payload: make([]byte, len(b)-commandFixed-1)}))
			b[33] = flagSession | flagOrdered
		},
		"no such mark": func(b []byte) {
			copy(b, encodeCommand(command{Payload: make([]byte, len(b)-commandFixed-1)}))
			b[33], b[35] = flagStream, byte(lastOp)+1
		},
		"no mark": func(b []byte) {
			copy(b, encodeCommand(command{Payload: make([]byte, len(b)-commandFixed-1)}))
			b[33] = flagStream
		},
		"length": func(b []byte) { b[34] = 0xff; b[35] = 0x7f },
	} {
		damaged := bytes.Clone(whole)
		harm(damaged)
		if _, err := decodeCommand(damaged); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decodeCommand(encodeCommand(command{Caller: strings.Repeat("n", maxNameBytes+1)})); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a caller that is too long: %v", err)
	}
}

// FuzzCommand shows that no bytes make the decoder panic, and that what it accepts means the same
// after another round.
func FuzzCommand(f *testing.F) {
	f.Add(encodeCommand(command{}))
	f.Add(encodeCommand(command{TimeNanos: 1, Published: 2, Origin: 3, Request: 4, Caller: "c", Session: "s", Seq: 5, Acked: 4, Payload: []byte("p")}))
	f.Add(encodeCommand(command{Session: "s", Seq: 2, Ordered: true, Payload: []byte("p")}))
	f.Add(encodeCommand(command{MsgID: "m", Payload: []byte("add A 1")}))
	f.Add(encodeCommand(command{Stream: streamMark{Op: opSkip, Source: 300, After: 1, Seq: 2, Missing: 3}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCommand(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeCommand(encodeCommand(c))
		if err != nil {
			t.Fatal(err)
		}
		if c.Session == "" { // an empty session is as good as none
			again.Seq, again.Acked = c.Seq, c.Acked
		}
		if !equalFields(c, again) || !bytes.Equal(c.Payload, again.Payload) {
			t.Fatalf("%+v became %+v", c, again)
		}
		if len(c.Caller) > maxNameBytes || len(c.Session) > maxNameBytes || len(c.MsgID) > maxNameBytes {
			t.Fatalf("a name is too long: %+v", c)
		}
	})
}

// FuzzStoredReplica shows that no bytes make a replica panic that is restored from them, and that a
// restored replica has the same image again.
func FuzzStoredReplica(f *testing.F) {
	r := begun(newRegister())
	for i, c := range []command{
		{Session: "s", Seq: 1, Payload: []byte("add A 5")}, {Session: "s", Seq: 2, Payload: []byte("refuse")},
		{MsgID: "m", Payload: []byte("emit B tag")}, {Session: "t", Seq: 1, Payload: []byte("trap")},
		{Stream: streamMark{Op: opBind}, Payload: packed(f, source{Name: "s", Stream: "S"})}, {Stream: streamMark{Op: opSink}, Payload: []byte("T")},
		{Stream: streamMark{Op: opMessage, Source: 5, Seq: 3, Missing: 2}, Payload: []byte("add A 1")},
	} {
		if _, err := r.apply(entryOf(i+1, c)); err != nil {
			f.Fatal(err)
		}
		image, err := r.image()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(image.state)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, state []byte) {
		r := begun(newRegister())
		image := replicaImage{pages: make([]*imagePage, 3), state: state}
		if err := r.restore(image); err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		first, err := r.image()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.restore(first); err != nil {
			t.Fatalf("its own image is refused: %v", err)
		}
		second, err := r.image()
		if err != nil || !bytes.Equal(first.state, second.state) {
			t.Fatalf("the image changed, %v", err)
		}
	})
}

func entryOf(index int, c command) consensus.LogEntry {
	return consensus.LogEntry{Term: 1, Index: consensus.Index(index), Kind: consensus.EntryCommand, Payload: encodeCommand(c)}
}

// FuzzManifest shows that no bytes make the reading of a manifest panic.
func FuzzManifest(f *testing.F) {
	whole, err := pack(manifest{
		Anchor:        consensus.Cursor{Term: 1, Index: 2},
		Configuration: consensus.EncodeConfiguration(consensus.Configuration{Voters: []consensus.MemberID{1}}),
		Header:        []byte("h"), Pages: make([]byte, 64), State: bytes.Repeat([]byte{1}, 32),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if got := len(m.chunks()); got > (len(m.Pages)+len(m.State))/32 {
			t.Fatalf("%d chunks", got)
		}
		meta, err := m.meta(Digest{1})
		if err == nil && len(meta.Configuration.Voters) == 0 {
			t.Fatal("a snapshot without voters")
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

// FuzzCatalog shows that no command and no query makes the catalog panic, and that a catalog which is
// restored from an image has the same image.
func FuzzCatalog(f *testing.F) {
	for _, c := range []catalogCommand{
		{Hold: &moduleRecord{Digest: Digest{1}, Size: 3, Holders: []string{"a"}}},
		{Create: &groupRecord{Name: "g", Module: Digest{1}, Replicas: 1}}, {Remove: "g"},
		{Members: &membersChange{Group: catalogGroup, Action: "demote", Host: "b"}}, {Members: &membersChange{Group: "g", Action: "replace", Host: "a", With: "b"}},
		{Observed: &observedMembers{Group: 0, Term: 2, Index: 9, Voters: []consensus.MemberID{1}, Observers: []consensus.MemberID{2}}},
		{Admit: &hostRecord{Name: "b", ID: "another folder"}}, {Admit: &hostRecord{Name: "c", ID: "x"}}, {Expel: "b"},
	} {
		packed, err := pack(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newCatalog(founders("a", "b"), func() {})
		hold, err := pack(catalogCommand{Hold: &moduleRecord{Digest: Digest{}, Size: 3, Holders: []string{"a"}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, payload := range [][]byte{hold, data, data} {
			if _, err := c.Apply(EntryContext{Index: consensus.Index(i + 1)}, payload); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Query(EntryContext{}, data); err != nil {
			t.Fatal(err)
		}
		image, err := c.Image()
		if err != nil {
			t.Fatal(err)
		}
		other := newCatalog(nil, func() {})
		if err := other.Restore(image); err != nil {
			t.Fatal(err)
		}
		if again, err := other.Image(); err != nil || !bytes.Equal(image.Header, again.Header) {
			t.Fatalf("the image changed, %v", err)
		}
	})
}
