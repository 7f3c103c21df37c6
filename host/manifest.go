package host

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/groutlabs/grout/consensus"
)

// Digest is a SHA-256.
type Digest = [32]byte

// manifest describes a snapshot. Its packed form's digest is the state hash: equal on every member
// at the same anchor.
type manifest struct {
	Anchor             consensus.Cursor `codec:"a"`
	Configuration      []byte           `codec:"c"`
	ConfigurationIndex consensus.Index  `codec:"ci"`
	Module             Digest           `codec:"m"`
	// Header is the machine's, see Image.
	Header []byte `codec:"h"`
	// Pages are the digests of the machine's pages, 32 bytes each; zero stands for a page of zeros.
	Pages []byte `codec:"p"`
	// State are the digests of the packed storedReplica, cut into pieces of PageBytes.
	State []byte `codec:"s"`
}

// maxManifestBytes bounds a manifest that another host offers: 2 digests for each of the 65,536
// pages of the largest memory, and its header.
const maxManifestBytes = 8 << 20

// chunks returns the digests of all chunks, without the zero pages.
func (m *manifest) chunks() []Digest {
	all := append(digests(m.Pages), digests(m.State)...)
	return slices.DeleteFunc(all, func(d Digest) bool { return d == (Digest{}) })
}

// digests takes a list of a manifest apart.
func digests(list []byte) []Digest {
	out := make([]Digest, 0, len(list)/len(Digest{}))
	for one := range slices.Chunk(list, len(Digest{})) {
		out = append(out, Digest(one))
	}
	return out
}

// meta rebuilds the core's description of the snapshot.
func (m *manifest) meta(digest Digest) (consensus.SnapshotMeta, error) {
	configuration, err := consensus.DecodeConfiguration(m.Configuration)
	if err != nil {
		return consensus.SnapshotMeta{}, fmt.Errorf("%w manifest: %w", ErrCorrupt, err)
	}
	return consensus.SnapshotMeta{
		Anchor: m.Anchor, Configuration: configuration, ConfigurationIndex: m.ConfigurationIndex,
		Manifest: digest[:],
	}, nil
}

// saveImage stores a replica's image chunk by chunk and returns its manifest's digest. Everything is
// durable on return. Pages are compared with those of the snapshot before, zero for none.
func saveImage(store *BlobStore, image replicaImage, meta consensus.SnapshotMeta, before Digest, pace *pacer) (Digest, error) {
	m := manifest{
		Anchor: meta.Anchor, Configuration: consensus.EncodeConfiguration(meta.Configuration),
		ConfigurationIndex: meta.ConfigurationIndex, Module: image.module, Header: image.header,
		Pages: make([]byte, 0, 32*len(image.pages)),
	}
	older := pagesOf(store, before)
	for i, page := range image.pages {
		var like Digest
		if i < len(older) {
			like = older[i]
		}
		digest, err := page.save(store, like)
		if err != nil {
			return Digest{}, err
		}
		pace.step()
		m.Pages = append(m.Pages, digest[:]...)
	}
	for rest := image.state; len(rest) > 0; {
		n := min(len(rest), PageBytes)
		digest, err := store.Put(rest[:n])
		if err != nil {
			return Digest{}, err
		}
		m.State, rest = append(m.State, digest[:]...), rest[n:]
	}
	packed, err := pack(m)
	if err != nil {
		return Digest{}, err
	}
	digest, err := store.Put(packed)
	if err != nil {
		return Digest{}, err
	}
	return digest, store.Sync()
}

// pagesOf returns the digests of a snapshot's pages, none if it cannot be read.
func pagesOf(store *BlobStore, digest Digest) []Digest {
	m, err := loadManifest(store, digest)
	if err != nil {
		return nil // they only save work
	}
	return digests(m.Pages)
}

// loadManifest reads a manifest from the store.
func loadManifest(store *BlobStore, digest Digest) (*manifest, error) {
	packed, err := store.Get(digest)
	if err != nil {
		return nil, fmt.Errorf("snapshot manifest: %w", err)
	}
	m, err := parseManifest(packed)
	if err != nil {
		return nil, fmt.Errorf("snapshot manifest %x: %w", digest[:8], err)
	}
	return m, nil
}

// parseManifest reads a packed manifest.
func parseManifest(packed []byte) (*manifest, error) {
	var m manifest
	if err := unpack(packed, &m); err != nil {
		return nil, err
	}
	if len(m.Pages)%32 != 0 || len(m.State)%32 != 0 {
		return nil, fmt.Errorf("%w manifest: lists of digests of %d and %d bytes", ErrCorrupt, len(m.Pages), len(m.State))
	}
	return &m, nil
}

// loadImage reads the image that a manifest describes, but for the machine's pages: those stay in the store until a
// machine takes them, and have to be kept so long.
func loadImage(store *BlobStore, m *manifest) (replicaImage, error) {
	image := replicaImage{anchor: m.Anchor, module: m.Module, header: m.Header, chunks: store}
	for _, d := range digests(m.Pages) {
		var page *imagePage
		if d != (Digest{}) {
			page = &imagePage{digest: d, stored: true}
		}
		image.pages = append(image.pages, page)
	}
	for _, d := range digests(m.State) {
		piece, err := store.Get(d)
		if err != nil {
			return replicaImage{}, fmt.Errorf("state of the snapshot at %s: %w", m.Anchor, err)
		}
		image.state = append(image.state, piece...)
	}
	return image, nil
}

func digestOf(data []byte) Digest { return sha256.Sum256(data) }
