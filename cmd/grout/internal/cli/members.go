package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const flagObserver = "observer"

// membersTimeout is for a change of members: a new one fetches the whole state first.
const membersTimeout = time.Minute

// memberActions are the actions of members, each with the number of its arguments.
var memberActions = map[string]int{
	api.MembersAdd: 2, api.MembersPromote: 2, api.MembersDemote: 2, api.MembersRemove: 2, api.MembersReplace: 3,
}

func membersDescription() verb {
	return verb{
		name: "members", usage: "show or change the members of a group", category: categoryGroups,
		arguments: "GROUP, or add|promote|demote|remove GROUP HOST, or replace GROUP HOST NEWHOST", least: 1, most: 4, run: membersVerb,
		flags: []urfave.Flag{&urfave.BoolFlag{Name: flagObserver, Usage: "add: a member that holds the state and never votes"}},
		description: `Commands flow while members change. A new member gets the state first and votes when it has caught up;
replace puts a new member in the place of another one in one step. The change goes on by itself when
this command is interrupted, and when the leader fails. GROUP can be "catalog", the group that knows all
others: there every host is a member, and only promote and demote are possible.

Examples:
  grout members counter
  grout members add counter n4
  grout members add counter n5 --observer
  grout members replace counter n1 n4
  grout members demote counter n2`,
	}
}

// membersRequest reads the arguments.
func (c *call) membersRequest() (api.MembersRequest, error) {
	if len(c.args) == 1 {
		return api.MembersRequest{Group: c.arg(0)}, c.checkMembers(c.arg(0))
	}
	n, ok := memberActions[c.arg(0)]
	if !ok {
		return api.MembersRequest{}, usage("members: unknown action %q: there are add, promote, demote, remove and replace", c.arg(0))
	}
	if len(c.args) != n+1 {
		return api.MembersRequest{}, usage("members: %s takes %d arguments, got %d. Run 'grout members --help' for its use", c.arg(0), n, len(c.args)-1)
	}
	r := api.MembersRequest{Action: c.arg(0), Group: c.arg(1), Host: c.arg(2), With: c.arg(3), Observer: c.cli.Bool(flagObserver)}
	if r.Observer && r.Action != api.MembersAdd {
		return r, usage("members: --observer is for add")
	}
	return r, c.checkMembers(r.Group, c.args[2:]...)
}

func (c *call) checkMembers(group string, hosts ...string) error {
	if err := api.CheckName(group); err != nil {
		return usage("group: %s", err)
	}
	for _, host := range hosts {
		if err := api.CheckName(host); err != nil {
			return usage("host: %s", err)
		}
	}
	if c.cli.Bool(flagObserver) && len(hosts) == 0 {
		return usage("members: --observer is for add")
	}
	return nil
}

// membersVerb shows the members, after a change if one is asked for.
func membersVerb(c *call) error {
	request, err := c.membersRequest()
	if err != nil {
		return err
	}
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	if request.Action != "" && !c.timeoutSet {
		c.timeout = membersTimeout
	}
	ctx, cancel := c.bounded()
	defer cancel()
	reply, err := c.changeMembers(ctx, l, request)
	if err != nil {
		return l.membersFailure(err, request.Group, reply)
	}
	if c.json {
		return c.console.json(reply)
	}
	return c.printMembers(reply)
}

func (c *call) changeMembers(ctx context.Context, l *link, request api.MembersRequest) (api.MembersReply, error) {
	if request.Group != "catalog" {
		if err := c.findGroup(ctx, l, request.Group); err != nil {
			return api.MembersReply{}, err
		}
	}
	if request.Action == "" {
		return l.client.Admin().Members(ctx, request.Group)
	}
	line := c.progress()
	defer line.end()
	return l.client.Admin().ChangeMembers(ctx, request, func(reply api.MembersReply) {
		line.show("changing the members of %s: waiting for %s", reply.Group, orDash(reply.Waiting))
	})
}

// membersFailure says of a change that was accepted and is not done that it goes on.
func (l *link) membersFailure(err error, group string, reply api.MembersReply) error {
	f := l.explain(err, group)
	switch {
	case reply.Group != "" && !reply.Settled && (f.exit == Unavailable || f.exit == Interrupted):
		f.text = fmt.Sprintf("the change of group %s was accepted and goes on by itself; it waits for %s: look with 'grout members %s'",
			group, orDash(reply.Waiting), group)
	case f.exit == Unknown:
		f.exit, f.text = Unavailable, fmt.Sprintf("the change may or may not have been accepted (%s): look with 'grout members %s' before you repeat it",
			plain(err), group)
	}
	return f
}

func (c *call) printMembers(r api.MembersReply) error {
	rows := [][]string{{"HOST", "MEMBER", "ROLE", "MATCH", "LAG", "NOTE"}}
	for _, m := range r.Members {
		rows = append(rows, []string{m.Host, m.Member, m.Role, strconv.FormatUint(m.Match, 10), strconv.FormatUint(m.Lag, 10), orDash(memberNote(m))})
	}
	if err := c.console.table(rows); err != nil {
		return err
	}
	if err := c.printAlarms(r.Alarms); err != nil {
		return err
	}
	if r.DemoteAfter != "" {
		return c.console.printf("a voter that is silent for %s becomes an observer, down to %d voters\n", r.DemoteAfter, r.VoterFloor)
	}
	if !r.Settled {
		return c.console.printf("a change is under way and waits for %s\n", orDash(r.Waiting))
	}
	return nil
}

// memberNote is what is out of the ordinary about a member.
func memberNote(m api.MemberInfo) string {
	var notes []string
	switch m.Wanted {
	case "":
	case "none":
		notes = append(notes, "leaving")
	case "lost":
		notes = append(notes, "given up by a repair")
	default:
		notes = append(notes, "to become "+m.Wanted)
	}
	if m.Silent {
		notes = append(notes, "silent")
	}
	if m.Demoted {
		notes = append(notes, "demoted for its silence: 'grout members promote' gives its vote back")
	}
	return strings.Join(notes, ", ")
}

func hostsDescription() verb {
	return verb{
		name: "hosts", usage: "show the hosts of the cluster; admit and remove hosts", category: categoryGroups,
		arguments: "nothing, or admit|remove HOST", most: 2, run: hostsVerb,
		flags: []urfave.Flag{&urfave.BoolFlag{Name: flagYes, Aliases: []string{"y"}, Usage: "remove: do not ask"}},
		description: `A host with a new data folder waits until it is admitted: a new host, or one whose folder was lost. A host
that comes back gets a new member in every group that it was in; the group works all along. remove takes a
host that will not come back out of the cluster, with all of its members.

Examples:
  grout hosts
  grout hosts admit n4
  grout hosts remove n2`,
	}
}

// hostsVerb shows, admits and removes hosts.
func hostsVerb(c *call) error {
	action, name := c.arg(0), c.arg(1)
	if len(c.args) > 0 && !slices.Contains([]string{api.HostsAdmit, api.HostsRemove}, action) {
		return usage("hosts: unknown action %q: there are admit and remove", action)
	}
	if len(c.args) == 1 {
		return usage("hosts: %s which host?", action)
	}
	if err := api.CheckName(name); err != nil && action != "" {
		return usage("host: %s", err)
	}
	if action == api.HostsRemove && !c.cli.Bool(flagYes) {
		if !c.console.terminal(c.console.in) {
			return usage("hosts: removing %s destroys what it holds: add --yes to do it without being asked", name)
		}
		if yes, err := c.confirm("Remove host %s and all of its members from the cluster? [y/N] ", name); err != nil || !yes {
			return orStopped(err)
		}
	}
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	if action == api.HostsAdmit && !c.timeoutSet {
		c.timeout = max(c.timeout, admitTimeout)
	}
	ctx, cancel := c.bounded()
	defer cancel()
	reply, err := l.hosts(ctx, action, name)
	if err != nil {
		return l.hostsFailure(err)
	}
	if c.json {
		return c.console.json(reply)
	}
	return c.printHosts(reply)
}

// admitTimeout leaves a host the time to be heard before it is admitted.
const admitTimeout = 15 * time.Second

func (l *link) hosts(ctx context.Context, action, name string) (api.HostsReply, error) {
	admin := l.client.Admin()
	switch action {
	case api.HostsAdmit:
		return admin.AdmitHost(ctx, name)
	case api.HostsRemove:
		return admin.RemoveHost(ctx, name)
	}
	return admin.Hosts(ctx)
}

// hostsFailure explains an error that is about hosts, and not about a group.
func (l *link) hostsFailure(err error) error {
	f := l.explain(err, "")
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == api.CodeNotFound {
		f.text = e.Text + ": 'grout hosts' lists the hosts"
	}
	if f.exit == Unknown {
		f.exit, f.text = Unavailable, fmt.Sprintf("the change may or may not have been made (%s): look with 'grout hosts' before you repeat it", plain(err))
	}
	return f
}

func (c *call) printHosts(r api.HostsReply) error {
	rows := [][]string{{"HOST", "FOLDER", "MEMBER", "CATALOG", "GROUPS"}}
	for _, h := range r.Hosts {
		rows = append(rows, []string{h.Host, short(h.HostID), h.Member, h.Role, strconv.Itoa(h.Groups)})
	}
	if err := c.console.table(rows); err != nil {
		return err
	}
	for _, w := range r.Waiting {
		note := "new"
		switch {
		case w.Alive:
			note = "another process with this name is alive"
		case w.Known:
			note = "known by another data folder"
		}
		if err := c.console.printf("waiting  %s (folder %s, %s): 'grout hosts admit %s'\n", w.Host, short(w.HostID), note, w.Host); err != nil {
			return err
		}
	}
	return nil
}
