package host

import (
	"bytes"
	"encoding/binary"
)

// A page of a snapshot often differs little from the one before. Then what is stored is a patch: what differs from another blob, the
// base, which is stored whole. From outside it is a blob like any other: its digest is that of the bytes that the two make.
//
// A patch is a sequence of runs, each two uvarints, how many words are as in the base and how many follow that are not, and the
// words: of 8 bytes, but for a last one that is shorter when the blob's size is no multiple.

// wordBytes is the unit of a patch.
const wordBytes = 8

// PutLike is Put of data that may resemble a blob, so that only what differs has to be written. It is like Put when there is no such blob.
func (s *BlobStore) PutLike(like Digest, data []byte) (Digest, error) {
	d := digestOf(data)
	if base, patch := s.patch(like, d, data); patch != nil {
		if err := s.put(d, base, int64(len(data)), patch); err != nil || s.Has(d) {
			return d, err
		} // else the base was deleted meanwhile
	}
	return d, s.put(d, Digest{}, int64(len(data)), data)
}

// patch returns what makes data of a base, or nil when there is no base of that size, when it would have more than half of data's size,
// or when all patches of the base would have more than the whole. A patch has all that changed since its base, more each time; with this
// bound a change of s bytes in one of b, again and again elsewhere, costs the root of 2bs on average: 4 KiB for 128 bytes in a page. A base that cannot
// be read is none: that it is damaged is found out when it is needed.
func (s *BlobStore) patch(like, d Digest, data []byte) (base Digest, patch []byte) {
	base = like
	whole, ok := s.held(base)
	if ok && whole.base != (Digest{}) {
		base = whole.base
		whole, ok = s.held(base)
	}
	if !ok || whole.size != int64(len(data)) || base == d || s.Has(d) {
		return Digest{}, nil
	}
	before := make([]byte, len(data))
	if n, err := s.readPack(base, 0, before); err != nil || n < len(before) {
		return Digest{}, nil
	}
	return base, makePatch(before, data, int(min(whole.size/2, whole.size-whole.spent)))
}

// makePatch returns what makes data of base, both of one size, or nil if that has more than limit bytes.
func makePatch(base, data []byte, limit int) []byte {
	patch := []byte{}
	for at, from := 0, 0; at < len(data); {
		if end := min(at+wordBytes, len(data)); bytes.Equal(base[at:end], data[at:end]) {
			at = end
			continue
		}
		same := at - from
		for from = at; at < len(data); {
			end := min(at+wordBytes, len(data))
			if bytes.Equal(base[at:end], data[at:end]) {
				break
			}
			at = end
		}
		patch = binary.AppendUvarint(patch, uint64(same/wordBytes))
		patch = binary.AppendUvarint(patch, uint64((at-from+wordBytes-1)/wordBytes))
		if patch = append(patch, data[from:at]...); len(patch) > limit {
			return nil
		}
		from = at
	}
	return patch
}

// applyPatch makes of a base what the patch was made of, in place. It returns false when it is no patch of that base.
func applyPatch(base, patch []byte) bool {
	for rest := base; len(patch) > 0; {
		same, n := binary.Uvarint(patch)
		if n <= 0 || same > uint64(len(rest)/wordBytes) {
			return false
		}
		patch, rest = patch[n:], rest[same*wordBytes:]
		words, n := binary.Uvarint(patch)
		if n <= 0 || words == 0 || words > uint64(len(rest)/wordBytes+1) {
			return false
		}
		patch = patch[n:]
		size := min(int(words)*wordBytes, len(rest))
		if len(patch) < size {
			return false
		}
		copy(rest, patch[:size])
		patch, rest = patch[size:], rest[size:]
	}
	return true
}

// readPatched fills whole, which is as long as the blob, with a base and the patch on it, or a part of it when the base's bytes are not all there.
func (s *BlobStore) readPatched(d, base Digest, whole []byte) (int, error) {
	n, err := s.readPack(base, 0, whole)
	if err != nil {
		return 0, err
	}
	patch := make([]byte, len(whole)/2+1)
	size, err := s.readPack(d, 0, patch)
	if err != nil {
		return 0, err
	}
	if !applyPatch(whole[:n], patch[:size]) {
		return 0, s.damaged(d, "it is no patch of its base")
	}
	return n, nil
}
