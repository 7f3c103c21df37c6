package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

const (
	// bulkBatch commands of bulkBytes each are under way at a time while a log is filled.
	bulkBatch = 64
	bulkBytes = 8 << 10
	bulkKeys  = 16
	// snapshotLoad is what is written between two snapshots while chunks are to be stored.
	snapshotLoad = 4
)

var bulkRound atomic.Int64

// fillLogs gives every host's log something to write until ctx ends. What comes of the commands is of no
// interest here: no client counts on them.
func (c *cluster) fillLogs(ctx context.Context) {
	for ctx.Err() == nil {
		c.bulk(ctx, bulkBatch)
	}
}

// takeSnapshots makes every host store chunks until ctx ends.
func (c *cluster) takeSnapshots(ctx context.Context) {
	for ctx.Err() == nil {
		c.bulk(ctx, snapshotLoad)
		limited, cancel := context.WithTimeout(ctx, patience)
		_ = c.client.Admin().Snapshot(limited, groupBulk) // not every one has to come about
		cancel()
	}
}

func (c *cluster) bulk(ctx context.Context, n int) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	round := bulkRound.Add(1)
	var commands [][]byte
	for i := range n {
		filling := bytes.Repeat([]byte{byte('a' + rand.IntN(26))}, bulkBytes)
		commands = append(commands, fmt.Appendf(nil, "put b%d %d.%d.%s", rand.IntN(bulkKeys), round, i, filling))
	}
	for batch := range slices.Chunk(commands, 32) { // of what one request can carry
		_, _ = c.client.Group(groupBulk).ExecuteMany(limited, batch)
	}
}
