package wasmsm

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// storesUnderTest are all stores, the copy-on-write one with each way to find written pages.
func storesUnderTest(t *testing.T) map[string]func() store {
	stores := map[string]func() store{"copy": func() store { return newCopyStore(&gate{}) }}
	if _, err := newCowStore(pageBytes, &gate{}); err != nil {
		t.Logf("no copy-on-write here: %v", err)
		return stores
	}
	for name, scanner := range scanners(t) {
		stores["copy-on-write by "+name] = func() store {
			s, err := newCowStore(storeLimit, &gate{})
			if err != nil {
				t.Fatal(err)
			}
			s.scanner = scanner
			return s
		}
	}
	return stores
}

func scanners(t *testing.T) map[string]pageScanner {
	file, err := openPagemap()
	if err != nil {
		t.Skip(err)
	}
	all := map[string]pageScanner{"reading": readingScanner{file: file}}
	if best, err := newPageScanner(); err == nil {
		if _, ok := best.(ioctlScanner); ok {
			all["ioctl"] = best
		}
	}
	return all
}

// TestScannersAgree shows that both ways to find written pages find exactly those, also when there
// are more than one call returns, and none that was read only.
func TestScannersAgree(t *testing.T) {
	for name, scanner := range scanners(t) {
		s, err := newCowStore(storeLimit, &gate{})
		if err != nil {
			t.Skip(err)
		}
		s.scanner = scanner
		memory := s.resize(storeLimit)
		var want []pageRange
		for page := uint64(0); page < storeLimit/s.page; page += 3 {
			memory[page*s.page]++
			want = append(want, pageRange{start: page * s.page, end: (page + 1) * s.page})
			if sum := memory[(page+1)%(storeLimit/s.page)*s.page]; sum > 1 {
				t.Fatal("not zero")
			}
		}
		got, err := s.hot(storeLimit)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].categories = 0
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d ranges, want %d", name, len(got), len(want))
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSweepKeepsOneMapping shows that remapping parts of a memory does not leave it in pieces, of
// which a process can have only so many, and that it forgets nothing.
func TestSweepKeepsOneMapping(t *testing.T) {
	s, err := newCowStore(storeLimit*4, &gate{})
	if err != nil {
		t.Skip(err)
	}
	memory := s.resize(storeLimit * 4)
	for i := 0; i < len(memory); i += int(s.page) {
		memory[i] = byte(i>>12) | 1
	}
	for i := range 3 * sweepScans {
		memory[i%len(memory)/2]++
		if err := s.commit(func() {}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 2 * int(s.page); i < len(memory); i += int(s.page) {
		if memory[i] != byte(i>>12)|1 {
			t.Fatalf("page %d was lost", i/int(s.page))
		}
	}
	if n := mappingsWithin(t, s.private); n != 1 {
		t.Errorf("the memory is in %d mappings", n)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// mappingsWithin counts the kernel's mappings that begin inside b.
func mappingsWithin(t *testing.T, b []byte) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	first := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	n := 0
	for line := range strings.Lines(string(text)) {
		var start uint64
		for _, digit := range strings.ToLower(line[:strings.IndexByte(line, '-')]) {
			start = start<<4 | uint64(strings.IndexRune("0123456789abcdef", digit))
		}
		if start >= first && start < first+uint64(len(b)) {
			n++
		}
	}
	return n
}
