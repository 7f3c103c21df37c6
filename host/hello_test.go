package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// hello encodes one, with a cluster of the given hosts if there are any. A host without a member gets one.
func hello(tb testing.TB, peers []string, hosts ...clusterHost) []byte {
	tb.Helper()
	m := helloMessage{From: clusterHost{Name: "b", ID: "id-b"}, Peers: peers}
	if len(hosts) > 0 {
		hosts = slices.Clone(hosts)
		for i := range hosts {
			if hosts[i].Member == consensus.NoMember {
				hosts[i].Member = memberID(0, i)
			}
		}
		m.Cluster = &clusterRecord{ID: "c1", Key: bytes.Repeat([]byte{7}, clusterKeyBytes), Founders: hosts[:1], Hosts: hosts}
	}
	data, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestDecodeHello shows that a hello which no host says is refused, and why.
func TestDecodeHello(t *testing.T) {
	peers := []string{"a", "b"}
	a, b := clusterHost{Name: "a", ID: "id-a"}, clusterHost{Name: "b", ID: "id-b"}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{hello(t, peers), ""}, {hello(t, peers, a, b), ""}, {hello(t, nil, b), ""},
		{[]byte("null"), "bad name"}, {[]byte("{"), "unexpected end"}, {[]byte(`{"from":{"name":"a"}}`), "no identity"},
		{hello(t, []string{"a", "x.y"}), `bad name "x.y"`},
		{hello(t, peers, a, clusterHost{Name: "a", ID: "id-z"}), `host "a" has no identity, or two`},
		{hello(t, peers, a, clusterHost{Name: "b"}), `host "b" has no identity`},
		{hello(t, peers, a, clusterHost{Name: ">", ID: "id-b"}), `bad name ">"`},
		{hello(t, peers, a, clusterHost{Name: "b", ID: "id-b", Member: memberID(0, 0)}), `host "b" has no member of its own`},
		{[]byte(`{"from":{"name":"b","id":"id-b"},"cluster":{"id":"c1","hosts":[{"name":"a","id":"id-a"}]}}`), "a key of 0 bytes"},
		{[]byte(`{"from":{"name":"b","id":"id-b"},"cluster":{}}`), "0 hosts"},
	} {
		_, err := decodeHello(c.data)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.data, err)
		case c.want != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.data, err, c.want)
		}
	}
}

// FuzzHello shows that no hello makes a host panic, before it has a cluster and after, and that a cluster
// which a host joins because of one is one that it finds again after a start.
func FuzzHello(f *testing.F) {
	peers := []string{"a", "b"}
	f.Add(hello(f, peers))
	f.Add(hello(f, peers, clusterHost{Name: "a", ID: "id-a"}, clusterHost{Name: "b", ID: "id-b"}))
	f.Add(hello(f, peers, clusterHost{Name: "b", ID: "id-b"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		store, room := newMemStore(), newHall()
		if err := store.SetMeta(metaHostID, []byte("id-a")); err != nil {
			t.Fatal(err)
		}
		config := &Config{Name: "a", Peers: peers, Store: store, Hello: room, Clock: room, Logger: slog.New(slog.DiscardHandler)}
		b, err := newBootstrap(config)
		if err != nil {
			t.Fatal(err)
		}
		b.hear(data)
		select {
		case m := <-b.incoming:
			if err := b.meet(m); err != nil && !errors.Is(err, ErrIdentity) && !errors.Is(err, ErrBadConfig) {
				t.Fatal(err)
			}
		default:
		}
		record, err := store.Meta(metaCluster)
		if err != nil {
			t.Fatal(err)
		}
		if record == nil {
			return
		}
		again, err := newBootstrap(config)
		if err != nil {
			t.Fatalf("the cluster that was joined is refused: %v", err)
		}
		entrance := door{bootstrap: again, replaced: func() {}}
		stop, err := entrance.open()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		for _, ear := range room.ears {
			ear(data)
		}
	})
}

// FuzzPacked shows that no bytes from another member or from the disk make the decoders panic that read
// what members keep and answer, and that what they read can be written again.
func FuzzPacked(f *testing.F) {
	for _, value := range []any{
		memberNote{Quarantined: true, Own: Digest{1}}, storedReply{Reply: Outcome{Output: []byte("x")}, Term: 3},
		upgradeEntry{Origin: 5, After: 3, Spec: machineSpec{Module: Digest{2}, Init: []byte("x")}, Version: 1},
		storedReply{Err: &Error{Code: api.CodeBusy, Text: "busy"}}, catalogView{Applied: 4, Modules: []moduleRecord{{Digest: Digest{1}, Size: 1}}},
	} {
		packed, err := pack(value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, value := range []any{&memberNote{}, &storedReply{}, &catalogView{}, &upgradeEntry{}} {
			if err := unpack(data, value); err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%T: %v", value, err)
				}
				continue
			}
			if _, err := pack(value); err != nil {
				t.Fatalf("%T: %v", value, err)
			}
		}
		if err := newCatalog(nil, func() {}).Restore(Image{Header: data}); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}
