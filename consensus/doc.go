// Package consensus is the Raft core of Grout: a function from messages, ticks and proposals to
// effects. It has no IO, clock, goroutine, lock, logger or global randomness, and imports the
// standard library alone, so that one seed replays everything it does.
//
// Start reading at [Core]: Step takes a message, Tick one tick of time, Propose, ReadIndex,
// ChangeMembership and TransferLeadership what the host wants; Ready returns what the host has to do
// about it, and Persisted tells the core that a write reached the disk.
//
// The words are those of the protocol that Grout grew from (AppendEntries, RequestVote, Granted,
// Denied, Abstained, StateSync, Cursor); the rules that make them safe are in docs/SAFETY.md
// as R1 to R8. The algorithm is Raft (Ongaro and Ousterhout, "In Search of an Understandable
// Consensus Algorithm", 2014) with pre-vote, check-quorum, ReadIndex, leadership transfer and joint
// consensus as in Ongaro's thesis ("Consensus: Bridging Theory and Practice", 2014).
package consensus
