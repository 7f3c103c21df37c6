package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/transport/nats"
)

const categoryHosts = "hosts"

// The flags of dev and serve.
const (
	flagPort      = "port"
	flagHosts     = "hosts"
	flagData      = "data"
	flagReadyFile = "ready-file"
	flagLogLevel  = "log-level"
	flagLogFormat = "log-format"
)

const (
	defaultPort  = 4222
	defaultHosts = 3
	maxDevHosts  = 9
	maxPort      = 65535
)

// hostVerbs run hosts.
func hostVerbs() []verb {
	return []verb{{
		name: "dev", usage: "run a NATS server and several hosts in this process", category: categoryHosts, run: devVerb,
		flags: append([]urfave.Flag{
			&urfave.IntFlag{Name: flagPort, Value: defaultPort, Usage: "port of the NATS server on 127.0.0.1; 0 for any free one"},
			&urfave.IntFlag{Name: flagHosts, Value: defaultHosts, Usage: "number of hosts; a data folder keeps the number that it began with"},
			&urfave.StringFlag{Name: flagData, Usage: "data `FOLDER`, kept between runs; default " + defaultDataText + `; "" for one that is removed at the end`},
		}, logFlags("warn")...),
		description: `For trying things out on one machine: everything is real but the network between machines. When all
hosts answer, a line "ready" is printed. Ctrl-C stops all of it; the data stays.

Examples:
  grout dev
  grout dev --port 0 --hosts 5 --data ./data
  grout dev --data ""                 nothing is kept`,
	}, serveDescription(), repairDescription()}
}

const defaultDataText = "$XDG_STATE_HOME/grout/dev or ~/.local/state/grout/dev"

// devConfig is what the flags of dev say.
type devConfig struct {
	listen string
	hosts  []string
	data   string
	// throwAway removes the data folder at the end.
	throwAway bool
}

// dev is a running NATS server with hosts.
type dev struct {
	config devConfig
	server *embedded.Server
	nodes  []*node.Node
}

// devVerb runs until it is interrupted.
func devVerb(c *call) (err error) {
	log, err := c.logger()
	if err != nil {
		return err
	}
	config, err := c.devConfig()
	if err != nil {
		return err
	}
	d := &dev{config: config}
	defer func() { err = errors.Join(err, d.close()) }()
	if d.server, err = embedded.Start(embedded.Config{Listen: config.listen, StreamDir: filepath.Join(config.data, "jetstream"), Log: log}); err != nil {
		return listenFailure(err)
	}
	if err := d.startHosts(c, log); err != nil {
		return stopped(c.ctx, err)
	}
	if err := d.awaitAll(c); err != nil {
		return stopped(c.ctx, err)
	}
	if err := d.announce(c); err != nil {
		return err
	}
	return d.wait(c.ctx)
}

// wait returns when ctx ends, or with the failure of the first host that cannot store any more.
func (d *dev) wait(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wait sync.WaitGroup
	for _, n := range d.nodes {
		wait.Go(func() {
			if err := n.Wait(ctx); err != nil {
				stop(err)
			}
		})
	}
	wait.Wait()
	if store, failed := errors.AsType[*node.StoreError](context.Cause(ctx)); failed {
		return &failure{exit: StoreFailed, text: plain(store), err: store}
	}
	return nil
}

// stopped makes an interruption before everything ran a clean end too.
func stopped(ctx context.Context, err error) error {
	if interrupted(ctx) {
		return nil
	}
	return err
}

func listenFailure(err error) error {
	if errors.Is(err, embedded.ErrListen) {
		return &failure{exit: InUse, err: err, text: plain(err) + ": stop what uses the port, or choose another with --port or --listen (0 for any free one)"}
	}
	return err
}

// devConfig reads the flags.
func (c *call) devConfig() (devConfig, error) {
	port, hosts := c.cli.Int(flagPort), c.cli.Int(flagHosts)
	switch {
	case port < embedded.AnyPort || port > maxPort:
		return devConfig{}, usage("dev: --port is %d, use 0 to %d", port, maxPort)
	case hosts < 1 || hosts > maxDevHosts:
		return devConfig{}, usage("dev: --hosts is %d, use 1 to %d", hosts, maxDevHosts)
	}
	d := devConfig{listen: "127.0.0.1:" + strconv.Itoa(max(port, 0)), data: c.cli.String(flagData)}
	if err := d.chooseData(c.cli.IsSet(flagData)); err != nil {
		return d, err
	}
	kept, err := keptHosts(d.data)
	if err != nil {
		return d, err
	}
	if kept > 0 && kept != hosts {
		if c.cli.IsSet(flagHosts) {
			return d, usage("dev: the data in %s belongs to %d hosts, not %d: leave out --hosts, or name another folder with --data", d.data, kept, hosts)
		}
		hosts = kept
	}
	for i := range hosts {
		d.hosts = append(d.hosts, "n"+strconv.Itoa(i+1))
	}
	return d, nil
}

// chooseData settles the data folder.
func (d *devConfig) chooseData(given bool) (err error) {
	switch {
	case given && d.data == "":
		d.throwAway = true
		d.data, err = os.MkdirTemp("", "grout-dev-")
	case !given:
		d.data, err = stateFolder()
	default:
		d.data, err = filepath.Abs(d.data)
	}
	if err != nil {
		return fmt.Errorf("dev: choosing a data folder, name one with --data: %w", err)
	}
	return nil
}

// stateFolder is where programs keep state between runs (XDG base directory specification).
func stateFolder() (string, error) {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "grout", "dev"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "grout", "dev"), nil
}

// keptHosts counts the hosts that a data folder was made for, 0 for a new one.
func keptHosts(data string) (int, error) {
	for n := 0; ; n++ {
		_, err := os.Stat(filepath.Join(data, "n"+strconv.Itoa(n+1)))
		if errors.Is(err, fs.ErrNotExist) {
			return n, nil
		}
		if err != nil {
			return 0, fmt.Errorf("dev: data folder: %w", err)
		}
	}
}

// startHosts starts all hosts together: none is ready before all have met. So when one fails, the
// others give up.
func (d *dev) startHosts(c *call, log *slog.Logger) error {
	ctx, giveUp := context.WithCancel(c.ctx)
	defer giveUp()
	var wait sync.WaitGroup
	var mu sync.Mutex
	var first error
	for _, name := range d.config.hosts {
		wait.Go(func() {
			dir := filepath.Join(d.config.data, name)
			n, err := node.Start(ctx, node.Config{
				Name: name, Peers: d.config.hosts, Dir: dir, Version: serviceVersion(),
				CompileCache: filepath.Join(d.config.data, "compiled"),
				NATS:         nats.Config{URL: d.server.URL()}, Logger: log.With("host", name),
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				d.nodes = append(d.nodes, n)
			case first == nil:
				first = hostFailure(err, name, dir)
				giveUp()
			}
		})
	}
	wait.Wait()
	return first
}

// awaitAll returns when every host answers and the cluster can decide things.
func (d *dev) awaitAll(c *call) error {
	conn, err := client.Connect(client.Config{URL: d.server.URL()})
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(c.ctx, deployTimeout)
	defer cancel()
	if _, err := conn.Admin().List(ctx); err != nil {
		return fmt.Errorf("dev: waiting for the hosts: %w", err)
	}
	return poll(ctx, func() (bool, error) {
		hosts, err := conn.Admin().Status(ctx)
		if err != nil && ctx.Err() == nil {
			return false, nil
		}
		return len(hosts) >= len(d.config.hosts), err
	})
}

// readyJSON is the shape of what dev and serve print with --json when they are ready.
type readyJSON struct {
	Ready bool     `json:"ready"`
	URL   string   `json:"url"`
	Hosts []string `json:"hosts"`
	Data  string   `json:"data"`
}

// announce says what runs and what to try.
func (d *dev) announce(c *call) error {
	ready := readyJSON{Ready: true, URL: d.server.URL(), Hosts: d.config.hosts, Data: d.config.data}
	if err := c.writeReadyFile(ready.URL); err != nil {
		return err
	}
	if c.json {
		return c.console.json(ready)
	}
	at := ""
	if !strings.HasSuffix(ready.URL, ":"+strconv.Itoa(defaultPort)) {
		at = " -s " + ready.URL
	}
	kept := "kept between runs"
	if d.config.throwAway {
		kept = "removed at the end"
	}
	return c.console.printf("NATS   %s\nhosts  %s\ndata   %s (%s)\n\nTry in another terminal:\n"+
		"  grout%s status\n  grout new hello\n  grout%s deploy hello ./hello\n  grout%s exec hello ada\n\nCtrl-C stops all of it.\nready\n",
		ready.URL, strings.Join(ready.Hosts, ", "), ready.Data, kept, at, at, at)
}

// close stops everything that runs.
func (d *dev) close() error {
	errs := make([]error, len(d.nodes))
	var wait sync.WaitGroup
	for i, n := range d.nodes {
		wait.Go(func() { errs[i] = n.Close() })
	}
	wait.Wait()
	if d.server != nil {
		d.server.Close()
	}
	if d.config.throwAway {
		errs = append(errs, os.RemoveAll(d.config.data))
	}
	return errors.Join(errs...)
}
