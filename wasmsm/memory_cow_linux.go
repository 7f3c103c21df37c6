package wasmsm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cowStore maps a file in memory twice. The file has the checkpoint; the guest runs on a private
// mapping of it, so the kernel copies each page at the first write to it, and what it copied is
// what the guest may have changed. The shared mapping is how the checkpoint is read and written.
//
//	private  |..W.|W...|....|    W: written since the page was last dropped ("hot")
//	file     |....|....|....|    beyond committed: zero
//
// A hot page stays hot after a commit, since dropping it costs a system call, an interrupt to the
// other cores and a fault at the next write. Comparing it costs less, until too many pages are hot
// that commands no longer write; those are dropped then.
type cowStore struct {
	file    *os.File
	scanner pageScanner
	private []byte
	shared  []byte
	// length is the memory's, committed the checkpoint's.
	length, committed uint64
	page              uint64
	// idle counts, for each page, the commands in a row that found it hot and left it unchanged.
	idle []uint8
	// changed are the ranges that the present commit or rollback copies.
	changed, ranges []pageRange
	scans           uint64
	touched         touched
	frozen          *frozen
	// views keeps those that live, which shown lists, from beginning while the checkpoint changes.
	views *gate
	shown []*cowView
}

const (
	// idleCommands is after how many commands without a change a hot page counts as cold.
	idleCommands = 16
	// coldPages is how many cold pages make it worth to drop them.
	coldPages = 8
	// sweepScans is how many scans lie between two sweeps.
	sweepScans = 1024
	// manyPages is the size of a range that is dropped at once instead of being kept hot: it is
	// more than a command's usual work.
	manyPages = 256
)

func newCowStore(limit uint64, views *gate) (*cowStore, error) {
	scanner, err := newPageScanner()
	if err != nil {
		return nil, err
	}
	// One page at least: the kernel maps nothing of length 0.
	capacity := max(limit, pageBytes)
	fd, err := unix.MemfdCreate("grout-machine", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	s := &cowStore{file: os.NewFile(uintptr(fd), "grout-machine"), scanner: scanner, page: uint64(os.Getpagesize()), views: views}
	if err := s.mapFile(int64(capacity)); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *cowStore) mapFile(capacity int64) (err error) {
	if err = s.file.Truncate(capacity); err != nil {
		return err
	}
	const access = unix.PROT_READ | unix.PROT_WRITE
	fd := int(s.file.Fd())
	if s.private, err = unix.Mmap(fd, 0, int(capacity), access, unix.MAP_PRIVATE|unix.MAP_NORESERVE); err != nil {
		return fmt.Errorf("mmap of %d bytes: %w", capacity, err)
	}
	if s.shared, err = unix.Mmap(fd, 0, int(capacity), access, unix.MAP_SHARED|unix.MAP_NORESERVE); err != nil {
		return fmt.Errorf("mmap of %d bytes: %w", capacity, err)
	}
	return nil
}

func (s *cowStore) resize(size uint64) []byte {
	if size < s.length {
		clear(s.private[size:s.length])
	}
	s.length = size
	if pages := size / s.page; pages > uint64(len(s.idle)) {
		s.idle = append(s.idle, make([]uint8, pages-uint64(len(s.idle)))...)
	}
	return s.private[:size]
}

// hot finds the pages written since they were dropped, as offsets.
func (s *cowStore) hot(size uint64) ([]pageRange, error) {
	ranges, err := writtenPages(s.scanner, s.ranges[:0], s.private[:size])
	if err == nil {
		s.ranges = ranges
		s.scans++
	}
	return ranges, err
}

// writtenPages finds the pages of a mapping that were written since they were dropped, as offsets.
func writtenPages(scanner pageScanner, ranges []pageRange, mapping []byte) ([]pageRange, error) {
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mapping))))
	ranges, err := scanner.scan(ranges, base, base+uint64(len(mapping)))
	if err != nil {
		return nil, fmt.Errorf("wasmsm: looking for written pages: %w", err)
	}
	for i := range ranges {
		ranges[i].start -= base
		ranges[i].end -= base
	}
	return ranges, nil
}

func (s *cowStore) commit(show func()) error {
	ranges, err := s.hot(s.length)
	if err != nil {
		return err
	}
	cold := 0
	s.changed = s.changed[:0]
	for _, r := range ranges {
		if r.bytes() >= manyPages*s.page {
			s.changed = append(s.changed, r)
			continue
		}
		cold += s.compare(r)
	}
	if err := s.write(show); err != nil {
		return err
	}
	for _, r := range ranges {
		if r.bytes() >= manyPages*s.page {
			err = errors.Join(err, s.drop(r.start, r.end))
		}
	}
	return errors.Join(err, s.dropCold(ranges, cold), s.sweep(ranges))
}

// write copies what has changed into the checkpoint. Views that run keep what they began with.
func (s *cowStore) write(show func()) error {
	s.views.Lock()
	defer s.views.Unlock()
	if len(s.changed) > 0 || s.length < s.committed {
		s.awaitViews()
	}
	if s.length < s.committed {
		// What is cut off must be zero when it grows again.
		if err := s.cutOff(s.length, s.committed); err != nil {
			s.views.ended = err
			return err
		}
	}
	for _, r := range s.changed {
		s.keepForViews(r.start, r.end)
		s.frozen.change(r.start, r.end)
		copyDifferent(s.shared[r.start:r.end], s.private[r.start:r.end])
		s.touched.mark(r.start, r.end)
	}
	s.committed = s.length
	show()
	return nil
}

// copyDifferent makes a range of pages equal to another one of its length, and writes no more than what differs: views on other
// processors compare all of a page with their copy, and have in their caches what was not written.
func copyDifferent(to, from []byte) {
	const block = 128 // two cache lines, which processors fetch in pairs
	for len(to) > 0 {
		a, b := (*[block]byte)(to), (*[block]byte)(from)
		if *a != *b {
			*a = *b
		}
		to, from = to[block:], from[block:]
	}
}

func (s *cowStore) rollback() (uint64, error) {
	ranges, err := s.hot(max(s.length, s.committed))
	if err != nil {
		return 0, err
	}
	s.length = s.committed
	cold := 0
	s.changed = s.changed[:0]
	for _, r := range ranges {
		// What is beyond the checkpoint is a hole in the file, and copying would fill it.
		inside := min(max(r.start, s.committed), r.end)
		if inside-r.start >= manyPages*s.page {
			inside = r.start
		}
		cold += s.compare(pageRange{start: r.start, end: inside})
		err = errors.Join(err, s.drop(inside, r.end))
	}
	for _, r := range s.changed {
		copy(s.private[r.start:r.end], s.shared[r.start:r.end])
	}
	return s.committed, errors.Join(err, s.dropCold(ranges, cold), s.sweep(ranges))
}

// compare adds the pages of a hot range that differ from the checkpoint to changed, and returns how
// many of the others are cold.
func (s *cowStore) compare(r pageRange) (cold int) {
	for at := r.start; at < r.end; at += s.page {
		idle := &s.idle[at/s.page]
		if !bytes.Equal(s.private[at:at+s.page], s.shared[at:at+s.page]) {
			s.changed = appendPage(s.changed, at, s.page)
			*idle = 0
			continue
		}
		if *idle < idleCommands {
			*idle++
		}
		if *idle == idleCommands {
			cold++
		}
	}
	return cold
}

// dropCold drops the pages that many commands left unchanged, once there are enough of them.
func (s *cowStore) dropCold(ranges []pageRange, cold int) error {
	if cold < coldPages {
		return nil
	}
	var err error
	for _, r := range ranges {
		for at := r.start; at < r.end; {
			end := at
			for end < r.end && s.idle[end/s.page] == idleCommands {
				s.idle[end/s.page] = 0
				end += s.page
			}
			if end > at {
				err = errors.Join(err, s.drop(at, end))
			}
			at = end + s.page
		}
	}
	return err
}

// drop makes the private mapping show the file again.
func (s *cowStore) drop(start, end uint64) error {
	switch {
	case start == end:
		return nil
	case end-start >= s.tableBytes():
		return s.remap(start, end)
	}
	if err := unix.Madvise(s.private[start:end], unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("wasmsm: dropping written pages: %w", err)
	}
	return nil
}

// remap does what drop does, and frees the page tables: a scan walks every table that exists, and
// madvise leaves them.
func (s *cowStore) remap(start, end uint64) error {
	const access = unix.PROT_READ | unix.PROT_WRITE
	const flags = unix.MAP_PRIVATE | unix.MAP_NORESERVE | unix.MAP_FIXED
	at := unsafe.Pointer(&s.private[start])
	if _, err := unix.MmapPtr(int(s.file.Fd()), int64(start), at, uintptr(end-start), access, flags); err != nil {
		return fmt.Errorf("wasmsm: mapping %d bytes again: %w", end-start, err)
	}
	return nil
}

// tableBytes is how much memory one page table maps: it has a page of entries of 8 bytes.
func (s *cowStore) tableBytes() uint64 { return s.page / 8 * s.page }

// sweep frees, now and then, the page tables of memory without hot pages, so that a scan costs what
// commands touch and not what the machine holds. Reading that memory again brings its table back,
// with one fault for many pages.
func (s *cowStore) sweep(hot []pageRange) error {
	if s.scans%sweepScans != 0 {
		return nil
	}
	base, table := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(s.private)))), s.tableBytes()
	up := func(at uint64) uint64 { return (base+at+table-1)/table*table - base }
	var err error
	at := uint64(0)
	for _, r := range append(hot, pageRange{start: s.length, end: s.length}) {
		start, end := up(at), (base+r.start)/table*table-base
		if r.start >= table && start < end && end <= r.start {
			err = errors.Join(err, s.remap(start, end))
		}
		at = r.end
	}
	return err
}

// cutOff makes a range zero in both mappings.
func (s *cowStore) cutOff(start, end uint64) error {
	if start == end {
		return nil
	}
	s.frozen.change(start, end)
	for at := int64(start); at < int64(end); {
		from, to, err := s.nextData(at)
		if err != nil {
			return err
		}
		s.keepForViews(uint64(from), uint64(min(to, int64(end))))
		at = to
	}
	s.touched.mark(start, end)
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if err := unix.Fallocate(int(s.file.Fd()), punch, int64(start), int64(end-start)); err != nil {
		return fmt.Errorf("wasmsm: freeing %d bytes of a checkpoint: %w", end-start, err)
	}
	return s.drop(start, end)
}

// load writes an image into the file, past both mappings: that costs neither a fault nor a second copy of a page.
func (s *cowStore) load(read PageReader, show func()) error {
	s.thaw()
	s.views.Lock()
	defer s.views.Unlock()
	s.awaitViews()
	err := errors.Join(s.cutOff(0, s.committed), s.remap(0, uint64(len(s.private))))
	clear(s.idle)
	page := make([]byte, pageBytes)
	for at := uint64(0); err == nil && at < s.length; at += pageBytes {
		var data bool
		if data, err = read(int(at/pageBytes), page); err == nil && data {
			s.keepForViews(at, at+pageBytes)
			_, err = s.file.WriteAt(page, int64(at))
		}
	}
	if err != nil {
		s.views.ended = err
		return err
	}
	s.committed = s.length
	show()
	return nil
}

func (s *cowStore) pages() ([]Page, error) {
	var pages []Page
	add := func(at uint64) {
		pages = append(pages, Page{Index: uint32(at / pageBytes), Data: copyPage(s.shared[at:][:pageBytes])})
	}
	next := uint64(0) // the first page that was not looked at
	err := s.each(func(at uint64, data []byte) error {
		next = max(next, at/pageBytes)
		for ; next*pageBytes < at+uint64(len(data)); next++ {
			if add(next * pageBytes); pages[len(pages)-1].Data == nil {
				pages = pages[:len(pages)-1]
			}
		}
		return nil
	})
	return pages, err
}

func (s *cowStore) each(do func(at uint64, data []byte) error) error {
	for at := int64(0); at < int64(s.committed); {
		start, end, err := s.nextData(at)
		if err != nil {
			return err
		}
		if end = min(end, int64(s.committed)); start < end {
			err = do(uint64(start), s.shared[start:end])
		}
		if err != nil {
			return err
		}
		at = end
	}
	return nil
}

func (s *cowStore) freeze() *frozen {
	s.thaw()
	s.frozen = s.touched.freeze(s.committed, s.views, func() []byte { return s.shared })
	return s.frozen
}

func (s *cowStore) thaw() {
	s.frozen.finish()
	s.frozen = nil
}

func (s *cowStore) forget() { clear(s.touched) }

func (s *cowStore) marks() *touched { return &s.touched }

// nextData finds the next part of the file that is no hole. Reading holes through the mapping would
// fill them.
func (s *cowStore) nextData(at int64) (start, end int64, err error) {
	fd := int(s.file.Fd())
	start, err = unix.Seek(fd, at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return int64(s.committed), int64(s.committed), nil
	}
	if err == nil {
		end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("wasmsm: looking for a checkpoint's data: %w", err)
	}
	return start, end, nil
}

func (s *cowStore) close() error {
	s.views.end(ErrClosed) // nobody reads the shared mapping any more
	var err error
	for _, mapping := range []*[]byte{&s.private, &s.shared} {
		if *mapping != nil {
			err = errors.Join(err, unix.Munmap(*mapping))
			*mapping = nil
		}
	}
	return errors.Join(err, s.file.Close())
}
