package nats

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// A blob is fetched piece by piece, each within the limits of the server.
func TestFetch(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	blob := bytes.Repeat([]byte("0123456789"), 10000)
	group := host.GroupID(7)
	var asked lockedLog[host.BlobRequest]
	serve(t, b, &fakeHost{piece: func(r host.BlobRequest) ([]byte, int64, error) {
		asked.add(r)
		rest := blob[min(r.Offset, int64(len(blob))):]
		return rest[:min(r.Limit, len(rest))], int64(len(blob)), nil
	}})
	var got []byte
	for int64(len(got)) < int64(len(blob)) {
		piece, total, err := a.Fetch(t.Context(), "b", host.BlobRequest{Group: &group, Digest: testKey(4), Offset: int64(len(got)), Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if total != int64(len(blob)) || len(piece) == 0 || len(piece) > testPayload/2 {
			t.Fatalf("%d of %d bytes", len(piece), total)
		}
		got = append(got, piece...)
	}
	if !bytes.Equal(got, blob) {
		t.Error("the pieces do not make the blob")
	}
	if r := asked.all()[0]; *r.Group != 7 || r.Digest != testKey(4) || r.Limit != testPayload/2 {
		t.Errorf("asked for %+v", r)
	}
	if piece, _, err := a.Fetch(t.Context(), "b", host.BlobRequest{Offset: 5, Limit: 3}); err != nil || string(piece) != "567" {
		t.Errorf("got %q, %v", piece, err)
	}
	if last := asked.all()[len(asked.all())-1]; last.Group != nil {
		t.Errorf("asked for %+v", last)
	}
}

// A host that is not there, refuses, or answers nonsense makes an error that says so.
func TestFetchErrors(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	release := make(chan struct{})
	defer close(release)
	serve(t, b, &fakeHost{piece: func(r host.BlobRequest) ([]byte, int64, error) {
		switch r.Offset {
		case 1:
			return nil, 0, &host.Error{Code: api.CodeNotFound, Text: "no such blob"}
		case 2:
			return nil, 0, errors.New("disk")
		case 3:
			return []byte("more than there is"), 4, nil
		}
		<-release
		return nil, 0, nil
	}})
	if _, _, err := a.Fetch(t.Context(), "nobody", host.BlobRequest{}); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("nobody: %v", err)
	}
	if _, _, err := a.Fetch(t.Context(), "a.b", host.BlobRequest{}); !errors.Is(err, ErrBadName) {
		t.Errorf("bad name: %v", err)
	}
	for offset, want := range map[int64]api.Code{1: api.CodeNotFound, 2: api.CodeInternal, -1: api.CodeBadRequest} {
		_, _, err := a.Fetch(t.Context(), "b", host.BlobRequest{Offset: offset})
		var e *host.Error
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
	if _, _, err := a.Fetch(t.Context(), "b", host.BlobRequest{Offset: 3}); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("nonsense: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, _, err := a.Fetch(ctx, "b", host.BlobRequest{}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNoAnswer) {
		t.Errorf("no time: %v", err)
	}
}

// FuzzBlobRequest shows that whatever is accepted is in range and means the same again.
func FuzzBlobRequest(f *testing.F) {
	group := host.GroupID(7)
	for _, r := range []host.BlobRequest{{}, {Group: &group, Digest: testKey(4), Offset: 1 << 40, Limit: 1 << 20}} {
		data, err := encodeBlobRequest(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0x94, 0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeBlobRequest(data)
		if err != nil {
			if !errors.Is(err, ErrBadRequest) {
				t.Fatalf("%v is not ErrBadRequest", err)
			}
			return
		}
		if r.Offset < 0 || r.Limit < 0 {
			t.Fatalf("accepted %+v", r)
		}
		data, err = encodeBlobRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeBlobRequest(data)
		if err != nil || again.Digest != r.Digest || again.Offset != r.Offset || again.Limit != r.Limit || (again.Group == nil) != (r.Group == nil) {
			t.Fatalf("%+v became %+v, %v", r, again, err)
		}
	})
}
