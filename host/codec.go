package host

import (
	"fmt"

	"github.com/ugorji/go/codec"
)

// packing is MessagePack with one form for every value (sorted maps), so that equal values have
// equal bytes and equal digests, and with bounds for what comes from disk or from another host.
var packing = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.Canonical = true
	h.MaxInitLen = 1 << 16
	h.MaxDepth = 16
	h.ErrorIfNoField = true
	return h
}()

func pack(value any) ([]byte, error) {
	var out []byte
	if err := codec.NewEncoderBytes(&out, packing).Encode(value); err != nil {
		return nil, fmt.Errorf("host: encoding %T: %w", value, err)
	}
	return out, nil
}

// unpack reads what pack wrote, all of it.
//
// # Errors
//
// ErrCorrupt when data is not one whole encoded value.
func unpack(data []byte, value any) error {
	d := codec.NewDecoderBytes(data, packing)
	if err := d.Decode(value); err != nil {
		return fmt.Errorf("%w %T: %w", ErrCorrupt, value, err)
	}
	if n := d.NumBytesRead(); n != len(data) {
		return fmt.Errorf("%w %T: %d bytes after the end", ErrCorrupt, value, len(data)-n)
	}
	return nil
}
