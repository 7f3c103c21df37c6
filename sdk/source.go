//go:build !wasip1

package sdk

import "embed"

// Source holds this package's own files and those of sdktest and typed, tests included, under their paths
// below this folder. `grout new` copies the SDK into a new project from here, so that the project
// builds without a network. It exists in native builds only.
//
//go:embed *.go sdktest/*.go typed/*.go typed/wire/*.go
var Source embed.FS
