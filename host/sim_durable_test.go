package host

import "github.com/groutlabs/grout/consensus"

type simDevice struct{}

func newSimDevice(w *simWorld) *simDevice                                  { return nil }
func (d *simDevice) store(l *simLog, ops []simWrite, failure error) error  { return nil }
func (d *simDevice) crash(l *simLog, ops []simWrite, some int, power bool) {}
func (d *simDevice) load(l *simLog) (consensus.Restored, error)            { return consensus.Restored{}, nil }
func (d *simDevice) flip() bool                                            { return false }
