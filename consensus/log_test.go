package consensus

import (
	"errors"
	"testing"
)

func testLog(terms ...Term) *entryLog {
	l := &entryLog{unwritten: 1}
	for i, term := range terms {
		l.append(LogEntry{Term: term, Index: Index(i + 1), Kind: EntryCommand, Payload: make([]byte, 10)})
	}
	return l
}

// TestTruncateStopsAtCommit shows that the log itself refuses to lose a committed entry, whoever asks.
func TestTruncateStopsAtCommit(t *testing.T) {
	l := testLog(1, 1, 2)
	l.commit = 2
	if err := l.truncate(2); !errors.Is(err, ErrInvariant) || l.lastIndex() != 3 {
		t.Errorf("got %v, the log ends at %d", err, l.lastIndex())
	}
	if err := l.truncate(3); err != nil || l.lastIndex() != 2 || l.bytes != 2*34 {
		t.Errorf("got %v, the log ends at %d with %d bytes", err, l.lastIndex(), l.bytes)
	}
}

// TestTruncateLeavesSharedEntries shows that entries which were handed out, to a write or a message,
// are not changed by what replaces them.
func TestTruncateLeavesSharedEntries(t *testing.T) {
	l := testLog(1, 1, 1)
	out := l.slice(2, 3, 1<<20)
	if err := l.truncate(2); err != nil {
		t.Fatal(err)
	}
	l.append(LogEntry{Term: 2, Index: 2}, LogEntry{Term: 2, Index: 3})
	if out[0].Term != 1 || out[1].Term != 1 {
		t.Errorf("entries that were handed out became %v", out)
	}
}

// TestCompact shows what is forgotten, what stays, and that nothing outside the log is compacted to.
func TestCompact(t *testing.T) {
	l := testLog(1, 1, 2, 2)
	l.compact(0)
	l.compact(5)
	if l.base != (Cursor{}) || len(l.entries) != 4 {
		t.Errorf("base %s, %d entries", l.base, len(l.entries))
	}
	l.compact(3)
	if l.base != (Cursor{Term: 2, Index: 3}) || len(l.entries) != 1 || l.bytes != 34 {
		t.Errorf("base %s, %d entries, %d bytes", l.base, len(l.entries), l.bytes)
	}
	if _, ok := l.term(2); ok || !l.matches(Cursor{Term: 2, Index: 3}) {
		t.Error("the base is not what is left of the compacted part")
	}
}

// TestHint shows the search for the last position that may match (Raft, section 5.3).
func TestHint(t *testing.T) {
	l := testLog(1, 1, 4, 4, 6)
	for at, want := range map[Cursor]Cursor{
		{Term: 6, Index: 9}: {Term: 6, Index: 5},
		{Term: 5, Index: 5}: {Term: 4, Index: 4},
		{Term: 3, Index: 4}: {Term: 1, Index: 2},
		{Term: 1, Index: 1}: {Term: 1, Index: 1},
		{Term: 0, Index: 3}: {},
	} {
		if got := l.hint(at); got != want {
			t.Errorf("hint of %s is %s, want %s", at, got, want)
		}
	}
}

// TestTail shows that what stays before a snapshot is bounded by entries and by bytes, whichever is less, and by what is there.
func TestTail(t *testing.T) {
	l := entryLog{base: Cursor{Term: 1, Index: 10}}
	for i := Index(11); i <= 20; i++ {
		l.append(LogEntry{Term: 1, Index: i, Payload: make([]byte, 76)}) // 100 bytes each, as they count
	}
	for _, c := range []struct {
		last, entries Index
		bytes         int
		want          Index
	}{
		{20, 3, 10_000, 17}, {20, 100, 299, 18}, {20, 100, 300, 17}, {20, 100, 10_000, 10}, {15, 2, 10_000, 13}, {20, 100, 99, 20}, {10, 5, 500, 10}, {9, 5, 500, 9}, {21, 5, 500, 21},
	} {
		if got := l.tail(c.last, c.entries, c.bytes); got != c.want {
			t.Errorf("tail(%d, %d, %d) is %d, want %d", c.last, c.entries, c.bytes, got, c.want)
		}
	}
	for index, want := range map[Index]int{5: 0, 10: 0, 11: 100, 20: 1000, 99: 1000} {
		if got := l.bytesTo(index); got != want {
			t.Errorf("bytesTo(%d) is %d, want %d", index, got, want)
		}
	}
}
