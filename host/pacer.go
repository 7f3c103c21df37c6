package host

import "time"

// pacer keeps work beside a group's own, and that of all others on the host, to a share of the time: what it does at once makes commands wait.
type pacer struct {
	// share is in percent. 100 never rests.
	share int
	quit  <-chan struct{}
	// since is when the present stretch of work began.
	since time.Time
}

// stretch is how long work goes on at least between two rests.
const stretch = 4 * time.Millisecond

// snapshotShare is how much of its time the saving of a snapshot works, in percent. With less, commands wait less at a time and
// the log grows for longer.
const snapshotShare = 50

func newPacer(share int, quit <-chan struct{}) *pacer {
	return &pacer{share: share, quit: quit, since: time.Now()}
}

// step is called between two pieces of work. It rests if there was work for a while.
func (p *pacer) step() {
	worked := time.Since(p.since)
	if p.share >= 100 || worked < stretch {
		return
	}
	rest := time.NewTimer(worked * time.Duration(100-p.share) / time.Duration(p.share))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-p.quit:
	}
	p.since = time.Now()
}
