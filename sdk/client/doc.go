// Package client calls replicated machines over NATS. It carries no code of the hosts.
//
//	c, err := client.Connect(client.Config{URL: "nats://127.0.0.1:4222"})
//	...
//	result, err := c.Group("counter").Execute(ctx, []byte("5"))
//
// # Exactly once
//
// Every command gets a session and a sequence number, and is sent again under the same number until
// it is answered or ctx ends; the machine applies it at most once however often it was sent. When
// Execute returns a Result, a *RefusedError or a *TrappedError, the command was applied, refused or
// undone exactly once. When the error matches ErrUnknownOutcome, it may or may not have been
// applied, and the same call made again would be another command. Any other error means that it was
// not applied.
//
// # Order
//
// Commands of which one is called after the other has returned are applied in that order; so are those of
// ExecuteMany and FeedMany, and those of a Pipeline, in the order of Submit. Between commands that several
// goroutines have under way together there is no order.
//
// # Feeding
//
// Feed returns when the leader has a command in its log, long before it is applied. That is no promise: the
// command can still be lost with the leader, and it has no session, so it is not sent again when that might
// double it. AwaitApplied finds out what became of it.
//
// # Types
//
// Call and Ask speak to machines made with package sdk/typed, with Go values in place of bytes. Encode and Decode do so for
// ExecuteMany and Pipeline.
//
// # Leaders
//
// The first request goes to any host of the group, which passes it on to the leader. Replies name the
// leader, later requests go to it directly, and any sign of trouble leads back to any host.
package client
