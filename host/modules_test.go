package host

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// TestADamagedModule shows that a module whose file was damaged is fetched again from another host.
func TestADamagedModule(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	info := w.run("g")
	raw, err := hex.DecodeString(info.Module)
	if err != nil {
		t.Fatal(err)
	}
	b := w.homes["b"]
	path := b.host.modules.path(Digest(raw))
	b.stop()
	write(t, path, "damage")
	w.start("b")
	w.until("the member runs", func() bool { return len(b.opened()) == 1 })
	if _, err := b.host.modules.Get(Digest(raw)); err != nil {
		t.Error(err)
	}
	if r := b.query(QueryRequest{Group: "g", Payload: []byte("get A")}); r.Err != nil {
		t.Errorf("%+v", r)
	}
}

// TestAModuleThatComesBack shows that a module which is uploaded again while its removal is still being
// carried out is not deleted after that.
func TestAModuleThatComesBack(t *testing.T) {
	w := newTown(t, "a")
	h := w.homes["a"]
	digest, err := h.upload("module")
	if err != nil {
		t.Fatal(err)
	}
	end := h.host.beginUpload(digest)
	again := h.host.beginUpload(digest)
	again()
	for range 2 {
		if _, err := h.deploy(api.DeployRequest{Group: "g", Module: hexDigest(digest)}); err != nil {
			t.Fatal(err)
		}
		if err := h.change(api.VerbRemove, "g", ""); err != nil {
			t.Fatal(err)
		}
		w.until("the group is gone", func() bool { return len(h.opened()) == 0 && h.brief("g").Group == "" })
		if !h.host.modules.Has(digest) {
			t.Fatal("the module was deleted during its upload")
		}
		if _, err := h.upload("module"); err != nil {
			t.Fatal(err)
		}
	}
	end()
	if err := h.host.deleteModule(digest); err != nil || !h.host.modules.Has(digest) {
		t.Errorf("a module that the catalog knows was deleted, %v", err)
	}
	if _, err := h.deploy(api.DeployRequest{Group: "g", Module: hexDigest(digest)}); err != nil {
		t.Fatal(err)
	}
	if err := h.change(api.VerbRemove, "g", ""); err != nil {
		t.Fatal(err)
	}
	w.until("the module is gone", func() bool { return !h.host.modules.Has(digest) })
}

// TestOrphans shows that what a group stored is deleted when the catalog has passed the group's index
// and does not know it, and kept when the catalog may still come to know it.
func TestOrphans(t *testing.T) {
	w := newTown(t, "a")
	h := w.homes["a"]
	info := w.run("g")
	past, future := GroupID(info.ID-1), GroupID(info.ID+1000)
	for _, id := range []GroupID{past, future} {
		h.store.log(id)
		put(t, openBlobs(t, h.host.chunkDir(id)), "chunk")
	}
	h.host.ring()
	w.until("the orphan is gone", func() bool {
		ids, err := h.store.Groups()
		return err == nil && slices.Equal(ids, []GroupID{0, GroupID(info.ID), future}) && h.chunkFiles(past) == 0
	})
	if h.chunkFiles(future) == 0 {
		t.Error("what belongs to a group that is not known yet was deleted")
	}
}
