package host

import (
	"maps"
	"slices"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// The pauses after which a query is sent again that was forwarded and not answered: each is twice the one
// before. A query changes nothing, so it may run more than once; its waiter bounds how often.
const (
	askAgainFirst = 500 * time.Millisecond
	askAgainMost  = 2 * time.Second
)

// askedQuery is a query that was forwarded.
type askedQuery struct {
	query  pendingQuery
	leader consensus.MemberID
	// again is when it is sent again, pause how long after the attempt under way.
	again time.Time
	pause time.Duration
}

// forwardQuery sends one query to the leader, and remembers it until its answer or its deadline.
func (g *group) forwardQuery(leader consensus.MemberID, q pendingQuery) {
	asked := g.asked[q.request]
	if asked == nil {
		asked = &askedQuery{query: q, pause: askAgainFirst / 2}
		g.asked[q.request] = asked
	}
	g.core.Wake() // should the leader be gone, this member must notice
	asked.pause = min(2*asked.pause, askAgainMost)
	asked.leader, asked.again = leader, g.clock.Now().Add(asked.pause)
	g.send([]consensus.Envelope{{From: g.self, To: leader, Message: &consensus.ForwardQuery{
		RequestID: q.request, Query: encodeCommand(command{Caller: q.caller, Payload: q.payload}),
	}}})
}

// askAgain queues the forwarded queries anew whose time has come, or whose leader has gone. It forgets
// those that nobody waits for.
func (g *group) askAgain(now time.Time) {
	leader := g.leaderID()
	for _, id := range slices.Sorted(maps.Keys(g.asked)) { // in an order that a simulator's seed decides
		asked := g.asked[id]
		switch {
		case !g.waiters.waits(id):
			delete(g.asked, id)
		case leader != consensus.NoMember && (leader != asked.leader || !now.Before(asked.again)):
			if leader == g.self {
				delete(g.asked, id)
			}
			g.asking = append(g.asking, asked.query)
			asked.again = now.Add(askAgainMost) // it is on its way: ask sets another time
		}
	}
}

// takeQueryResponse answers a forwarded query. When the leader would not, or could not, there will be
// another attempt.
func (g *group) takeQueryResponse(m *consensus.QueryResponse) {
	if m.Refused != consensus.NotRefused {
		return
	}
	var stored storedReply
	if err := unpack(m.Result, &stored); err != nil {
		g.logger.Warn("a query's result does not decode", "group", g.ref.Name, "error", err)
		return
	}
	if stored.Err != nil && stored.Err.Code == api.CodeNoLeader {
		return
	}
	delete(g.asked, m.RequestID)
	g.waiters.finish(m.RequestID, Reply{
		Outcome: stored.Reply, Err: stored.Err, Index: m.Position, Term: stored.Term, Leader: g.leaderName(),
	})
}
