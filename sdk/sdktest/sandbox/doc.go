// Package sandbox runs a machine in the sandbox inside of `go test`: compiled to WebAssembly as `grout build` does it, prepared,
// metered and undone as on a host, with snapshots of the whole memory. There is no host, no log and no network.
//
//	func TestTallyInTheSandbox(t *testing.T) {
//		h := sandbox.New(t) // builds the package in the present folder
//		h.MustApply("ada")
//		h.Restart() // from a snapshot
//		if got := h.MustQuery("ada"); got != "1" {
//			t.Fatalf("after a restart ada has %s", got)
//		}
//	}
//
// The harness is package sdktest's, so a test can be written once and run both ways, and so are the checks:
//
//	sdktest.CheckRestore(t, sandbox.Open(t, sandbox.Config{}), script)                    // a restore at every index
//	sdktest.CheckAgree(t, sdktest.Native(newTally), sandbox.Open(t, sandbox.Config{}), script) // native tests can be trusted
//
// What refused and trapped commands changed is undone here, as is all that a query does. Outcome.Fuel is the work that hosts count.
// Modules in other languages run as well: Config.File names one.
//
// # Importing it
//
// The package needs Grout's sandbox and so its engine, wazero. A project made by `grout new` has a copy of the SDK
// without them: delete its vendor folder and run `go get github.com/groutlabs/grout@latest && go mod tidy` first.
package sandbox
