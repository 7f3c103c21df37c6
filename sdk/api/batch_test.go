package api

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestBatchRoundTrip shows that commands and results survive their encodings, empty ones too.
func TestBatchRoundTrip(t *testing.T) {
	commands := [][]byte{[]byte("add"), {}, bytes.Repeat([]byte{0xff}, 70_000)}
	var body []byte
	for _, c := range commands {
		body = AppendCommand(body, c)
	}
	if got, err := ParseBatch(body, 3); err != nil || !reflect.DeepEqual(got, commands) {
		t.Errorf("%d commands, %v", len(got), err)
	}
	results := []BatchResult{
		{Status: BatchApplied, Index: 1<<64 - 1, Term: 1<<64 - 2, Duplicate: true, Body: []byte("5")},
		{Status: BatchRefused, MachineCode: -1 << 31, Index: 3, Term: 2, Body: []byte{}},
		{Status: BatchTrapped, Index: 4, Term: 2, Body: []byte("out of fuel")},
		{Status: BatchFailed, Code: CodeUnknown, Body: []byte("late")},
	}
	body = nil
	for i := range results {
		before := len(body)
		if body = AppendResult(body, results[i]); len(body)-before != results[i].Size() {
			t.Errorf("result %d has %d bytes, not %d", i, len(body)-before, results[i].Size())
		}
	}
	if got, err := ParseResults(body, 4); err != nil || !reflect.DeepEqual(got, results) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestStrangeCodes shows that a code which is not three digits is sent as an internal error.
func TestStrangeCodes(t *testing.T) {
	for _, code := range []Code{"", "x", "99", "1000", "abc", "-12"} {
		got, err := ParseResults(AppendResult(nil, BatchResult{Status: BatchFailed, Code: code}), 1)
		if err != nil || got[0].Code != CodeInternal {
			t.Errorf("%q became %+v, %v", code, got, err)
		}
	}
}

// TestDamagedBatches shows that a body which is cut short, too long or too much is refused, and where.
func TestDamagedBatches(t *testing.T) {
	whole := AppendCommand(AppendCommand(nil, []byte("a")), []byte("bc"))
	for n := range len(whole) {
		if _, err := ParseBatch(whole[:n], 2); !errors.Is(err, ErrBadBatch) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	result := AppendResult(nil, BatchResult{Body: []byte("x")})
	with := func(at int, b byte) []byte {
		out := bytes.Clone(result)
		out[at] = b
		return out
	}
	for text, c := range map[string]struct {
		body  []byte
		count uint64
	}{
		"0 records":               {whole, 0},
		"1025 records":            {whole, MaxBatch + 1},
		"18446744073709551615":    {whole, 1<<64 - 1},
		"6 bytes after the last":  {whole, 1},
		"record 3 of 3":           {whole, 3},
		"record 1 of 1 has 21":    {append([]byte{0, 0, 0, 21}, make([]byte, 21)...), 1},
		"has the status 4":        {with(4, 4), 1},
		"has the status 0, flags": {with(5, 2), 1},
		"has the status 3":        {with(4, 3), 1},
		"and code 1":              {with(9, 1), 1},
	} {
		_, err := ParseBatch(c.body, c.count)
		if strings.Contains(text, "status") || strings.Contains(text, "code") || strings.Contains(text, "21") {
			_, err = ParseResults(c.body, c.count)
		}
		if !errors.Is(err, ErrBadBatch) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzBatch shows that no body makes a decoder panic, and that what they accept is what their encoders
// write for it.
func FuzzBatch(f *testing.F) {
	f.Add(AppendCommand(AppendCommand(nil, []byte("a")), nil), uint64(2))
	f.Add(AppendResult(AppendResult(nil, BatchResult{Status: BatchRefused, MachineCode: -1}), BatchResult{Status: BatchFailed, Code: CodeBusy, Body: []byte("b")}), uint64(2))
	f.Add(AppendResult(nil, BatchResult{Status: BatchTrapped, Duplicate: true, Index: 1, Term: 1}), uint64(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint64(1))
	f.Fuzz(func(t *testing.T, body []byte, count uint64) {
		commands, err := ParseBatch(body, count)
		check(t, body, len(commands), count, err, func(out []byte, i int) []byte { return AppendCommand(out, commands[i]) })
		results, err := ParseResults(body, count)
		check(t, body, len(results), count, err, func(out []byte, i int) []byte { return AppendResult(out, results[i]) })
	})
}

func check(t *testing.T, body []byte, n int, count uint64, err error, encode func([]byte, int) []byte) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, ErrBadBatch) {
			t.Fatal(err)
		}
		return
	}
	var again []byte
	for i := range n {
		again = encode(again, i)
	}
	if uint64(n) != count || !bytes.Equal(again, body) {
		t.Fatalf("%d of %d, %x became %x", n, count, body, again)
	}
}
