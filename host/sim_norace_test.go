//go:build !race

package host

// raceDetector is set under the race detector, which makes a simulation twenty times slower.
const raceDetector = false
