package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

// memberPatience is how long a host that holds members of groups, and did not answer when all were
// asked, may take when it is asked alone.
const memberPatience = time.Second

// statusJSON is the shape of `grout status --json`.
type statusJSON struct {
	Server string           `json:"server"`
	Hosts  []api.HostStatus `json:"hosts"`
	// Silent are hosts that others know of, or that hold members of groups, and that do not answer.
	Silent []string `json:"silent"`
}

// statuses asks all hosts. Nobody knows how many there are, so one that is slow may be missed: those
// that the named groups' members are on, or that others know of, are asked again, alone.
func (l *link) statuses(ctx context.Context, groups []api.GroupInfo) (hosts []api.HostStatus, silent []string, err error) {
	hosts, err = l.client.Admin().Status(ctx)
	if err != nil && len(hosts) == 0 {
		return nil, nil, err
	}
	missing := map[string]bool{}
	for _, g := range groups {
		for _, m := range g.Members {
			missing[m.Host] = true
		}
	}
	for _, h := range hosts {
		for _, name := range h.Hosts {
			missing[name] = true // the groups are unknown when most hosts are silent, as when it matters most
		}
	}
	for _, h := range hosts {
		delete(missing, h.Host)
	}
	limited, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	var wait sync.WaitGroup
	var mu sync.Mutex
	for name := range missing {
		wait.Go(func() {
			var status api.HostStatus
			err := l.ask(limited, api.VerbStatus, name, api.Empty{}, &status)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				silent = append(silent, name)
				return
			}
			hosts = append(hosts, status)
		})
	}
	wait.Wait()
	slices.Sort(silent)
	slices.SortFunc(hosts, func(a, b api.HostStatus) int { return strings.Compare(a.Host, b.Host) })
	return hosts, silent, nil
}

// placements are the groups, as far as the catalog answers soon: status is for times when it does not.
func (l *link) placements(ctx context.Context) []api.GroupInfo {
	limited, cancel := context.WithTimeout(ctx, memberPatience)
	defer cancel()
	var reply api.ListReply
	if l.ask(limited, api.VerbList, "", api.Empty{}, &reply) != nil {
		return nil
	}
	return reply.Groups
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
	hosts, silent, err := l.statuses(ctx, l.placements(ctx))
	if err != nil {
		return l.failed(err, "")
	}
	if c.json {
		return c.console.json(statusJSON{Server: l.at, Hosts: hosts, Silent: slices.Concat([]string{}, silent)})
	}
	heading := fmt.Sprintf("%d host(s) at %s", len(hosts), l.at)
	if len(silent) > 0 {
		heading += ", no answer from " + strings.Join(silent, ", ")
	}
	if err := c.console.printf("%s\n", heading); err != nil {
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
	if err := c.console.table(rows); err != nil {
		return err
	}
	return c.hostAlarms(hosts)
}

// hostAlarms prints the alarms of each group once: as the host says that sees most of them.
func (c *call) hostAlarms(hosts []api.HostStatus) error {
	shown := map[string][]string{}
	for _, h := range hosts {
		for _, g := range h.Groups {
			if len(g.Alarms) > len(shown[g.Group]) {
				shown[g.Group] = g.Alarms
			}
		}
	}
	for _, group := range slices.Sorted(maps.Keys(shown)) {
		if err := c.printAlarms(shown[group]); err != nil {
			return err
		}
	}
	return nil
}
