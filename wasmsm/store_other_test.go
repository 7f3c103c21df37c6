//go:build !linux

package wasmsm

import "testing"

func storesUnderTest(*testing.T) map[string]func() store {
	return map[string]func() store{"copy": func() store { return newCopyStore(&gate{}) }}
}
