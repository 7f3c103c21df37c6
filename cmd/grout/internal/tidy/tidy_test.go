package tidy

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root         = "../../../.."
	modulePath   = "github.com/groutlabs/grout"
	maxFileLines = 500
	maxFuncLines = 70
)

// laws say what the packages below a folder may import beside the standard library, tests aside. The
// longest matching folder counts. Names without a dot are folders of this module, with /... all below too.
var laws = map[string][]string{
	"consensus":         {},
	"consensus/durable": {"consensus", "github.com/cockroachdb/pebble/v2", "github.com/gofrs/flock", "golang.org/x/sys"},
	"host":              {"consensus", "consensus/durable/files", "sdk/api", "github.com/ugorji/go/codec"},
	"wasmsm":            {"wasmsm/...", "github.com/tetratelabs/wazero", "golang.org/x/sys"},
	"transport/nats": {"consensus", "host", "sdk/api", "github.com/nats-io/nats.go", "github.com/ugorji/go/codec",
		"github.com/synadia-io/orbit.go/natscontext"},
	"sdk":             {},
	"sdk/sdktest":     {"sdk"},
	"sdk/conformance": {"sdk"},
	// The harness that runs a machine in the sandbox, for its author's tests.
	"sdk/sdktest/sandbox": {"sdk", "sdk/sdktest", "sdk/build", "wasmsm", "wasmsm/check"},
	"sdk/typed":           {"sdk", "sdk/typed/wire"},
	"sdk/client":          {"sdk/api", "sdk/typed/wire", "github.com/nats-io/nats.go", "github.com/synadia-io/orbit.go/natscontext"},
	// The clients of the collections, and the bytes that they share with the machines.
	"sdk/client/collections":          {"sdk/api", "sdk/client", "sdk/client/collections/protocol", "sdk/typed/wire"},
	"sdk/client/collections/protocol": {},
	"examples/wasm":                   {"sdk", "sdk/typed", "sdk/client/collections/protocol", "examples/wasm/..."},
	// The client of an application, which shares its types with the machine.
	"examples/wasm/orderbook/exchange": {"sdk/client", "examples/wasm/orderbook/protocol"},
	// The applications' clients, and the bytes that they share with their machines.
	"examples/wasm/ratelimit/limits":  {},
	"examples/wasm/ratelimit/limiter": {"sdk/client", "examples/wasm/ratelimit/limits"},
	"examples/wasm/ratelimit/cmd":     {"sdk/client", "examples/wasm/ratelimit/limits", "examples/wasm/ratelimit/limiter"},
	// What the collections' machines have in common, and what runs a machine natively and in the sandbox beside each other, for
	// the examples' tests.
	"examples/wasm/internal": {"sdk", "sdk/client/collections/protocol", "examples/wasm/internal/...", "sdk/sdktest", "sdk/sdktest/sandbox",
		"wasmsm", "wasmsm/check"},
	"examples/wasm/sqlite/database": {"sdk/client"},
	// Programs for the users of an example.
	"examples/wasm/chat/terminal": {"sdk/client", "examples/wasm/chat/protocol"},
}

// source is one parsed Go file.
type source struct {
	path  string
	lines int
	file  *ast.File
	set   *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		out = append(out, source{filepath.ToSlash(relative), bytes.Count(text, []byte("\n")), file, set})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d Go files found: the test looks in the wrong place", len(out))
	}
	return out
}

// TestSizes shows that every file and function can be read in one sitting.
func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d are allowed", s.path, s.lines, maxFileLines)
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if f, ok := n.(*ast.FuncDecl); ok && f.Body != nil {
				if lines := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; lines > maxFuncLines {
					t.Errorf("%s: function %s has %d lines, at most %d are allowed", s.path, f.Name.Name, lines, maxFuncLines)
				}
			}
			return true
		})
	}
}

// TestImports shows that the parts know only what they may know.
func TestImports(t *testing.T) {
	checked := map[string]bool{}
	for _, s := range sources(t) {
		folder, allowed := lawOf(s.path)
		if folder == "" || strings.HasSuffix(s.path, "_test.go") || hasOwnModule(s.path) {
			continue
		}
		checked[folder] = true
		for _, spec := range s.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !permitted(path, allowed) {
				t.Errorf("%s imports %s, but below %s only %v and the standard library are allowed", s.path, path, folder, allowed)
			}
		}
	}
	for folder := range laws {
		if !checked[folder] {
			t.Errorf("no file was found below %s: the law looks in the wrong place", folder)
		}
	}
}

func lawOf(path string) (folder string, allowed []string) {
	for candidate, list := range laws {
		if strings.HasPrefix(path, candidate+"/") && len(candidate) > len(folder) {
			folder, allowed = candidate, list
		}
	}
	return folder, allowed
}

func permitted(path string, allowed []string) bool {
	if own, ok := strings.CutPrefix(path, modulePath+"/"); ok {
		return slices.ContainsFunc(allowed, func(a string) bool {
			tree, below := strings.CutSuffix(a, "/...")
			return own == tree || (below && strings.HasPrefix(own, tree+"/"))
		})
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return true
	}
	return slices.ContainsFunc(allowed, func(a string) bool { return path == a || strings.HasPrefix(path, a+"/") })
}

// hasOwnModule reports whether a file belongs to a module of its own below this one.
func hasOwnModule(path string) bool {
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

// TestEveryPackageSaysWhatItPromises shows that each package has a comment, in doc.go or in main's file.
func TestEveryPackageSaysWhatItPromises(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		dir := filepath.Dir(s.path)
		if !strings.HasSuffix(s.path, "_test.go") {
			documented[dir] = documented[dir] || s.file.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment that says what it promises", dir)
		}
	}
}
