package host

import "github.com/groutlabs/grout/consensus"

// The messages between members: what arrives goes to the core or to a part of the host, what the core wants sent goes out.

// step hands one message to the core, or to the part of the host that it concerns.
func (g *group) step(m consensus.Envelope) error {
	if m.To != g.self || g.standsStill(m.Message) {
		return nil
	}
	switch message := m.Message.(type) {
	case *consensus.AppendEntries:
		if len(message.Entries) > 0 && g.applier.swamped() {
			// As if they were lost: the leader is heard, and sends them again.
			heard := *message
			heard.Entries = nil
			return g.core.Step(m.From, &heard)
		}
		return g.core.Step(m.From, m.Message)
	case *consensus.ForwardCommand:
		g.takeForwarded(m.From, message)
	case *consensus.CommandAck:
		g.takeAck(message)
	case *consensus.ForwardQuery:
		g.takeForwardedQuery(m.From, message)
	case *consensus.QueryResponse:
		g.takeQueryResponse(message)
	case *consensus.StateDigest:
		g.takeStateDigest(m.From, message)
	case *consensus.Pulse:
		g.takePulse(m.From, message)
	case *consensus.AppendEntriesResponse:
		g.heard[m.From] = g.ticks
		return g.core.Step(m.From, m.Message)
	default:
		return g.core.Step(m.From, m.Message)
	}
	return nil
}

// send hands messages to the transport, but for what a quarantined or doubtful member must not say.
func (g *group) send(messages []consensus.Envelope) {
	if len(messages) == 0 {
		return
	}
	out := make([]Addressed, 0, len(messages))
	for _, m := range messages {
		m.Message = g.withhold(m.Message)
		if host := g.hostOf(m.To); host != "" && !g.standsStill(m.Message) {
			out = append(out, Addressed{Host: host, Envelope: m})
		}
	}
	g.transport.Send(g.ref, out)
}
