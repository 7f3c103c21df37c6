package cli

import (
	"runtime"
	"runtime/debug"
)

// version is Grout's. A release sets it with
// -ldflags "-X github.com/groutlabs/grout/cmd/grout/internal/cli.version=1.2.3".
var version = "0.1.0-dev"

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
	v := versionJSON{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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
