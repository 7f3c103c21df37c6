//go:build !linux

package wasmsm

import "errors"

func newCowStore(uint64) (store, error) {
	return nil, errors.New("it needs Linux")
}
