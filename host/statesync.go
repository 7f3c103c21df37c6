package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/groutlabs/grout/consensus"
)

const (
	// fetchPiece is how much of a blob one request asks for.
	fetchPiece = 256 << 10
	// fetchWorkers is how many chunks are fetched at a time.
	fetchWorkers = 12
	// fetchTimeout bounds one request for a piece.
	fetchTimeout = 5 * time.Second
)

// fetchState is what a member does about snapshots, beside saving its own.
type fetchState struct {
	// snapshot is the anchor of the durable snapshot.
	snapshot consensus.Index
	// previous is the manifest before that: its chunks are kept for peers that are fetching it.
	previous Digest
	current  Digest
	// installing is set from the installation of a snapshot until it is durable: the chunks of the one
	// before may still be needed.
	installing bool
	cancel     context.CancelFunc
	ended      chan struct{}
}

// cancelFetch ends a fetch under way and waits for it.
func (f *fetchState) cancelFetch() {
	if f.cancel != nil {
		f.cancel()
		<-f.ended
		f.cancel = nil
	}
}

// beginSnapshot saves the image of a snapshot marker in the background. One is saved at a time, and
// none while a snapshot is fetched: the next marker comes soon enough.
func (g *group) beginSnapshot(image replicaImage) {
	if g.saving != nil || g.fetch.cancel != nil || image.epoch != g.applier.epoch.Load() {
		return
	}
	meta, err := g.core.SnapshotAt(image.anchor.Index, nil)
	if err != nil {
		g.logger.Info("no snapshot at this marker", "group", g.ref.Name, "anchor", image.anchor, "reason", err)
		return
	}
	g.saving = &image
	before := g.fetch.current
	g.done.Add(1)
	g.background(func() {
		defer g.done.Done()
		pace := newPacer(g.share, g.quit)
		if err := g.chunks.Compact(pace); err != nil {
			g.logger.Warn("chunks are not written anew", "group", g.ref.Name, "error", err)
		}
		digest, err := saveImage(g.chunks, image, meta, before, pace)
		meta.Manifest = digest[:]
		if err == nil {
			err = g.log.SaveSnapshot(meta)
		}
		g.inbox.call(func() { g.snapshotSaved(meta, digest, err) })
	})
}

// snapshotSaved lets the core and the log forget what the snapshot covers.
func (g *group) snapshotSaved(meta consensus.SnapshotMeta, digest Digest, err error) {
	upgraded := g.saving.upgraded
	g.saving = nil
	if errors.Is(err, errPageForgotten) {
		g.logger.Warn("no snapshot at this marker, the next one has all pages", "group", g.ref.Name, "anchor", meta.Anchor, "reason", err)
		g.applier.replica.whole.Store(true)
		return
	}
	if err != nil {
		g.inbox.fail(fmt.Errorf("host: saving the snapshot at %s: %w", meta.Anchor, err))
		return
	}
	keepAfter := g.core.Tail(meta.Anchor.Index, g.timing.RetainEntries, g.timing.RetainBytes)
	// Nobody shall have to begin with the module of before: who lacks entries from then gets the snapshot.
	keepAfter = max(keepAfter, upgraded)
	g.core.SnapshotTaken(meta, keepAfter)
	if err := g.log.Compact(keepAfter); err != nil {
		g.inbox.fail(fmt.Errorf("host: compacting the log to %d: %w", keepAfter, err))
		return
	}
	g.hashes.add(meta.Anchor, stateHash{digest: digest})
	g.adoptSnapshot(meta.Anchor.Index, digest)
}

// knowSnapshot learns, at the start, of the snapshot that the log has.
func (g *group) knowSnapshot(meta *consensus.SnapshotMeta, copied Digest) {
	var digest Digest
	copy(digest[:], meta.Manifest) // a member in quarantine has not looked at it
	g.fetch.snapshot, g.fetch.current, g.handed = meta.Anchor.Index, digest, meta.Anchor.Index
	g.kept = g.core.LogBytesTo(meta.Anchor.Index)
	g.hashes.add(meta.Anchor, stateHash{digest: digest, copied: digest == copied})
}

// adoptSnapshot forgets the chunks that neither this snapshot nor the one before it needs.
func (g *group) adoptSnapshot(anchor consensus.Index, digest Digest) {
	g.fetch.snapshot, g.fetch.previous, g.fetch.current = anchor, g.fetch.current, digest
	g.kept = g.core.LogBytesTo(anchor)
	keep := map[Digest]bool{}
	for _, d := range []Digest{g.fetch.previous, digest} {
		if d == (Digest{}) || !g.chunks.Has(d) {
			continue
		}
		m, err := loadManifest(g.chunks, d)
		if err != nil {
			g.logger.Warn("keeping all chunks", "group", g.ref.Name, "error", err)
			return
		}
		keep[d] = true
		for _, chunk := range m.chunks() {
			keep[chunk] = true
		}
	}
	if err := g.chunks.Keep(keep); err != nil {
		g.logger.Warn("old chunks stay", "group", g.ref.Name, "error", err)
	}
}

// keepLogShort makes a leader propose a snapshot marker when its log has grown long.
func (g *group) keepLogShort() {
	if g.core.Role() != consensus.Leader || g.saving != nil {
		return
	}
	if g.core.LogBytes()-g.kept < g.timing.SnapshotBytes || g.core.Commit() < g.markerAt {
		return
	}
	if err := g.mark(); err != nil {
		g.logger.Debug("no snapshot marker now", "group", g.ref.Name, "reason", err)
	}
}

// mark proposes a snapshot marker.
func (g *group) mark() error {
	first, _, err := g.core.Propose(consensus.EntrySnapshotMarker, nil)
	if err == nil {
		g.markerAt, g.kept = first.Index, g.core.LogBytes()
	}
	return err
}

// offered begins to fetch a snapshot that the leader offers, unless this member is busy with one.
// The leader repeats its offer with every heartbeat.
func (g *group) offered(offer consensus.StateSyncOffer) {
	if g.saving != nil || g.fetch.cancel != nil || g.fetch.installing || g.applier.restoring() || g.quarantine != nil {
		return
	}
	if len(offer.Snapshot.Manifest) != len(Digest{}) {
		g.logger.Warn("a snapshot without a manifest is offered", "group", g.ref.Name, "from", offer.Leader)
		return
	}
	g.logger.Info("fetching a snapshot", "group", g.ref.Name, "anchor", offer.Snapshot.Anchor, "from", g.hostOf(offer.Leader))
	g.beginFetch(Digest(offer.Snapshot.Manifest), offer.Leader, func(meta consensus.SnapshotMeta, err error) {
		g.fetched(meta, offer, err)
	})
}

// beginFetch fetches a snapshot beside the loop, and ends with a call of done on it.
func (g *group) beginFetch(digest Digest, leader consensus.MemberID, done func(consensus.SnapshotMeta, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	g.fetch.cancel, g.fetch.ended = cancel, ended
	f := fetcher{
		transport: g.transport, store: g.chunks, group: g.ref.ID, sources: g.sources(leader), last: g.hostOf(leader),
		workers: g.fetchers,
	}
	g.background(func() {
		defer close(ended)
		meta, err := f.fetch(ctx, digest)
		g.inbox.call(func() { done(meta, err) })
	})
}

// endFetch lets another fetch begin.
func (g *group) endFetch() {
	g.fetch.cancel()
	g.fetch.cancel = nil
}

// sources are the hosts to fetch from beside the leader. An earlier life of this host is none of them.
func (g *group) sources(leader consensus.MemberID) []string {
	var out []string
	for _, id := range g.core.Configuration().Members() {
		if host := g.hostOf(id); id != leader && host != "" && host != g.hostOf(g.self) {
			out = append(out, host)
		}
	}
	return out
}

// fetched installs a snapshot whose chunks are all here.
func (g *group) fetched(meta consensus.SnapshotMeta, offer consensus.StateSyncOffer, err error) {
	g.endFetch()
	if g.quarantine != nil {
		return
	}
	if err == nil && meta.Anchor != offer.Snapshot.Anchor {
		err = fmt.Errorf("%w manifest: its anchor is %s, offered was %s", ErrCorrupt, meta.Anchor, offer.Snapshot.Anchor)
	}
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			g.logger.Warn("the snapshot could not be fetched, the next offer tries again", "group", g.ref.Name, "error", err)
		}
		return
	}
	if err = writeNote(g.records, g.ref.ID, memberNote{Copied: Digest(meta.Manifest)}); err != nil {
		g.inbox.fail(err)
		return
	}
	installed, err := g.core.Install(meta)
	if err != nil {
		g.inbox.fail(err)
		return
	}
	if installed {
		g.fetch.installing = true
		g.hashes.replaced(meta.Anchor, Digest(meta.Manifest))
		g.adoptSnapshot(meta.Anchor.Index, Digest(meta.Manifest))
	}
}

// installedImage loads the image of a snapshot that the log now begins with.
func (g *group) installedImage(meta *consensus.SnapshotMeta) (replicaImage, error) {
	return snapshotImage(g.chunks, meta)
}

// snapshotImage loads the image that a snapshot's manifest describes.
func snapshotImage(store *BlobStore, meta *consensus.SnapshotMeta) (replicaImage, error) {
	if len(meta.Manifest) != len(Digest{}) {
		return replicaImage{}, fmt.Errorf("%w snapshot at %s: its manifest's digest has %d bytes", ErrCorrupt, meta.Anchor, len(meta.Manifest))
	}
	m, err := loadManifest(store, Digest(meta.Manifest))
	if err != nil {
		return replicaImage{}, err
	}
	if m.Anchor != meta.Anchor {
		return replicaImage{}, fmt.Errorf("%w snapshot: at %s, expected at %s", ErrCorrupt, m.Anchor, meta.Anchor)
	}
	return loadImage(store, m)
}

func restoreSnapshot(r *replica, store *BlobStore, meta *consensus.SnapshotMeta) error {
	image, err := snapshotImage(store, meta)
	if err != nil {
		return err
	}
	return r.restore(image)
}

// fetcher copies a snapshot's blobs from other hosts.
type fetcher struct {
	transport Transport
	store     *BlobStore
	group     GroupID
	// sources share the work. last, the leader, is asked only for what none of them gives; "" is nobody.
	sources []string
	last    string
	// workers is how many chunks are fetched at a time.
	workers int
}

// fetch copies a manifest and the chunks that are missing here. All are durable on return.
func (f *fetcher) fetch(ctx context.Context, digest Digest) (consensus.SnapshotMeta, error) {
	if err := f.blob(ctx, digest, maxManifestBytes, 0); err != nil {
		return consensus.SnapshotMeta{}, err
	}
	m, err := loadManifest(f.store, digest)
	if err != nil {
		return consensus.SnapshotMeta{}, err
	}
	if err := f.chunks(ctx, m.chunks()); err != nil {
		return consensus.SnapshotMeta{}, err
	}
	if err := f.store.Sync(); err != nil {
		return consensus.SnapshotMeta{}, err
	}
	return m.meta(digest)
}

// chunks fetches in parallel, each worker beginning at another source.
func (f *fetcher) chunks(ctx context.Context, digests []Digest) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan Digest)
	var workers sync.WaitGroup
	for i := range f.workers {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for d := range queue {
				if err := f.blob(ctx, d, PageBytes, i); err != nil {
					cancel(err)
				}
			}
		}()
	}
	for _, d := range digests {
		select {
		case queue <- d:
		case <-ctx.Done():
		}
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

// blob fetches one blob that is missing or damaged here from the first host that has it, beginning with
// the source at first.
func (f *fetcher) blob(ctx context.Context, digest Digest, limit int64, first int) error {
	if held, err := f.held(digest); held || err != nil {
		return err
	}
	var errs []error
	for _, source := range f.order(first) {
		data, err := fetchBlob(ctx, f.transport, source, BlobRequest{Group: &f.group, Digest: digest}, limit)
		if err == nil {
			_, err = f.store.Put(data)
			return err
		}
		errs = append(errs, fmt.Errorf("from %s: %w", source, err))
	}
	return fmt.Errorf("host: fetching blob %x: %w", digest[:8], errors.Join(errs...))
}

// held reports whether a blob is here as it should be. One that is damaged is deleted.
func (f *fetcher) held(digest Digest) (bool, error) {
	if !f.store.Has(digest) {
		return false, nil
	}
	_, err := f.store.Get(digest)
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrMissing) {
		return false, f.store.Delete(digest)
	}
	return err == nil, err
}

// order returns the hosts to ask, the leader last.
func (f *fetcher) order(first int) []string {
	var out []string
	for i := range f.sources {
		out = append(out, f.sources[(first+i)%len(f.sources)])
	}
	if f.last != "" {
		out = append(out, f.last)
	}
	return out
}

// fetchBlob reads a whole blob from one host, piece by piece, and checks its digest.
func fetchBlob(ctx context.Context, transport Transport, source string, request BlobRequest, limit int64) ([]byte, error) {
	var data []byte
	for {
		request.Offset, request.Limit = int64(len(data)), fetchPiece
		pieceCtx, cancel := context.WithTimeout(ctx, fetchTimeout)
		piece, total, err := transport.Fetch(pieceCtx, source, request)
		cancel()
		switch {
		case err != nil:
			return nil, err
		case total > limit:
			return nil, fmt.Errorf("%w blob: %d bytes are announced, at most %d are possible", ErrCorrupt, total, limit)
		case len(piece) == 0 && int64(len(data)) < total:
			return nil, fmt.Errorf("%w blob: it ends at %d of %d bytes", ErrCorrupt, len(data), total)
		}
		data = append(data, piece...)
		if int64(len(data)) >= total {
			break
		}
	}
	if digestOf(data) != request.Digest {
		return nil, fmt.Errorf("%w blob: %d bytes came with another digest", ErrCorrupt, len(data))
	}
	return data, nil
}
