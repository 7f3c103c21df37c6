package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/sdk/api"
)

func upgradeDescription() verb {
	return verb{
		name: "upgrade", usage: "change a group's module in place", arguments: "GROUP FILE|DIR|DIGEST", category: categoryModules,
		least: 2, most: 2, group: true, run: upgradeVerb, flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: flagInit, Usage: "the new machine's init argument: text, @FILE or -; it stays unless given"},
			progressFlag(),
		}, limitsFlags("it stays unless given")...),
		description: `The present module exports its state and the new one takes it over, on every member at the same index
of the log (docs/ABI.md). Commands sent meanwhile wait. When the new module cannot take over, the old one
stays, and the reason is shown; most such reasons are found before anything is changed. A group that runs the
module already is left as it is, so an upgrade whose outcome is unknown can be asked for again.

Examples:
  grout upgrade counter counter.wasm
  grout upgrade kv ./kv --memory 512MiB
  grout upgrade counter 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
	}
}

// upgradeVerb changes a group's module in place.
func upgradeVerb(c *call) error {
	request, err := c.upgradeRequest()
	if err != nil {
		return err
	}
	digest, module, err := c.newModule(c.arg(1))
	if err != nil {
		return err
	}
	request.Module = digest
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
	reply, err := c.upgrade(ctx, l, request, module)
	if err != nil {
		return err
	}
	if c.json {
		return c.console.json(reply)
	}
	if reply.From == reply.To {
		return c.console.printf("group %s runs module %s already, since index %d of its log\n", reply.Group, short(reply.To), reply.Index)
	}
	return c.console.printf("group %s runs module %s instead of %s since index %d of its log\n", reply.Group, short(reply.To), short(reply.From), reply.Index)
}

// upgradeRequest reads the flags.
func (c *call) upgradeRequest() (api.UpgradeRequest, error) {
	request := api.UpgradeRequest{Group: c.arg(0)}
	var err error
	if request.Limits, err = c.limits(); err != nil {
		return request, err
	}
	if c.cli.IsSet(flagInit) {
		argument, err := c.payload(c.cli.String(flagInit))
		if err != nil {
			return request, err
		}
		request.Init = &argument
	}
	return request, nil
}

// newModule reads or builds a module, or takes the digest of one that was uploaded before, and has no bytes then.
func (c *call) newModule(argument string) (digest string, module []byte, err error) {
	raw, notHex := hex.DecodeString(argument)
	if _, err := os.Stat(argument); notHex == nil && len(raw) == 32 && errors.Is(err, fs.ErrNotExist) {
		return hex.EncodeToString(raw), nil, nil
	}
	if module, err = c.loadModule(argument); err != nil {
		return "", nil, err
	}
	_, err = checkModule(module)
	return digestOf(module), module, err
}

// upgrade uploads the module and asks the group's leader for the upgrade.
func (c *call) upgrade(ctx context.Context, l *link, request api.UpgradeRequest, module []byte) (api.UpgradeReply, error) {
	var reply api.UpgradeReply
	if _, err := l.info(ctx, request.Group); err != nil {
		return reply, l.failed(err, request.Group)
	}
	line := c.progress()
	defer line.end()
	if module != nil {
		_, err := l.client.Admin().Upload(ctx, module, func(stored, size int64) {
			line.show("uploading: %d of %d bytes", stored, size)
		})
		if err != nil {
			return reply, l.upgradeFailure(err, request.Group)
		}
	}
	line.show("upgrading %s", request.Group)
	err := l.atLeader(ctx, request.Group, func(leader string) error {
		return l.ask(ctx, api.VerbUpgrade, leader, request, &reply)
	})
	if err != nil {
		return reply, l.upgradeFailure(err, request.Group)
	}
	return reply, nil
}

// upgradeFailure explains an upgrade that failed, or whose outcome is not known: asking again is safe.
func (l *link) upgradeFailure(err error, group string) error {
	f := l.explain(err, group)
	if f.exit == Unknown || (f.exit == Unavailable && f.code == "") {
		f.text = fmt.Sprintf("upgrading %s: %s: 'grout info %s' shows which module it runs; asking for the same upgrade again is safe", group, plain(err), group)
	}
	return f
}
