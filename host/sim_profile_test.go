package host

import (
	"math/rand/v2"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// simProfile is what kind of run a seed makes: how large, how fast, and which faults come. Every seed
// leaves some faults out, since some mistakes show only while others do not interfere.
type simProfile struct {
	steps, members int
	timing         Timing
	// netDelay and diskDelay are typical delays in nanoseconds, applyDelay that of the applier.
	netDelay, diskDelay, applyDelay int64
	// faultEvery is the mean time between two faults.
	faultEvery int64
	// weights are how often each fault comes, by simFault.
	weights [faultKinds]int
	total   int
	// loss, double and late are the links' faults in percent.
	loss, double, late int
	sessions, plain    int
	// quick makes processes start again soon.
	quick bool
	// think is the mean pause of a client between two requests.
	think     int64
	porcupine bool
	// demote is after how many election timeouts a silent voter is demoted, 0 for never; reluctant members lead only
	// when no other does.
	demote    int
	reluctant uint
	// spoils is set when a machine's state may go wrong without a word. Only then may answers be wrong.
	spoils bool
	// durable is set when the members' logs are in production's store, on simulated files.
	durable bool
}

// simDurableShare is one in how many seeds runs on production's store.
const simDurableShare = 3

// simFault is a kind of fault.
type simFault int

// The faults.
const (
	faultKill simFault = iota
	faultPower
	faultBlackout
	faultPause
	faultClockJump
	faultClockRate
	faultOneWay
	faultPair
	faultSplit
	faultIsolate
	faultFlap
	faultNoise
	faultSlowDisk
	faultSyncFails
	faultFull
	faultFlipLog
	faultFlipChunk
	faultLostDisk
	faultMembers
	faultTransfer
	faultSlowApply
	faultPublish
	faultSpoil
	faultUpgrade
	faultDuel
	faultKinds
)

var faultNames = [faultKinds]string{
	"kill", "power", "blackout", "pause", "clock-jump", "clock-rate", "one-way", "pair", "split", "isolate",
	"flap", "noise", "slow-disk", "sync-fails", "full-disk", "flip-log", "flip-chunk", "lost-disk", "members",
	"transfer", "slow-apply", "publish-fails", "spoil", "upgrade", "duel",
}

// String names the fault.
func (f simFault) String() string { return faultNames[f] }

func newSimProfile(rng *rand.Rand, steps int) simProfile {
	p := simProfile{
		steps: steps, members: []int{3, 3, 3, 3, 5, 5, 4, 2, 1, 3}[rng.IntN(10)],
		timing: Timing{
			Tick: time.Duration(simTick), ElectionTicks: 5 + rng.IntN(7), HeartbeatTicks: 1 + rng.IntN(2),
			RequestTimeout: time.Duration(simTick) * time.Duration(20+rng.IntN(60)), SnapshotBytes: 600 + rng.IntN(3000),
			RetainEntries: consensus.Index(1 + rng.IntN(12)), MaxMessageBytes: 200 << rng.IntN(5),
		},
		netDelay: simTick / int64(2+rng.IntN(40)), diskDelay: simTick / int64(2+rng.IntN(60)),
		applyDelay: simTick / int64(5+rng.IntN(200)), faultEvery: simTick * int64(2+rng.IntN(14)),
		sessions: 2 + rng.IntN(3), plain: 1 + rng.IntN(2), think: simTick * int64(1+rng.IntN(5)), porcupine: rng.IntN(8) == 0,
	}
	if rng.IntN(3) > 0 {
		p.loss = rng.IntN(8)
	}
	if rng.IntN(3) > 0 {
		p.double = rng.IntN(6)
	}
	if rng.IntN(3) > 0 {
		p.late = rng.IntN(10)
	}
	if rng.IntN(4) == 0 {
		p.demote = 2 + rng.IntN(6)
	}
	if rng.IntN(4) == 0 {
		p.reluctant = uint(rng.IntN(32))
	}
	p.quick = rng.IntN(3) == 0
	p.durable = rng.IntN(simDurableShare) == 0
	for f := range p.weights {
		if rng.IntN(5) < 2 {
			p.weights[f] = 1 + rng.IntN(4)
		}
	}
	p.weights[faultSpoil] = 0
	if p.spoils = rng.IntN(6) == 0; p.spoils {
		// A member that has to be asked must not need the snapshot in dispute: the log is kept.
		p.timing.RetainEntries, p.timing.RetainBytes, p.weights[faultUpgrade] = 1000, 1<<30, 0
		p.porcupine, p.weights[faultSpoil] = false, 2
	}
	for _, weight := range p.weights {
		p.total += weight
	}
	if p.timing.RetainBytes = max(p.timing.RetainBytes, 100+rng.IntN(4000)); rng.IntN(2) == 0 {
		p.timing.RetainBytes = 1 << 30
	}
	if rng.IntN(2) == 0 {
		p.timing.QuietTicks = 1 + rng.IntN(3*p.timing.ElectionTicks)
	}
	return p
}

// pick chooses the next fault; false when this seed has none.
func (p *simProfile) pick(rng *rand.Rand) (simFault, bool) {
	if p.total == 0 {
		return 0, false
	}
	n := rng.IntN(p.total)
	for f, weight := range p.weights {
		if n < weight {
			return simFault(f), true
		}
		n -= weight
	}
	panic("weights do not add up")
}

// voterFloor is how many voters automatic demotion leaves: three where there are more.
func (p *simProfile) voterFloor() int { return min(3, (p.members+2)/2) }

// calmTicks bounds how long it takes until all is well after the last fault: an election that fails a few
// times, a catch-up, and a change of members on top.
func (p *simProfile) calmTicks() int64 { return int64(60 * p.timing.ElectionTicks) }
