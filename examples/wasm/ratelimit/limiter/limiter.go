package limiter

import (
	"context"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
	"github.com/groutlabs/grout/sdk/client"
)

// Limiter asks the machine. Its methods may be called from several goroutines at once, and their errors are those of client.Call and
// client.Ask; the codes of refusals are package limits'.
type Limiter struct{ group client.Typed }

// New returns the limiter of a group.
func New(group *client.Group) *Limiter { return &Limiter{group.Typed(client.MessagePack)} }

// SetRule sets the rule of a class, or changes it. The same rule again changes nothing.
func (l *Limiter) SetRule(ctx context.Context, rule limits.Rule) (limits.Rule, error) {
	return client.Call[limits.Rule](ctx, l.group, "rule", rule)
}

// Forget removes a class that has no buckets.
func (l *Limiter) Forget(ctx context.Context, class string) error {
	_, err := client.Call[struct{}](ctx, l.group, "forget", limits.Class{Class: class})
	return err
}

// Take asks for tokens. A denial is no error. When the error matches client.ErrUnknownOutcome the tokens may have been taken, once.
func (l *Limiter) Take(ctx context.Context, take limits.Take) (limits.Decision, error) {
	return client.Call[limits.Decision](ctx, l.group, "take", take)
}

// TakeAll asks for tokens of several buckets, and gets all of them or none.
func (l *Limiter) TakeAll(ctx context.Context, takes ...limits.Take) (limits.Decisions, error) {
	return client.Call[limits.Decisions](ctx, l.group, "batch", limits.Batch{Takes: takes})
}

// TakeEach asks for tokens of several buckets, each for itself.
func (l *Limiter) TakeEach(ctx context.Context, takes ...limits.Take) (limits.Decisions, error) {
	return client.Call[limits.Decisions](ctx, l.group, "batch", limits.Batch{Takes: takes, Each: true})
}

// Penalize takes tokens whether they are there or not: Left is less than 0 then, at least the negative capacity.
func (l *Limiter) Penalize(ctx context.Context, take limits.Take) (limits.State, error) {
	return client.Call[limits.State](ctx, l.group, "penalize", take)
}

// Reset fills a bucket.
func (l *Limiter) Reset(ctx context.Context, bucket limits.Bucket) (limits.State, error) {
	return client.Call[limits.State](ctx, l.group, "reset", bucket)
}

// Peek returns what a bucket held at the last command of any client: it does not see time that passed since.
func (l *Limiter) Peek(ctx context.Context, bucket limits.Bucket) (limits.State, error) {
	return client.Ask[limits.State](ctx, l.group, "peek", bucket, client.QueryOptions{})
}

// Rules returns all rules, sorted by class.
func (l *Limiter) Rules(ctx context.Context) ([]limits.Rule, error) {
	answer, err := client.Ask[limits.Rules](ctx, l.group, "rules", struct{}{}, client.QueryOptions{})
	return answer.Rules, err
}

// Status counts what the machine holds.
func (l *Limiter) Status(ctx context.Context) (limits.Status, error) {
	return client.Ask[limits.Status](ctx, l.group, "status", struct{}{}, client.QueryOptions{})
}
