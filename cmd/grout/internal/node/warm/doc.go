// Package warm holds no code: its test compiles a module into a compilation cache, for tests that run
// under the race detector. The compiler takes half a minute there for what takes a second without. It
// is a test because the engine keeps the caches of test binaries apart from those of others.
package warm
