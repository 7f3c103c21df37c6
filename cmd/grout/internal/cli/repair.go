package cli

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	flagLost   = "lost"
	flagAccept = "accept-the-loss-of-acknowledged-commands"
)

func repairDescription() verb {
	return verb{
		name: "unsafe-repair-quorum", usage: "let a stopped host lead alone after most disks were lost", category: categoryHosts, run: repairVerb,
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: flagData, Usage: "the stopped host's data `FOLDER`"},
			&urfave.StringFlag{Name: flagLost, Usage: "`NAMES` of the hosts that are lost for good, with commas; default all others"},
			&urfave.BoolFlag{Name: flagAccept, Usage: "carry it out; without this flag it only says what would be done and what it costs"},
		},
		description: `THIS CAN LOSE ACKNOWLEDGED COMMANDS. It is for the day on which so many data folders are gone for good that a
group can never have a majority again. The host's members of such groups are made the only voters. Whatever was
acknowledged after the end of this host's log, if anything was, is lost. Without the flag that accepts this, nothing is changed.

  - Put lost folders back if there is any way to: then nothing is lost and this verb is not needed.
  - Run it on ONE survivor only, the one whose logs reach furthest: compare what it prints on each.
  - The hosts that are given up must NEVER be started again with their old folders: they could elect a leader of
    their own and answer clients otherwise. Delete those folders, start the hosts, and admit them again.

Examples:
  grout unsafe-repair-quorum --data /var/lib/grout
  grout unsafe-repair-quorum --data /var/lib/grout --lost b,c --accept-the-loss-of-acknowledged-commands`,
	}
}

// repairJSON is the shape of `grout unsafe-repair-quorum --json`.
type repairJSON struct {
	Repaired bool              `json:"repaired"`
	Groups   []repairGroupJSON `json:"groups"`
}

type repairGroupJSON struct {
	Group  string `json:"group"`
	Member string `json:"member"`
	// LastIndex and LastTerm are where the log here ends; LeastCommitted is known to be committed.
	LastIndex      uint64   `json:"last_index"`
	LastTerm       uint64   `json:"last_term"`
	LeastCommitted uint64   `json:"least_committed"`
	GivenUp        []string `json:"given_up"`
}

// repairVerb plans the repair of a stopped host, and carries it out when its price is accepted.
func repairVerb(c *call) error {
	data, lost := c.cli.String(flagData), list(c.cli.String(flagLost))
	if data == "" {
		return usage("unsafe-repair-quorum: --data is required")
	}
	for _, name := range lost {
		if err := api.CheckName(name); err != nil {
			return usage("host: %s", err)
		}
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	carry := c.cli.Bool(flagAccept)
	plan, err := node.RepairQuorum(c.ctx, node.RepairConfig{Dir: data, Lost: lost, Carry: carry})
	if err != nil {
		return repairFailure(err, data)
	}
	if c.json {
		out := repairJSON{Repaired: carry && len(plan) > 0, Groups: []repairGroupJSON{}}
		for _, g := range plan {
			out.Groups = append(out.Groups, repairGroupJSON{Group: g.Group, Member: g.Member.String(), LastIndex: uint64(g.Last.Index),
				LastTerm: uint64(g.Last.Term), LeastCommitted: uint64(g.Committed), GivenUp: g.GivenUpHosts})
		}
		return c.console.json(out)
	}
	return c.printRepair(plan, carry)
}

// repairFailure says what to do about a folder that cannot be repaired.
func repairFailure(err error, data string) error {
	f := hostFailure(err, "in "+data, data)
	if failure, ok := errors.AsType[*failure](f); ok && errors.Is(err, host.ErrBadConfig) {
		failure.exit = Usage
	}
	return f
}

func (c *call) printRepair(plan []host.QuorumRepair, carried bool) error {
	if len(plan) == 0 {
		return c.console.printf("nothing to repair: every group of this host can have a majority, or is led by it alone\n")
	}
	rows := [][]string{{"GROUP", "LOG ENDS AT", "TERM", "KNOWN TO BE COMMITTED", "GIVEN UP"}}
	for _, g := range plan {
		rows = append(rows, []string{g.Group, strconv.FormatUint(uint64(g.Last.Index), 10), strconv.FormatUint(uint64(g.Last.Term), 10),
			strconv.FormatUint(uint64(g.Committed), 10), strings.Join(g.GivenUpHosts, ", ")})
	}
	if err := c.console.table(rows); err != nil {
		return err
	}
	never, then := afterRepair(plan)
	if err := c.console.printf("\nCommands acknowledged after these positions, if there were any, are LOST FOR GOOD.\n%s\n", never); err != nil {
		return err
	}
	if !carried {
		return c.console.printf("Nothing was changed. To do it: --%s\n", flagAccept)
	}
	return c.console.printf("Repaired. %s\n", then)
}

// afterRepair says what to do about the members given up. The hosts as such are given up with their members of the
// catalog. Where that keeps its majority, their folders hold members of other groups, which may need them.
func afterRepair(plan []host.QuorumRepair) (never, then string) {
	if slices.ContainsFunc(plan, func(g host.QuorumRepair) bool { return g.ID == 0 }) {
		return "The members given up must NEVER be started again with their old folders.",
			"Start this host, delete the folders of the hosts given up, start those, and admit each: grout hosts admit NAME"
	}
	return "The hosts given up that are not lost keep their folders, which hold members of other groups: those given up stop when this host is back.",
		"Start this host, and give each of the groups new members: grout members remove GROUP HOST, then grout members add GROUP HOST"
}
