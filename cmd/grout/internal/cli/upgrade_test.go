package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// heirs are two modules of one code: a machine whose state is the last command, and in an heir "2:" before it.
func heirs(t *testing.T) (first, next []byte) {
	t.Helper()
	first, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "wasmsm", "testdata", "heir", "heir.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return first, append(bytes.Clone(first), 0, 2, 1, 'x') // with a custom section more
}

// TestUpgrade shows an upgrade in place from the command line: of a file, by digest, again, and those that are
// refused before anything has changed.
func TestUpgrade(t *testing.T) {
	url := cluster(t)
	firstModule, nextModule := heirs(t)
	first, next := writeFile(t, "first.wasm", firstModule), writeFile(t, "next.wasm", nextModule)
	grout(t, url, "deploy", "heir", first).want(t, Done)
	grout(t, url, "exec", "heir", "hello").want(t, Done)
	done := decode[api.UpgradeReply](t, grout(t, url, "upgrade", "heir", next, "--json").want(t, Done).out)
	if done.Group != "heir" || done.From != digestOf(firstModule) || done.To != digestOf(nextModule) || done.Index == 0 {
		t.Errorf("upgraded %+v", done)
	}
	grout(t, url, "query", "heir").want(t, Done).prints(t, "2:hello")
	if g := decode[groupJSON](t, grout(t, url, "info", "heir", "--json").want(t, Done).out); g.Module != digestOf(nextModule) {
		t.Errorf("info shows module %s", g.Module)
	}
	grout(t, url, "upgrade", "heir", next).want(t, Done).prints(t, "already, since index")
	grout(t, url, "upgrade", "heir", digestOf(firstModule), "--memory", "2MiB", "--init", "argument").want(t, Done).prints(t, "instead of")
	grout(t, url, "query", "heir").want(t, Done).prints(t, "2:2:hello")
	if g := decode[groupJSON](t, grout(t, url, "info", "heir", "--json").want(t, Done).out); g.Limits.MemoryBytes != 2<<20 {
		t.Errorf("info shows limits %+v", g.Limits)
	}
	grout(t, url, "upgrade", "heir", next, "--init", "x").want(t, BadModule, "nothing has changed", "grout_init of the new module", "code 5")
	grout(t, url, "upgrade", "heir", writeFile(t, "other.wasm", testMachine())).want(t, BadModule, "does not export grout_migrate", "nothing has changed")
	grout(t, url, "exec", "heir", "r").want(t, Done)
	grout(t, url, "upgrade", "heir", next).want(t, BadModule, "grout_export of the present module", "as asked")
	grout(t, url, "upgrade", "machine", next).want(t, BadModule, "the present module does not export grout_export")
	grout(t, url, "upgrade", "nobody", next).want(t, NotFound, "nobody")
	grout(t, url, "upgrade", "heir", digestOf([]byte("unknown"))).want(t, NotFound, "upload it first")
	grout(t, url, "upgrade", "heir", writeFile(t, "bad.wasm", []byte("no module"))).want(t, BadModule)
	grout(t, url, "query", "heir").want(t, Done).prints(t, "r")
	grout(t, url, "rm", "heir", "--yes").want(t, Done)
}
