package sdk

// Operation names what the host asks of a machine.
type Operation uint8

// The operations, one for each export of the guest ABI.
const (
	OperationInit Operation = iota
	OperationApply
	OperationQuery
	OperationMigrate
	OperationExport
)

// noMachine is the reason for a trap in a module that forgot to register its machine.
const noMachine = "sdk: no machine: call sdk.Register in an init function of package main"

// invoke runs one operation. A panic ends in trap, its description, rather than in the Go runtime's own
// exit, which could only report it on standard error. Three results and not an Outcome, because this is
// on the path of every command and a guest's memory traffic is what costs.
func invoke(m Machine, op Operation, ctx *Context, input []byte) (output []byte, trap string, err error) {
	returned := false
	defer func() {
		if !returned {
			trap = recovering(recover())
		}
	}()
	output, err = dispatch(m, op, ctx, input)
	returned = true
	return output, "", err
}

// recovering describes a panic, or the end of the goroutine, which nobody outlives to hear of.
func recovering(recovered any) string {
	trap := describePanic(recovered)
	if recovered == nil { // a panic is never nil since Go 1.21
		ending(trap)
	}
	return trap
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
	case OperationExport:
		if exporter, ok := m.(Exporter); ok {
			return exporter.Export(ctx)
		}
		return nil, Refuse(CodeUnspecified, "sdk: this machine cannot be upgraded: give %T a method Export(*sdk.Context) ([]byte, error)", m)
	}
	if migrator, ok := m.(Migrator); ok {
		return nil, migrator.Migrate(ctx, input)
	}
	return nil, Refuse(CodeUnspecified, "sdk: this machine cannot migrate: give %T a method Migrate(*sdk.Context, []byte) error", m)
}
