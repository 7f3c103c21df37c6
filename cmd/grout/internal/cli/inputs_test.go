package cli

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wantBad runs a command line that cannot be carried out: one line says why, in text and in JSON.
func wantBad(t *testing.T, exit Exit, text string, args ...string) {
	t.Helper()
	r := grout(t, "", args...).want(t, exit, "grout: ", text)
	if r.out != "" || strings.Count(r.err, "\n") != 1 {
		t.Errorf("want one line on standard error alone, got stdout %q, stderr %q", r.out, r.err)
	}
	e := errorOf(t, grout(t, "", append([]string{"--json"}, args...)...))
	if e.Exit != exit || e.Kind != kinds[exit] || !strings.Contains(e.Text, text) {
		t.Errorf("with --json: %+v", e)
	}
}

// TestBadArguments shows what is said, without any server, of arguments that cannot be carried out.
func TestBadArguments(t *testing.T) {
	module := writeFile(t, "machine.wasm", testMachine())
	missing := filepath.Join(t.TempDir(), "missing")
	library := filepath.Dir(writeFile(t, "go.mod", []byte("module library\n\ngo 1.26\n")))
	if err := os.WriteFile(filepath.Join(library, "a.go"), []byte("package library\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		exit Exit
		text string
	}{
		"unknown verb":        {[]string{"dpeloy"}, Usage, `Did you mean "deploy"?`},
		"unknown flag":        {[]string{"exec", "g", "x", "--sesion", "y"}, Usage, "Did you mean --session?"},
		"unknown global":      {[]string{"--sever", "x", "ls"}, Usage, "Did you mean --server?"},
		"flag without value":  {[]string{"ls", "--server"}, Usage, "--server needs a value"},
		"value not a number":  {[]string{"deploy", "g", module, "--replicas", "many"}, Usage, "many"},
		"bad bool":            {[]string{"ls", "--json=maybe"}, Usage, "maybe"},
		"missing argument":    {[]string{"exec", "g"}, Usage, "GROUP PAYLOAD|@FILE|-, got 1"},
		"argument too many":   {[]string{"ls", "extra"}, Usage, "no arguments"},
		"bad group":           {[]string{"exec", "a.b", "x"}, Usage, `'.' is not allowed`},
		"reserved group":      {[]string{"deploy", "catalog", module}, Usage, "reserved"},
		"bad host":            {[]string{"transfer", "g", "a b"}, Usage, "host"},
		"timeout of nothing":  {[]string{"ls", "--timeout", "0s"}, Usage, "--timeout"},
		"seq alone":           {[]string{"exec", "g", "x", "--seq", "1"}, Usage, "--session"},
		"session alone":       {[]string{"exec", "g", "x", "--session", "s"}, Usage, "--seq"},
		"session and id":      {[]string{"exec", "g", "x", "--session", "s", "--seq", "1", "--id", "i"}, Usage, "exclude"},
		"acked too high":      {[]string{"exec", "g", "x", "--session", "s", "--seq", "1", "--acked", "1"}, Usage, "--acked 1"},
		"id not printable":    {[]string{"exec", "g", "x", "--id", "a\nb"}, Usage, "printable"},
		"payload file":        {[]string{"exec", "g", "@" + missing}, Usage, missing},
		"payload too large":   {[]string{"exec", "g", strings.Repeat("x", 512<<10+1)}, Usage, "524288"},
		"window":              {[]string{"feed", "g", "-", "--window", "2000"}, Usage, "1024"},
		"delimiter":           {[]string{"feed", "g", "-", "--delimiter", "ab"}, Usage, "one byte"},
		"feed file":           {[]string{"feed", "g", missing}, Usage, missing},
		"module file":         {[]string{"deploy", "g", missing}, Usage, missing},
		"replicas of nothing": {[]string{"deploy", "g", module, "--replicas", "0"}, Usage, "--replicas"},
		"memory":              {[]string{"deploy", "g", module, "--memory", "lots"}, Usage, "64KiB"},
		"inspect a folder":    {[]string{"inspect", t.TempDir()}, Usage, "folder"},
		"build a library":     {[]string{"build", library}, Usage, "package main"},
		"build nowhere":       {[]string{"build", missing}, Usage, missing},
		"new with bad name":   {[]string{"new", "Not A Name"}, Usage, "name"},
		"dev port":            {[]string{"dev", "--port", "70000"}, Usage, "70000"},
		"dev hosts":           {[]string{"dev", "--hosts", "0"}, Usage, "--hosts"},
		"serve without name":  {[]string{"serve"}, Usage, "--name"},
		"serve without NATS":  {[]string{"serve", "--name", "a", "--data", missing}, Usage, "--embedded-nats"},
		"serve with two":      {[]string{"serve", "--name", "a", "--data", missing, "--nats-url", "nats://x", "--embedded-nats"}, Usage, "one of"},
		"serve without peer":  {[]string{"serve", "--name", "a", "--data", missing, "--peers", "b,c", "--embedded-nats"}, Usage, "does not hold this host"},
		"serve routes alone":  {[]string{"serve", "--name", "a", "--data", missing, "--embedded-nats", "--routes", "nats://x:1"}, Usage, "--cluster-listen"},
		"serve listen alone":  {[]string{"serve", "--name", "a", "--data", missing, "--nats-url", "nats://x", "--listen", "x:1"}, Usage, "--embedded-nats"},
		"log level":           {[]string{"serve", "--name", "a", "--data", missing, "--log-level", "loud"}, Usage, "loud"},
		"log format":          {[]string{"dev", "--log-format", "xml"}, Usage, "xml"},
	} {
		t.Run(name, func(t *testing.T) { wantBad(t, c.exit, c.text, c.args...) })
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a refused command line has made a data folder")
	}
}

// TestBadModuleIsRefusedHere shows that a bad module is refused before any server is asked, in the
// words of the hosts.
func TestBadModuleIsRefusedHere(t *testing.T) {
	bad := writeFile(t, "bad.wasm", append(testMachine(), 0xff))
	text := writeFile(t, "text.wasm", []byte("this is no module"))
	for _, path := range []string{bad, text} {
		for _, args := range [][]string{{"deploy", "g", path}, {"inspect", path}} {
			grout(t, "nats://127.0.0.1:1", args...).want(t, BadModule, "the module is refused: prepare: bad module: ", "byte ")
		}
	}
	report := decode[inspectJSON](t, grout(t, "", "inspect", bad, "--json").want(t, BadModule).out)
	if report.Accepted || report.Refusal == nil || report.Refusal.Cause == "" || report.Refusal.Offset == 0 || report.Module != nil {
		t.Errorf("report %+v", report)
	}
}

// TestNoServerIsSaidInTime shows that every verb that needs a server says which one is missing,
// within --timeout, whether nobody listens there or somebody does who says nothing.
func TestNoServerIsSaidInTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := silent.Close(); err != nil {
			t.Error(err)
		}
	}()
	module := writeFile(t, "machine.wasm", testMachine())
	for _, url := range []string{"nats://127.0.0.1:1", "nats://secret:word@" + silent.Addr().String()} {
		for _, args := range [][]string{
			{"ls"}, {"status"}, {"info", "g"}, {"rm", "g", "-y"}, {"transfer", "g", "h"}, {"snapshot", "g"}, {"exec", "g", "x"},
			{"query", "g"}, {"feed", "g", "-"}, {"deploy", "g", module}, {"serve", "--name", "a", "--data", t.TempDir()},
		} {
			begun := time.Now()
			r := grout(t, url, append(args, "--timeout", "200ms")...).want(t, Unavailable, "no NATS server answers at nats://127.0.0.1:", "grout dev")
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("%v: it took %s to say so", args, took)
			}
			if strings.Contains(r.err, "word") || strings.Count(r.err, "\n") != 1 {
				t.Errorf("%v: want one line without the password: %s", args, r.err)
			}
		}
	}
}

// TestNoHostsAndNoGroup shows that a server without hosts is told from hosts without the group, at once.
func TestNoHostsAndNoGroup(t *testing.T) {
	bare, url := bareServer(t), cluster(t)
	module := writeFile(t, "machine.wasm", testMachine())
	for _, args := range [][]string{
		{"ls"}, {"status"}, {"info", "none"}, {"rm", "none", "-y"}, {"transfer", "none", "n1"}, {"snapshot", "none"},
		{"exec", "none", "x"}, {"exec", "none", "x", "--id", "i"}, {"query", "none"}, {"feed", "none", "-"}, {"deploy", "none", module},
	} {
		begun := time.Now()
		e := errorOf(t, grout(t, bare, append(args, "--json", "--timeout", "1m")...).want(t, Unavailable))
		if !strings.Contains(e.Text, "no Grout host answers at "+bare) || e.Kind != "unavailable" {
			t.Errorf("%v: %+v", args, e)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%v: it took %s to say that there is no host", args, took)
		}
		if verb := args[0]; verb == "ls" || verb == "status" || verb == "deploy" {
			continue
		}
		grout(t, url, args...).want(t, NotFound, "none", "grout ls")
	}
	grout(t, url, "transfer", "machine", "n9").want(t, NotFound, "n9", "n1, n2, n3")
	grout(t, url, "deploy", "wide", module, "--replicas", "4").want(t, Usage, "4 replicas", "3 hosts")
}

// TestContextsOfTheNatsCLI shows which server counts: flags, then the environment, then the context
// that the nats CLI has selected.
func TestContextsOfTheNatsCLI(t *testing.T) {
	url := cluster(t)
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	writeContext(t, home, "good", url)
	writeContext(t, home, "dead", "nats://127.0.0.1:1")
	status := func(args ...string) outcome {
		return grout(t, "", append([]string{"status", "--timeout", "20s"}, args...)...)
	}
	at := "at " + url
	status("--context", "good").want(t, Done).prints(t, at)
	status("--context", "dead").want(t, Unavailable, "context dead")
	status("--context", "dead", "--server", url).want(t, Done).prints(t, at)
	status("--context", "none").want(t, Failed, "none")
	if err := os.WriteFile(filepath.Join(home, "nats", "context.txt"), []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	status().want(t, Done).prints(t, at)
	t.Setenv("NATS_CONTEXT", "dead")
	status().want(t, Unavailable, "context dead")
	t.Setenv("NATS_CONTEXT", "")
	t.Setenv("NATS_URL", "nats://127.0.0.1:1")
	status().want(t, Unavailable, "nats://127.0.0.1:1")
	status("-s", url).want(t, Done).prints(t, at)
	t.Setenv("NATS_CREDS", filepath.Join(home, "none.creds"))
	status("-s", url).want(t, Usage, "none.creds")
}

func writeContext(t *testing.T, home, name, url string) {
	t.Helper()
	dir := filepath.Join(home, "nats", "context")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"url": url})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryVerbHasExamples shows the help of every verb, and that it needs neither server nor arguments.
func TestEveryVerbHasExamples(t *testing.T) {
	grout(t, "", "--help").want(t, Done).prints(t, "Exit codes:", "7 the command may or may not have been applied")
	grout(t, "", "help", "none").want(t, Usage, "none")
	grout(t, "").want(t, Done).prints(t, "COMMANDS:")
	for _, v := range verbs() {
		if v.name == "help" {
			continue // it shows all of them
		}
		grout(t, "", v.name, "--help").want(t, Done).prints(t, "grout "+v.name, "DESCRIPTION:", "Examples:")
		grout(t, "", "help", v.name).want(t, Done).prints(t, "Examples:")
	}
}

// TestVersion shows the version, as text and JSON, and how it is put for NATS services.
func TestVersion(t *testing.T) {
	grout(t, "", "version").want(t, Done).prints(t, "grout "+Version, "go1.")
	if v := decode[versionJSON](t, grout(t, "", "version", "--json").want(t, Done).out); v.Version != Version || v.Platform == "" {
		t.Errorf("version %+v", v)
	}
	old := Version
	defer func() { Version = old }()
	for text, want := range map[string]string{
		"v1.2.3": "1.2.3", "0.1.0-dev": "0.1.0-dev", "v0.1.0-3-g0ab1c2d": "0.1.0-3-g0ab1c2d", "0.1.0-007": "0.0.0+0-1-0-007",
		"55b6ecf-dirty": "0.0.0+55b6ecf-dirty", "devel": "0.0.0+devel", "": "0.0.0",
	} {
		if Version = text; serviceVersion() != want {
			t.Errorf("version %q becomes %q, want %q", text, serviceVersion(), want)
		}
	}
}

// TestInterruptedBeforeTheServerAnswers shows that an interruption ends a wait for a server.
func TestInterruptedBeforeTheServerAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs strings.Builder
	if code := Exit(Run(ctx, []string{"-s", "nats://127.0.0.1:1", "ls"}, strings.NewReader(""), &out, &errs)); code != Interrupted && code != Unavailable {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}
