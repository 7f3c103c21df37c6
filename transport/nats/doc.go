// Package nats carries Grout over NATS: frames between the members of a group, the endpoints that
// clients call, blobs between hosts, and events.
//
// Start reading at Transport. The way of a message between members:
//
//	Send -> lane (bounded queue per host) -> pack and split -> encode (msgpack) -> seal (AES-256-GCM) -> publish
//	subscription -> subject -> unseal, replay window -> decode -> deliver
//
// and the way of a command:
//
//	micro endpoint -> headers -> host.Requests -> mapping to headers and codes -> bounded reply queue -> publish
//
// It promises:
//   - A frame that was forged, replayed or meant for another group, host or lane is dropped before
//     any of it is parsed.
//   - Memory is bounded: every queue has a limit and drops beyond it, and counts what it dropped.
//   - Votes and heartbeats have a connection of their own, so that bulk traffic cannot delay them.
//   - Nothing larger than the server's max_payload is sent.
//
// It does not promise delivery: NATS without JetStream delivers at most once, and Raft and the
// client's retries make up for it.
package nats
