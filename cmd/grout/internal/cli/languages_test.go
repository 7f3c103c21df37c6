package cli

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/cmd/grout/internal/toolchains"
)

// TestLanguages shows the way of a new user in each language beside Go: make a project, deploy its folder on three hosts, send commands,
// one of them refused, and ask.
func TestLanguages(t *testing.T) {
	for _, l := range []struct {
		name, command, query, answer, refusal string
		missing                               error
	}{
		{"rust", "ada", "ada", "2", "a name is a line of 1 to 64 bytes", project.ErrNoRust},
		{"assemblyscript", "ada", "ada", "2", "a name is a line of 1 to 64 bytes", project.ErrNoAssemblyScript},
		{"c", "5", "", "10", "a command is a number", project.ErrNoClang},
	} {
		t.Run(l.name, func(t *testing.T) {
			group, dir := "tally-"+l.name, filepath.Join(t.TempDir(), "tally")
			grout(t, "", "new", group, "--dir", dir, "--lang", l.name).want(t, Done).
				prints(t, project.TestCommand(l.name), "grout deploy "+group)
			if l.name == "assemblyscript" {
				toolchains.Link(t, dir)
			}
			_, err := project.Build(t.Context(), project.BuildRequest{Dir: dir, Out: filepath.Join(t.TempDir(), "first.wasm")})
			switch {
			case errors.Is(err, l.missing):
				toolchains.Need(t, err)
			case err != nil:
				t.Fatal(err)
			}
			url := cluster(t)
			grout(t, url, "deploy", group, dir, "--timeout", "2m").want(t, Done)
			grout(t, url, "exec", group, l.command).want(t, Done)
			grout(t, url, "exec", group, l.command).want(t, Done)
			if r := grout(t, url, "query", group, l.query).want(t, Done); r.out != l.answer {
				t.Errorf("the machine answers %q, want %q", r.out, l.answer)
			}
			grout(t, url, "exec", group, "").want(t, Refused, l.refusal)
			grout(t, url, "rm", group, "--yes").want(t, Done)
		})
	}
}
