// Package words says what a word is. The wordcount machine and anything that checks it count by the
// same definition.
//
// A word is a maximal run of Unicode letters (category L) and decimal digits (category Nd), lower-cased
// rune by rune with unicode.ToLower. Everything else separates words: apostrophes, hyphens,
// underscores, combining marks and bytes that are not UTF-8 among them. So "Don't" holds "don" and "t".
package words

import (
	"unicode"
	"unicode/utf8"
)

// Splitter finds the words of one text after another. Its zero value has no text. It is not safe
// for concurrent use.
type Splitter struct {
	rest []byte
	word []byte
}

// Reset starts on a new text, which the Splitter reads until the last call of Next.
func (s *Splitter) Reset(text []byte) { s.rest = text }

// Next returns the next word, lower-cased, or false at the end of the text. The word is valid until
// the next call.
func (s *Splitter) Next() ([]byte, bool) {
	s.word = s.word[:0]
	for len(s.rest) > 0 {
		r, size := rune(s.rest[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(s.rest)
		}
		s.rest = s.rest[size:]
		lower, part := fold(r)
		switch {
		case part:
			s.word = utf8.AppendRune(s.word, lower)
		case len(s.word) > 0:
			return s.word, true
		}
	}
	return s.word, len(s.word) > 0
}

// fold returns r in lower case, and whether it is part of a word.
func fold(r rune) (rune, bool) {
	switch {
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return r, true
	case 'A' <= r && r <= 'Z':
		return r + 'a' - 'A', true
	case r < utf8.RuneSelf:
		return 0, false
	}
	// utf8.RuneError, which stands for a bad byte, is no letter.
	return unicode.ToLower(r), unicode.IsLetter(r) || unicode.IsDigit(r)
}

// Count adds the words of text to counts and returns how many there were.
func Count(text []byte, counts map[string]int) int {
	var s Splitter
	s.Reset(text)
	n := 0
	for word, ok := s.Next(); ok; word, ok = s.Next() {
		counts[string(word)]++
		n++
	}
	return n
}
