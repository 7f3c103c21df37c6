package cli

import (
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// Version is Grout's. The main package replaces it by what the linker was given.
var Version = "0.1.0-dev"

// semantic is the form of version that NATS services report.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?$`)

// serviceVersion is Version as NATS services report it: one that is no semantic version, such as a
// commit, goes into the build part of 0.0.0.
func serviceVersion() string {
	plain := strings.TrimPrefix(Version, "v")
	if semantic.MatchString(plain) {
		return plain
	}
	build := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '-'
	}, Version)
	if build == "" {
		return "0.0.0"
	}
	return "0.0.0+" + build
}

// versionJSON is the shape of `grout version --json`.
type versionJSON struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func buildVersion() versionJSON {
	v := versionJSON{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// versionVerb prints what this binary is.
func versionVerb(c *call) error {
	v := buildVersion()
	if c.json {
		return c.console.json(v)
	}
	line := "grout " + v.Version
	if v.Revision != "" {
		line += " " + v.Revision[:min(12, len(v.Revision))]
		if v.Modified {
			line += " (modified)"
		}
	}
	return c.console.printf("%s, %s, %s\n", line, v.Go, v.Platform)
}
