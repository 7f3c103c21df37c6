package host

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/groutlabs/grout/consensus"
)

// tenant is which member of a group has stored something on this host.
type tenant struct {
	member consensus.MemberID
	// gone is set once its data were deleted, or are about to be. A member that is gone never starts
	// again: it would have forgotten what it promised (R6).
	gone bool
}

// metaTenant is the key of a group's tenant among the host's own records.
func metaTenant(id GroupID) string { return fmt.Sprintf("member/%016x", uint64(id)) }

// tenant reads which member of a group is or was on this host. Without any the member is NoMember.
//
// The record has 9 bytes: the member, big-endian, and 1 where it is gone.
func (h *Host) tenant(id GroupID) (tenant, error) { return readTenant(h.cfg.Store, id) }

func readTenant(store Store, id GroupID) (tenant, error) {
	stored, err := store.Meta(metaTenant(id))
	if err != nil || stored == nil {
		return tenant{}, err
	}
	if len(stored) != 9 || stored[8] > 1 {
		return tenant{}, fmt.Errorf("%w record %q: % x", ErrCorrupt, metaTenant(id), stored)
	}
	return tenant{member: consensus.MemberID(binary.BigEndian.Uint64(stored)), gone: stored[8] == 1}, nil
}

func (h *Host) setTenant(id GroupID, t tenant) error {
	record := binary.BigEndian.AppendUint64(nil, uint64(t.member))
	if t.gone {
		return h.cfg.Store.SetMeta(metaTenant(id), append(record, 1))
	}
	return h.cfg.Store.SetMeta(metaTenant(id), append(record, 0))
}

// settle makes room for a member of a group: what an earlier one stored is deleted. It reports false for
// a member that has been here and is gone, which only a catalog that is not up to date yet still has.
func (h *Host) settle(id GroupID, member consensus.MemberID) (bool, error) {
	t, err := h.tenant(id)
	switch {
	case err != nil:
		return false, err
	case t.member > member || t.member == member && t.gone:
		return false, nil
	case t.member == member:
		return true, nil
	}
	if err := h.bury(id, t.member); err != nil {
		return false, err
	}
	if err := writeNote(h.cfg.Store, id, memberNote{}); err != nil {
		return false, err
	}
	return true, h.setTenant(id, tenant{member: member})
}

// bury deletes what a member stored on this host, after it has noted that the member is gone. The log
// goes last: while the store lists it, what is left is found and tried again.
func (h *Host) bury(id GroupID, member consensus.MemberID) error {
	if member != consensus.NoMember {
		if err := h.setTenant(id, tenant{member: member, gone: true}); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(h.chunkDir(id)); err != nil {
		return fmt.Errorf("host: deleting the snapshots of group %d: %w", id, err)
	}
	return h.cfg.Store.Group(id).Remove()
}
