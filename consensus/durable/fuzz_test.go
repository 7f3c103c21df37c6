package durable

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/groutlabs/grout/consensus"
)

// sealIf gives the fuzzer a way past the checksum.
func sealIf(sealed bool, key, value []byte) []byte {
	if sealed {
		return seal(key, value)
	}
	return value
}

// Whatever the bytes, an entry is refused or written again as it was.
func FuzzEntry(f *testing.F) {
	key := entryKey(5, 9)
	e := makeEntries(5, 9, 1, 3, 100)[0]
	value := make([]byte, entryValueBytes(e))
	putEntry(key, value, e, 2)
	f.Add(key, value, false)
	f.Add(key, value[1:len(value)-4], true)
	f.Add(key, value[:len(value)-1], false)
	f.Fuzz(func(t *testing.T, key, value []byte, sealed bool) {
		value = sealIf(sealed, key, value)
		e, before, err := decodeEntry(key, value)
		if err != nil {
			return
		}
		again := make([]byte, entryValueBytes(e))
		putEntry(key, again, e, before)
		if !bytes.Equal(again, value) || !bytes.Equal(key[9:], entryKey(0, e.Index)[9:]) {
			t.Fatalf("%x under %x was read as %s after %d, which is %x", value, key, e, before, again)
		}
	})
}

// Whatever the bytes, a head is refused or valid and written again as it was.
func FuzzHead(f *testing.F) {
	key := groupKey(kindHead, 5)
	for _, h := range []head{
		emptyHead(),
		{hard: consensus.HardState{Term: 4, VotedFor: 2}, first: 6, last: consensus.Cursor{Term: 3, Index: 9},
			anchored: true, anchor: consensus.Cursor{Term: 2, Index: 7}},
	} {
		value := encodeHead(key, h)
		f.Add(key, value, false)
		f.Add(key, value[1:len(value)-4], true)
	}
	f.Fuzz(func(t *testing.T, key, value []byte, sealed bool) {
		value = sealIf(sealed, key, value)
		h, err := decodeHead(key, value)
		if err != nil {
			return
		}
		if err := h.valid(); err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if again := encodeHead(key, h); !bytes.Equal(again, value) {
			t.Fatalf("%x was read as %+v, which is %x", value, h, again)
		}
	})
}

// Whatever the bytes, a snapshot is refused or written again as it was.
func FuzzSnapshot(f *testing.F) {
	key := groupKey(kindSnapshot, 5)
	value := encodeSnapshot(key, testMeta(consensus.Cursor{Term: 2, Index: 7}))
	f.Add(key, value, false)
	f.Add(key, value[1:len(value)-4], true)
	f.Add(key, value[1:30], true)
	f.Fuzz(func(t *testing.T, key, value []byte, sealed bool) {
		value = sealIf(sealed, key, value)
		meta, err := decodeSnapshot(key, value)
		if err != nil {
			return
		}
		if again := encodeSnapshot(key, meta); !bytes.Equal(again, value) {
			t.Fatalf("%x was read as %+v, which is %x", value, meta, again)
		}
	})
}

// Whatever the bytes, a batch number is refused or written again as it was.
func FuzzBatchNumber(f *testing.F) {
	f.Add(batchKey, encodeBatchNumber(77), false)
	f.Add(batchKey, make([]byte, 8), true)
	f.Fuzz(func(t *testing.T, key, value []byte, sealed bool) {
		value = sealIf(sealed, key, value)
		number, err := decodeBatchNumber(key, value)
		if err == nil && !bytes.Equal(encodeBatchNumber(number), value) {
			t.Fatalf("%x was read as %d", value, number)
		}
	})
}

// Whatever the bytes of a batch in a write-ahead log, it has a number or is refused.
func FuzzBatch(f *testing.F) {
	s := mustOpen(f, memConfig(vfs.NewMem()))
	batch := s.db.NewBatch()
	if err := batch.Set(batchKey, encodeBatchNumber(3), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(batch.Repr()))
	f.Add([]byte("too short"))
	if err := batch.Close(); err != nil {
		f.Fatal(err)
	}
	mustClose(f, s)
	f.Fuzz(func(t *testing.T, content []byte) {
		number, err := batchNumber(content)
		if err == nil && !bytes.Contains(content, encodeBatchNumber(number)) {
			t.Fatalf("%x has number %d", content, number)
		}
	})
}

// Whatever the bytes, a slot of the watermark is refused or written again as it was.
func FuzzWatermark(f *testing.F) {
	f.Add(encodeWatermark(0))
	f.Add(encodeWatermark(1 << 60)[:19])
	f.Fuzz(func(t *testing.T, slot []byte) {
		number, err := decodeWatermark(slot)
		if err == nil && !bytes.Equal(encodeWatermark(number), slot) {
			t.Fatalf("%x was read as %d", slot, number)
		}
	})
}

// Whatever the bytes, a chunk of a write-ahead log is refused or lies within them.
func FuzzChunk(f *testing.F) {
	f.Add(makeChunk(4, 100, []byte("payload")), uint32(4))
	f.Add(makeChunk(5, 100, nil), uint32(4))
	f.Add(make([]byte, chunkHeader), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, number uint32) {
		synced, payload, ok := readChunk(data, number)
		if !ok {
			return
		}
		want := makeChunk(number, synced, payload)
		want[6] = data[6]
		if !bytes.Equal(want[6:], data[6:len(want)]) {
			t.Fatalf("%x was read as log %d, synced %d", data, number, synced)
		}
	})
}
