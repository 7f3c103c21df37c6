package prepare

// Signature is a function type in a short form: one letter for each parameter, ':' and one letter
// for each result, with i for i32, I for i64, f for f32, F for f64 and r for a reference.
type Signature string

// Types are the parameters and results as the binary format encodes them, a reference as one to a function.
func (s Signature) Types() (params, results []byte) {
	list := &params
	for _, letter := range []byte(s) {
		t := typeFuncref
		switch letter {
		case ':':
			list = &results
			continue
		case 'i':
			t = typeI32
		case 'I':
			t = typeI64
		case 'f':
			t = typeF32
		case 'F':
			t = typeF64
		}
		*list = append(*list, byte(t))
	}
	return params, results
}

// The modules that a guest may import functions from.
const (
	ModuleGrout = "grout_v1"
	ModuleWASI  = "wasi_snapshot_preview1"
)

// groutImports are the functions of docs/ABI.md.
var groutImports = map[string]Signature{
	"input_read":   "iii:i",
	"output_write": "ii:",
	"error_write":  "ii:",
	"ctx_index":    ":I",
	"ctx_term":     ":I",
	"ctx_time":     ":I",
	"ctx_caller":   "ii:i",
	"random":       "ii:",
	"log":          "iii:",
	"emit":         "iiii:",
	"abort":        "ii:",
}

// wasiImports are all functions of WASI preview 1 (its witx files), since wasi-libc and Go's
// runtime import many that a machine never calls.
var wasiImports = map[string]Signature{
	"args_get":                "ii:i",
	"args_sizes_get":          "ii:i",
	"environ_get":             "ii:i",
	"environ_sizes_get":       "ii:i",
	"clock_res_get":           "ii:i",
	"clock_time_get":          "iIi:i",
	"fd_advise":               "iIIi:i",
	"fd_allocate":             "iII:i",
	"fd_close":                "i:i",
	"fd_datasync":             "i:i",
	"fd_fdstat_get":           "ii:i",
	"fd_fdstat_set_flags":     "ii:i",
	"fd_fdstat_set_rights":    "iII:i",
	"fd_filestat_get":         "ii:i",
	"fd_filestat_set_size":    "iI:i",
	"fd_filestat_set_times":   "iIIi:i",
	"fd_pread":                "iiiIi:i",
	"fd_prestat_get":          "ii:i",
	"fd_prestat_dir_name":     "iii:i",
	"fd_pwrite":               "iiiIi:i",
	"fd_read":                 "iiii:i",
	"fd_readdir":              "iiiIi:i",
	"fd_renumber":             "ii:i",
	"fd_seek":                 "iIii:i",
	"fd_sync":                 "i:i",
	"fd_tell":                 "ii:i",
	"fd_write":                "iiii:i",
	"path_create_directory":   "iii:i",
	"path_filestat_get":       "iiiii:i",
	"path_filestat_set_times": "iiiiIIi:i",
	"path_link":               "iiiiiii:i",
	"path_open":               "iiiiiIIii:i",
	"path_readlink":           "iiiiii:i",
	"path_remove_directory":   "iii:i",
	"path_rename":             "iiiiii:i",
	"path_symlink":            "iiiii:i",
	"path_unlink_file":        "iii:i",
	"poll_oneoff":             "iiii:i",
	"proc_exit":               "i:",
	"proc_raise":              "i:i",
	"sched_yield":             ":i",
	"random_get":              "ii:i",
	"sock_accept":             "iii:i",
	"sock_recv":               "iiiiii:i",
	"sock_send":               "iiiii:i",
	"sock_shutdown":           "ii:i",
}

// AllowedImports returns the functions that a guest may import from a module, nil when there are
// none. The map must not be changed.
func AllowedImports(module string) map[string]Signature {
	switch module {
	case ModuleGrout:
		return groutImports
	case ModuleWASI:
		return wasiImports
	}
	return nil
}

// requiredExports and optionalExports are the functions of docs/ABI.md that the host calls.
var (
	requiredExports = []string{"grout_init", "grout_apply", "grout_query"}
	exportTypes     = map[string]Signature{
		"grout_init": "i:i", "grout_apply": "i:i", "grout_query": "i:i", "grout_export": "i:i", "grout_migrate": "i:i",
		"_initialize": ":",
	}
)
