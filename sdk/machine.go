package sdk

// Machine is a replicated state machine. Its methods are never called concurrently.
type Machine interface {
	// Apply runs one command and returns the reply. An error refuses the command: the sandbox undoes
	// what it changed and discards what it emitted. command is valid only during the call.
	Apply(ctx *Context, command []byte) ([]byte, error)
	// Query answers one query. Whatever it changes in the machine is undone. query is valid only
	// during the call.
	Query(ctx *Context, query []byte) ([]byte, error)
}

// Initializer is a machine that wants the argument given at deploy.
type Initializer interface {
	// Init is called once, before the first command, also when arg is empty. An error fails the
	// deploy. arg is valid only during the call.
	Init(ctx *Context, arg []byte) error
}

// Exporter is a machine that can be upgraded: a newer module of the same group takes over its state.
type Exporter interface {
	// Export returns the whole state in a form that the next module's Migrate reads. Whatever it changes
	// in the machine is undone. It may be as large as the machine's memory limit, but has to fit
	// into the memory beside the state. A form that says its own version keeps later upgrades simple.
	Export(ctx *Context) ([]byte, error)
}

// Migrator is a machine that can take over from an older module of the same group.
type Migrator interface {
	// Migrate is called once, after Init, with what the old machine exported. An error leaves the old
	// module and its state in place. It cannot emit. old is valid only during the call.
	Migrate(ctx *Context, old []byte) error
}

// registered is the module's one machine.
var registered Machine

// Register makes m the module's machine. A guest calls it once, from an init function of package
// main. It panics when m is nil or a machine is registered already.
func Register(m Machine) {
	if m == nil {
		panic("sdk: Register(nil): pass a pointer to your machine")
	}
	if registered != nil {
		panic("sdk: Register called twice: a module has one machine")
	}
	registered = m
}
