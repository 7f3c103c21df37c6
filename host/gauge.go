package host

import (
	"fmt"
	"sync"

	"github.com/groutlabs/grout/sdk/api"
)

// recentCalls is for how many calls the gauge remembers what one took, and for as many again at most.
const recentCalls = 512

// gauge watches how far a member's machine goes towards its limits, so that an operator hears of it before anything
// fails. It is no replicated state: a member that starts has seen nothing. It is safe for concurrent use.
type gauge struct {
	mu     sync.Mutex
	memory int64
	recent struct{ commands, queries recent }
}

// recent is the most that calls took lately.
type recent struct {
	calls           int
	present, before api.Limits
}

func (r *recent) add(use api.Limits) {
	if r.calls++; r.calls > recentCalls {
		r.calls, r.before, r.present = 1, r.present, api.Limits{}
	}
	r.present = higher(r.present, use)
}

// higher has the higher of each two of the limits that calls count against.
func higher(a, b api.Limits) api.Limits {
	return api.Limits{
		Fuel: max(a.Fuel, b.Fuel), QueryFuel: max(a.QueryFuel, b.QueryFuel),
		OutputBytes: max(a.OutputBytes, b.OutputBytes), Events: max(a.Events, b.Events), EventBytes: max(a.EventBytes, b.EventBytes),
		LogBytes: max(a.LogBytes, b.LogBytes),
	}
}

// command takes down what a command took, before its events are handed on.
func (g *gauge) command(o *Outcome) {
	use := api.Limits{Fuel: int64(o.Fuel), OutputBytes: int64(len(o.Output)), LogBytes: int64(o.Logged), Events: int64(len(o.Events))}
	for _, e := range o.Events {
		use.EventBytes += int64(len(e.Suffix) + len(e.Payload))
	}
	g.mu.Lock()
	g.recent.commands.add(use)
	g.mu.Unlock()
}

// query takes down what a query took.
func (g *gauge) query(o *Outcome) {
	g.mu.Lock()
	g.recent.queries.add(api.Limits{QueryFuel: int64(o.Fuel), OutputBytes: int64(len(o.Output)), LogBytes: int64(o.Logged)})
	g.mu.Unlock()
}

// holds takes down the memory that a machine has now.
func (g *gauge) holds(machine Machine) {
	limited, ok := machine.(Limited)
	if !ok {
		return
	}
	memory := limited.MemoryBytes()
	g.mu.Lock()
	g.memory = memory
	g.mu.Unlock()
}

// used is how far the machine went.
func (g *gauge) used() api.Limits {
	g.mu.Lock()
	defer g.mu.Unlock()
	used := higher(g.recent.commands.present, g.recent.commands.before)
	used = higher(used, higher(g.recent.queries.present, g.recent.queries.before))
	used.MemoryBytes = g.memory
	return used
}

// alarms names the limits of which over four fifths are used.
func alarms(group string, used, limits api.Limits) []string {
	var out []string
	bounds := limits.Fields()
	for i, u := range used.Fields() {
		bound := bounds[i]
		if *bound.Value > 0 && *u.Value > *bound.Value/5*4 {
			out = append(out, fmt.Sprintf("%s: %d of %d were used (%d %%): 'grout limits %s' shows and changes it",
				u.Name, *u.Value, *bound.Value, 100**u.Value / *bound.Value, group))
		}
	}
	return out
}
