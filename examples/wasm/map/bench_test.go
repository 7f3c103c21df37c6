package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
	"github.com/groutlabs/grout/wasmsm"
)

// loaded is a map in the sandbox with n entries of a key of 8 bytes and a value of 100, written in the order of no keys.
type loaded struct {
	b       *testing.B
	machine *wasmsm.Machine
	view    *wasmsm.View
	entry   wasmsm.EntryContext
	n       uint64
	random  *rand.Rand
}

func load(b *testing.B, n int) *loaded {
	b.Helper()
	l := &loaded{b: b, machine: twin.Start(b, ""), entry: wasmsm.EntryContext{Term: 1}, n: uint64(n), random: rand.New(rand.NewPCG(1, 2))}
	for from := 0; from < n; from += 1000 {
		c := protocol.Commit{}
		for i := range min(1000, n-from) {
			c.Writes = append(c.Writes, l.write(uint64(from+i)))
		}
		l.apply(c.Append(nil))
	}
	var err error
	if l.view, err = l.machine.View(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.view.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

// key spreads i, below n, over all keys.
func (l *loaded) key(i uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, i%l.n*0x9e3779b97f4a7c15)
}

func (l *loaded) write(i uint64) protocol.Write {
	return protocol.Write{Kind: protocol.Put, Key: l.key(i), Value: fmt.Appendf(nil, "%0100d", i)}
}

// another writes a value that nothing resembles.
func (l *loaded) another(key []byte) protocol.Write {
	value := make([]byte, 100)
	for i := range value {
		value[i] = byte(l.random.Uint32())
	}
	return protocol.Write{Kind: protocol.Put, Key: key, Value: value}
}

func (l *loaded) apply(command []byte) uint64 {
	l.entry.Index++
	l.entry.TimeNanos += 1000
	outcome, err := l.machine.Apply(l.entry, command)
	if err != nil || outcome.Kind != wasmsm.Applied {
		l.b.Fatalf("%+v, %v", outcome, err)
	}
	return outcome.Fuel
}

func (l *loaded) ask(query []byte) uint64 {
	outcome, _, err := l.view.Query("", query)
	if err != nil || outcome.Kind != wasmsm.Applied {
		l.b.Fatalf("%+v, %v", outcome, err)
	}
	return outcome.Fuel
}

// run measures one kind of request.
func (l *loaded) run(name string, send func([]byte) uint64, request func(i uint64) []byte) {
	l.b.Run(name, func(b *testing.B) {
		if err := l.machine.Show(l.entry); err != nil {
			b.Fatal(err)
		}
		l.view.Hold()
		defer l.view.Release()
		requests := make([][]byte, 1<<14)
		for i := range requests {
			requests[i] = request(uint64(i) * 7919)
		}
		fuel, i := uint64(0), 0
		for b.Loop() {
			fuel += send(requests[i%len(requests)])
			i++
		}
		b.ReportMetric(float64(fuel)/float64(i), "fuel/op")
	})
}

// chunks is what a host keeps of snapshots.
type chunks struct {
	b     *testing.B
	dir   string
	store *host.BlobStore
	pages map[uint32]host.Digest
}

func openChunks(b *testing.B) *chunks {
	b.Helper()
	dir := b.TempDir()
	store, err := host.OpenBlobStore(dir, 16<<20)
	if err != nil {
		b.Fatal(err)
	}
	return &chunks{b: b, dir: dir, store: store, pages: map[uint32]host.Digest{}}
}

// save stores the pages that changed, as a host does, and returns how many they are.
func (c *chunks) save(machine *wasmsm.Machine) int {
	c.b.Helper()
	changes, err := machine.Changes()
	if err != nil {
		c.b.Fatal(err)
	}
	for _, p := range changes.Pages {
		if p.Data == nil {
			delete(c.pages, p.Index)
			continue
		}
		if c.pages[p.Index], err = c.store.PutLike(c.pages[p.Index], p.Data); err != nil {
			c.b.Fatal(err)
		}
	}
	if err := c.store.Sync(); err != nil {
		c.b.Fatal(err)
	}
	return len(changes.Pages)
}

// size is that of all files: nothing is ever deleted here.
func (c *chunks) size() (size int64) {
	c.b.Helper()
	files, err := os.ReadDir(c.dir)
	for _, file := range files {
		info, infoErr := file.Info()
		if err = errors.Join(err, infoErr); err == nil {
			size += info.Size()
		}
	}
	if err != nil {
		c.b.Fatal(err)
	}
	return size
}

// snapshot reports what a snapshot after a thousand puts writes, and in how many of the machine's pages they are.
func (l *loaded) snapshot(name string, write func(i uint64) protocol.Write) {
	l.b.Run(name, func(b *testing.B) {
		c := openChunks(b)
		image, err := l.machine.Image()
		if err != nil {
			b.Fatal(err)
		}
		for i, page := range image.Pages {
			if page == nil {
				continue
			}
			if c.pages[uint32(i)], err = c.store.Put(page); err != nil {
				b.Fatal(err)
			}
		}
		before, pages, puts := c.size(), 0, uint64(0)
		for b.Loop() {
			for range 1000 {
				puts++
				commit := protocol.Commit{Writes: []protocol.Write{write(puts)}}
				l.apply(commit.Append(nil))
			}
			pages += c.save(l.machine)
		}
		rounds := float64(puts / 1000)
		b.ReportMetric(float64(c.size()-before)/1024/rounds, "KiB/snapshot")
		b.ReportMetric(float64(pages)/rounds, "pages/snapshot")
	})
}

// BenchmarkMap measures the map with few entries and with many.
func BenchmarkMap(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := load(b, n)
			l.run("put", l.apply, func(i uint64) []byte {
				c := protocol.Commit{Writes: []protocol.Write{l.write(i)}}
				return c.Append(nil)
			})
			l.run("compare", l.apply, func(i uint64) []byte {
				w := l.write(i)
				c := protocol.Commit{Conditions: []protocol.Condition{{Kind: protocol.Equals, Key: w.Key, Value: w.Value}}, Writes: []protocol.Write{w}}
				return c.Append(nil)
			})
			l.run("get", l.ask, func(i uint64) []byte {
				return protocol.AppendBytes(protocol.AppendNumber([]byte{protocol.OpGet}, 1), l.key(i))
			})
			l.run("page", l.ask, func(i uint64) []byte { return (&protocol.Page{From: l.key(i), Limit: 100}).Append(nil) })
			l.run("count", l.ask, func(i uint64) []byte {
				return protocol.AppendBytes(protocol.AppendBytes([]byte{protocol.OpCount}, l.key(i)), nil)
			})
			l.snapshot("snapshot", func(i uint64) protocol.Write { return l.another(l.key(i * 7919)) })
			l.snapshot("snapshot-near", func(i uint64) protocol.Write { return l.another(binary.BigEndian.AppendUint64(nil, 1<<60+i)) })
			image, err := l.machine.Image()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(image.Pages))/16, "MiB")
		})
	}
}
