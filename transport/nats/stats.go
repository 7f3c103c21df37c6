package nats

import "sync/atomic"

// LaneStats counts what passed over one lane since Connect. Messages are consensus messages, frames
// are NATS messages.
type LaneStats struct {
	FramesSent, MessagesSent, BytesSent             uint64
	FramesReceived, MessagesReceived, BytesReceived uint64
	// QueueDropped messages did not fit into the queue, or could not be addressed or encoded.
	QueueDropped uint64
	// Oversize messages did not fit into the server's max_payload.
	Oversize uint64
	// PublishFailed messages were due while the connection was down.
	PublishFailed uint64
	// PendingDropped frames arrived faster than they were decoded.
	PendingDropped uint64
	// The frames below were received and refused.
	Malformed, Forged, Replayed, Stale, Foreign, Undecodable uint64
}

// Stats counts what passed through a Transport since Connect.
type Stats struct {
	Bulk, Votes LaneStats
	// Reconnects counts those of all three connections.
	Reconnects uint64
	// Requests counts what clients asked; RepliesDropped what they were not told, because their
	// replies did not fit into the queue or the connection was down.
	Requests, RepliesDropped uint64
}

type laneCounters struct {
	framesSent, messagesSent, bytesSent             atomic.Uint64
	framesReceived, messagesReceived, bytesReceived atomic.Uint64
	queueDropped, oversize, publishFailed           atomic.Uint64
	dropped                                         [verdicts]atomic.Uint64
}

// Stats returns the present counts.
func (t *Transport) Stats() Stats {
	s := Stats{Bulk: t.laneStats(bulkLane), Votes: t.laneStats(voteLane), Reconnects: t.clients.Stats().Reconnects}
	for _, l := range t.lanes {
		s.Reconnects += l.conn.Stats().Reconnects
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.server != nil {
		s.Requests, s.RepliesDropped = t.server.requests.Load(), t.server.replies.dropped.Load()
	}
	return s
}

func (t *Transport) laneStats(id laneID) LaneStats {
	c := &t.lanes[id].counters
	s := LaneStats{
		FramesSent: c.framesSent.Load(), MessagesSent: c.messagesSent.Load(), BytesSent: c.bytesSent.Load(),
		FramesReceived: c.framesReceived.Load(), MessagesReceived: c.messagesReceived.Load(),
		BytesReceived: c.bytesReceived.Load(), QueueDropped: c.queueDropped.Load(),
		Oversize: c.oversize.Load(), PublishFailed: c.publishFailed.Load(),
		Malformed: c.dropped[malformed].Load(), Forged: c.dropped[forged].Load(), Replayed: c.dropped[replayed].Load(),
		Stale: c.dropped[stale].Load(), Foreign: c.dropped[foreign].Load(), Undecodable: c.dropped[undecodable].Load(),
	}
	if dropped, err := t.subs[id].Dropped(); err == nil && dropped > 0 {
		s.PendingDropped = uint64(dropped)
	}
	return s
}
