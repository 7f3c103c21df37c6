package durable

import (
	"encoding/binary"
	"errors"
	"path"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/groutlabs/grout/consensus"
)

// What the library alone takes for the end of a log is found by Open: a record damaged in the last
// block, a log number damaged into its successor, a damaged record of the manifest. The test says what the
// library does with the same folder, for the day that it tells.
func TestLibraryBlindSpots(t *testing.T) {
	rng := newRand(t)
	var h history
	var files folder
	var log, manifest string
	var chunks []int
	for len(chunks) < 8 { // Now and then the newest log has only just begun.
		h = makeHistory(t, rng)
		files = h.states["killed"]
		kinds := byKind(files)
		log, manifest = kinds["newest .log"][0], kinds["MANIFEST"][len(kinds["MANIFEST"])-1]
		chunks = chunkOffsets(files[log], liveBytes(t, files)[log])
	}
	middle, late := chunks[len(chunks)/2], chunks[len(chunks)-3]
	number := binary.LittleEndian.Uint32(files[log][middle+7:])
	spots := map[string]struct {
		file  string
		at    int
		value byte
	}{
		"record in the last block": {log, late + chunkHeader + 5, files[log][late+chunkHeader+5] ^ 1},
		"log number":               {log, middle + 7, byte(number + 1)},
		"manifest":                 {manifest, len(files[manifest]) / 2, files[manifest][len(files[manifest])/2] ^ 1},
	}
	for name, spot := range spots {
		t.Run(name, func(t *testing.T) {
			damaged := folder{}
			for file, data := range files {
				damaged[file] = append([]byte(nil), data...)
			}
			damaged[spot.file][spot.at] = spot.value
			var corrupt *CorruptionError
			_, err := Open(memConfig(damaged.restore(t, "", 0)))
			if errors.As(err, &corrupt) {
				t.Logf("found: %s, offset %d: %s", path.Base(corrupt.File), corrupt.Offset, corrupt.Reason)
			} else if got := outcome(t, damaged.restore(t, "", 0), h.models); got != "same" {
				t.Errorf("Open: %v, outcome %s", err, got)
			}
			t.Logf("the library alone: %s", libraryAlone(t, damaged, h.models))
		})
	}
}

// chunkOffsets returns where the intact chunks of the live part of a log begin.
func chunkOffsets(data []byte, live int) []int {
	var offsets []int
	number := binary.LittleEndian.Uint32(data[7:])
	for at := 0; at < live; {
		_, payload, ok := readChunk(data[at:min(len(data), at-at%walBlock+walBlock)], number)
		if !ok {
			at += walBlock - at%walBlock // The rest of a block that was too short for a chunk.
			continue
		}
		offsets = append(offsets, at)
		at += chunkHeader + len(payload)
	}
	return offsets
}

// libraryAlone opens the folder without Grout's checks and says what is gone.
func libraryAlone(t *testing.T, files folder, models []*model) string {
	t.Helper()
	c := memConfig(files.restore(t, "", 0))
	db, err := pebble.Open("host/"+libraryDir, readOptions(c, func(error) {}))
	if err != nil {
		return "refused: " + err.Error()
	}
	defer db.Close()
	for _, m := range models {
		key := groupKey(kindHead, m.group)
		value, closer, err := db.Get(key)
		if err != nil {
			return "opened, a group is gone"
		}
		h, err := decodeHead(key, value)
		if err := errors.Join(err, closer.Close()); err != nil {
			return err.Error()
		}
		last := consensus.Cursor{Term: m.termAt(m.last()), Index: m.last()}
		if h.hard != m.hard || h.last != last {
			return "opened without a word, acknowledged writes are gone"
		}
		for _, e := range m.entries {
			_, closer, err := db.Get(entryKey(m.group, e.Index))
			if err != nil {
				return "opened without a word, acknowledged entries are gone"
			}
			if err := closer.Close(); err != nil {
				return err.Error()
			}
		}
	}
	return "opened, nothing is gone"
}
