package durable

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/groutlabs/grout/consensus"
)

var flipsFlag = flag.Int("flips", 12, "damaged copies per kind of file and state, in TestFlippedBits")

// folder is the content of a stopped host's folder.
type folder map[string][]byte

func readFolder(t testing.TB, fs vfs.FS, dir string) folder {
	t.Helper()
	files := folder{}
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		full := fs.PathJoin(dir, name)
		info, err := fs.Stat(full)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			for sub, data := range readFolder(t, fs, full) {
				files[sub] = data
			}
			continue
		}
		files[full] = readFile(t, fs, full, info.Size())
	}
	return files
}

func readFile(t testing.TB, fs vfs.FS, name string, size int64) []byte {
	t.Helper()
	file, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data := make([]byte, size)
	if size > 0 {
		if _, err := file.ReadAt(data, 0); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// restore writes the folder into a new file system, with one bit changed when damaged is set.
func (f folder) restore(t testing.TB, damaged string, bit int) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	for name, data := range f {
		if err := fs.MkdirAll(path.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		data = slices.Clone(data) // With the race detector on, the file system spoils what it was given.
		if name == damaged {
			data[bit/8] ^= 1 << (bit % 8)
		}
		if _, err := file.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

// history is a host's folder in three states, and what its groups must hold.
type history struct {
	models []*model
	states map[string]folder
	// beforeLast are the models before the last acknowledged write.
	beforeLast []*model
}

// makeHistory writes until there are tables, several write-ahead logs and a manifest with edits.
func makeHistory(t *testing.T, rng *rand.Rand) history {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := mustOpen(t, memConfig(fs))
	var h history
	for id := range uint64(4) {
		h.models = append(h.models, newModel(id))
	}
	for i := range 900 {
		m := h.models[rng.IntN(len(h.models))]
		if i == 899 {
			h.beforeLast = cloneModels(h.models)
		}
		w := m.randomWrite(rng)
		mustAppend(t, s.Group(m.group), w)
		m.apply(w)
		if i%200 == 150 && m.last() >= m.first {
			meta := testMeta(consensus.Cursor{Term: m.termAt(m.last()), Index: m.last()})
			if err := s.Group(m.group).SaveSnapshot(meta); err != nil {
				t.Fatal(err)
			}
			m.save(meta, false)
			if err := s.Group(m.group).Compact(meta.Anchor.Index - 1); err != nil {
				t.Fatal(err)
			}
			m.compact(meta.Anchor.Index - 1)
		}
	}
	h.states = map[string]folder{
		"killed":     readFolder(t, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng}), "host"),
		"power lost": readFolder(t, fs.CrashClone(vfs.CrashCloneCfg{}), "host"),
	}
	mustClose(t, s)
	h.states["closed"] = readFolder(t, fs, "host")
	return h
}

func cloneModels(models []*model) []*model {
	var clones []*model
	for _, m := range models {
		clones = append(clones, m.clone())
	}
	return clones
}

// Every flipped bit, in every kind of file and in three states of the folder, is found, or changes nothing.
// After a power failure alone, when the watermark may be old, the last acknowledged write may be
// taken for a torn one: the exception that doc.go names.
func TestFlippedBits(t *testing.T) {
	rng := newRand(t)
	h := makeHistory(t, rng)
	for state, files := range h.states {
		t.Run(state, func(t *testing.T) {
			if got := outcome(t, files.restore(t, "", 0), h.models); got != "same" {
				t.Fatalf("the undamaged folder: %s", got)
			}
			live := liveBytes(t, files)
			for kind, names := range byKind(files) {
				counts := map[string]int{}
				for range *flipsFlag {
					name := names[rng.IntN(len(names))]
					bit := pickBit(rng, files[name], live[name])
					got := outcome(t, files.restore(t, name, bit), h.models)
					if got != "same" && got != "error" && state == "power lost" {
						got = h.orLastLost(t, files, name, bit)
					}
					if counts[got]++; got != "same" && got != "error" && got != "last lost" {
						t.Errorf("%s, byte %d bit %d of %d bytes: %s", name, bit/8, bit%8, len(files[name]), got)
					}
				}
				t.Logf("%s: %v", kind, counts)
			}
		})
	}
}

func (h history) orLastLost(t *testing.T, files folder, name string, bit int) string {
	t.Helper()
	got := outcome(t, files.restore(t, name, bit), h.beforeLast)
	if got == "same" {
		return "last lost"
	}
	return got
}

// byKind groups the files that have content by what they are to the library.
func byKind(files folder) map[string][]string {
	kinds := map[string][]string{}
	for name, data := range files {
		base := path.Base(name)
		kind := strings.TrimRight(strings.Split(base, "-")[0], "0123456789")
		if ext := path.Ext(base); ext == ".log" || ext == ".sst" {
			kind = ext
		}
		if len(data) > 0 {
			kinds[kind] = append(kinds[kind], name)
		}
	}
	for _, names := range kinds {
		slices.Sort(names)
	}
	logs := kinds[".log"]
	kinds["newest .log"] = logs[len(logs)-1:]
	return kinds
}

// liveBytes returns where the batches of each write-ahead log end: what follows is zeros, or left
// from the file's earlier life.
func liveBytes(t *testing.T, files folder) map[string]int {
	t.Helper()
	runs, err := scanLogs(memConfig(files.restore(t, "", 0)), "host/log")
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]int{}
	for _, run := range runs {
		live[run.file] = int(run.end)
	}
	return live
}

// pickBit chooses a bit of a file: mostly of its live part when that is known, and often of the last
// two kilobytes of it.
func pickBit(rng *rand.Rand, data []byte, live int) int {
	from, end := 0, len(data)
	if live > 0 && rng.IntN(10) > 0 {
		end = live
	}
	if rng.IntN(3) == 0 {
		from = max(0, end-2000)
	}
	return from*8 + rng.IntN((end-from)*8)
}

// outcome opens a folder, loads all, and says "same", "error", or how the content differs.
func outcome(t *testing.T, fs vfs.FS, models []*model) string {
	t.Helper()
	s, err := Open(memConfig(fs))
	if err != nil {
		return "error"
	}
	result := compare(s, models)
	if err := s.Close(); err != nil && !errors.Is(err, ErrFailed) {
		return fmt.Sprintf("Close: %v", err)
	}
	return result
}

func compare(s *Store, models []*model) string {
	ids, err := s.Groups()
	if err != nil {
		return "error"
	}
	var want []uint64
	for _, m := range models {
		if m.hard.Term > 0 || m.last() > 0 {
			want = append(want, m.group)
		}
	}
	if !slices.Equal(ids, want) {
		return fmt.Sprintf("groups %v, want %v", ids, want)
	}
	for _, m := range models {
		restored, err := s.Group(m.group).Load()
		if err != nil {
			return "error"
		}
		if diff := m.differs(restored); diff != "" {
			return fmt.Sprintf("group %d: %s", m.group, diff)
		}
	}
	return "same"
}
