package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/groutlabs/grout/sdk/client"
)

const (
	// maxProblems bounds the problems that a summary describes; all are counted.
	maxProblems = 10
	// maxLatencyMicros and latencyDigits bound what the histogram can tell apart.
	maxLatencyMicros = int64(10 * time.Minute / time.Microsecond)
	latencyDigits    = 3
)

// feedSummary is the shape of `grout feed --json`.
type feedSummary struct {
	Group    string `json:"group"`
	Commands int64  `json:"commands"`
	Applied  int64  `json:"applied"`
	Refused  int64  `json:"refused"`
	Trapped  int64  `json:"trapped"`
	// Unknown may or may not have been applied, Failed were not.
	Unknown           int64         `json:"unknown"`
	Failed            int64         `json:"failed"`
	Duplicates        uint64        `json:"duplicates"`
	Retries           uint64        `json:"retries"`
	Seconds           float64       `json:"seconds"`
	CommandsPerSecond float64       `json:"commands_per_second"`
	P50Millis         float64       `json:"p50_ms"`
	P99Millis         float64       `json:"p99_ms"`
	MaxMillis         float64       `json:"max_ms"`
	LastIndex         uint64        `json:"last_index"`
	Problems          []feedProblem `json:"problems"`

	latencies *hdrhistogram.Histogram
	// worst is the error that decides about the exit code, of the first command that had one as bad.
	worst       error
	worstNumber int64
}

// feedProblem is a command that was not applied.
type feedProblem struct {
	// Number counts the commands from 1.
	Number int64  `json:"number"`
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Index  uint64 `json:"index,omitempty"`
}

func newFeedSummary(group string) *feedSummary {
	return &feedSummary{Group: group, Problems: []feedProblem{}, latencies: hdrhistogram.New(1, maxLatencyMicros, latencyDigits)}
}

// severity orders the ends of commands: what an operator has to look at first ranks highest.
func severity(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, client.ErrUnknownOutcome):
		return 4
	}
	if _, ok := errors.AsType[*client.RefusedError](err); ok {
		return 1
	}
	if _, ok := errors.AsType[*client.TrappedError](err); ok {
		return 2
	}
	return 3
}

// add counts one result, and reports whether the command was not applied.
func (s *feedSummary) add(number int64, r client.BatchResult, latency time.Duration) (problem bool) {
	s.Commands++
	rank := severity(r.Err)
	*[]*int64{&s.Applied, &s.Refused, &s.Trapped, &s.Failed, &s.Unknown}[rank]++
	if settled(r.Err) || r.Err == nil {
		// Within these bounds it has no error; a longer wait counts as the longest.
		_ = s.latencies.RecordValue(min(max(latency.Microseconds(), 1), maxLatencyMicros))
	}
	if rank == 0 {
		s.LastIndex = max(s.LastIndex, r.Result.Index)
		return false
	}
	f := asFailure(r.Err)
	s.LastIndex = max(s.LastIndex, f.index)
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, feedProblem{Number: number, Kind: kinds[f.exit], Text: f.text, Index: f.index})
	}
	if rank > severity(s.worst) {
		s.worst, s.worstNumber = r.Err, number
	}
	return true
}

// finish works out the rates.
func (s *feedSummary) finish(took time.Duration, stats client.Stats) {
	s.Duplicates, s.Retries = stats.Duplicates, stats.Retries
	s.Seconds = took.Seconds()
	s.CommandsPerSecond = float64(s.Applied+s.Refused+s.Trapped) / max(s.Seconds, 1e-9)
	s.P50Millis = float64(s.latencies.ValueAtQuantile(50)) / 1e3
	s.P99Millis = float64(s.latencies.ValueAtQuantile(99)) / 1e3
	s.MaxMillis = float64(s.latencies.Max()) / 1e3
}

// print writes the summary to standard output, or to standard error when the answers are there.
func (s *feedSummary) print(c *call) error {
	out := *c.console
	if c.cli.Bool(flagPrint) {
		out.out = out.err
	}
	if c.json {
		return out.json(s)
	}
	text := fmt.Sprintf("%d commands to %s in %.3f s: %.0f commands/s\n", s.Commands, s.Group, s.Seconds, s.CommandsPerSecond)
	text += fmt.Sprintf("applied %d, refused %d, trapped %d, failed %d, unknown %d\n", s.Applied, s.Refused, s.Trapped, s.Failed, s.Unknown)
	text += fmt.Sprintf("duplicates %d, retries %d, last index %d\n", s.Duplicates, s.Retries, s.LastIndex)
	text += fmt.Sprintf("latency p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", s.P50Millis, s.P99Millis, s.MaxMillis)
	for _, p := range s.Problems {
		text += fmt.Sprintf("command %d: %s\n", p.Number, printable(p.Text))
	}
	if more := s.Commands - s.Applied - int64(len(s.Problems)); more > 0 {
		text += fmt.Sprintf("and %d more that were not applied\n", more)
	}
	return out.printf("%s", text)
}
