package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
)

const categoryGroups = "groups"

const flagYes = "yes"

// groupVerbs look after groups and hosts.
func groupVerbs() []verb {
	return []verb{{
		name: "ls", usage: "list the groups", category: categoryGroups, run: listVerb,
		description: "Examples:\n  grout ls\n  grout ls --json",
	}, {
		name: "info", usage: "describe a group as all its hosts see it", arguments: "GROUP", category: categoryGroups,
		least: 1, most: 1, group: true, run: infoVerb,
		description: `Asks every host and shows each member's role, how far it has applied and where its last
snapshot is. A member whose host does not answer is shown as silent.

Examples:
  grout info counter
  grout info counter --json`,
	}, {
		name: "rm", usage: "remove a group and all its data", arguments: "GROUP", category: categoryGroups,
		least: 1, most: 1, group: true, run: removeVerb,
		flags: []urfave.Flag{&urfave.BoolFlag{Name: flagYes, Aliases: []string{"y"}, Usage: "do not ask"}},
		description: `There is no way back. It asks first on a terminal; elsewhere it needs --yes.

Examples:
  grout rm counter
  grout rm counter --yes`,
	}, {
		name: "status", usage: "describe every host and what it holds", category: categoryGroups, run: statusVerb,
		description: "Examples:\n  grout status\n  grout status --json",
	}, {
		name: "transfer", usage: "make a host the leader of a group", arguments: "GROUP HOST", category: categoryGroups,
		least: 2, most: 2, group: true, run: transferVerb,
		description: `Returns when the host leads. Commands sent meanwhile wait.

Examples:
  grout transfer counter n2`,
	}, {
		name: "snapshot", usage: "make every member of a group take a snapshot", arguments: "GROUP", category: categoryGroups,
		least: 1, most: 1, group: true, run: snapshotVerb,
		description: `Returns when the leader has taken it. Hosts take snapshots by themselves as the log grows.

Examples:
  grout snapshot counter`,
	}, limitsDescription(), membersDescription(), hostsDescription()}
}

// groupJSON is the shape of `grout info --json`, `grout deploy --json` and of the elements of
// `grout ls --json`, where members carry no positions.
type groupJSON struct {
	Group    string       `json:"group"`
	ID       uint64       `json:"id"`
	Module   string       `json:"module"`
	Leader   string       `json:"leader"`
	Term     uint64       `json:"term"`
	Commit   uint64       `json:"commit"`
	Applied  uint64       `json:"applied"`
	Limits   api.Limits   `json:"limits"`
	Created  time.Time    `json:"created"`
	Members  []memberJSON `json:"members"`
	Problems []string     `json:"problems,omitempty"`
	Alarms   []string     `json:"alarms,omitempty"`
}

// memberJSON is one member of a group, as its own host sees it.
type memberJSON struct {
	Host string `json:"host"`
	// Member is the identity of this replica and its disk.
	Member string `json:"member"`
	// Role is leader, follower, candidate, pre-candidate, starting or observer; silent where the host
	// did not answer.
	Role          string `json:"role"`
	Term          uint64 `json:"term"`
	Commit        uint64 `json:"commit"`
	Applied       uint64 `json:"applied"`
	Match         uint64 `json:"match,omitempty"`
	SnapshotIndex uint64 `json:"snapshot_index"`
	LogEntries    int    `json:"log_entries"`
	Problem       string `json:"problem,omitempty"`
}

const roleSilent = "silent"

// merge joins what one host says of a group with what every host says of its own member. The leader
// is the one of the highest term: a leader that was cut off does not know yet that it is none.
func merge(info api.GroupInfo, statuses []api.HostStatus) groupJSON {
	g := groupJSON{
		Group: info.Group, ID: info.ID, Module: info.Module, Leader: info.Leader, Term: info.Term, Commit: info.Commit,
		Applied: info.Applied, Limits: info.Limits, Created: info.Created, Problems: info.Problems, Alarms: info.Alarms,
	}
	for _, m := range info.Members {
		member := memberJSON{Host: m.Host, Member: m.Member, Role: roleSilent, Match: m.Match}
		if brief, ok := briefOf(statuses, m.Host, info.Group); ok {
			member.Role, member.Term, member.Commit, member.Applied = brief.Role, brief.Term, brief.Commit, brief.Applied
			member.SnapshotIndex, member.LogEntries, member.Problem = brief.SnapshotIndex, brief.LogEntries, brief.Problem
			if m.Role == "observer" {
				member.Role = m.Role
			}
			if brief.Role == "leader" && (brief.Term >= g.Term || g.Leader == "") {
				g.Leader = m.Host
			}
			g.Term, g.Commit, g.Applied = max(g.Term, brief.Term), max(g.Commit, brief.Commit), max(g.Applied, brief.Applied)
		}
		g.Members = append(g.Members, member)
	}
	return g
}

func briefOf(statuses []api.HostStatus, host, group string) (api.GroupBrief, bool) {
	for _, s := range statuses {
		if s.Host != host {
			continue
		}
		i := slices.IndexFunc(s.Groups, func(b api.GroupBrief) bool { return b.Group == group })
		if i < 0 {
			return api.GroupBrief{}, false
		}
		return s.Groups[i], true
	}
	return api.GroupBrief{}, false
}

// view gathers what is known of a group.
func (l *link) view(ctx context.Context, group string) (groupJSON, error) {
	info, err := l.info(ctx, group)
	if err != nil {
		return groupJSON{}, err
	}
	statuses, _, err := l.statuses(ctx, []api.GroupInfo{info})
	if err != nil {
		return groupJSON{}, err
	}
	g := merge(info, statuses)
	if g.Leader == "" {
		return g, nil
	}
	// Only the leader knows how much of the log each member holds.
	var fromLeader api.GroupInfo
	if l.ask(ctx, api.VerbInfo, g.Leader, api.GroupRequest{Group: group}, &fromLeader) == nil && fromLeader.ID == info.ID {
		g = merge(fromLeader, statuses)
	}
	return g, nil
}

// info asks any host for a group, again while there is no leader, but not when there is no host.
func (l *link) info(ctx context.Context, group string) (info api.GroupInfo, err error) {
	var last error
	wait := poll(ctx, func() (bool, error) {
		last = l.ask(ctx, api.VerbInfo, "", api.GroupRequest{Group: group}, &info)
		if last != nil && later(last) && !noHosts(last) {
			return false, nil
		}
		return true, last
	})
	if wait != nil && last != nil {
		return info, last
	}
	return info, wait
}

// listVerb lists the groups.
func listVerb(c *call) error {
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	groups, err := l.list(ctx)
	if err != nil {
		return l.failed(err, "")
	}
	if c.json {
		return c.console.json(map[string][]groupJSON{"groups": groups})
	}
	if len(groups) == 0 {
		return c.console.printf("no groups yet: 'grout deploy GROUP FILE' makes one\n")
	}
	rows := [][]string{{"GROUP", "LEADER", "MEMBERS", "APPLIED", "MODULE", "CREATED", "PROBLEMS"}}
	for _, g := range groups {
		var hosts []string
		for _, m := range g.Members {
			hosts = append(hosts, m.Host)
		}
		rows = append(rows, []string{g.Group, orDash(g.Leader), strings.Join(hosts, ","), strconv.FormatUint(g.Applied, 10),
			short(g.Module), g.Created.Local().Format(time.DateTime), orDash(strings.Join(g.Problems, "; "))})
	}
	return c.console.table(rows)
}

// list describes all groups. The host that answers knows the leaders of the groups that it holds;
// only where one is missing, all hosts are asked.
func (l *link) list(ctx context.Context) ([]groupJSON, error) {
	if err := l.ask(ctx, api.VerbStatus, "", api.Empty{}, &api.HostStatus{}); noHosts(err) {
		return nil, err
	}
	infos, err := l.client.Admin().List(ctx)
	if err != nil {
		return nil, err
	}
	var statuses []api.HostStatus
	if slices.ContainsFunc(infos, func(g api.GroupInfo) bool { return g.Leader == "" }) {
		if statuses, _, err = l.statuses(ctx, infos); err != nil {
			return nil, err
		}
	}
	groups := []groupJSON{}
	for _, info := range infos {
		g := merge(info, statuses)
		if statuses == nil {
			for i, m := range info.Members {
				g.Members[i].Role = m.Role
			}
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// infoVerb describes a group.
func infoVerb(c *call) error {
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	defer cancel()
	g, err := l.view(ctx, c.arg(0))
	if err != nil {
		return l.failed(err, c.arg(0))
	}
	return c.printGroup(g)
}

// printGroup prints a group.
func (c *call) printGroup(g groupJSON) error {
	if c.json {
		return c.console.json(g)
	}
	err := c.console.table([][]string{
		{"group", g.Group}, {"module", g.Module}, {"leader", orDash(g.Leader)}, {"term", strconv.FormatUint(g.Term, 10)},
		{"applied", fmt.Sprintf("%d of %d committed", g.Applied, g.Commit)},
		{"limits", limitsText(g.Limits)}, {"created", g.Created.Local().Format(time.DateTime)},
	})
	if err != nil {
		return err
	}
	for _, problem := range g.Problems {
		if err := c.console.printf("problem  %s\n", printable(problem)); err != nil {
			return err
		}
	}
	if err := c.printAlarms(g.Alarms); err != nil {
		return err
	}
	rows := [][]string{{"HOST", "ROLE", "TERM", "APPLIED", "SNAPSHOT", "LOG ENTRIES", "PROBLEM"}}
	for _, m := range g.Members {
		rows = append(rows, []string{m.Host, m.Role, strconv.FormatUint(m.Term, 10), strconv.FormatUint(m.Applied, 10),
			strconv.FormatUint(m.SnapshotIndex, 10), strconv.Itoa(m.LogEntries), orDash(printable(m.Problem))})
	}
	return c.console.table(rows)
}

// short is a digest's beginning, enough to tell modules apart.
func short(digest string) string { return digest[:min(12, len(digest))] }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// removeVerb removes a group.
func removeVerb(c *call) error {
	group := c.arg(0)
	if !c.cli.Bool(flagYes) && !c.console.terminal(c.console.in) {
		return usage("rm: removing %s destroys its state on every host: add --yes to do it without being asked", group)
	}
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := c.bounded()
	_, err = l.info(ctx, group)
	cancel()
	if err != nil {
		return l.failed(err, group)
	}
	if !c.cli.Bool(flagYes) {
		if yes, err := c.confirm("Remove group %s and its state on every host? [y/N] ", group); err != nil || !yes {
			return orStopped(err)
		}
	}
	ctx, cancel = c.bounded() // the answer may have taken its time
	defer cancel()
	if err := l.client.Admin().Remove(ctx, group); err != nil {
		return l.failed(err, group)
	}
	if c.json {
		return c.console.json(map[string]string{"removed": group})
	}
	return c.console.printf("removed %s\n", group)
}

// orStopped is what a verb returns when its user did not say yes.
func orStopped(err error) error {
	if err != nil {
		return err
	}
	return &failure{exit: Interrupted, text: "nothing was removed"}
}

// confirm asks on the terminal. It waits until there is an answer or the verb is interrupted.
func (c *call) confirm(format string, args ...any) (bool, error) {
	fmt.Fprintf(c.console.err, format, args...)
	answers := make(chan string, 1)
	go func() {
		// At the end of the input the answer is what was read, or nothing: no.
		line, _ := bufio.NewReader(c.console.in).ReadString('\n')
		answers <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answers:
		return answer == "y" || answer == "yes", nil
	case <-c.ctx.Done():
		return false, &failure{exit: Interrupted, text: "interrupted, nothing was removed", err: c.ctx.Err()}
	}
}
