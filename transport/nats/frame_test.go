package nats

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// seeded returns a source whose seed is printed when the test fails, and taken from SEED if set.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// fill sets every field that v has to something random, so that a field which an encoding forgets
// is noticed even if it was added later.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Uint64:
		v.SetUint(1 + r.Uint64()>>r.IntN(64))
	case reflect.Uint8:
		v.SetUint(1 + r.Uint64N(2))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(5), 8))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	default:
		panic("no filling for " + v.Type().String())
	}
}

// messages returns one filled message of every type, valid to send from member `from`.
func messages(r *rand.Rand, from consensus.MemberID) []consensus.Message {
	all := []consensus.Message{&consensus.AppendEntries{}, &consensus.AppendEntriesResponse{}, &consensus.RequestVote{},
		&consensus.RequestVoteResponse{}, &consensus.TimeoutNow{}, &consensus.StateSyncOffer{}, &consensus.ForwardCommand{},
		&consensus.CommandAck{}, &consensus.ForwardQuery{}, &consensus.QueryResponse{}, &consensus.StateDigest{}}
	for _, m := range all {
		fill(r, reflect.ValueOf(m).Elem())
		switch m := m.(type) {
		case *consensus.AppendEntries:
			m.Leader = from
			m.PrevLogPosition.Index >>= 1
			for i := range m.Entries {
				m.Entries[i].Index = m.PrevLogPosition.Index + 1 + consensus.Index(i)
			}
		case *consensus.RequestVote:
			m.Candidate = from
		case *consensus.TimeoutNow:
			m.Leader = from
		case *consensus.StateDigest:
			m.Digest, m.Agreed = bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)
		case *consensus.StateSyncOffer:
			m.Leader = from
			m.Snapshot.Configuration = consensus.Configuration{Voters: []consensus.MemberID{3, 5, 1 << 63},
				Outgoing: []consensus.MemberID{3, 4}, Observers: []consensus.MemberID{9}}
		}
	}
	return all
}

func writeBody(tb testing.TB, group uint64, envelopes ...consensus.Envelope) []byte {
	tb.Helper()
	w := newBodyWriter()
	if err := w.encode(group); err != nil {
		tb.Fatal(err)
	}
	for _, e := range envelopes {
		kind, m, err := toWire(e)
		if err != nil {
			tb.Fatal(err)
		}
		if err := w.add(kind, m); err != nil {
			tb.Fatal(err)
		}
	}
	return w.body
}

// Every field of every message survives a frame body, in order, and no body is larger than promised.
func TestBodyRoundTrip(t *testing.T) {
	r := seeded(t)
	reader := newBodyReader()
	for range 200 {
		var sent []consensus.Envelope
		bound := bodyBaseBytes
		for _, m := range messages(r, 11) {
			sent = append(sent, consensus.Envelope{From: 11, To: 12, Message: m})
			bound += messageBytes(m)
		}
		body := writeBody(t, 7, sent...)
		if len(body) > bound {
			t.Fatalf("the body has %d bytes, at most %d were promised", len(body), bound)
		}
		got, err := reader.read(body, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(sent) {
			t.Fatalf("%d messages arrived of %d", len(got), len(sent))
		}
		for i := range sent {
			if !reflect.DeepEqual(got[i], sent[i]) {
				t.Fatalf("sent %+v\ngot  %+v", sent[i].Message, got[i].Message)
			}
		}
	}
}

// The bound on sizes holds for the largest numbers and for entries with a term each.
func TestMessageBytesIsABound(t *testing.T) {
	const most = 1<<64 - 1
	m := &consensus.AppendEntries{Term: most, Leader: most, LeaderCommit: most, Round: most,
		PrevLogPosition: consensus.Cursor{Term: most, Index: most - 1000}}
	for i := range 999 {
		m.Entries = append(m.Entries, consensus.LogEntry{Term: most - consensus.Term(i), Kind: 255,
			Index: m.PrevLogPosition.Index + 1 + consensus.Index(i), Payload: make([]byte, i%300)})
	}
	body := writeBody(t, most, consensus.Envelope{From: most, To: most, Message: m})
	if bound := bodyBaseBytes + messageBytes(m); len(body) > bound {
		t.Fatalf("the body has %d bytes, at most %d were promised", len(body), bound)
	}
}

// A body that is cut, goes on, or breaks a rule is refused as a whole.
func TestBodyRefused(t *testing.T) {
	heartbeat := consensus.Envelope{From: 1, To: 2, Message: &consensus.AppendEntries{Term: 3, Leader: 1}}
	good := writeBody(t, 7, heartbeat, heartbeat)
	reader := newBodyReader()
	for n := range len(good) {
		got, err := reader.read(good[:n], 7)
		whole := err == nil && (len(got) == 0 || len(got) == 1)
		if err == nil && !whole || err != nil && !errors.Is(err, ErrBadFrame) {
			t.Fatalf("cut to %d of %d bytes: %v, %v", n, len(good), got, err)
		}
	}
	with := func(m wireMessage, kind uint8) []byte {
		w := newBodyWriter()
		if err := errors.Join(w.start(7), w.add(kind, m)); err != nil {
			t.Fatal(err)
		}
		return w.body
	}
	vote := &wireVoteResponse{From: 1, To: 2, Vote: 3}
	for name, body := range map[string][]byte{
		"empty":             {},
		"other group":       writeBody(t, 8, heartbeat),
		"trailing byte":     append(bytes.Clone(good), 0),
		"unknown type":      with(vote, 11),
		"type zero":         with(vote, 0),
		"wrong type":        with(vote, typeRequestVote),
		"no such vote":      with(vote, typeRequestVoteResponse),
		"no sender":         with(&wireTimeoutNow{To: 2}, typeTimeoutNow),
		"no receiver":       with(&wireTimeoutNow{From: 2}, typeTimeoutNow),
		"no such refusal":   with(&wireCommandAck{From: 1, To: 2, Refused: 3}, typeCommandAck),
		"bad configuration": with(&wireOffer{From: 1, To: 2, Configuration: []byte{1, 0, 0, 0}}, typeStateSyncOffer),
		"runs too long": with(&wireAppend{From: 1, To: 2, Runs: []uint64{1, 3}, Kinds: []byte{1},
			Payloads: [][]byte{nil}}, typeAppendEntries),
		"runs too short": with(&wireAppend{From: 1, To: 2, Runs: []uint64{1, 1}, Kinds: []byte{1, 1},
			Payloads: [][]byte{nil, nil}}, typeAppendEntries),
		"half a run":      with(&wireAppend{From: 1, To: 2, Runs: []uint64{1}}, typeAppendEntries),
		"empty run":       with(&wireAppend{From: 1, To: 2, Runs: []uint64{1, 0, 1, 1}, Kinds: []byte{1}, Payloads: [][]byte{nil}}, typeAppendEntries),
		"kinds missing":   with(&wireAppend{From: 1, To: 2, Payloads: [][]byte{nil}}, typeAppendEntries),
		"index past end":  with(&wireAppend{From: 1, To: 2, PrevIndex: 1<<64 - 1, Runs: []uint64{1, 1}, Kinds: []byte{1}, Payloads: [][]byte{nil}}, typeAppendEntries),
		"huge length":     {7, typeForwardCommand, fixArray | 4, 1, 2, 3, 0xdd, 0xff, 0xff, 0xff, 0xff},
		"huge bytes":      {7, typeForwardQuery, fixArray | 4, 1, 2, 3, 0xc6, 0xff, 0xff, 0xff, 0xff},
		"too deep":        {7, typeForwardCommand, fixArray | 4, 1, 2, 3, 0x91, 0x91, 0x91, 0x91, 0x91, 1},
		"short array":     {7, typeTimeoutNow, fixArray | 2, 1, 2},
		"long array":      {7, typeTimeoutNow, fixArray | 4, 1, 2, 3, 4},
		"nil for array":   {7, typeTimeoutNow, 0xc0},
		"map for array":   {7, typeTimeoutNow, 0x83, 1, 2, 3, 4, 5, 6},
		"negative number": {7, typeTimeoutNow, fixArray | 3, 0xff, 2, 3},
	} {
		if got, err := reader.read(body, 7); !errors.Is(err, ErrBadFrame) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// A message that contradicts itself is not sent.
func TestToWireRefuses(t *testing.T) {
	for name, m := range map[string]consensus.Message{
		"other leader":    &consensus.AppendEntries{Leader: 2},
		"other candidate": &consensus.RequestVote{Candidate: 2},
		"gap":             &consensus.AppendEntries{Leader: 1, Entries: []consensus.LogEntry{{Index: 2}}},
	} {
		if _, _, err := toWire(consensus.Envelope{From: 1, To: 2, Message: m}); !errors.Is(err, ErrBadMessage) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Splitting loses nothing, keeps every part within the limit, and makes each part continue the last.
func TestSplitAppend(t *testing.T) {
	r := seeded(t)
	for range 200 {
		limit := messageBaseBytes + 500
		m := &consensus.AppendEntries{Term: 9, Leader: 1, LeaderCommit: 4, Round: 5, PrevLogPosition: consensus.Cursor{Term: 2, Index: 10}}
		for i := range 1 + r.IntN(60) {
			m.Entries = append(m.Entries, consensus.LogEntry{Term: consensus.Term(2 + i/20), Index: consensus.Index(11 + i),
				Kind: consensus.EntryCommand, Payload: make([]byte, r.IntN(200))})
		}
		var joined []consensus.LogEntry
		prev := m.PrevLogPosition
		for _, part := range splitAppend(m, limit) {
			if size := messageBytes(part); size > limit {
				t.Fatalf("a part has %d bytes, the limit is %d", size, limit)
			}
			if part.PrevLogPosition != prev || part.Term != 9 || part.Leader != 1 || part.LeaderCommit != 4 || part.Round != 5 {
				t.Fatalf("part %s does not continue %s", part, prev)
			}
			joined = append(joined, part.Entries...)
			prev = part.Entries[len(part.Entries)-1].Position()
		}
		if !reflect.DeepEqual(joined, m.Entries) {
			t.Fatalf("%d entries became %d", len(m.Entries), len(joined))
		}
	}
}

// FuzzBody shows that no body makes the reader panic or use much more memory than it has bytes, and
// that whatever it accepts is encoded and read again as the same messages.
func FuzzBody(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, m := range messages(r, 11) {
		f.Add(writeBody(f, 7, consensus.Envelope{From: 11, To: 12, Message: m}))
	}
	f.Add([]byte{7, typeForwardCommand, fixArray | 4, 1, 2, 3, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := newBodyReader().read(bytes.Clone(body), 7)
		if err != nil {
			if !errors.Is(err, ErrBadFrame) {
				t.Fatalf("%v is not ErrBadFrame", err)
			}
			return
		}
		again, err := newBodyReader().read(writeBody(t, 7, got...), 7)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%#v", bodies(got)), fmt.Sprintf("%#v", bodies(again)); a != b {
			t.Fatalf("%s\nbecame\n%s", a, b)
		}
	})
}

// bodies returns what the envelopes point to.
func bodies(envelopes []consensus.Envelope) []any {
	var all []any
	for _, e := range envelopes {
		all = append(all, e.From, e.To, reflect.ValueOf(e.Message).Elem().Interface())
	}
	return all
}

func benchmarkMessage(entries, bytes int) *consensus.AppendEntries {
	m := &consensus.AppendEntries{Term: 9, Leader: 1, LeaderCommit: 1 << 30, Round: 1 << 20, PrevLogPosition: consensus.Cursor{Term: 9, Index: 1 << 30}}
	for i := range entries {
		m.Entries = append(m.Entries, consensus.LogEntry{Term: 9, Index: m.PrevLogPosition.Index + 1 + consensus.Index(i),
			Kind: consensus.EntryCommand, Payload: make([]byte, bytes)})
	}
	return m
}

// BenchmarkFrame measures one frame: toWire, encode and seal; unseal, decode and fromWire.
func BenchmarkFrame(b *testing.B) {
	for _, shape := range []struct{ entries, bytes int }{{0, 0}, {1, 128}, {100, 128}, {1000, 128}, {64, 16 << 10}} {
		name := fmt.Sprintf("%dx%dB", shape.entries, shape.bytes)
		e := consensus.Envelope{From: 1, To: 2, Message: benchmarkMessage(shape.entries, shape.bytes)}
		subject := raftSubject("counter", "b", "a", bulkLane)
		seal, err := newSealer(testKey(1), identity{1, 2}, subject)
		if err != nil {
			b.Fatal(err)
		}
		w := newBodyWriter()
		var frame []byte
		encode := func() {
			kind, m, err := toWire(e)
			if err == nil {
				err = errors.Join(w.start(7), w.add(kind, m))
			}
			if err != nil {
				b.Fatal(err)
			}
			frame = seal.seal(frame, w.body)
		}
		b.Run("encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode()
			}
			b.SetBytes(int64(len(frame)))
		})
		b.Run("decode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			encode()
			reader, o := newBodyReader(), &opener{key: testKey(1)}
			received := make([]byte, len(frame))
			now := time.Now()
			for b.Loop() {
				copy(received, frame)
				o.window = replayWindow{}
				body, v := o.open(subject, received, now)
				if v != accepted {
					b.Fatal(v)
				}
				if _, err := reader.read(body, 7); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(frame)))
		})
	}
}
