package project

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/assemblyscript"
	"github.com/groutlabs/grout/sdk/c"
	"github.com/groutlabs/grout/sdk/rust"
)

// sdkModule is the module that the SDK belongs to; sdkPath is the SDK's import path.
const (
	sdkModule = "github.com/groutlabs/grout"
	sdkPath   = sdkModule + "/sdk"
)

// goLine is the language version of a new project and of the vendored SDK.
const goLine = "1.26.0"

// DefaultVersion is the SDK's version in a new project's go.mod unless NewRequest has another.
const DefaultVersion = "v0.1.0"

// maxNameBytes bounds a project's name. It becomes a group's name, and those have as much.
const maxNameBytes = 64

//go:embed template
var templates embed.FS

// language is what a project is made of.
type language struct {
	// files maps each template to its place in the project. go.mod has another name here because a
	// folder with a go.mod would be no part of this module.
	files map[string]string
	// vendor copies the SDK into the project.
	vendor func(dir string) error
	// test is the command that tests a new project, in its folder.
	test string
}

// checkCommands tests a machine that cannot run natively.
const checkCommands = "grout check . --commands commands.txt"

var languages = map[string]language{
	"go": {vendor: vendorSDK, test: "go test ./...", files: map[string]string{
		"template/go.mod.tmpl":          "go.mod",
		"template/modules.txt.tmpl":     "vendor/modules.txt",
		"template/main.go.tmpl":         "main.go",
		"template/machine_test.go.tmpl": "machine_test.go",
		"template/README.md.tmpl":       "README.md",
		"template/gitignore.tmpl":       ".gitignore",
	}},
	"c": {vendor: func(dir string) error { return write(dir, "grout.h", c.Header) }, test: checkCommands, files: map[string]string{
		"template/c/machine.c.tmpl":    "machine.c",
		"template/c/commands.txt.tmpl": "commands.txt",
		"template/c/README.md.tmpl":    "README.md",
		"template/gitignore.tmpl":      ".gitignore",
	}},
	"assemblyscript": {vendor: func(dir string) error { return copyTree(assemblyscript.Source, dir, "vendor/grout") },
		test: "npm install && " + checkCommands, files: map[string]string{
			"template/assemblyscript/package.json.tmpl":  "package.json",
			"template/assemblyscript/asconfig.json.tmpl": "asconfig.json",
			"template/assemblyscript/tsconfig.json.tmpl": "assembly/tsconfig.json",
			"template/assemblyscript/index.ts.tmpl":      "assembly/index.ts",
			"template/assemblyscript/commands.txt.tmpl":  "commands.txt",
			"template/assemblyscript/README.md.tmpl":     "README.md",
			"template/assemblyscript/gitignore.tmpl":     ".gitignore",
		}},
	"rust": {vendor: func(dir string) error { return copyTree(rust.Source, dir, "vendor/grout") }, test: "cargo test", files: map[string]string{
		"template/rust/Cargo.toml.tmpl":   "Cargo.toml",
		"template/rust/lib.rs.tmpl":       "src/lib.rs",
		"template/rust/commands.txt.tmpl": "commands.txt",
		"template/rust/README.md.tmpl":    "README.md",
		"template/rust/gitignore.tmpl":    ".gitignore",
	}},
}

// Languages are the names of the languages that a project can be made in.
func Languages() []string { return slices.Sorted(maps.Keys(languages)) }

// TestCommand is the command that tests a new project in a language, run in its folder; "" for a language that there is not.
func TestCommand(language string) string { return languages[language].test }

// NewRequest says what project to make.
type NewRequest struct {
	// Dir is the folder to make. It may exist, empty; its parents are made as needed.
	Dir string
	// Name names the Go module and the group: a lower-case letter, then lower-case letters, digits,
	// '-' and '_', 64 characters at most. "" means the last element of Dir.
	Name string
	// Language is one of Languages, "" for "go".
	Language string
	// Version is the SDK's version in go.mod, such as "v0.1.0"; "" means DefaultVersion.
	Version string
}

func (r *NewRequest) validate() error {
	if r.Dir == "" {
		return fmt.Errorf("project: new: the folder is missing: name one that does not exist yet")
	}
	if r.Name == "" {
		absolute, err := filepath.Abs(r.Dir)
		if err != nil {
			return fmt.Errorf("project: new %s: %w", r.Dir, err)
		}
		r.Name = filepath.Base(absolute)
	}
	if err := checkName(r.Name); err != nil {
		return err
	}
	if r.Language == "" {
		r.Language = "go"
	}
	if _, known := languages[r.Language]; !known {
		return fmt.Errorf("project: new %s: %w: %q: use one of %s", r.Name, ErrNoLanguage, r.Language, strings.Join(Languages(), ", "))
	}
	if r.Version == "" {
		r.Version = DefaultVersion
	}
	if !strings.HasPrefix(r.Version, "v") || strings.ContainsAny(r.Version, " \t\r\n") {
		return fmt.Errorf("project: new %s: SDK version %q is not of the form v1.2.3", r.Name, r.Version)
	}
	return nil
}

// checkName refuses what cannot be a module path that is safe from the standard library, or a group.
func checkName(name string) error {
	if len(name) == 0 || len(name) > maxNameBytes || name[0] < 'a' || name[0] > 'z' {
		return fmt.Errorf("project: %w %q: a name begins with a lower-case letter and has 1 to %d characters", ErrBadName, name, maxNameBytes)
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return fmt.Errorf("project: %w %q: %q is not allowed, use a-z, 0-9, '-' and '_'", ErrBadName, name, r)
		}
	}
	if taken[name] {
		return fmt.Errorf("project: %w %q: Go or Grout uses it already, choose another such as my-%s", ErrBadName, name, name)
	}
	return nil
}

// taken are names that a Go module cannot have without hiding a package of the standard library or
// a pattern of the go command, and names that Grout keeps for itself.
var taken = asSet("archive arena bufio builtin bytes cmp compress container context crypto database debug embed " +
	"encoding errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin " +
	"reflect regexp runtime simd slices sort strconv strings structs sync syscall testing text time unicode unique unsafe " +
	"uuid weak all cmd main std test tool vendor work catalog ctl grout")

func asSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// New writes a project that builds, tests and deploys at once, one in AssemblyScript after `npm install`. It writes nothing unless the request
// is valid and the folder new or empty.
//
// # Errors
//
// ErrBadName, ErrNoLanguage, ErrNotEmpty, and whatever the file system reports; what had been written by then stays.
func New(request NewRequest) error {
	if err := request.validate(); err != nil {
		return err
	}
	if err := checkEmpty(request.Dir); err != nil {
		return err
	}
	language := languages[request.Language]
	for source, target := range language.files {
		text, err := render(source, request)
		if err != nil {
			return err
		}
		if err := write(request.Dir, target, text); err != nil {
			return err
		}
	}
	return language.vendor(request.Dir)
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("project: new: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("project: new: %w: %s holds %s: name a folder that does not exist yet", ErrNotEmpty, dir, entries[0].Name())
	}
	return nil
}

func render(source string, request NewRequest) ([]byte, error) {
	parsed, err := template.ParseFS(templates, source)
	if err != nil {
		return nil, fmt.Errorf("project: template %s: %w", source, err)
	}
	var text bytes.Buffer
	data := struct{ Name, Version, Go, Module, SDK string }{request.Name, request.Version, goLine, sdkModule, sdkPath}
	if err := parsed.Execute(&text, data); err != nil {
		return nil, fmt.Errorf("project: template %s: %w", source, err)
	}
	return text.Bytes(), nil
}

// vendorSDK copies the SDK's sources to where `go mod vendor` would put them. Its tests stay out, and
// so does the file that embeds the sources, which a project has no use for.
func vendorSDK(dir string) error {
	return fs.WalkDir(sdk.Source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, "_test.go") || name == "source.go" {
			return err
		}
		text, err := fs.ReadFile(sdk.Source, name)
		if err != nil {
			return fmt.Errorf("project: SDK source %s: %w", name, err)
		}
		return write(dir, path.Join("vendor", sdkPath, name), text)
	})
}

// copyTree copies an SDK's sources into the folder target of a project.
func copyTree(source fs.FS, dir, target string) error {
	return fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return fmt.Errorf("project: SDK source %s: %w", name, err)
		}
		return write(dir, path.Join(target, name), text)
	})
}

// write makes one file and the folders above it. target uses slashes.
func write(dir, target string, text []byte) error {
	file := filepath.Join(dir, filepath.FromSlash(target))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("project: new: %w", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("project: new: %w", err)
	}
	return nil
}
