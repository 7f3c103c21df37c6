package consensus

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// MaxMembers bounds a configuration's voters and observers taken together.
const MaxMembers = 255

// Configuration is the membership of a group. While it is joint, a decision needs a majority of
// Voters and a majority of Outgoing (Ongaro's thesis, section 4.3).
//
// Invariants, checked by valid():
//  1. Every list is sorted, without duplicates and without NoMember.
//  2. Voters is not empty.
//  3. No observer is in Voters. One that is in Outgoing still votes until the change is complete.
//  4. There are at most MaxMembers members.
type Configuration struct {
	Voters    []MemberID
	Outgoing  []MemberID
	Observers []MemberID
}

// Joint reports whether a change of membership is under way.
func (c Configuration) Joint() bool { return len(c.Outgoing) > 0 }

// IsVoter reports whether id votes, in either half.
func (c Configuration) IsVoter(id MemberID) bool {
	return contains(c.Voters, id) || contains(c.Outgoing, id)
}

// IsMember reports whether id is a voter or an observer.
func (c Configuration) IsMember(id MemberID) bool {
	return c.IsVoter(id) || contains(c.Observers, id)
}

// Members returns every member once, in ascending order.
func (c Configuration) Members() []MemberID {
	all := make([]MemberID, 0, len(c.Voters)+len(c.Outgoing)+len(c.Observers))
	all = append(append(append(all, c.Voters...), c.Outgoing...), c.Observers...)
	slices.Sort(all)
	return slices.Compact(all)
}

// Equal reports whether both describe the same membership.
func (c Configuration) Equal(other Configuration) bool {
	return slices.Equal(c.Voters, other.Voters) && slices.Equal(c.Outgoing, other.Outgoing) &&
		slices.Equal(c.Observers, other.Observers)
}

// String formats the configuration for traces.
func (c Configuration) String() string {
	text := fmt.Sprintf("voters=%v", c.Voters)
	if c.Joint() {
		text += fmt.Sprintf(" outgoing=%v", c.Outgoing)
	}
	if len(c.Observers) > 0 {
		text += fmt.Sprintf(" observers=%v", c.Observers)
	}
	return text
}

// successor picks another voter for a leader's place, the same on every member. By the leader's number it picks now this one, now
// that one, so that the groups of one host go to many others.
func (c Configuration) successor(leader MemberID) MemberID {
	var others []MemberID
	for _, id := range c.Voters {
		if id != leader {
			others = append(others, id)
		}
	}
	if len(others) == 0 {
		return NoMember
	}
	mixed := uint64(leader) * 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio (Knuth, volume 3, section 6.4)
	return others[(mixed>>32)%uint64(len(others))]
}

func contains(ids []MemberID, id MemberID) bool {
	_, found := slices.BinarySearch(ids, id)
	return found
}

// valid returns an error that names the first invariant of Configuration that does not hold.
func (c Configuration) valid() error {
	for _, list := range [][]MemberID{c.Voters, c.Outgoing, c.Observers} {
		for i, id := range list {
			if id == NoMember || (i > 0 && list[i-1] >= id) {
				return fmt.Errorf("%w: members %v are not ascending and non-zero", ErrBadConfiguration, list)
			}
		}
	}
	if len(c.Voters) == 0 {
		return fmt.Errorf("%w: no voters", ErrBadConfiguration)
	}
	for _, id := range c.Observers {
		if contains(c.Voters, id) {
			return fmt.Errorf("%w: member %s is both voter and observer", ErrBadConfiguration, id)
		}
	}
	if n := len(c.Members()); n > MaxMembers {
		return fmt.Errorf("%w: %d members, at most %d are possible", ErrBadConfiguration, n, MaxMembers)
	}
	return nil
}

// EncodeConfiguration writes the payload of an EntryConfiguration:
//
//	1 byte version (1) | 3 lists (voters, outgoing, observers), each: 1 byte count, count * 8 bytes big-endian
func EncodeConfiguration(c Configuration) []byte {
	out := []byte{configurationVersion}
	for _, list := range [][]MemberID{c.Voters, c.Outgoing, c.Observers} {
		out = append(out, byte(len(list)))
		for _, id := range list {
			out = binary.BigEndian.AppendUint64(out, uint64(id))
		}
	}
	return out
}

const configurationVersion = 1

// DecodeConfiguration reads what EncodeConfiguration wrote.
//
// # Errors
//
// ErrBadConfiguration when the bytes are cut short, too long, of another version, or describe a
// configuration that breaks an invariant.
func DecodeConfiguration(data []byte) (Configuration, error) {
	if len(data) == 0 || data[0] != configurationVersion {
		return Configuration{}, fmt.Errorf("%w: unknown version or empty payload", ErrBadConfiguration)
	}
	var c Configuration
	rest := data[1:]
	for _, list := range []*[]MemberID{&c.Voters, &c.Outgoing, &c.Observers} {
		if len(rest) == 0 || len(rest) < 1+8*int(rest[0]) {
			return Configuration{}, fmt.Errorf("%w: payload of %d bytes is cut short", ErrBadConfiguration, len(data))
		}
		n := int(rest[0])
		for i := range n {
			*list = append(*list, MemberID(binary.BigEndian.Uint64(rest[1+8*i:])))
		}
		rest = rest[1+8*n:]
	}
	if len(rest) != 0 {
		return Configuration{}, fmt.Errorf("%w: %d bytes after the end", ErrBadConfiguration, len(rest))
	}
	return c, c.valid()
}
