package host

import (
	"testing"
	"time"
)

// unpaced never rests.
var unpaced = &pacer{share: 100}

// TestPacer shows that work goes on for a while, rests then for as long as its share says, and not any more when its group ends.
func TestPacer(t *testing.T) {
	quit := make(chan struct{})
	p := newPacer(10, quit)
	p.since = time.Now().Add(time.Hour)
	began := p.since
	if p.step(); p.since != began {
		t.Error("a rest without work")
	}
	p.since = time.Now().Add(-stretch)
	began = time.Now()
	if p.step(); time.Since(began) < 9*stretch || time.Since(p.since) >= 9*stretch {
		t.Errorf("a rest of %s, and the next stretch began %s ago", time.Since(began), time.Since(p.since))
	}
	close(quit)
	p.since = time.Now().Add(-100 * time.Hour)
	p.step()
}
