package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// reconcileRetry is the pause before a member that could not start is tried again.
const reconcileRetry = time.Second

// reconcileLoop keeps the members on this host in line with the catalog.
func (h *Host) reconcileLoop() {
	defer h.done.Done()
	retry, stop := h.cfg.Clock.Tick(reconcileRetry)
	defer func() { stop() }()
	settled := false
	for {
		if settled {
			retry = nil
		}
		select {
		case <-h.quit:
			return
		case <-h.wake:
		case <-retry:
		}
		settled = h.reconcile(h.machine.view.Load())
		if !settled && retry == nil {
			stop()
			retry, stop = h.cfg.Clock.Tick(reconcileRetry)
		}
	}
}

// reconcile starts and stops members as the catalog says. It reports false when something has to be
// tried again.
func (h *Host) reconcile(view *catalogView) bool {
	settled := h.stopRemoved(view)
	for _, m := range view.Modules {
		if err := h.obtain(m); err != nil {
			h.cfg.Logger.Warn("a module is not here yet", "module", hexDigest(m.Digest), "error", err)
			settled = false
		}
	}
	for _, record := range view.Groups {
		if err := h.startMember(record); err != nil {
			h.cfg.Logger.Warn("a member cannot start yet", "group", record.Name, "error", err)
			settled = false
		}
	}
	settled = h.reportUpgrades(view) && settled
	h.mu.Lock()
	h.view = view
	h.mu.Unlock()
	return settled
}

// stopRemoved ends the members that the catalog does not place here any more, and deletes what they
// stored.
func (h *Host) stopRemoved(view *catalogView) bool {
	h.mu.Lock()
	var gone []*hosted
	for name, held := range h.groups {
		if name != catalogGroup && !view.keeps(held) {
			gone = append(gone, held)
			delete(h.groups, name)
		}
	}
	old := h.view
	h.mu.Unlock()
	settled := true
	for _, held := range gone {
		settled = h.stopMember(view, held) && settled
	}
	settled = h.removeOrphans(view) && settled
	for _, m := range old.Modules {
		if view.module(m.Digest) != nil {
			continue
		}
		if err := h.deleteModule(m.Digest); err != nil {
			h.cfg.Logger.Warn("a module stays", "module", hexDigest(m.Digest), "error", err)
		}
	}
	return settled
}

// deleteModule deletes a module that the catalog has removed, unless it is back or being uploaded.
func (h *Host) deleteModule(d Digest) error {
	h.uploadingMu.Lock()
	defer h.uploadingMu.Unlock()
	if h.uploading[d] > 0 || h.machine.view.Load().module(d) != nil {
		return nil
	}
	return h.modules.Delete(d)
}

func (h *Host) stopMember(view *catalogView, held *hosted) bool {
	if err := h.closeEndpoints(held); err != nil {
		h.cfg.Logger.Warn("closing endpoints", "group", held.record.Name, "error", err)
	}
	if held.group != nil {
		held.group.close()
	}
	if p := view.placement(held.record.ID, held.self); p != nil {
		return true // given up by a repair: what it stored stays until somebody removes it
	}
	if err := h.bury(held.record.ID, held.self); err != nil {
		h.cfg.Logger.Error("the data of a removed member stay", "group", held.record.Name, "member", held.self, "error", err)
		return false
	}
	h.cfg.Logger.Info("member removed", "group", held.record.Name, "member", held.self)
	return true
}

// removeOrphans deletes what members stored that were removed while this host was down. A group's ID
// is the catalog index that made it, and the numbers of its members only grow: so a catalog that is not
// up to date yet never takes a group or a member that it has still to learn of for one that is gone.
func (h *Host) removeOrphans(view *catalogView) bool {
	ids, err := h.cfg.Store.Groups()
	if err != nil {
		h.cfg.Logger.Error("listing the stored groups", "error", err)
		return false
	}
	known := map[GroupID]groupRecord{}
	for _, record := range view.Groups {
		known[record.ID] = record
	}
	for _, id := range ids {
		record, ok := known[id]
		if id == 0 || !ok && uint64(id) > uint64(view.Applied) {
			continue
		}
		tenant, err := h.tenant(id)
		if err == nil && ok && (tenant.member == consensus.NoMember || tenant.member >= memberID(id, record.NextMember) || record.placed(tenant.member) != nil) {
			continue
		}
		if err == nil {
			err = h.bury(id, tenant.member)
		}
		if err != nil {
			h.cfg.Logger.Error("the data of a removed member stay", "id", id, "error", err)
			return false
		}
	}
	return true
}

// obtain makes sure that a module is stored here, and that the catalog knows it.
func (h *Host) obtain(m moduleRecord) error {
	if err := h.modules.failure(); err != nil {
		return err
	}
	if !h.modules.Has(m.Digest) {
		if err := h.fetchModule(h.ctx, m); err != nil {
			return err
		}
	}
	for _, holder := range m.Holders {
		if holder == h.cfg.Name {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(h.ctx, h.cfg.Timing.RequestTimeout)
	defer cancel()
	_, err := h.change(ctx, catalogCommand{Copy: &moduleRecord{Digest: m.Digest, Size: m.Size, Holders: []string{h.cfg.Name}}})
	if e := (*Error)(nil); errors.As(err, &e) && e.Code == api.CodeNotFound {
		return nil // removed meanwhile: a newer view is on its way
	}
	return err
}

func (h *Host) fetchModule(ctx context.Context, m moduleRecord) error {
	var last error
	for _, holder := range m.Holders {
		if holder == h.cfg.Name {
			continue
		}
		data, err := fetchBlob(ctx, h.cfg.Transport, holder, BlobRequest{Digest: m.Digest}, MaxModuleBytes)
		if err == nil {
			_, err = h.modules.Put(data)
		}
		if err == nil {
			h.compile(data)
			return h.modules.Sync()
		}
		last = fmt.Errorf("from host %s: %w", holder, err)
	}
	if last == nil {
		return fmt.Errorf("%w: module %s, and no other host holds it", ErrMissing, hexDigest(m.Digest))
	}
	return fmt.Errorf("host: fetching module %s: %w", hexDigest(m.Digest), last)
}

// compile has the sandbox compile a module, so that its code is in the cache before an upgrade needs it. A
// module that cannot run shows where it is used.
func (h *Host) compile(module []byte) {
	if err := h.cfg.Machines.Check(module); err != nil {
		h.cfg.Logger.Warn("a module from another host cannot run here", "error", err)
	}
}

// startMember starts this host's member of a group, if it has one that does not run yet.
func (h *Host) startMember(record groupRecord) error {
	p := record.at(h.life)
	if p == nil {
		return nil
	}
	held, due := h.member(record, p.Member)
	if !due {
		return nil
	}
	if held.group == nil {
		if here, err := h.settle(record.ID, p.Member); err != nil || !here {
			h.mu.Lock()
			delete(h.groups, record.Name)
			h.mu.Unlock()
			return err
		}
		if err := h.openMember(held); err != nil {
			return err
		}
	}
	if err := h.openEndpoints(held); err != nil {
		return err
	}
	h.cfg.Logger.Info("group started", "group", record.Name, "host", h.cfg.Name)
	return nil
}

// member returns this host's member of a group, and whether it has to be started. Only the goroutine
// that reconciles adds and removes members.
func (h *Host) member(record groupRecord, self consensus.MemberID) (held *hosted, due bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held = h.groups[record.Name]
	if held == nil || held.record.ID != record.ID {
		held = &hosted{record: record, self: self}
		h.groups[record.Name] = held
	}
	return held, !held.open && !held.stopped
}

// openMember makes the machine and the group of a member.
func (h *Host) openMember(held *hosted) error {
	record := held.record
	chunks, err := OpenBlobStore(h.chunkDir(record.ID), maxPackBytes)
	if err != nil {
		return err
	}
	chunks.failed = h.fail
	config := h.groupConfig(GroupRef{Name: record.Name, ID: record.ID, Key: record.Key}, &record, held.self)
	config.chunks, config.spec, config.onUpgrade = chunks, record.firstSpec(), h.ring
	config.machines = &groupMachines{host: h, name: record.Name, seed: record.Seed}
	group, err := newGroup(config)
	h.mu.Lock()
	if err != nil {
		// A machine that cannot be started now may start later.
		held.problem, held.stopped = err.Error(), !errors.Is(err, errNoMachine)
	} else {
		held.group, held.chunks, held.problem = group, chunks, ""
	}
	h.mu.Unlock()
	if lack := (*lackError)(nil); errors.As(err, &lack) {
		err = errors.Join(err, config.machines.obtain(h.ctx, lack.module))
	}
	if err != nil {
		return err
	}
	group.start()
	return nil
}
