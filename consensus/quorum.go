package consensus

import "slices"

// decided reports whether a majority of every half says yes.
func (c Configuration) decided(yes func(MemberID) bool) bool {
	return majority(c.Voters, yes) && (!c.Joint() || majority(c.Outgoing, yes))
}

// possible reports whether every half can still reach a majority without those that said no.
func (c Configuration) possible(no func(MemberID) bool) bool {
	return c.decided(func(id MemberID) bool { return !no(id) })
}

func majority(voters []MemberID, yes func(MemberID) bool) bool {
	count := 0
	for _, id := range voters {
		if yes(id) {
			count++
		}
	}
	return count > len(voters)/2
}

// reached returns the highest value that a majority of every half has reached.
func (c Configuration) reached(value func(MemberID) uint64) uint64 {
	lowest := majorityValue(c.Voters, value)
	if c.Joint() {
		lowest = min(lowest, majorityValue(c.Outgoing, value))
	}
	return lowest
}

func majorityValue(voters []MemberID, value func(MemberID) uint64) uint64 {
	var space [16]uint64
	values := space[:0]
	for _, id := range voters {
		values = append(values, value(id))
	}
	slices.Sort(values)
	if len(values) == 0 {
		return 0
	}
	return values[(len(values)-1)/2]
}
