package durable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// watermark is a small file that holds the number of the last acknowledged batch. It has two slots on
// two pages, written in turn, so that a write cut short leaves the other:
//
//	magic 8 | number 8 | CRC-32C of both 4
type watermark struct {
	file vfs.File
}

const (
	watermarkName  = "watermark"
	watermarkMagic = "groutwm1"
	watermarkPage  = 4096
	watermarkBytes = 8 + 8 + 4
)

func encodeWatermark(number uint64) []byte {
	slot := binary.BigEndian.AppendUint64([]byte(watermarkMagic), number)
	return binary.BigEndian.AppendUint32(slot, checksum(nil, slot))
}

// decodeWatermark returns the number in one slot.
func decodeWatermark(slot []byte) (uint64, error) {
	if len(slot) != watermarkBytes || string(slot[:8]) != watermarkMagic {
		return 0, fmt.Errorf("%w: not a watermark", errBadRecord)
	}
	if binary.BigEndian.Uint32(slot[16:]) != checksum(nil, slot[:16]) {
		return 0, fmt.Errorf("%w: checksum of the watermark is wrong", errBadRecord)
	}
	return binary.BigEndian.Uint64(slot[8:]), nil
}

// createWatermark makes the file, durable on return. It gets its name when its content is durable.
func createWatermark(fs vfs.FS, dir string) error {
	name := fs.PathJoin(dir, watermarkName)
	file, err := fs.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	image := make([]byte, 2*watermarkPage)
	copy(image, encodeWatermark(0))
	copy(image[watermarkPage:], encodeWatermark(0))
	_, err = file.Write(image)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := fs.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// openWatermark opens the file and returns the highest number in it.
func openWatermark(fs vfs.FS, dir string) (*watermark, uint64, error) {
	file, err := fs.OpenReadWrite(fs.PathJoin(dir, watermarkName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, 0, err
	}
	number, good := uint64(0), false
	var bad error
	for _, offset := range []int64{0, watermarkPage} {
		slot := make([]byte, watermarkBytes)
		if _, err := file.ReadAt(slot, offset); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, errors.Join(err, file.Close())
		}
		n, err := decodeWatermark(slot)
		if err != nil {
			bad = err
			continue
		}
		number, good = max(number, n), true
	}
	if !good {
		reason := "both copies of the number of the last acknowledged batch are damaged"
		return nil, 0, errors.Join(&CorruptionError{Dir: dir, File: watermarkName, Reason: reason, Err: bad}, file.Close())
	}
	return &watermark{file: file}, number, nil
}

// set writes the number. It survives the end of the process at once, and a power failure after
// sync, or when the kernel gets round to it.
func (w *watermark) set(number uint64) error {
	_, err := w.file.WriteAt(encodeWatermark(number), int64(number%2)*watermarkPage)
	return err
}

func (w *watermark) sync() error { return w.file.SyncData() }

func (w *watermark) close() error { return w.file.Close() }
