package sdk

// Operation names what the host asks of a machine.
type Operation uint8

// The operations, one for each export of the guest ABI.
const (
	OperationInit Operation = iota
	OperationApply
	OperationQuery
	OperationMigrate
)

// OutcomeKind says how a call ended.
type OutcomeKind uint8

// The three outcomes.
const (
	// Applied: the call is done and Output is the reply.
	Applied OutcomeKind = 0
	// Refused: the machine returned an error; Code and Message say why.
	Refused OutcomeKind = 1
	// Trapped: the machine broke down; Message says why and where.
	Trapped OutcomeKind = 2
)

// String returns the kind's name.
func (k OutcomeKind) String() string {
	switch k {
	case Applied:
		return "applied"
	case Refused:
		return "refused"
	case Trapped:
		return "trapped"
	}
	return "unknown outcome"
}

// Outcome is how a call ended.
type Outcome struct {
	Kind OutcomeKind
	// Code is the machine's own code when Refused, 0 otherwise.
	Code int32
	// Output is the reply when Applied. It is the machine's: valid until the next call.
	Output []byte
	// Message is the machine's own text when Refused, and the reason when Trapped.
	Message string
}

// noMachine is the reason for a trap in a module that forgot to register its machine.
const noMachine = "sdk: no machine: call sdk.Register in an init function of package main"

// invoke runs one operation. A panic ends in Trapped rather than in the Go runtime's own exit,
// which could only report it on standard error.
func invoke(m Machine, op Operation, ctx *Context, input []byte) (outcome Outcome) {
	returned := false
	defer func() {
		if !returned {
			outcome = Outcome{Kind: Trapped, Message: describePanic(recover())}
		}
	}()
	output, err := dispatch(m, op, ctx, input)
	returned = true
	if err != nil {
		return Outcome{Kind: Refused, Code: refusalCode(err), Message: errorText(err)}
	}
	return Outcome{Kind: Applied, Output: output}
}

func dispatch(m Machine, op Operation, ctx *Context, input []byte) ([]byte, error) {
	if m == nil {
		panic(noMachine)
	}
	switch op {
	case OperationApply:
		return m.Apply(ctx, input)
	case OperationQuery:
		return m.Query(ctx, input)
	case OperationInit:
		if starter, ok := m.(Initializer); ok {
			return nil, starter.Init(ctx, input)
		}
		return nil, nil
	}
	if migrator, ok := m.(Migrator); ok {
		return nil, migrator.Migrate(ctx, input)
	}
	return nil, Refuse(CodeUnspecified, "sdk: this machine cannot migrate: give %T a method Migrate(*sdk.Context, []byte) error", m)
}
