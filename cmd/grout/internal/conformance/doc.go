// Package conformance holds no code: its tests build one machine in every language that there is an SDK for, sdk/conformance, run one
// script in the sandbox, and demand equal outcomes. Its benchmark compares their modules.
package conformance
