package main

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
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
}

func load(b *testing.B, n int) *loaded {
	b.Helper()
	l := &loaded{b: b, machine: twin.Start(b, ""), entry: wasmsm.EntryContext{Term: 1}, n: uint64(n)}
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

// snapshot reports what a snapshot after a thousand puts has to write.
func (l *loaded) snapshot(name string, write func(i uint64) protocol.Write) {
	l.b.Run(name, func(b *testing.B) {
		changed := func() int {
			changes, err := l.machine.Changes()
			if err != nil {
				b.Fatal(err)
			}
			return len(changes.Pages)
		}
		changed()
		pages, rounds := 0, 0
		for ; b.Loop(); rounds++ {
			for i := range uint64(1000) {
				c := protocol.Commit{Writes: []protocol.Write{write(i)}}
				l.apply(c.Append(nil))
			}
			pages += changed()
		}
		b.ReportMetric(float64(pages)*64/float64(rounds), "KiB/snapshot")
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
			l.snapshot("snapshot", func(i uint64) protocol.Write { return l.write(i * 7919) })
			l.snapshot("snapshot-near", func(i uint64) protocol.Write {
				w := l.write(0)
				w.Key = binary.BigEndian.AppendUint64(nil, 1<<60+i)
				return w
			})
			image, err := l.machine.Image()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(image.Pages))/16, "MiB")
		})
	}
}
