package wasmsm

// The shim's errno values, as WASI preview 1 numbers them.
const (
	errnoSuccess = 0
	errnoBadf    = 8
	errnoInval   = 28
	errnoNosys   = 52
	errnoSpipe   = 70
)

// The file descriptors that exist: standard input (always at its end), output and error.
const (
	fdStdin  = 0
	fdStdout = 1
	fdStderr = 2
)

// wasiFunctions implement all of WASI preview 1 as far as a state machine may see of it. What needs
// a file that is not there gives EBADF, what needs a feature that is not there gives ENOSYS.
var wasiFunctions = map[string]hostFunction{
	"args_get":          answer(errnoSuccess),
	"args_sizes_get":    noStrings("args_sizes_get"),
	"environ_get":       answer(errnoSuccess),
	"environ_sizes_get": noStrings("environ_sizes_get"),

	"clock_res_get":  clockResolution,
	"clock_time_get": clockTime,
	"random_get":     randomGet,
	"poll_oneoff":    pollOneoff,
	"sched_yield":    answer(errnoSuccess),
	"proc_exit":      func(_ *Machine, stack []uint64) { panic(&exitTrap{code: uint32(stack[0])}) },
	"proc_raise":     answer(errnoNosys),

	"fd_write":            fdWrite,
	"fd_read":             fdRead,
	"fd_fdstat_get":       fdStat,
	"fd_filestat_get":     fdFileStat,
	"fd_fdstat_set_flags": onStandard(errnoSuccess),
	"fd_close":            onStandard(errnoSuccess),
	"fd_sync":             onStandard(errnoSuccess),
	"fd_datasync":         onStandard(errnoSuccess),
	"fd_seek":             onStandard(errnoSpipe),
	"fd_tell":             onStandard(errnoSpipe),
	"fd_pread":            onStandard(errnoSpipe),
	"fd_pwrite":           onStandard(errnoSpipe),

	"fd_advise":             answer(errnoBadf),
	"fd_allocate":           answer(errnoBadf),
	"fd_fdstat_set_rights":  answer(errnoBadf),
	"fd_filestat_set_size":  answer(errnoBadf),
	"fd_filestat_set_times": answer(errnoBadf),
	"fd_prestat_get":        answer(errnoBadf),
	"fd_prestat_dir_name":   answer(errnoBadf),
	"fd_readdir":            answer(errnoBadf),
	"fd_renumber":           answer(errnoBadf),

	"path_create_directory":   answer(errnoBadf),
	"path_filestat_get":       answer(errnoBadf),
	"path_filestat_set_times": answer(errnoBadf),
	"path_link":               answer(errnoBadf),
	"path_open":               answer(errnoBadf),
	"path_readlink":           answer(errnoBadf),
	"path_remove_directory":   answer(errnoBadf),
	"path_rename":             answer(errnoBadf),
	"path_symlink":            answer(errnoBadf),
	"path_unlink_file":        answer(errnoBadf),

	"sock_accept":   answer(errnoNosys),
	"sock_recv":     answer(errnoNosys),
	"sock_send":     answer(errnoNosys),
	"sock_shutdown": answer(errnoNosys),
}

// answer always gives the same errno.
func answer(errno uint64) hostFunction {
	return func(_ *Machine, stack []uint64) { stack[0] = errno }
}

// onStandard gives errno for the standard streams and EBADF for every other descriptor.
func onStandard(errno uint64) hostFunction {
	return func(_ *Machine, stack []uint64) {
		if uint32(stack[0]) > fdStderr {
			stack[0] = errnoBadf
			return
		}
		stack[0] = errno
	}
}

// noStrings says that there are no arguments or variables.
func noStrings(function string) hostFunction {
	return func(m *Machine, stack []uint64) {
		m.putU32(function, stack[0], 0)
		m.putU32(function, stack[1], 0)
		stack[0] = errnoSuccess
	}
}

// The clocks of WASI. CPU time passes as little as any other.
const (
	clockRealtime  = 0
	clockMonotonic = 1
	clockThreadCPU = 3
)

// monotonicStart is where the monotonic clock begins. Go's runtime dies when it reads 0, and in
// _initialize the time is 0; the clock's origin is arbitrary.
const monotonicStart = 1

func clockResolution(m *Machine, stack []uint64) {
	if uint32(stack[0]) > clockThreadCPU {
		stack[0] = errnoInval
		return
	}
	m.putU64("clock_res_get", stack[1], 1)
	stack[0] = errnoSuccess
}

func clockTime(m *Machine, stack []uint64) {
	id := uint32(stack[0])
	if id > clockThreadCPU {
		stack[0] = errnoInval
		return
	}
	m.putU64("clock_time_get", stack[2], m.clock(id))
	stack[0] = errnoSuccess
}

func (m *Machine) clock(id uint32) uint64 {
	if id == clockRealtime {
		return m.call.now()
	}
	return m.call.now() + monotonicStart
}

func randomGet(m *Machine, stack []uint64) {
	m.fillRandom(m.slice("random_get", stack[0], stack[1]))
	stack[0] = errnoSuccess
}

// fdWrite sends what is written to standard output and standard error to the log. It never writes
// less than asked: what is over the log's budget is dropped.
func fdWrite(m *Machine, stack []uint64) {
	var sink func([]byte)
	switch uint32(stack[0]) {
	case fdStdout:
		sink = m.writeStdout
	case fdStderr:
		sink = m.writeStderr
	default:
		stack[0] = errnoBadf
		return
	}
	total, ok := m.eachVector("fd_write", stack[1], stack[2], sink)
	if !ok {
		stack[0] = errnoInval
		return
	}
	m.putU32("fd_write", stack[3], total)
	stack[0] = errnoSuccess
}

// maxVectors is IOV_MAX of wasi-libc.
const maxVectors = 1024

// eachVector calls sink with the memory of each of n (pointer, length) pairs.
func (m *Machine) eachVector(function string, ptr, n uint64, sink func([]byte)) (total uint32, ok bool) {
	if uint32(n) > maxVectors {
		return 0, false
	}
	sum, vectors := uint64(0), m.slice(function, ptr, 8*uint64(uint32(n)))
	for i := range uint64(uint32(n)) {
		vector := vectors[8*i:]
		b := m.slice(function, uint64(le32(vector)), uint64(le32(vector[4:])))
		if sum += uint64(len(b)); sum > 1<<31-1 {
			return 0, false
		}
		sink(b)
	}
	return uint32(sum), true
}

// fdRead is at the end of standard input.
func fdRead(m *Machine, stack []uint64) {
	if uint32(stack[0]) != fdStdin {
		stack[0] = errnoBadf
		return
	}
	m.putU32("fd_read", stack[3], 0)
	stack[0] = errnoSuccess
}

const (
	fileTypeCharacterDevice = 2
	// rights to read, write, and poll
	standardRights = 1<<1 | 1<<6 | 1<<27
)

// fdStat describes a standard stream: 24 bytes with the type at 0, flags at 2, rights at 8 and 16.
func fdStat(m *Machine, stack []uint64) {
	if uint32(stack[0]) > fdStderr {
		stack[0] = errnoBadf
		return
	}
	stat := m.slice("fd_fdstat_get", stack[1], 24)
	clear(stat)
	stat[0] = fileTypeCharacterDevice
	putLE64(stat[8:], standardRights)
	stack[0] = errnoSuccess
}

// fdFileStat describes a standard stream: 64 bytes with the type at 16 and the link count at 24.
func fdFileStat(m *Machine, stack []uint64) {
	if uint32(stack[0]) > fdStderr {
		stack[0] = errnoBadf
		return
	}
	stat := m.slice("fd_filestat_get", stack[1], 64)
	clear(stat)
	stat[16] = fileTypeCharacterDevice
	putLE64(stat[24:], 1)
	stack[0] = errnoSuccess
}
