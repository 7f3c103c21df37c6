package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/host"
)

// RepairConfig says which stopped host's groups shall go on without the others.
type RepairConfig struct {
	// Dir is the host's data folder.
	Dir string
	// Lost are the hosts that are lost for good; all others of the cluster when empty.
	Lost []string
	// Carry carries the repair out. Without it nothing is changed.
	Carry bool
}

// RepairQuorum plans what host.PlanQuorumRepair describes and, if asked to, carries it out. After an error some
// groups may have been repaired; another run finds the rest.
//
// # Errors
//
// durable.ErrLocked while the host runs; fs.ErrNotExist when the folder holds no host; otherwise what the part
// concerned said.
func RepairQuorum(ctx context.Context, cfg RepairConfig) (plan []host.QuorumRepair, err error) {
	dir := filepath.Join(cfg.Dir, "log")
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("node: no host's data folder: %w", err) // opening would make one
	}
	store, err := durable.Open(durable.Config{Dir: dir})
	if err != nil {
		return nil, storeError(cfg.Dir, err)
	}
	defer func() { err = storeError(cfg.Dir, errors.Join(err, store.Close())) }()
	plan, err = host.PlanQuorumRepair(logs{store}, cfg.Dir, cfg.Lost)
	for i := range plan {
		if cfg.Carry && err == nil {
			err = plan[i].Apply(ctx)
		}
	}
	return plan, err
}
