//go:build !linux

package benchkit

import "time"

// OwnProcessorTime is not told here.
func OwnProcessorTime() time.Duration { return 0 }
