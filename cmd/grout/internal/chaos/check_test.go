package chaos

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// levelPatience is how long the hosts may take to be level once all is well.
	levelPatience = 90 * time.Second
	// checkPatience bounds the check of one key's history. One that takes longer has not passed.
	checkPatience = time.Minute
	finalClients  = 8
)

// calm undoes everything that may still be wrong. The schedule has ended, so nothing should be.
func (c *cluster) calm() error {
	var errs []error
	for _, h := range c.hosts {
		c.network.link(h.name).suffer(condition{}, condition{})
		errs = append(errs, h.process().Signal(syscall.SIGCONT))
	}
	return errors.Join(errs...)
}

// level waits until every host has applied the same, and has the same state at the same snapshot.
func (c *cluster) level() error {
	ctx, cancel := context.WithTimeout(context.Background(), levelPatience)
	defer cancel()
	last := "no host has answered"
	for ctx.Err() == nil {
		for group := range groups {
			// A member that is busy with another snapshot leaves a marker out, so each round asks for one.
			limited, cancel := context.WithTimeout(ctx, patience)
			if err := c.client.Admin().Snapshot(limited, group); err != nil && ctx.Err() == nil {
				last = fmt.Sprintf("a snapshot of group %s: %v", group, err)
			}
			cancel()
		}
		for range statusRounds {
			statuses, err := c.client.Admin().Status(ctx)
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				last = err.Error()
				continue
			}
			if last = unlevel(statuses); last == "" {
				return nil
			}
		}
	}
	return fmt.Errorf("the hosts are not level %s after the faults: %s", levelPatience, last)
}

// statusRounds is how often the hosts are asked whether they are level before they are asked for another snapshot.
const statusRounds = 10

// unlevel says in what the hosts differ, "" if in nothing.
func unlevel(statuses []api.HostStatus) string {
	if len(statuses) != len(hostNames) {
		return fmt.Sprintf("%d of %d hosts answer", len(statuses), len(hostNames))
	}
	first := map[string]api.GroupBrief{}
	for _, status := range statuses {
		if len(status.Groups) != len(groups)+1 {
			return fmt.Sprintf("host %s has %d groups", status.Host, len(status.Groups))
		}
		for _, g := range status.Groups {
			known, ok := first[g.Group]
			if !ok {
				first[g.Group], known = g, g
			}
			if g.Problem != "" {
				return fmt.Sprintf("group %s on host %s: %s", g.Group, status.Host, g.Problem)
			}
			if g.Applied != g.Commit || g.Applied != known.Applied || g.SnapshotIndex != known.SnapshotIndex ||
				g.SnapshotHash != known.SnapshotHash || (g.SnapshotIndex == 0 && groups[g.Group] != "") {
				return fmt.Sprintf("group %s on host %s is at %+v, on host %s at %+v", g.Group, status.Host, g, statuses[0].Host, known)
			}
		}
	}
	return ""
}

// final reads every key, and the counter on each host, with all hosts up.
func (w *workload) final(ctx context.Context) (total uint64, err error) {
	w.board.mu.Lock()
	keys := sortedKeys(w.board.history)
	w.board.mu.Unlock()
	queue := make(chan string)
	var readers sync.WaitGroup
	for i := range finalClients {
		readers.Go(func() {
			for key := range queue {
				before := len(w.board.of(key))
				w.onKey(1000+i, operation{verb: verbGet, key: key}, "at the end", w.throughLibrary)
				if len(w.board.of(key)) == before {
					w.fail(fmt.Errorf("key %s cannot be read after the faults", key))
				}
			}
		})
	}
	for _, key := range keys {
		queue <- key
	}
	close(queue)
	readers.Wait()
	return w.finalTotal(ctx)
}

func (b *board) of(key string) []porcupine.Operation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.history[key]
}

// finalTotal is the counter's value, which has to be the same on every host.
func (w *workload) finalTotal(ctx context.Context) (total uint64, err error) {
	result, err := w.client.Group(groupCounter).Query(ctx, nil, client.QueryOptions{})
	if err != nil {
		return 0, fmt.Errorf("the counter cannot be read after the faults: %w", err)
	}
	for _, h := range w.hosts {
		options := client.QueryOptions{Host: h.name, Consistency: client.AtLeast, AtLeast: result.Index}
		own, err := w.client.Group(groupCounter).Query(ctx, nil, options)
		if err != nil || string(own.Output) != string(result.Output) {
			return 0, fmt.Errorf("the counter is %s, on host %s it is %s: %w", result.Output, h.name, own.Output, err)
		}
	}
	return strconv.ParseUint(string(result.Output), 10, 64)
}

// linearizable checks the history of every key, and draws a picture of one that is not in order.
func (b *board) linearizable(dir string) error {
	var errs []error
	for _, key := range sortedKeys(b.history) {
		result, info := porcupine.CheckOperationsVerbose(register, b.history[key], checkPatience)
		if result == porcupine.Ok {
			continue
		}
		path := filepath.Join(dir, "history-"+key+".html")
		err := porcupine.VisualizePath(register, info, path)
		errs = append(errs, errors.Join(fmt.Errorf("the history of key %s (%d operations) is %s: not linearizable, see %s",
			key, len(b.history[key]), strings.ToLower(string(result)), path), err))
	}
	return errors.Join(errs...)
}
