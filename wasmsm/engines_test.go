package wasmsm

import (
	"fmt"
	"testing"
)

// TestEnginesAgree shows that compiled and interpreted code end every kind of command alike, traps by
// fuel and by depth included, with the same fuel and the same state after it.
func TestEnginesAgree(t *testing.T) {
	commands := map[string][][]byte{
		"probe": {
			operation(opStore, 64, 7), operation(opReturn, 7), operation(opDivide, 1, 0), operation(opOverflow), operation(opDisturbAndTrap, 0),
			operation(opGrow, 3), operation(opRandom, 0, 1000), operation(opAbort, 4096, 12), operation(opExit, 9), operation(opStore, 1<<24, 1),
		},
		"C": {[]byte("push one"), []byte("push two"), []byte("check bad"), []byte("nap"), []byte("say hello"), []byte("nonsense"), []byte("list")},
	}
	var ends [2][]string
	for i, engine := range []EngineKind{EngineCompiler, EngineInterpreter} {
		r := newTestRuntime(t, Config{Engine: engine})
		for _, guest := range []struct {
			name   string
			module []byte
		}{{"probe", probeModule}, {"C", cModule}} {
			m := newTestMachine(t, r, guest.module, MachineConfig{})
			for n, command := range commands[guest.name] {
				outcome := apply(t, m, uint64(n+1), command)
				ends[i] = append(ends[i], fmt.Sprintf("%s %q: %+v, %s", guest.name, command, outcome, fingerprint(t, m)))
			}
			if err := m.SetLimits(Limits{Fuel: 150}); err != nil {
				t.Fatal(err)
			}
			outcome := apply(t, m, 100, commands[guest.name][0])
			if outcome.Kind != Trapped || outcome.Fuel != 150 {
				t.Errorf("%s with 150 fuel: %+v", guest.name, outcome)
			}
			ends[i] = append(ends[i], fmt.Sprintf("%s: %+v, %s", guest.name, outcome, fingerprint(t, m)))
		}
	}
	for n := range ends[0] {
		if ends[0][n] != ends[1][n] {
			t.Errorf("compiled:    %s\ninterpreted: %s", ends[0][n], ends[1][n])
		}
	}
}
