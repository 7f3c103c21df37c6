package host

import (
	"encoding/json"
	"fmt"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// clusterKeyBytes is the length of a cluster's key.
const clusterKeyBytes = 32

// decodeHello reads a hello. Anybody on the NATS account can send one, and a cluster record that is taken from
// it is kept for good: so what no host says is refused.
//
// # Errors
//
// ErrCorrupt.
func decodeHello(data []byte) (helloMessage, error) {
	var m helloMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%w hello: %w", ErrCorrupt, err)
	}
	for _, name := range append([]string{m.From.Name}, m.Peers...) {
		if err := api.CheckName(name); err != nil {
			return m, fmt.Errorf("%w hello: host %w", ErrCorrupt, err)
		}
	}
	if m.From.ID == "" {
		return m, fmt.Errorf("%w hello: host %q has no identity", ErrCorrupt, m.From.Name)
	}
	if m.Cluster != nil {
		return m, m.Cluster.validate()
	}
	return m, nil
}

// validate returns ErrCorrupt unless the record can be a cluster's.
func (r *clusterRecord) validate() error {
	if r.ID == "" || len(r.Key) != clusterKeyBytes || len(r.Hosts) == 0 || len(r.Founders) == 0 {
		return fmt.Errorf("%w cluster record: cluster %q with a key of %d bytes, %d founders and %d hosts",
			ErrCorrupt, r.ID, len(r.Key), len(r.Founders), len(r.Hosts))
	}
	if err := checkHosts(r.Founders); err != nil {
		return err
	}
	return checkHosts(r.Hosts)
}

// checkHosts returns ErrCorrupt unless every host has a name, a folder and a member of its own.
func checkHosts(hosts []clusterHost) error {
	names, members := map[string]bool{}, map[consensus.MemberID]bool{}
	for _, h := range hosts {
		if err := api.CheckName(h.Name); err != nil {
			return fmt.Errorf("%w cluster record: host %w", ErrCorrupt, err)
		}
		if h.ID == "" || names[h.Name] {
			return fmt.Errorf("%w cluster record: host %q has no identity, or two", ErrCorrupt, h.Name)
		}
		if h.Member == consensus.NoMember || members[h.Member] {
			return fmt.Errorf("%w cluster record: host %q has no member of its own (%s)", ErrCorrupt, h.Name, h.Member)
		}
		names[h.Name], members[h.Member] = true, true
	}
	return nil
}
