package durable

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The defaults of Config.
const (
	DefaultMemTableBytes  = 16 << 20
	DefaultCacheBytes     = 8 << 20
	DefaultMaxQueuedBytes = 1 << 30
)

// Config says where and how a Store keeps its data. Only Dir is required.
type Config struct {
	// Dir is the folder; it is created when missing. It belongs to the store alone.
	Dir string
	// MemTableBytes is the size of one table in memory, and so about that of one write-ahead log on
	// disk; up to five of those are kept. 0 means DefaultMemTableBytes.
	MemTableBytes int
	// CacheBytes bounds the cache of blocks read from disk. A log is read at a start and hardly
	// again. 0 means DefaultCacheBytes.
	CacheBytes int64
	// MaxQueuedBytes bounds what all groups have appended and is not durable yet. Append cannot
	// wait, so the callers' in-flight windows have to stay below it; a write beyond it fails its
	// group. 0 means DefaultMaxQueuedBytes.
	MaxQueuedBytes int64

	// FS is for tests: a file system that fails and crashes in the place of the operating system's. No
	// other process is locked out of it.
	FS vfs.FS

	// What follows is for tests too: the file system, a shorter reclaimDelay, an ear for the library.
	fs      vfs.FS
	reclaim time.Duration
	events  pebble.EventListener
}

const minMemTableBytes = 256 << 10

// validate fills in the defaults and returns the first field that is out of range.
func (c *Config) validate() error {
	if c.Dir == "" {
		return fmt.Errorf("%w: Dir is empty, name the folder of the log", ErrBadConfig)
	}
	if c.MemTableBytes == 0 {
		c.MemTableBytes = DefaultMemTableBytes
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	if c.MaxQueuedBytes == 0 {
		c.MaxQueuedBytes = DefaultMaxQueuedBytes
	}
	if c.MemTableBytes < minMemTableBytes || c.MemTableBytes > 1<<30 {
		return fmt.Errorf("%w: MemTableBytes is %d, choose %d to %d", ErrBadConfig, c.MemTableBytes, minMemTableBytes, 1<<30)
	}
	if c.CacheBytes < 0 || c.MaxQueuedBytes < 0 {
		return fmt.Errorf("%w: CacheBytes is %d and MaxQueuedBytes is %d, neither may be negative",
			ErrBadConfig, c.CacheBytes, c.MaxQueuedBytes)
	}
	if c.reclaim == 0 {
		c.reclaim = reclaimDelay
	}
	if c.fs == nil {
		c.fs = c.FS
	}
	if c.fs == nil {
		c.fs = vfs.Default
	}
	return nil
}
