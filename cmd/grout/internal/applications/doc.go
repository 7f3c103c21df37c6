// Package applications has the tests of the example applications as their users run them: three hosts, processes of their own, of which those
// that lead are killed, and the applications' own clients.
package applications
