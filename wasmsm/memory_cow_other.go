//go:build !linux

package wasmsm

import "errors"

func newCowStore(uint64, *gate) (store, error) {
	return nil, errors.New("it needs Linux")
}
