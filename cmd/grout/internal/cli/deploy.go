package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/sdk/api"
)

// The flags of deploy.
const (
	flagReplicas = "replicas"
	flagInit     = "init"
	flagDemote   = "demote-after"
	flagFloor    = "voter-floor"
)

func deployDescription() verb {
	return verb{
		name: "deploy", usage: "run a module as a group", arguments: "GROUP FILE|DIR", category: categoryModules,
		least: 2, most: 2, group: true, run: deployVerb, flags: append([]urfave.Flag{
			&urfave.IntFlag{Name: flagReplicas, Usage: "members of the group; default 3, or every host if there are fewer"},
			&urfave.StringFlag{Name: flagInit, Usage: "the machine's init argument: text, @FILE or -"},
			&urfave.DurationFlag{Name: flagDemote, Usage: "make a voter that is silent for so long an observer; default never"},
			&urfave.IntFlag{Name: flagFloor, Usage: "voters that --demote-after leaves in any case; default 3"},
			progressFlag(),
		}, limitsFlags("")...),
		description: `A folder is built first. The module is checked here before anything is sent, uploaded to one host,
copied to the others, and started; deploy returns when the group has a leader, within 1m unless
--timeout says otherwise.

Examples:
  grout deploy counter counter.wasm
  grout deploy hello ./hello --replicas 5 --memory 64MiB
  grout deploy kv kv.wasm --init @kv.json`,
	}
}

// deployVerb runs a module as a group.
func deployVerb(c *call) error {
	request, err := c.deployRequest()
	if err != nil {
		return err
	}
	module, err := c.loadModule(c.arg(1))
	if err != nil {
		return err
	}
	if _, err := checkModule(module); err != nil {
		return err
	}
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	if !c.timeoutSet {
		c.timeout = deployTimeout
	}
	ctx, cancel := c.bounded()
	defer cancel()
	if err := l.checkNew(ctx, request.Group); err != nil {
		return err
	}
	line := c.progress()
	defer line.end()
	admin := l.client.Admin()
	request.Module, err = admin.Upload(ctx, module, func(stored, size int64) {
		line.show("uploading: %d of %d bytes", stored, size)
	})
	if err != nil {
		return l.deployFailure(err, request.Group)
	}
	line.show("starting %s", request.Group)
	info, err := admin.Deploy(ctx, request)
	if err != nil {
		return l.deployFailure(err, request.Group)
	}
	line.end()
	return c.deployed(ctx, l, info)
}

// deployRequest reads the flags.
func (c *call) deployRequest() (api.DeployRequest, error) {
	request := api.DeployRequest{Group: c.arg(0), Replicas: c.cli.Int(flagReplicas)}
	if c.cli.IsSet(flagReplicas) && request.Replicas < 1 {
		return request, usage("deploy: --replicas is %d, it has to be 1 or more", request.Replicas)
	}
	switch after := c.cli.Duration(flagDemote); {
	case c.cli.IsSet(flagDemote) && after <= 0:
		return request, usage("deploy: --demote-after is %s, it has to be above 0", after)
	case c.cli.IsSet(flagFloor) && (after == 0 || c.cli.Int(flagFloor) < 1):
		return request, usage("deploy: --voter-floor is 1 or more, beside --demote-after")
	case after > 0:
		request.DemoteAfter, request.VoterFloor = after.String(), c.cli.Int(flagFloor)
	}
	var err error
	if request.Limits, err = c.limits(); err != nil {
		return request, err
	}
	if c.cli.IsSet(flagInit) {
		request.Init, err = c.payload(c.cli.String(flagInit))
	}
	return request, err
}

// units are the suffixes of sizes, in the order in which they are tried.
var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}, {"", 1},
}

// bytes reads a size.
func (c *call) bytes(flag string) (int64, error) {
	text := strings.TrimSpace(c.cli.String(flag))
	for _, unit := range units {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		size := n * unit.bytes
		if err == nil && size >= 1 && size <= math.MaxInt32*2 && size == math.Trunc(size) {
			return int64(size), nil
		}
		break
	}
	return 0, usage("%s: --%s %q is not a size from 1 byte to 4 GiB, such as 65536, 64KiB or 2MiB", c.verb, flag, text)
}

// loadModule reads a module, or builds a folder. A built module is not left behind.
func (c *call) loadModule(path string) (module []byte, err error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return readModule(path)
	}
	line := c.progress()
	defer line.end()
	line.show("building %s", path)
	scratch, err := os.MkdirTemp("", "grout-deploy-")
	if err != nil {
		return nil, fmt.Errorf("deploy: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	built, err := project.Build(c.ctx, project.BuildRequest{Dir: path, Out: filepath.Join(scratch, "module.wasm")})
	if err != nil {
		return nil, buildFailure(c.ctx, err)
	}
	return readModule(built.Path)
}

// checkNew says before anything is uploaded that there is no host, or such a group already.
func (l *link) checkNew(ctx context.Context, group string) error {
	info, err := l.info(ctx, group)
	f := l.explain(err, group)
	switch {
	case f == nil:
		return &failure{exit: Exists, code: api.CodeExists, text: fmt.Sprintf(
			"group %s exists already, with module %s: remove it with 'grout rm %s' first, or choose another name", group, short(info.Module), group)}
	case f.exit == NotFound:
		return nil
	}
	return f
}

// deployFailure explains an upload or deployment that failed. Its own requests are no commands, so
// what may have happened can be looked at.
func (l *link) deployFailure(err error, group string) error {
	f := l.explain(err, group)
	if f.exit == Unknown || (f.exit == Unavailable && f.code == "") {
		f.exit, f.text = Unavailable, fmt.Sprintf("deploying %s: %s: 'grout info %s' shows whether the group was made, and the hosts' logs why it does not start",
			group, plain(err), group)
	}
	return f
}

// deployed prints a new group and what to try next, or why it does not run.
func (c *call) deployed(ctx context.Context, l *link, info api.GroupInfo) error {
	g, err := l.view(ctx, info.Group)
	if err != nil {
		g = merge(info, nil)
	}
	if err := c.printGroup(g); err != nil {
		return err
	}
	if len(g.Problems) > 0 {
		return &failure{exit: Failed, text: fmt.Sprintf("group %s was made, and does not run: %s; remove it with 'grout rm %s'",
			g.Group, strings.Join(g.Problems, "; "), g.Group)}
	}
	if c.json {
		return nil
	}
	return c.console.printf("\nNext:\n  grout exec %s PAYLOAD\n  grout query %s\n  nats req %s PAYLOAD\n", g.Group, g.Group, api.Command(g.Group, ""))
}

func digestOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}
