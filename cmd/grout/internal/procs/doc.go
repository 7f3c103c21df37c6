// Package procs runs hosts as processes of their own, for the demonstration and for tests that kill.
package procs
