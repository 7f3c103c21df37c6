package wasmsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pageRange is a range of addresses. Its layout is that of the kernel's struct page_region, so the
// kernel writes a slice of them in place.
type pageRange struct {
	start, end uint64
	categories uint64
}

func (r pageRange) bytes() uint64 { return r.end - r.start }

// pageScanner finds the anonymous pages of a private file mapping: those that were written since
// they were last dropped.
type pageScanner interface {
	// scan appends the written ranges in [start, end) to ranges, in order.
	scan(ranges []pageRange, start, end uint64) ([]pageRange, error)
}

// openPagemap opens this process's page map, once for all machines.
var openPagemap = sync.OnceValues(func() (*os.File, error) {
	return os.Open("/proc/self/pagemap")
})

// newPageScanner returns the fastest scanner that the kernel offers.
var newPageScanner = sync.OnceValues(func() (pageScanner, error) {
	file, err := openPagemap()
	if err != nil {
		return nil, err
	}
	var page [1]byte // any address will do: the question is whether the kernel knows the call
	at := uint64(uintptr(unsafe.Pointer(&page))) &^ uint64(os.Getpagesize()-1)
	scanner := ioctlScanner{file: file}
	_, err = scanner.scan(nil, at, at+uint64(os.Getpagesize()))
	if err == nil {
		return scanner, nil
	}
	return readingScanner{file: file}, nil
})

// ioctlScanner asks with PAGEMAP_SCAN (Linux 6.7).
type ioctlScanner struct{ file *os.File }

// scanArgument is the kernel's struct pm_scan_arg.
type scanArgument struct {
	size, flags                               uint64
	start, end, walkEnd                       uint64
	vec, vecLen, maxPages                     uint64
	inverted, mask, anyOf, returnedCategories uint64
}

const (
	// ioctlPagemapScan is _IOWR('f', 16, struct pm_scan_arg).
	ioctlPagemapScan = 3<<30 | uint(unsafe.Sizeof(scanArgument{}))<<16 | 'f'<<8 | 16

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4

	// scanRoom is how many ranges one call of the kernel can return.
	scanRoom = 64
)

func (s ioctlScanner) scan(ranges []pageRange, start, end uint64) ([]pageRange, error) {
	for start < end {
		used := len(ranges)
		if cap(ranges)-used < scanRoom {
			grown := make([]pageRange, used, 2*cap(ranges)+scanRoom)
			copy(grown, ranges)
			ranges = grown
		}
		room := ranges[used : used+scanRoom]
		argument := scanArgument{
			start: start, end: end,
			vec: uint64(uintptr(unsafe.Pointer(&room[0]))), vecLen: scanRoom,
			// A page of the mapping that is in memory, or was swapped out, and is not the file's.
			inverted: pageIsFile, mask: pageIsFile, anyOf: pageIsPresent | pageIsSwapped,
			returnedCategories: pageIsPresent,
		}
		argument.size = uint64(unsafe.Sizeof(argument))
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, s.file.Fd(), uintptr(ioctlPagemapScan), uintptr(unsafe.Pointer(&argument)))
		if errno != 0 {
			return nil, fmt.Errorf("PAGEMAP_SCAN: %w", errno)
		}
		if argument.walkEnd <= start {
			return nil, errors.New("PAGEMAP_SCAN made no progress")
		}
		runtime.KeepAlive(room)
		ranges, start = ranges[:used+int(n)], argument.walkEnd
	}
	return ranges, nil
}

// readingScanner reads the page map: 8 bytes for each page.
type readingScanner struct{ file *os.File }

const (
	entryFile    = 1 << 61
	entrySwapped = 1 << 62
	entryPresent = 1 << 63
)

func (s readingScanner) scan(ranges []pageRange, start, end uint64) ([]pageRange, error) {
	size := uint64(os.Getpagesize())
	var entries [4096]byte
	for start < end {
		want := min((end-start)/size*8, uint64(len(entries)))
		n, err := s.file.ReadAt(entries[:want], int64(start/size*8))
		if err != nil || uint64(n) != want {
			return nil, fmt.Errorf("reading /proc/self/pagemap: %d of %d bytes: %w", n, want, err)
		}
		for i := 0; i < n; i += 8 {
			entry := binary.NativeEndian.Uint64(entries[i:])
			if entry&(entryPresent|entrySwapped) != 0 && entry&entryFile == 0 {
				ranges = appendPage(ranges, start, size)
			}
			start += size
		}
	}
	return ranges, nil
}

func appendPage(ranges []pageRange, start, size uint64) []pageRange {
	if last := len(ranges) - 1; last >= 0 && ranges[last].end == start {
		ranges[last].end += size
		return ranges
	}
	return append(ranges, pageRange{start: start, end: start + size})
}
