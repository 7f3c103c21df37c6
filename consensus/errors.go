package consensus

import "errors"

// The errors of this package. Callers compare with errors.Is.
var (
	// ErrNotLeader refuses what only the leader of the group may do.
	ErrNotLeader = errors.New("consensus: not the leader")
	// ErrBusy refuses a proposal while too many bytes are uncommitted.
	ErrBusy = errors.New("consensus: too many uncommitted bytes")
	// ErrTransferring refuses a proposal while leadership is handed over.
	ErrTransferring = errors.New("consensus: leadership is being transferred")
	// ErrChangePending refuses a second change of membership (one at a time), and one before the
	// leader has committed an entry of its own term.
	ErrChangePending = errors.New("consensus: a membership change is not possible yet")
	// ErrBadConfiguration marks a configuration that breaks an invariant.
	ErrBadConfiguration = errors.New("consensus: bad configuration")
	// ErrBadConfig marks a Config with a field out of range.
	ErrBadConfig = errors.New("consensus: bad config")
	// ErrBadState marks restored state that no correct member can have written.
	ErrBadState = errors.New("consensus: bad restored state")
	// ErrInvariant means that a rule of the protocol was broken, by a peer or by a defect here. The
	// member must stop: nothing it would do next can be trusted.
	ErrInvariant = errors.New("consensus: invariant broken")
	// ErrNoSuchMember names a member that is not in the configuration, or cannot do what was asked.
	ErrNoSuchMember = errors.New("consensus: no such voter")
)
