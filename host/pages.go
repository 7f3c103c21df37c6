package host

import (
	"errors"
	"fmt"
)

// A snapshot costs what was written since the one before: the machine tells which pages those are, and the
// others are known by their digests from the earlier snapshot.

// imagePage is one page of a machine's state, shared by all images in which it is the same. It is the
// applier's until its first image is handed over, and then that of whoever saves images, one at a time.
type imagePage struct {
	// data is nil when it is stored, or when read has it: nil is zeros there.
	data   []byte
	read   func() ([]byte, error)
	digest Digest
	// stored is set when the member's chunks have it, as a part of its own latest snapshot or of the one
	// that it was restored from.
	stored bool
}

// errPageForgotten means that an image builds on a snapshot whose chunks are gone, or on a machine that is.
var errPageForgotten = errors.New("host: a page is not to be had any more")

// wholeEvery is how often an image has all pages, whatever the machine says of their changes: should it be
// wrong about one, be it through a bug or bad memory, the comparison of the state hashes finds out then.
const wholeEvery = 64

// imagePages wraps the pages of an image.
func imagePages(pages [][]byte) []*imagePage {
	out := make([]*imagePage, len(pages))
	for i, data := range pages {
		if data != nil {
			out[i] = &imagePage{data: data}
		}
	}
	return out
}

// capture returns the machine's header and pages at the applied position.
func (r *replica) capture() ([]byte, []*imagePage, error) {
	changer, ok := r.machine.(Changer)
	if !ok {
		image, err := r.machine.Image()
		return image.Header, imagePages(image.Pages), err
	}
	changes, err := changer.Changes()
	if err != nil {
		return nil, nil, err
	}
	if r.images++; r.whole.Swap(false) || r.images%wholeEvery == 0 {
		image, err := r.machine.Image()
		r.pages = imagePages(image.Pages)
		return image.Header, r.pages, err
	}
	pages := make([]*imagePage, changes.Count)
	copy(pages, r.pages)
	for _, p := range changes.Pages {
		if p.Index < 0 || p.Index >= len(pages) {
			return nil, nil, fmt.Errorf("host: the machine reports a change of page %d of %d", p.Index, len(pages))
		}
		switch pages[p.Index] = nil; {
		case changes.Read != nil:
			pages[p.Index] = &imagePage{read: func() ([]byte, error) { return changes.Read(p.Index) }}
		case p.Data != nil:
			pages[p.Index] = &imagePage{data: p.Data}
		}
	}
	r.pages = pages
	return changes.Header, pages, nil
}

// load restores a machine to the image: page by page, if it can take it so.
func (i *replicaImage) load(machine Machine) error {
	if loader, ok := machine.(Loader); ok {
		return loader.Load(i.header, len(i.pages), i.read)
	}
	image := Image{Header: i.header, Pages: make([][]byte, len(i.pages))}
	for n, p := range i.pages {
		if p == nil {
			continue
		}
		err := p.fetch()
		if image.Pages[n] = p.data; err == nil && p.stored {
			image.Pages[n], err = i.chunks.Get(p.digest)
		}
		if err != nil {
			return i.unreadable(n, err)
		}
	}
	return machine.Restore(image)
}

// read writes one page over its argument, and reports false for a page of zeros.
func (i *replicaImage) read(page int, into []byte) (bool, error) {
	p := i.pages[page]
	if p == nil {
		return false, nil
	}
	if err := p.fetch(); err != nil {
		return false, i.unreadable(page, err)
	}
	switch {
	case p.stored:
		if err := i.chunks.GetInto(p.digest, into); err != nil {
			return false, i.unreadable(page, err)
		}
	case p.data == nil:
		return false, nil
	case copy(into, p.data) != len(into):
		return false, i.unreadable(page, fmt.Errorf("%w image: it has %d bytes, the machine's pages have %d", ErrCorrupt, len(p.data), len(into)))
	}
	return true, nil
}

func (i *replicaImage) unreadable(page int, err error) error {
	return fmt.Errorf("page %d of the snapshot at %s: %w", page, i.anchor, err)
}

// adopt makes an image that the machine was restored to the one that changes are told from.
func (r *replica) adopt(image *replicaImage) {
	r.pages = nil
	if _, ok := r.machine.(Changer); !ok {
		return
	}
	r.pages = image.pages
}

// fetch reads the page from the machine, if that has it.
func (p *imagePage) fetch() error {
	if p.read == nil {
		return nil
	}
	data, err := p.read()
	if err != nil {
		return fmt.Errorf("%w: %w", errPageForgotten, err)
	}
	p.data, p.read = data, nil
	return nil
}

// save stores the page, which may resemble a blob, if it is not stored, and returns its digest: zero for a page of zeros.
func (p *imagePage) save(store *BlobStore, like Digest) (Digest, error) {
	switch {
	case p == nil:
		return Digest{}, nil
	case p.stored && store.Has(p.digest):
		return p.digest, nil
	case p.stored:
		return Digest{}, fmt.Errorf("%w: %x is not among the chunks", errPageForgotten, p.digest)
	}
	if err := p.fetch(); err != nil || p.data == nil {
		return Digest{}, err
	}
	digest, err := store.PutLike(like, p.data)
	if err == nil {
		p.digest, p.stored, p.data = digest, true, nil
	}
	return digest, err
}
