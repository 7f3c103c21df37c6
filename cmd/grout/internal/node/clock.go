package node

import (
	"sync"
	"time"
)

// clock is the machine's clock. All tickers of one period tick together: a thousand groups that each wake the
// processor at a time of their own cost several times as much as a thousand that are woken at once.
type clock struct {
	mu    sync.Mutex
	beats map[time.Duration]*beat
}

// beat is the tickers of one period.
type beat struct {
	tickers map[chan time.Time]struct{} // guarded by clock.mu
	quit    chan struct{}
}

func newClock() *clock { return &clock{beats: map[time.Duration]*beat{}} }

func (*clock) Now() time.Time { return time.Now() }

// Tick implements host.Clock. The first tick comes within a period.
func (c *clock) Tick(period time.Duration) (<-chan time.Time, func()) {
	ticks := make(chan time.Time, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.beats[period]
	if b == nil {
		b = &beat{tickers: map[chan time.Time]struct{}{}, quit: make(chan struct{})}
		c.beats[period] = b
		go c.run(b, period)
	}
	b.tickers[ticks] = struct{}{}
	return ticks, func() { c.stop(b, period, ticks) }
}

// stop ends a ticker, and with the last one the beat. A second call does nothing.
func (c *clock) stop(b *beat, period time.Duration, ticks chan time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, runs := b.tickers[ticks]; !runs {
		return
	}
	delete(b.tickers, ticks)
	if len(b.tickers) == 0 {
		delete(c.beats, period)
		close(b.quit)
	}
}

func (c *clock) run(b *beat, period time.Duration) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-b.quit:
			return
		case now := <-ticker.C:
			c.mu.Lock()
			for ticks := range b.tickers {
				select {
				case ticks <- now:
				default: // it has one that it did not take yet
				}
			}
			c.mu.Unlock()
		}
	}
}
