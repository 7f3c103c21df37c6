// Package build has the go command that compiles a machine to a module. `grout build` uses it, and so do the tests that
// run a machine in the sandbox: what is tested is what is deployed.
package build

import (
	"context"
	"os"
	"os/exec"
)

// Command is a go command in dir for the guest's platform. Settings of the environment that would change the generated code
// are overruled, so that the module depends on the source and the Go release alone.
func Command(ctx context.Context, dir string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = dir
	// Later variables win. GOWASM and GOEXPERIMENT change the generated code.
	command.Env = append(os.Environ(), "PWD="+dir, "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWASM=", "GOEXPERIMENT=")
	return command
}

// Arguments make a go command compile the package in its folder to the file out. strip leaves out the functions' names.
func Arguments(out string, strip bool) []string {
	linker := "-buildid=" // the build ID would differ where nothing else does
	if strip {
		linker += " -s -w"
	}
	return []string{"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=" + linker, "-o", out, "."}
}
