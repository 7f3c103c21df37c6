package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/groutlabs/grout/consensus"
)

// QuorumRepair is what the repair of one group does to this host's member, while the host is stopped: see
// consensus.RepairQuorum.
type QuorumRepair struct {
	// Group is the group's name, and ID what its log is stored under.
	Group string
	ID    GroupID
	// Member is this host's member.
	Member consensus.MemberID
	consensus.Repair
	// GivenUpHosts are the hosts of the members that are given up, in order.
	GivenUpHosts []string
	log          Log
}

// PlanQuorumRepair works out what it takes for the member of every group on a stopped host to lead alone. lost
// are the hosts that will never come back with their folders, all others of the cluster when none is named. A
// group whose members on other hosts can still form a majority is left out, and so is one of which nothing is
// stored here. store is the host's and belongs to the plan from here on, dir is its data folder.
//
// # Errors
//
// ErrIdentity when the folder belongs to no cluster, ErrBadConfig when lost names hosts that the cluster does not
// have or this one, ErrQuarantined for a member whose state is known to be wrong, ErrCorrupt, or what the
// store said.
func PlanQuorumRepair(store Store, dir string, lost []string) ([]QuorumRepair, error) {
	record, self, err := whoIs(store, dir)
	if err != nil {
		return nil, err
	}
	p := repairPlanner{store: store, life: self.Member, lost: map[string]bool{}}
	catalog := store.Group(0)
	restored, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("host: loading the catalog: %w", err)
	}
	if err := p.readCatalog(record, dir, restored); err != nil {
		return nil, err
	}
	if err := p.giveUp(self.Name, lost); err != nil {
		return nil, err
	}
	var out []QuorumRepair
	add := func(g *groupRecord, log Log, restored consensus.Restored) error {
		repair, due, err := p.plan(g, restored)
		if repair.log = log; due {
			out = append(out, repair)
		}
		return err
	}
	for _, g := range p.view.Groups {
		log := store.Group(g.ID)
		restored, err := log.Load()
		if err == nil {
			err = add(&g, log, restored)
		}
		if err != nil {
			return nil, fmt.Errorf("host: planning the repair of group %s: %w", g.Name, err)
		}
	}
	return out, add(&p.view.Self, catalog, restored) // last: until then a second run finds the same groups
}

// whoIs reads which host a folder belongs to.
func whoIs(store Store, dir string) (*clusterRecord, clusterHost, error) {
	id, err := store.Meta(metaHostID)
	if err != nil {
		return nil, clusterHost{}, err
	}
	stored, err := store.Meta(metaCluster)
	if err != nil {
		return nil, clusterHost{}, err
	}
	record := &clusterRecord{}
	if stored == nil {
		return nil, clusterHost{}, fmt.Errorf("%w: the folder %s belongs to no cluster", ErrIdentity, dir)
	}
	if err := json.Unmarshal(stored, record); err != nil {
		return nil, clusterHost{}, fmt.Errorf("%w cluster record: %w", ErrCorrupt, err)
	}
	i := slices.IndexFunc(record.Hosts, func(h clusterHost) bool { return h.ID == string(id) })
	if i < 0 {
		return nil, clusterHost{}, fmt.Errorf("%w: the folder %s was removed from cluster %s, or replaced", ErrIdentity, dir, record.ID)
	}
	return record, record.Hosts[i], nil
}

// repairPlanner works out a repair.
type repairPlanner struct {
	store Store
	life  consensus.MemberID
	view  *catalogView
	lost  map[string]bool
}

// readCatalog reads the catalog as this host's log has it: the entries that nobody knows to be committed
// included, because the repair commits them.
func (p *repairPlanner) readCatalog(record *clusterRecord, dir string, restored consensus.Restored) error {
	chunks, err := OpenBlobStore(filepath.Join(dir, "groups", fmt.Sprintf("%016x", 0)), maxPackBytes)
	if err != nil {
		return err
	}
	machine := newCatalog(record.Founders, func() {})
	config := groupConfig{chunks: chunks, machine: machine}
	config.fillIn()
	replica, err := openReplica(&config, restored.Snapshot, false)
	if err != nil {
		return fmt.Errorf("host: restoring the catalog: %w", err)
	}
	for _, e := range restored.Entries {
		if e.Index <= replica.applied.Index {
			continue
		}
		if _, err := replica.apply(e); err != nil {
			return err
		}
	}
	p.view = machine.view.Load()
	return nil
}

// giveUp settles which hosts are lost.
func (p *repairPlanner) giveUp(name string, lost []string) error {
	for _, host := range lost {
		if _, ok := p.view.host(host); !ok || host == name {
			return fmt.Errorf("%w: the lost hosts are others of %v than %s, not %q", ErrBadConfig, p.view.names(), name, host)
		}
		p.lost[host] = true
	}
	for _, h := range p.view.Hosts {
		if len(lost) == 0 && h.Name != name {
			p.lost[h.Name] = true
		}
	}
	return nil
}

// plan works out the repair of one group. It reports false where there is nothing to repair.
func (p *repairPlanner) plan(g *groupRecord, restored consensus.Restored) (QuorumRepair, bool, error) {
	held := g.at(p.life)
	if here, err := p.stored(g, held); err != nil || !here {
		return QuorumRepair{}, false, err
	}
	repair, err := consensus.RepairQuorum(held.Member, consensus.Configuration{Voters: g.Initial}, restored)
	if errors.Is(err, consensus.ErrNoSuchMember) {
		return QuorumRepair{}, false, nil // it leads alone, or has no part in the group
	}
	if err != nil {
		return QuorumRepair{}, false, err
	}
	if p.decides(g, &repair) {
		return QuorumRepair{}, false, nil
	}
	r := QuorumRepair{Group: g.Name, ID: g.ID, Member: held.Member, Repair: repair}
	for _, m := range g.Members {
		if known := m.Is == roleVoter || m.Is == roleObserver; known && m.Member != held.Member && !slices.Contains(r.GivenUp, m.Member) {
			r.GivenUp = append(r.GivenUp, m.Member) // since this member was away
		}
	}
	for _, id := range r.GivenUp {
		r.GivenUpHosts = append(r.GivenUpHosts, hostName(g, id))
	}
	slices.Sort(r.GivenUpHosts)
	return r, true, nil
}

// decides reports whether a group can do without its lost members: by the configuration in the log here, or by
// a later one that the catalog knows, which was made while this member was away.
func (p *repairPlanner) decides(g *groupRecord, r *consensus.Repair) bool {
	if r.ConfigurationIndex >= g.Configuration {
		return p.survives(g, r.Configuration.Voters) && p.survives(g, r.Configuration.Outgoing)
	}
	var voters []consensus.MemberID
	for _, m := range g.Members {
		if m.Is == roleVoter {
			voters = append(voters, m.Member)
		}
	}
	return p.survives(g, voters)
}

// stored reports whether a member has stored anything here. One whose state is wrong cannot lead.
func (p *repairPlanner) stored(g *groupRecord, held *placement) (bool, error) {
	if held == nil {
		return false, nil
	}
	note, err := readNote(p.store, g.ID)
	if err != nil {
		return false, err
	}
	if note.Quarantined {
		return false, fmt.Errorf("%w: its state is known to be wrong, repair another survivor", ErrQuarantined)
	}
	if g.ID == 0 {
		return true, nil
	}
	t, err := readTenant(p.store, g.ID)
	return t.member == held.Member && !t.gone, err
}

func hostName(g *groupRecord, id consensus.MemberID) string {
	if p := g.placed(id); p != nil {
		return p.Host
	}
	return "member " + id.String()
}

// survives reports whether the voters that are not lost are a majority; nobody is one of none.
func (p *repairPlanner) survives(g *groupRecord, voters []consensus.MemberID) bool {
	alive := 0
	for _, id := range voters {
		if held := g.placed(id); held != nil && !p.lost[held.Host] {
			alive++
		}
	}
	return len(voters) == 0 || alive > len(voters)/2
}

// Apply writes the repair into the member's log. It is durable on return.
func (r *QuorumRepair) Apply(ctx context.Context) error {
	done := make(chan error, 1)
	r.log.Append(r.Write, func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("host: repairing group %s: %w", r.Group, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("host: repairing group %s: %w", r.Group, context.Cause(ctx))
	}
}

// String says what the repair does and what it costs.
func (r *QuorumRepair) String() string {
	return fmt.Sprintf("group %s: the log here ends at index %d of term %d, at least %d of it committed; given up: the members on %s",
		r.Group, r.Last.Index, r.Last.Term, r.Committed, strings.Join(r.GivenUpHosts, ", "))
}
