package check

import _ "unsafe" // for go:linkname

// The interpreter ends a call of more than 2,000 frames by itself, which no configuration changes: a machine that
// the compiler runs within the preparer's own bound, which counts the frames' sizes, would differ. With this ceiling
// the preparer's bound always comes first, and it is what stackSlots says. TestAgreement notices when the variable is
// no longer there.
//
//go:linkname interpreterCeiling github.com/tetratelabs/wazero/internal/engine/interpreter.callStackCeiling
var interpreterCeiling int

// stackSlots is a quarter of what hosts give, in every run: a frame of the interpreter takes 4 KiB of the Go stack,
// which may have 1 GB.
const stackSlots = 1 << 20

func init() { interpreterCeiling = 1 << 30 }
