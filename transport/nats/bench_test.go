//go:build unix

package nats

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/client"
)

// echoHost answers at once, so that only the transport is measured.
func echoHost() *fakeHost {
	answer := func(payload []byte) host.Reply {
		return host.Reply{Outcome: host.Outcome{Output: payload}, Index: 1, Term: 1, Leader: "a"}
	}
	return &fakeHost{inline: true,
		execute: func(r host.CommandRequest, reply func(host.Reply)) { reply(answer(r.Payload)) },
		query:   func(r host.QueryRequest, reply func(host.Reply)) { reply(answer(r.Payload)) }}
}

// processorTime reports the processor time per operation of the whole process, server included: on a
// busy machine it says more than the time of day. The function returned ends the measurement.
func processorTime(b *testing.B) (report func()) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkRoundTrip compares a request through the endpoints with a bare echo over NATS: one at a
// time, and with many under way.
func BenchmarkRoundTrip(b *testing.B) {
	url := runServer(b, 1<<20)
	tr := connect(b, url, "a")
	serve(b, tr, echoHost())
	if err := tr.AddGroup("counter"); err != nil {
		b.Fatal(err)
	}
	echo := dialPlain(b, url)
	if _, err := echo.QueueSubscribe("echo", "q", func(m *natsgo.Msg) {
		if err := m.Respond(m.Data); err != nil {
			b.Error(err)
		}
	}); err != nil {
		b.Fatal(err)
	}
	if err := echo.FlushTimeout(patience); err != nil {
		b.Fatal(err)
	}
	conn := dialPlain(b, url)
	payload := make([]byte, 128)
	c, err := client.Connect(client.Config{Conn: conn})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	g := c.Group("counter")
	for name, call := range map[string]func() error{
		"bare":    func() error { _, err := conn.Request("echo", payload, patience); return err },
		"request": func() error { _, err := conn.Request("grout.v1.counter.cmd", payload, patience); return err },
		"execute": func() error { _, err := g.Execute(b.Context(), payload); return err },
		"query":   func() error { _, err := g.Query(b.Context(), payload, client.QueryOptions{}); return err },
	} {
		b.Run("serial/"+name, func(b *testing.B) {
			b.ReportAllocs()
			defer processorTime(b)()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("parallel/"+name, func(b *testing.B) {
			b.ReportAllocs()
			defer processorTime(b)()
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkPipeline measures commands with many under way, through the client's pipeline.
func BenchmarkPipeline(b *testing.B) {
	url := runServer(b, 1<<20)
	tr := connect(b, url, "a")
	serve(b, tr, echoHost())
	if err := tr.AddGroup("counter"); err != nil {
		b.Fatal(err)
	}
	c, err := client.Connect(client.Config{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for _, window := range []int{16, 256, 1024} {
		b.Run(fmt.Sprint(window), func(b *testing.B) {
			b.ReportAllocs()
			defer processorTime(b)()
			p, err := c.Group("counter").Pipeline(b.Context(), client.PipelineConfig{Window: window})
			if err != nil {
				b.Fatal(err)
			}
			payload := make([]byte, 128)
			go func() {
				defer p.Close()
				for range b.N {
					if _, err := p.Submit(b.Context(), payload); err != nil {
						b.Error(err)
						return
					}
				}
			}()
			for r := range p.Results(b.Context()) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
		})
	}
}

// BenchmarkSend measures messages from one host to another, through queue, frame and decoding.
func BenchmarkSend(b *testing.B) {
	url := runServer(b, 1<<20)
	a, peer := connect(b, url, "a"), connect(b, url, "b")
	receive(b, a, counter)
	got := make(chan struct{}, 1)
	stop, err := peer.Receive(counter, func(consensus.Envelope) { got <- struct{}{} })
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	for _, shape := range []struct{ entries, bytes int }{{0, 0}, {1, 128}, {1000, 128}} {
		b.Run(fmt.Sprintf("%dx%dB", shape.entries, shape.bytes), func(b *testing.B) {
			b.ReportAllocs()
			defer processorTime(b)()
			m := to("b", benchmarkMessage(shape.entries, shape.bytes))
			for b.Loop() {
				a.Send(counter, m)
				<-got
			}
		})
	}
}

// BenchmarkGroup measures what serving one more group costs a host.
func BenchmarkGroup(b *testing.B) {
	tr := connect(b, runServer(b, 1<<20), "a")
	serve(b, tr, echoHost())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for i := range b.N {
		if err := tr.AddGroup(fmt.Sprint("g", i)); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(b.N), "goroutines/op")
	b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/float64(b.N), "retained-B/op")
}
