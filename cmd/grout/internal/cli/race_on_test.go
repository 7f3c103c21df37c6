//go:build race

package cli

// raceDetector tells tests that the engine's compiler is some twenty times slower than usual.
const raceDetector = true
