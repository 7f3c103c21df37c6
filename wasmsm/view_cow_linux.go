package wasmsm

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cowView is one more private mapping of a cowStore's file. What it never wrote shows the checkpoint by
// itself; what it has a copy of is copied anew at each begin.
//
// Two things keep it at one checkpoint while it runs, though the file changes. A commit waits a moment for views
// that run, which most do not for long. For one that does, the committing machine writes to each page of its mapping that
// is about to change, without changing it, and the kernel copies the page before the file has new content.
//
// A begin has to know which pages have copies. Asking the kernel each time would cost more than most
// queries, but a copy is never made without a page fault, of the thread that runs the guest or of one
// that committed. So the pages are remembered, and the kernel is asked after a fault alone. Counting the
// faults is a system call too: two of them a query, or one while the view is held.
type cowView struct {
	store   *cowStore
	private []byte
	// reach is the end of what the guest may ever have written, kept that of what commits had copied.
	reach, kept uint64
	// pages are those that have copies, known the same as bits; unless scan is set.
	pages  []viewPage
	known  []uint64
	scan   atomic.Bool
	ranges []pageRange
	// cold is how many of pages are cold.
	cold int
	// running is set from begin to end. long is set once a commit has waited for this run in vain.
	running atomic.Bool
	long    bool
	// faults are those of the thread when they were counted last. held is set while its goroutine stays on it.
	faults int64
	held   bool
	usage  syscall.Rusage
}

// viewPage is a page that has a copy, and how many times in a row it was as the checkpoint.
type viewPage struct {
	at   uint64
	idle uint8
}

// viewPatience is how long a commit waits for views that run. To copy pages for them costs more.
const viewPatience = 20 * time.Microsecond

func (s *cowStore) view() (viewBacking, error) {
	s.views.Lock()
	defer s.views.Unlock()
	if s.views.ended != nil {
		return nil, s.views.ended
	}
	const access = unix.PROT_READ | unix.PROT_WRITE
	private, err := unix.Mmap(int(s.file.Fd()), 0, len(s.private), access, unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("wasmsm: mapping %d bytes for a view: %w", len(s.private), err)
	}
	v := &cowView{store: s, private: private}
	v.scan.Store(true)
	s.shown = append(s.shown, v)
	return v, nil
}

// awaitViews gives views that run a moment to end. The caller holds the lock, so none begins.
func (s *cowStore) awaitViews() {
	var late time.Time
	for _, v := range s.shown {
		for v.running.Load() && !v.long {
			// Looking at the clock is what there is to do meanwhile. To yield could take long.
			if now := time.Now(); late.IsZero() {
				late = now.Add(viewPatience)
			} else if now.After(late) {
				v.long = true
			}
		}
	}
}

// keepForViews lets the views that run have a copy of a part of the file, before it changes.
func (s *cowStore) keepForViews(start, end uint64) {
	for _, v := range s.shown {
		if !v.running.Load() {
			continue
		}
		v.scan.Store(true)
		v.kept = max(v.kept, end)
		for at := start; at < end; at += s.page {
			// An atomic addition of nothing takes away nothing that the guest writes at the same time.
			atomic.AddUint32((*uint32)(unsafe.Pointer(&v.private[at])), 0)
		}
	}
}

func (v *cowView) resize(size uint64) []byte {
	v.reach = max(v.reach, size)
	return v.private[:size]
}

func (v *cowView) begin(take func()) (uint64, error) {
	views := v.store.views
	views.RLock()
	defer views.RUnlock()
	if views.ended != nil {
		return 0, views.ended
	}
	if err := errors.Join(v.learn(), v.refresh()); err != nil {
		v.scan.Store(true)
		return 0, err
	}
	take()
	if !v.held {
		runtime.LockOSThread()
		v.faults = v.threadFaults()
	}
	v.long = false
	v.running.Store(true)
	return v.store.committed, nil
}

func (v *cowView) end() {
	v.running.Store(false)
	if faults := v.threadFaults(); faults != v.faults {
		v.faults = faults
		v.scan.Store(true)
	}
	if !v.held {
		runtime.UnlockOSThread()
	}
	if v.cold >= coldPages && v.dropCold() != nil {
		v.scan.Store(true) // whatever was not dropped is found again
	}
}

func (v *cowView) hold() {
	runtime.LockOSThread()
	v.held, v.faults = true, v.threadFaults()
}

func (v *cowView) release() {
	v.held = false
	runtime.UnlockOSThread()
}

// threadFaults counts the page faults of this thread so far.
func (v *cowView) threadFaults() int64 {
	const rusageThread = 1
	_, _, errno := syscall.RawSyscall(syscall.SYS_GETRUSAGE, rusageThread, uintptr(unsafe.Pointer(&v.usage)), 0)
	if errno != 0 {
		v.scan.Store(true)
	}
	return int64(v.usage.Minflt) + int64(v.usage.Majflt)
}

// learn asks the kernel which pages have copies, if there may be others than those known.
func (v *cowView) learn() error {
	if !v.scan.Swap(false) {
		return nil
	}
	v.reach = max(v.reach, v.kept)
	ranges, err := writtenPages(v.store.scanner, v.ranges[:0], v.private[:v.reach])
	if err != nil {
		return err
	}
	v.ranges = ranges
	if words := v.reach/v.store.page/64 + 1; words > uint64(len(v.known)) {
		v.known = append(v.known, make([]uint64, words-uint64(len(v.known)))...)
	}
	for _, r := range ranges {
		for at := r.start; at < r.end && len(v.pages) <= manyPages; at += v.store.page {
			word, bit := at/v.store.page/64, uint64(1)<<(at/v.store.page%64)
			if v.known[word]&bit == 0 {
				v.known[word] |= bit
				v.pages = append(v.pages, viewPage{at: at})
			}
		}
	}
	return nil
}

// refresh makes all copies equal to the checkpoint.
func (v *cowView) refresh() error {
	s := v.store
	many := len(v.pages) > manyPages
	v.cold = 0
	for i := range v.pages {
		p := &v.pages[i]
		if many || p.at >= s.committed {
			// Copying a hole of the file would fill it.
			return v.dropAll()
		}
		to, from := v.private[p.at:p.at+s.page], s.shared[p.at:p.at+s.page]
		if !bytes.Equal(to, from) {
			copy(to, from)
			p.idle = 0
			continue
		}
		if p.idle < idleCommands {
			p.idle++
		}
		if p.idle == idleCommands {
			v.cold++
		}
	}
	return nil
}

// dropAll gives all copies up.
func (v *cowView) dropAll() error {
	if err := unix.Madvise(v.private[:v.reach], unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("wasmsm: dropping what a view wrote: %w", err)
	}
	v.pages, v.cold = v.pages[:0], 0
	clear(v.known)
	return nil
}

// dropCold gives up the copies that many queries left as they were.
func (v *cowView) dropCold() error {
	var err error
	page := v.store.page
	v.pages = slices.DeleteFunc(v.pages, func(p viewPage) bool {
		if p.idle < idleCommands {
			return false
		}
		v.known[p.at/page/64] &^= 1 << (p.at / page % 64)
		err = errors.Join(err, unix.Madvise(v.private[p.at:p.at+page], unix.MADV_DONTNEED))
		return true
	})
	v.cold = 0
	return err
}

func (v *cowView) close() error {
	s := v.store
	s.views.Lock()
	s.shown = slices.DeleteFunc(s.shown, func(other *cowView) bool { return other == v })
	s.views.Unlock()
	if v.private == nil {
		return nil
	}
	err := unix.Munmap(v.private)
	v.private = nil
	return err
}
