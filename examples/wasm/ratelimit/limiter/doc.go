// Package limiter is the Go client of the rate limiter examples/wasm/ratelimit: Limiter asks it, and Middleware puts it before an http.Handler.
//
//	limits := limiter.New(c.Group("ratelimit"))
//	_, err := limits.SetRule(ctx, limits.Rule{Class: "api", Capacity: 100, Rate: 10})
//	middleware, err := limiter.NewMiddleware(limiter.MiddlewareConfig{Limits: limits, Class: "api"})
//	err = http.ListenAndServe(addr, middleware.Wrap(handler))
//
// Every decision is a command: it is replicated and durable before it is given, so that a token is never given twice, whichever host dies. That
// takes as long as any command of a group.
package limiter
