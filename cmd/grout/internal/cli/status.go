package cli

import (
	"fmt"
	"strconv"

	"github.com/groutlabs/grout/sdk/api"
)

// statusJSON is the shape of `grout status --json`.
type statusJSON struct {
	Server string           `json:"server"`
	Hosts  []api.HostStatus `json:"hosts"`
}

// statusVerb describes every host that answers.
func statusVerb(c *call) error {
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	hosts, err := l.client.Admin().Status(ctx)
	if err != nil && len(hosts) == 0 {
		return l.failed(err, "")
	}
	if c.json {
		return c.console.json(statusJSON{Server: l.at, Hosts: hosts})
	}
	if err := c.console.printf("%d host(s) at %s\n", len(hosts), l.at); err != nil {
		return err
	}
	rows := [][]string{{"HOST", "CLUSTER", "VERSION", "UP", "STORAGE", "GROUPS"}}
	for _, h := range hosts {
		rows = append(rows, []string{h.Host, orDash(h.Cluster), h.Version, h.Uptime, h.Storage, strconv.Itoa(len(h.Groups))})
	}
	if err := c.console.table(rows); err != nil {
		return err
	}
	return c.groupTable(hosts)
}

// groupTable prints every member that the hosts hold.
func (c *call) groupTable(hosts []api.HostStatus) error {
	rows := [][]string{{"GROUP", "HOST", "ROLE", "TERM", "APPLIED", "SNAPSHOT", "LOG ENTRIES", "PROBLEM"}}
	for _, h := range hosts {
		for _, g := range h.Groups {
			rows = append(rows, []string{g.Group, h.Host, g.Role, strconv.FormatUint(g.Term, 10), fmt.Sprintf("%d/%d", g.Applied, g.Commit),
				strconv.FormatUint(g.SnapshotIndex, 10), strconv.Itoa(g.LogEntries), orDash(printable(g.Problem))})
		}
	}
	if len(rows) == 1 {
		return c.console.printf("no groups yet: 'grout deploy GROUP FILE' makes one\n")
	}
	return c.console.table(rows)
}
