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
	idle   []uint8
	ranges []pageRange
	scans  uint64
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

func newCowStore(limit uint64) (*cowStore, error) {
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
	s := &cowStore{file: os.NewFile(uintptr(fd), "grout-machine"), scanner: scanner, page: uint64(os.Getpagesize())}
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
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(s.private))))
	ranges, err := s.scanner.scan(s.ranges[:0], base, base+size)
	if err != nil {
		return nil, fmt.Errorf("wasmsm: looking for written pages: %w", err)
	}
	s.ranges = ranges
	s.scans++
	for i := range ranges {
		ranges[i].start -= base
		ranges[i].end -= base
	}
	return ranges, nil
}

func (s *cowStore) commit() error {
	if s.length < s.committed {
		// Only Restore shrinks a memory. What is cut off must be zero when it grows again.
		if err := s.forget(s.length, s.committed); err != nil {
			return err
		}
	}
	ranges, err := s.hot(s.length)
	if err != nil {
		return err
	}
	cold := 0
	for _, r := range ranges {
		if r.bytes() >= manyPages*s.page {
			copy(s.shared[r.start:r.end], s.private[r.start:r.end])
			err = errors.Join(err, s.drop(r.start, r.end))
			continue
		}
		cold += s.copyHot(s.shared, s.private, r)
	}
	s.committed = s.length
	return errors.Join(err, s.dropCold(ranges, cold), s.sweep(ranges))
}

func (s *cowStore) rollback() (uint64, error) {
	ranges, err := s.hot(max(s.length, s.committed))
	if err != nil {
		return 0, err
	}
	s.length = s.committed
	cold := 0
	for _, r := range ranges {
		// What is beyond the checkpoint is a hole in the file, and copying would fill it.
		inside := min(max(r.start, s.committed), r.end)
		if inside-r.start >= manyPages*s.page {
			inside = r.start
		}
		cold += s.copyHot(s.private, s.shared, pageRange{start: r.start, end: inside})
		err = errors.Join(err, s.drop(inside, r.end))
	}
	return s.committed, errors.Join(err, s.dropCold(ranges, cold), s.sweep(ranges))
}

// copyHot copies the changed pages of a hot range and returns how many of its pages are cold.
func (s *cowStore) copyHot(dst, src []byte, r pageRange) (cold int) {
	for at := r.start; at < r.end; at += s.page {
		to, from := dst[at:at+s.page], src[at:at+s.page]
		idle := &s.idle[at/s.page]
		if !bytes.Equal(to, from) {
			copy(to, from)
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

// forget makes a range zero in both mappings.
func (s *cowStore) forget(start, end uint64) error {
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if err := unix.Fallocate(int(s.file.Fd()), punch, int64(start), int64(end-start)); err != nil {
		return fmt.Errorf("wasmsm: freeing %d bytes of a checkpoint: %w", end-start, err)
	}
	return s.drop(start, end)
}

func (s *cowStore) pages() ([][]byte, error) {
	pages := make([][]byte, s.committed/pageBytes)
	at := int64(0)
	for at < int64(s.committed) {
		start, end, err := s.nextData(at)
		if err != nil {
			return nil, err
		}
		for i := start / pageBytes; i*pageBytes < min(end, int64(s.committed)); i++ {
			if pages[i] == nil {
				pages[i] = copyPage(s.shared[i*pageBytes:][:pageBytes])
			}
		}
		at = end
	}
	return pages, nil
}

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
	var err error
	for _, mapping := range []*[]byte{&s.private, &s.shared} {
		if *mapping != nil {
			err = errors.Join(err, unix.Munmap(*mapping))
			*mapping = nil
		}
	}
	return errors.Join(err, s.file.Close())
}
