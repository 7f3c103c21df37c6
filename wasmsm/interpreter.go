package wasmsm

import (
	_ "unsafe" // for go:linkname

	"github.com/groutlabs/grout/wasmsm/prepare"
)

// interpreterFrames is how many calls the engine's interpreter nests. Its default of 2,000 is far below what
// prepare.StackSlots has room for, so that a recursion would end elsewhere than in compiled code. The engine means it to
// be changed when a program is linked ("go build -ldflags"), and offers no other way.
//
//go:linkname interpreterFrames github.com/tetratelabs/wazero/internal/engine/interpreter.callStackCeiling
var interpreterFrames int

// Every frame takes more than one slot, so prepare.StackSlots always comes first.
func init() { interpreterFrames = prepare.StackSlots }
