package wasmsm

import "fmt"

// journal holds the commands that were applied since the checkpoint. A checkpoint costs more than most
// commands, so several commands share one; when a command fails, the machine goes back to the
// checkpoint and applies the journal again, which ends in the same state, since every command is a
// function of its entry and the state.
type journal struct {
	commands []journaled
	bytes    int
	fuel     uint64
	// window is how many commands may share a checkpoint now: it doubles with each checkpoint, and
	// falls to one when a command fails, so that machines that refuse a lot repeat little.
	window int
}

// journaled is one applied command.
type journaled struct {
	entry   EntryContext
	command []byte
}

const (
	maxJournalCommands = 4096
	maxJournalBytes    = 1 << 20
	// maxJournalFuel keeps it short what a failure has to repeat: it is some ten milliseconds at most.
	maxJournalFuel = 32_000_000
)

// applied takes a command into the journal, or makes a checkpoint when it is full.
func (m *Machine) applied(entry EntryContext, command []byte, fuel uint64) error {
	j := &m.journal
	if len(j.commands)+1 >= j.window || j.bytes+len(command) > maxJournalBytes || j.fuel+fuel > maxJournalFuel {
		return m.checkpoint()
	}
	j.commands = append(j.commands, journaled{entry, append([]byte(nil), command...)})
	j.bytes += len(command)
	j.fuel += fuel
	return nil
}

// checkpoint makes the present state the checkpoint and empties the journal.
func (m *Machine) checkpoint() error {
	m.journal.clear()
	m.journal.window = min(max(2*m.journal.window, 2), maxJournalCommands)
	return m.commit()
}

func (j *journal) clear() {
	clear(j.commands)
	j.commands, j.bytes, j.fuel = j.commands[:0], 0, 0
}

// undo takes a failed command back: the state is what the last applied command left.
func (m *Machine) undo() error {
	m.journal.window = 1
	if err := m.rollback(); err != nil || len(m.journal.commands) == 0 {
		return err
	}
	log := m.log
	m.log = nil // each line was logged the first time
	defer func() { m.log = log }()
	for _, j := range m.journal.commands {
		outcome, err := m.run(m.apply, callApply, j.entry, j.command)
		if err != nil {
			return err
		}
		if outcome.Kind != Applied {
			return m.keep(fmt.Errorf("wasmsm: the command at index %d was applied, and ends as %s when applied again to the same state: %s",
				j.entry.Index, outcome.Kind, outcome.Message))
		}
	}
	m.journal.clear()
	return m.commit()
}

// settle makes a checkpoint if there is anything since the last.
func (m *Machine) settle() error {
	if len(m.journal.commands) == 0 {
		return nil
	}
	return m.checkpoint()
}
