// Package host runs members of groups: it joins the consensus core, the durable log, the machine and
// the transport around one loop per group.
//
// Start reading at [group.turn], which shows the order that everything keeps: take what arrived,
// persist, send, apply, reply. Around it stand intake.go (commands and queries of clients), forward.go
// (those that arrive at a member which does not lead), applier.go and replica.go (what is replicated:
// the machine, the clock of the entries, the sessions), views.go (queries), statesync.go, manifest.go and pages.go (snapshots), divergence.go and quarantine.go (members whose states differ),
// catalog.go and reconcile.go (which groups there are and where) and bootstrap.go (how hosts become a
// cluster).
//
// What a host promises: a command that was answered with an outcome is durable on a majority of the
// group's voters and has been applied exactly once in one order, on every member alike; an answer of
// "busy" or "no leader" means that nothing happened; "unknown" means that it may have, and that a
// retry under the same session and sequence finds out. A linearizable query sees every command that
// was answered before it was asked. A command that was fed is acknowledged before any of that holds: the
// waits of [Member] tell what became of it.
//
// The package imports neither the sandbox nor NATS: ports.go declares what it needs of them.
package host
