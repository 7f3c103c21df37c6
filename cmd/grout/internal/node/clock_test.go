package node

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClock shows that tickers of all periods tick, that one which nobody listens to holds up no other, and
// that nothing is left of those that are stopped.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		slow, stopSlow := c.Tick(time.Second)
		_, stopDeaf := c.Tick(100 * time.Millisecond)
		fast, stopFast := c.Tick(100 * time.Millisecond)
		began := time.Now()
		for i := 1; i <= 30; i++ {
			if now := <-fast; now.Sub(began) != time.Duration(i)*100*time.Millisecond {
				t.Fatalf("tick %d comes after %s", i, now.Sub(began))
			}
			if i%10 == 0 {
				<-slow
			}
		}
		stopFast()
		stopFast()
		time.Sleep(time.Second)
		select {
		case <-fast:
			t.Error("a stopped ticker ticks")
		default:
		}
		stopDeaf()
		again, stopAgain := c.Tick(100 * time.Millisecond)
		<-again
		stopAgain()
		stopSlow()
		if len(c.beats) != 0 {
			t.Errorf("%d beats are left", len(c.beats))
		}
	}) // which also fails when a goroutine is left
}
