package host

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// electorate is a group as the planner sees it: a leader, a configuration, and who is well.
type electorate struct {
	status consensus.Status
	dead   map[consensus.MemberID]bool
}

func newElectorate(leader consensus.MemberID, voters, observers []consensus.MemberID) *electorate {
	e := &electorate{dead: map[consensus.MemberID]bool{}, status: consensus.Status{
		ID: leader, Role: consensus.Leader, Commit: 5000, Match: map[consensus.MemberID]consensus.Index{},
		Configuration: consensus.Configuration{Voters: voters, Observers: observers},
	}}
	for _, id := range append(slices.Clone(voters), observers...) {
		e.status.Match[id] = 5000
	}
	return e
}

func (e *electorate) plan(target []placement) memberPlan {
	return planMembers(e.status, func(id consensus.MemberID) bool { return !e.dead[id] }, target)
}

func ids(list ...consensus.MemberID) []consensus.MemberID { return list }

func wanted(voters, observers []consensus.MemberID) []placement {
	var out []placement
	for _, id := range voters {
		out = append(out, placement{Host: fmt.Sprint("h", id), Member: id, Role: roleVoter})
	}
	for _, id := range observers {
		out = append(out, placement{Host: fmt.Sprint("h", id), Member: id, Role: roleObserver})
	}
	return out
}

// TestMemberSteps shows the step taken in each situation that matters: who comes in as an observer, who
// is promoted, who stays until it is replaced, who has to lead first, and what is not done because the
// group could not complete it.
func TestMemberSteps(t *testing.T) {
	leaving := func(m placement) placement { m.Role = roleNone; return m }
	one, two, three := wanted(ids(1), nil)[0], wanted(ids(2), nil)[0], wanted(ids(3), nil)[0]
	four := placement{Host: "h4", Member: 4, Role: roleVoter}
	replacing := four
	replacing.Replaces = 3
	lost := three
	lost.Is = roleLost
	cases := []struct {
		name              string
		leader            consensus.MemberID
		voters, observers []consensus.MemberID
		dead, behind      []consensus.MemberID
		target            []placement
		want              memberPlan
	}{
		{"nothing to do", 1, ids(1, 2, 3), ids(4), nil, nil, wanted(ids(1, 2, 3), ids(4)), memberPlan{voters: ids(1, 2, 3), observers: ids(4)}},
		{"a new voter is an observer first", 1, ids(1, 2, 3), nil, nil, nil, []placement{one, two, three, four},
			memberPlan{voters: ids(1, 2, 3), observers: ids(4), waiting: "the member on host h4 to catch up"}},
		{"and stays one while it is behind", 1, ids(1, 2, 3), ids(4), nil, ids(4), []placement{one, two, three, four},
			memberPlan{voters: ids(1, 2, 3), observers: ids(4), waiting: "the member on host h4 to catch up"}},
		{"and while it is silent", 1, ids(1, 2, 3), ids(4), ids(4), nil, []placement{one, two, three, four},
			memberPlan{voters: ids(1, 2, 3), observers: ids(4), waiting: "the member on host h4 to catch up"}},
		{"and votes when it has caught up", 1, ids(1, 2, 3), ids(4), nil, nil, []placement{one, two, three, four},
			memberPlan{voters: ids(1, 2, 3, 4)}},
		{"the replaced one stays at first", 1, ids(1, 2, 3), nil, nil, nil, []placement{one, two, leaving(three), replacing},
			memberPlan{voters: ids(1, 2, 3), observers: ids(4), waiting: "the member on host h4 to catch up"}},
		{"and leaves in the same change", 1, ids(1, 2, 3), ids(4), nil, nil, []placement{one, two, leaving(three), replacing},
			memberPlan{voters: ids(1, 2, 4)}},
		{"a dead one is replaced too", 1, ids(1, 2, 3), ids(4), ids(3), nil, []placement{one, two, leaving(three), replacing},
			memberPlan{voters: ids(1, 2, 4)}},
		{"a lost one stays away", 1, ids(1), nil, nil, nil, []placement{one, lost}, memberPlan{voters: ids(1)}},
		{"a demoted one", 1, ids(1, 2, 3), nil, nil, nil, wanted(ids(1, 2), ids(3)), memberPlan{voters: ids(1, 2), observers: ids(3)}},
		{"the leader hands over before it leaves", 1, ids(1, 2, 3), nil, nil, nil, []placement{leaving(one), two, three},
			memberPlan{voters: ids(2, 3), successor: 2, waiting: "another member to take over the leadership"}},
		{"and does not hand over to a dead one", 1, ids(1, 2, 3), nil, ids(3), nil, []placement{leaving(one), two, three},
			memberPlan{voters: ids(1, 2, 3), waiting: "a majority of the new voters: 1 of 2 are alive and have caught up"}},
		{"the only voter stays one step longer", 1, ids(1), ids(4), nil, nil, []placement{leaving(one), four},
			memberPlan{voters: ids(1, 4), waiting: "another member to take over the leadership"}},
		{"a change that a dead majority could not complete", 1, ids(1, 2, 3), ids(4), ids(2, 3), nil, wanted(ids(1, 2, 3, 4), nil)[1:],
			memberPlan{voters: ids(1, 2, 3), observers: ids(4), waiting: "a majority of the new voters: 1 of 3 are alive and have caught up"}},
	}
	for _, c := range cases {
		e := newElectorate(c.leader, c.voters, c.observers)
		for _, id := range c.dead {
			e.dead[id] = true
		}
		for _, id := range c.behind {
			e.status.Match[id] = 100
		}
		got := e.plan(c.target)
		if !slices.Equal(got.voters, c.want.voters) || !slices.Equal(got.observers, c.want.observers) ||
			got.successor != c.want.successor || got.waiting != c.want.waiting {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

// TestAYoungGroup shows that a member that has stored nothing gets no vote, although the group's log is so short that
// it is hardly behind.
func TestAYoungGroup(t *testing.T) {
	e := newElectorate(1, ids(1, 2, 3), ids(4))
	e.status.Commit = 20
	delete(e.status.Match, 4)
	if got := e.plan(wanted(ids(1, 2, 3, 4), nil)); !slices.Equal(got.voters, ids(1, 2, 3)) || got.waiting == "" {
		t.Errorf("%+v", got)
	}
	e.status.Match[4] = 1
	if got := e.plan(wanted(ids(1, 2, 3, 4), nil)); !slices.Equal(got.voters, ids(1, 2, 3, 4)) {
		t.Errorf("%+v", got)
	}
}

// TestMemberStepsEnd shows that from any configuration the steps end with the one that is wanted, if the
// members that it needs are well, whoever leads and dies meanwhile; that no step promotes a member that was
// no observer; and that a replaced voter never leaves before its successor votes.
func TestMemberStepsEnd(t *testing.T) {
	for seed := uint64(1); seed <= 2000; seed++ {
		rng := rand.New(rand.NewPCG(seed, 3))
		e, target := randomChange(rng)
		for step := 0; ; step++ {
			now := e.status.Configuration
			plan := e.plan(target)
			for _, id := range plan.voters {
				if !now.IsVoter(id) && !slices.Contains(now.Observers, id) {
					t.Fatalf("seed %d: %s became a voter at once", seed, id)
				}
			}
			for _, m := range target {
				if m.Replaces != consensus.NoMember && now.IsVoter(m.Replaces) && !slices.Contains(plan.voters, m.Replaces) &&
					!slices.Contains(plan.voters, m.Member) {
					t.Fatalf("seed %d: %s left before %s voted", seed, m.Replaces, m.Member)
				}
			}
			next := consensus.Configuration{Voters: plan.voters, Observers: plan.observers}
			switch {
			case plan.successor != consensus.NoMember:
				e.status.ID = plan.successor
			case now.Equal(next) && plan.waiting == "":
				checkTarget(t, seed, next, target)
			default:
				e.take(next, rng)
			}
			if plan.waiting == "" && now.Equal(next) {
				break
			}
			if step > 100 {
				t.Fatalf("seed %d: no end: %+v, %+v of %+v", seed, now, plan, target)
			}
		}
	}
}

// take puts a configuration in force. New members catch up sooner or later.
func (e *electorate) take(next consensus.Configuration, rng *rand.Rand) {
	e.status.Configuration = next
	for _, id := range next.Members() {
		if rng.IntN(2) == 0 {
			e.status.Match[id] = 5000
		}
	}
	if !next.IsVoter(e.status.ID) || rng.IntN(4) == 0 {
		e.status.ID = next.Voters[rng.IntN(len(next.Voters))]
	}
	for e.dead[e.status.ID] {
		e.status.ID = next.Voters[rng.IntN(len(next.Voters))]
	}
}

// randomChange is a group and what it shall be. A minority of the old voters is dead, and leaves.
func randomChange(rng *rand.Rand) (*electorate, []placement) {
	voters := ids(1, 2, 3, 4, 5)[:1+rng.IntN(5)]
	e := newElectorate(1, voters, ids(6, 7)[:rng.IntN(3)])
	var target []placement
	for _, id := range append(slices.Clone(voters), e.status.Configuration.Observers...) {
		target = append(target, placement{Host: fmt.Sprint("h", id), Member: id, Role: memberRole(rng.IntN(3))})
	}
	for id := consensus.MemberID(10); id < 10+consensus.MemberID(1+rng.IntN(3)); id++ {
		m := placement{Host: fmt.Sprint("h", id), Member: id, Role: roleVoter}
		if old := rng.IntN(len(target)); target[old].Role != roleNone && target[old].Member < 10 && rng.IntN(2) == 0 {
			target[old].Role, m.Replaces = roleNone, target[old].Member
		}
		target = append(target, m)
	}
	for i := range target {
		id := target[i].Member
		if id > 1 && id < 6 && target[i].Role == roleNone && len(e.dead) < (len(voters)-1)/2 {
			e.dead[id] = true
		}
	}
	return e, target
}

func checkTarget(t *testing.T, seed uint64, c consensus.Configuration, target []placement) {
	t.Helper()
	for _, m := range target {
		is := roleNone
		if c.IsVoter(m.Member) {
			is = roleVoter
		} else if c.IsMember(m.Member) {
			is = roleObserver
		}
		if is != m.Role {
			t.Fatalf("seed %d: %s is %s, wanted %s", seed, m.Member, is, m.Role)
		}
	}
}
