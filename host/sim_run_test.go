package host

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	simSeedFlag  = flag.Uint64("seed", 0, "replay one seed of TestSimulation and print its trace")
	simSeedsFlag = flag.Int("seeds", 0, "how many seeds TestSimulation runs, 0 for the gate's number")
	simFirstFlag = flag.Uint64("first", 1, "the first of the seeds")
	simStepsFlag = flag.Int("steps", 3000, "how many steps the storm of a seed has")
	simFailFlag  = flag.Int("failures", 5, "how many seeds may fail before TestSimulation ends")
	simTraceFlag = flag.Bool("trace", false, "print every step of a replay, not only the last ones")
)

// TestSimulation shows that no schedule of lost, late and doubled messages, cut links, crashes, torn,
// damaged, full and failing disks, pauses, clock jumps and membership changes breaks a promise to a
// client or the agreement of the members, and that all is well again some time after the last fault.
// A failure prints its seed and the steps before it; -seed replays it, -trace prints all of it.
func TestSimulation(t *testing.T) {
	if *simSeedFlag != 0 {
		w := newSimWorld(*simSeedFlag, *simStepsFlag)
		w.trace.on, w.trace.all = true, *simTraceFlag
		err := w.run()
		t.Logf("%s\n%+v\n%s", w.trace.String(), w.profile, w.stats.String())
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	seeds := simSeeds()
	began := time.Now()
	total, failures := runSeeds(*simFirstFlag, seeds)
	for _, f := range failures {
		t.Error(f)
	}
	spent := time.Since(began)
	t.Logf("%s\n%s, %.0f seeds a second", total.String(), spent.Round(time.Millisecond), float64(seeds)/spent.Seconds())
	if missing := total.unreached(); seeds >= 200 && len(missing) > 0 {
		t.Errorf("%d seeds never reached: %v", seeds, missing)
	}
}

func simSeeds() int {
	switch {
	case *simSeedsFlag > 0:
		return *simSeedsFlag
	case testing.Short(), raceDetector:
		return 100
	}
	return 2000
}

// simShown is how many failures are shown with their traces.
const simShown = 5

// runSeeds runs seeds on all cores, and returns the totals and the failures with their traces.
func runSeeds(first uint64, seeds int) (total simStats, failures []string) {
	var next atomic.Uint64
	var mu sync.Mutex
	var workers sync.WaitGroup
	var failed atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for failed.Load() < int64(*simFailFlag) {
				n := next.Add(1) - 1
				if n >= uint64(seeds) {
					return
				}
				w := newSimWorld(first+n, *simStepsFlag)
				err := w.run()
				text := ""
				if err != nil {
					text = fmt.Sprintf("seed %d: %v", first+n, err)
					if failed.Add(1) <= simShown {
						text = replaySeed(first+n, w.trace.sum)
					}
				}
				mu.Lock()
				total.add(&w.stats)
				if err != nil {
					failures = append(failures, text)
				}
				mu.Unlock()
			}
		}()
	}
	workers.Wait()
	return total, failures
}

// replaySeed runs a seed that failed once more, for its trace.
func replaySeed(seed uint64, sum uint64) string {
	w := newSimWorld(seed, *simStepsFlag)
	w.trace.on = true
	err := w.run()
	same := "the same steps"
	if w.trace.sum != sum {
		same = "OTHER STEPS than at first"
	}
	return fmt.Sprintf("seed %d: %v\nreplay: go test ./host -run 'TestSimulation$' -seed %d -steps %d\n%s (a replay took %s)",
		seed, err, seed, *simStepsFlag, w.trace.String(), same)
}

// TestASeedDecidesEverything shows that two runs of a seed take exactly the same steps.
func TestASeedDecidesEverything(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		var sums [2]uint64
		for i := range sums {
			w := newSimWorld(seed, 2000)
			if err := w.run(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			sums[i] = w.trace.sum
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}
