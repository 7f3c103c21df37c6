package wasmsm

import (
	"strings"
	"testing"
)

// TestDeathReasons shows what a trap's message becomes, from what language runtimes write when they
// die.
func TestDeathReasons(t *testing.T) {
	for name, test := range map[string]struct{ stderr, want string }{
		"nothing": {"", "bare"},
		"go": {
			"panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/src/a/main.go:42 +0x7\nmain.g()\n\t/src/b.go:1 +0x1\n",
			"panic: runtime error: index out of range [5] with length 3 (main.go:42)",
		},
		"go, through the runtime": {
			"panic: boom\n\ngoroutine 7 [running]:\npanic({0x1, 0x2})\n\t/go/src/runtime/panic.go:8 +0x1\nruntime.goPanic()\n\t/go/src/runtime/x.go:9\nmain.f()\n\t/src/f.go:3 +0x2\n",
			"panic: boom (f.go:3)",
		},
		"go, in the runtime": {
			"fatal error: out of memory\n\nruntime stack:\nruntime.throw()\n\t/go/panic.go:1\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/src/f.go:9 +0x2\n",
			"fatal error: out of memory (f.go:9)",
		},
		"go, cut off":   {"panic: boom\n\ngoroutine 1 [runn\n", "panic: boom"},
		"go, two lines": {"panic: one\n\ttwo\n", "panic: one\n\ttwo"},
		"rust": {
			"thread '<unnamed>' panicked at src/lib.rs:5:9:\nindex out of bounds: the len is 3\nnote: run with backtrace\n",
			"panic: index out of bounds: the len is 3 (lib.rs:5:9)",
		},
		"rust, cut off": {"thread 'main' pan\n", "bare: thread 'main' pan"},
		"c":             {"starting\nAssertion failed: x > 0 (main.c: f: 12)\n\n", "bare: Assertion failed: x > 0 (main.c: f: 12)"},
	} {
		if got := deathReason("bare", test.stderr); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestLastWords shows that the end of standard error is kept, but of a report the beginning.
func TestLastWords(t *testing.T) {
	var w lastWords
	line := []byte(strings.Repeat("x", 999))
	for range 10 {
		w.add(line)
	}
	w.add([]byte("the end"))
	if got := string(w.text); len(got) != maxLastWords || !strings.HasSuffix(got, "\nthe end\n") {
		t.Errorf("%d bytes were kept, ending with %q", len(got), got[len(got)-20:])
	}
	w.add([]byte("panic: boom"))
	for range 10 {
		w.add(line)
	}
	if got := string(w.text); len(got) != maxLastWords || !strings.HasPrefix(got, "panic: boom\nxxx") {
		t.Errorf("%d bytes of the report were kept, beginning with %.20q", len(got), got)
	}
}

// TestEngineReason shows that of the engine's stack trace only the innermost function is kept.
func TestEngineReason(t *testing.T) {
	for text, want := range map[string]string{
		"stack overflow": "stack overflow",
		"wasm error: unreachable\nwasm stack trace:\n\t.main.(*T).Do(i32,i64) (i32,i32)\n\t.$1()":   "unreachable in main.(*T).Do",
		"wasm error: integer overflow\nwasm stack trace:\n\t.$12(i32) i32":                          "integer overflow in $12",
		"wasm error: integer overflow\nwasm stack trace:\n\t.f()":                                   "integer overflow in f",
		"wasm error: integer overflow\nwasm stack trace:\n\tsomething else entirely\n\t.f(i32) i32": "integer overflow",
	} {
		got, function := engineReason(text)
		if function != "" {
			got += " in " + function
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestClip shows that text is cut between characters and always UTF-8.
func TestClip(t *testing.T) {
	if got := clip("aé€", 5); got != "aé" {
		t.Errorf("clip gives %q", got)
	}
	if got := clip([]byte("a\xffb"), 9); got != "a\uFFFDb" {
		t.Errorf("clip gives %q", got)
	}
}

// FuzzDeathReason shows that no text of a guest makes its trap's message fail.
func FuzzDeathReason(f *testing.F) {
	f.Add("panic: x\n\ngoroutine 1 [running]:\npanic(0)\n\t/a.go:1\nmain.f()\n\t/b.go:2 +0x1\n")
	f.Add("thread 'main' panicked at src/lib.rs:5:9:\nwhy\n")
	f.Add("fatal error: all goroutines are asleep\n\n\n\ngoroutine \nruntime.x\n")
	f.Add("wasm error: unreachable\nwasm stack trace:\n\t.f(i32)")
	f.Fuzz(func(t *testing.T, text string) {
		if reason := deathReason("bare", text); reason == "" {
			t.Fatalf("%q has no reason", text)
		}
		if reason, function := engineReason(text); len(reason)+len(function) > len(text) {
			t.Fatalf("%q became %q and %q", text, reason, function)
		}
	})
}
