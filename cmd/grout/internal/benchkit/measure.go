package benchkit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Measurement is closed-loop workers for some time.
type Measurement struct {
	Workers int
	// Do is one operation, the ith of its worker.
	Do func(worker, i int) error
	// The workers run for Warmup, and then for Time, which counts.
	Warmup, Time time.Duration
	// Begin, if not nil, is called when the time begins that counts, and what it returns at its end.
	Begin func() (end func() error, err error)
}

// Result is what a measurement found.
type Result struct {
	// Rate is in operations a second, Latency in nanoseconds.
	Rate    float64
	Latency *hdrhistogram.Histogram
	// Processor is the time that all in this process took for one operation.
	Processor time.Duration
}

// Quantile is the time that q percent of the operations took at most.
func (r Result) Quantile(q float64) time.Duration { return time.Duration(r.Latency.ValueAtQuantile(q)) }

// Run measures. The first error of a worker ends it.
func (m Measurement) Run() (Result, error) {
	var measuring, stop atomic.Bool
	histograms := make([]*hdrhistogram.Histogram, m.Workers)
	errs := make([]error, m.Workers)
	var group sync.WaitGroup
	for worker := range m.Workers {
		histograms[worker] = hdrhistogram.New(1, int64(time.Minute), 3)
		group.Go(func() { errs[worker] = m.loop(&measuring, &stop, histograms[worker], worker) })
	}
	<-time.After(m.Warmup)
	elapsed, processor, err := m.count(&measuring)
	stop.Store(true)
	group.Wait()
	if err != nil {
		return Result{}, err
	}
	total := hdrhistogram.New(1, int64(time.Minute), 3)
	for worker := range m.Workers {
		if errs[worker] != nil {
			return Result{}, fmt.Errorf("worker %d: %w", worker, errs[worker])
		}
		total.Merge(histograms[worker])
	}
	done := max(total.TotalCount(), 1)
	return Result{float64(done) / elapsed.Seconds(), total, (processor / time.Duration(done)).Round(100 * time.Nanosecond)}, nil
}

// count lets the time pass that counts.
func (m Measurement) count(measuring *atomic.Bool) (elapsed, processor time.Duration, err error) {
	end := func() error { return nil }
	if m.Begin != nil {
		if end, err = m.Begin(); err != nil {
			return 0, 0, err
		}
	}
	processor = OwnProcessorTime()
	measuring.Store(true)
	began := time.Now()
	<-time.After(m.Time)
	elapsed = time.Since(began)
	processor = OwnProcessorTime() - processor
	measuring.Store(false)
	return elapsed, processor, end()
}

func (m Measurement) loop(measuring, stop *atomic.Bool, latency *hdrhistogram.Histogram, worker int) error {
	for i := 0; !stop.Load(); i++ {
		began := time.Now()
		if err := m.Do(worker, i); err != nil {
			return err
		}
		if measuring.Load() {
			if err := latency.RecordValue(int64(time.Since(began))); err != nil {
				return err
			}
		}
	}
	return nil
}
