package host

import (
	"encoding/json"
	"fmt"

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
	if r.ID == "" || len(r.Key) != clusterKeyBytes || len(r.Hosts) == 0 {
		return fmt.Errorf("%w cluster record: cluster %q with a key of %d bytes and %d hosts", ErrCorrupt, r.ID, len(r.Key), len(r.Hosts))
	}
	seen := map[string]bool{}
	for _, h := range r.Hosts {
		if err := api.CheckName(h.Name); err != nil {
			return fmt.Errorf("%w cluster record: host %w", ErrCorrupt, err)
		}
		if h.ID == "" || seen[h.Name] {
			return fmt.Errorf("%w cluster record: host %q has no identity, or two", ErrCorrupt, h.Name)
		}
		seen[h.Name] = true
	}
	return nil
}
