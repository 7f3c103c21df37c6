package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/transport/nats"
)

// The flags of serve.
const (
	flagName          = "name"
	flagPeers         = "peers"
	flagURL           = "nats-url"
	flagEmbedded      = "embedded-nats"
	flagListen        = "listen"
	flagClusterListen = "cluster-listen"
	flagRoutes        = "routes"
	flagReluctance    = "reluctance"
)

// maxReluctance is the core's own bound.
const maxReluctance = 1000

func serveDescription() verb {
	return verb{
		name: "serve", usage: "run one host", category: categoryHosts, run: serveVerb,
		flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: flagName, Usage: "this host's `NAME`, unique in the cluster"},
			&urfave.StringFlag{Name: flagPeers, Usage: "`NAMES` of all hosts of the cluster, with commas; default this one alone"},
			&urfave.StringFlag{Name: flagData, Usage: "this host's data `FOLDER`"},
			&urfave.StringFlag{Name: flagURL, Usage: "use the NATS server at this `URL`, or several with commas; --server and NATS_URL do as well"},
			&urfave.BoolFlag{Name: flagEmbedded, Usage: "run a NATS server in this process"},
			&urfave.StringFlag{Name: flagListen, Value: "127.0.0.1:4222", Usage: "`ADDRESS` of the embedded server, which asks nobody for credentials"},
			&urfave.StringFlag{Name: flagClusterListen, Usage: "`ADDRESS` at which the embedded server takes routes from those of other machines"},
			&urfave.StringFlag{Name: flagRoutes, Usage: "cluster `ADDRESSES` of other embedded servers, such as nats://10.0.0.2:6222, with commas"},
			&urfave.IntFlag{Name: flagReluctance, Usage: "members here wait `N` times as long before they stand for election, such as at a far-away site; default 1"},
		}, logFlags("info")...),
		description: `NATS comes from exactly one of --nats-url, --context and --embedded-nats. A new cluster is formed
when all its peers run; after that each host may come and go. When the host answers, a line "ready" is
printed. SIGINT and SIGTERM stop it cleanly. A host with a new data folder, whose --peers name hosts of a cluster
that is there, waits for 'grout hosts admit NAME'.

Examples:
  grout serve --name a --data /var/lib/grout --nats-url nats://10.0.0.9:4222 --peers a,b,c
  grout serve --name a --data ./a --embedded-nats
  grout serve --name a --data /var/lib/grout --peers a,b,c --embedded-nats --listen 10.0.0.1:4222 \
      --cluster-listen 10.0.0.1:6222 --routes nats://10.0.0.2:6222,nats://10.0.0.3:6222`,
	}
}

// serveConfig is what the flags of serve say.
type serveConfig struct {
	name  string
	peers []string
	data  string
	// reluctance is how little the members here should lead.
	reluctance int
	// embedded is nil when the server is somewhere else.
	embedded *embedded.Config
	nats     source
}

// serveConfig reads the flags.
func (c *call) serveConfig() (serveConfig, error) {
	s := serveConfig{name: c.cli.String(flagName), data: c.cli.String(flagData), peers: list(c.cli.String(flagPeers))}
	if s.reluctance = c.cli.Int(flagReluctance); s.reluctance < 0 || s.reluctance > maxReluctance {
		return s, usage("serve: --reluctance is %d, it is 0 to %d", s.reluctance, maxReluctance)
	}
	if s.name == "" || s.data == "" {
		return s, usage("serve: --name and --data are required")
	}
	if len(s.peers) == 0 {
		s.peers = []string{s.name}
	}
	for _, peer := range append([]string{s.name}, s.peers...) {
		if err := api.CheckName(peer); err != nil {
			return s, usage("serve: host: %s", err)
		}
	}
	if !slices.Contains(s.peers, s.name) {
		return s, usage("serve: --peers %s does not hold this host, %s: name all hosts of the cluster", strings.Join(s.peers, ","), s.name)
	}
	var err error
	if s.data, err = filepath.Abs(s.data); err != nil {
		return s, fmt.Errorf("serve: --data: %w", err)
	}
	return s, c.serveSource(&s)
}

// serveSource settles where NATS is: exactly one place.
func (c *call) serveSource(s *serveConfig) error {
	url := c.cli.String(flagURL)
	if url == "" {
		url = c.cli.String(flagServer)
	}
	s.nats = source{server: url, context: c.cli.String(flagContext), creds: c.cli.String(flagCreds)}
	named := 0
	for _, is := range []bool{url != "", s.nats.context != "", c.cli.Bool(flagEmbedded)} {
		if is {
			named++
		}
	}
	switch {
	case named > 1:
		return usage("serve: use one of --nats-url, --context and --embedded-nats, not several")
	case c.cli.Bool(flagEmbedded):
		return c.serveEmbedded(s)
	case c.cli.IsSet(flagListen) || c.cli.IsSet(flagClusterListen) || c.cli.IsSet(flagRoutes):
		return usage("serve: --listen, --cluster-listen and --routes need --embedded-nats")
	case named == 0:
		s.nats = c.source()
		if s.nats.server == "" && s.nats.context == "" {
			return usage("serve: no NATS server is named: use --nats-url URL, --context NAME or --embedded-nats")
		}
	}
	if s.nats.context != "" && s.nats.creds != "" {
		return usage("serve: --context brings its own credentials: leave out --creds and NATS_CREDS")
	}
	return nil
}

func (c *call) serveEmbedded(s *serveConfig) error {
	if s.nats.creds != "" {
		return usage("serve: the embedded server asks for no credentials: leave out --creds")
	}
	s.embedded = &embedded.Config{Listen: c.cli.String(flagListen), ClusterListen: c.cli.String(flagClusterListen),
		Routes: list(c.cli.String(flagRoutes)), Name: s.name}
	if len(s.embedded.Routes) > 0 && s.embedded.ClusterListen == "" {
		return usage("serve: --routes needs --cluster-listen: the other servers have to reach this one too")
	}
	return nil
}

// list splits names with commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// serveVerb runs one host until it is interrupted.
func serveVerb(c *call) (err error) {
	log, err := c.logger()
	if err != nil {
		return err
	}
	config, err := c.serveConfig()
	if err != nil {
		return err
	}
	at := config.nats.String()
	transport := nats.Config{URL: config.nats.server, Context: config.nats.context, Creds: config.nats.creds}
	if config.embedded != nil {
		config.embedded.Log = log
		server, err := embedded.Start(*config.embedded)
		if err != nil {
			return listenFailure(err)
		}
		defer server.Close()
		at, transport = server.URL(), nats.Config{URL: server.URL()}
	} else if l, err := c.connectTo(config.nats); err != nil {
		return stopped(c.ctx, err) // the host would say so too, but without what to do
	} else {
		l.close()
	}
	running, err := node.Start(c.ctx, node.Config{
		Name: config.name, Peers: config.peers, Reluctance: config.reluctance, Dir: config.data, Version: serviceVersion(), NATS: transport, Logger: log.With("host", config.name),
	})
	if err != nil {
		return stopped(c.ctx, hostFailure(err, config.name, config.data))
	}
	if err := c.announceHost(config, at); err != nil {
		return errors.Join(err, running.Close())
	}
	if err := running.Wait(c.ctx); err != nil {
		log.Error("the host ends", "host", config.name, "error", err)
		// Why closing fails then has been said.
		return hostFailure(errors.Join(err, running.Close()), config.name, config.data)
	}
	return running.Close()
}

// hostFailure says which host does not start and what to do.
func hostFailure(err error, name, data string) error {
	text := plain(err)
	exit := exitOf(err)
	store, failed := errors.AsType[*node.StoreError](err)
	switch {
	case failed:
		exit, text = StoreFailed, plain(store)
	case errors.Is(err, durable.ErrLocked):
		text = fmt.Sprintf("the data folder %s is in use by another process: stop it first, or give this host a folder of its own with --data", data)
	case errors.Is(err, host.ErrIdentity):
		exit = Usage
	}
	return &failure{exit: exit, text: fmt.Sprintf("host %s: %s", name, text), err: err}
}

// announceHost says what runs.
func (c *call) announceHost(config serveConfig, at string) error {
	if err := c.writeReadyFile(at); err != nil {
		return err
	}
	if c.json {
		return c.console.json(readyJSON{Ready: true, URL: at, Hosts: []string{config.name}, Data: config.data})
	}
	return c.console.printf("host   %s of %s\nNATS   %s\ndata   %s\nready\n", config.name, strings.Join(config.peers, ", "), at, config.data)
}
