package main

import (
	"encoding/binary"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// bolt is one bbolt database for all groups, with the options that etcd gives it. Appends of many groups go
// through Batch, which shares transactions.
type bolt struct {
	db     *bbolt.DB
	groups int
	next   []uint64
}

var boltBucket = []byte("log")

func (b *bolt) open(dir string, groups int) (err error) {
	b.groups = groups
	b.next = make([]uint64, groups)
	for i := range b.next {
		b.next[i] = 1
	}
	options := &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30}
	if b.db, err = bbolt.Open(filepath.Join(dir, "log"), 0o644, options); err != nil {
		return err
	}
	b.db.MaxBatchDelay = time.Millisecond
	return b.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket)
		return err
	})
}

func boltKey(group int, index uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(group)), index)
}

func (b *bolt) update(change func(bucket *bbolt.Bucket) error) error {
	run := func(tx *bbolt.Tx) error { return change(tx.Bucket(boltBucket)) }
	if b.groups > 1 {
		return b.db.Batch(run)
	}
	return b.db.Update(run)
}

func (b *bolt) append(group, n int) error {
	first := b.next[group]
	b.next[group] += uint64(n)
	return b.update(func(bucket *bbolt.Bucket) error {
		for i := range n {
			if err := bucket.Put(boltKey(group, first+uint64(i)), payload(first+uint64(i))); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bolt) vote(group int, term uint64) error {
	return b.update(func(bucket *bbolt.Bucket) error {
		return bucket.Put(boltKey(group, 0), binary.BigEndian.AppendUint64(nil, term))
	})
}

func (b *bolt) load(group int) (n int, err error) {
	var entries [][]byte
	err = b.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(boltBucket).Cursor()
		for key, value := cursor.Seek(boltKey(group, 1)); key != nil; key, value = cursor.Next() {
			entries = append(entries, append([]byte(nil), value...))
		}
		return nil
	})
	b.next[group] = uint64(len(entries)) + 1
	return len(entries), err
}

func (b *bolt) keep(group, n int) error {
	end := b.next[group] - uint64(n)
	return b.update(func(bucket *bbolt.Bucket) error {
		for index := uint64(1); index < end; index++ {
			if err := bucket.Delete(boltKey(group, index)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bolt) close() error { return b.db.Close() }
