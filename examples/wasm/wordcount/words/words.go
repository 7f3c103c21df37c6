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
// the next call, and may be a piece of the text itself.
func (s *Splitter) Next() ([]byte, bool) {
	text, start := s.rest, 0
	for start < len(text) && ascii[text[start]] == separator {
		start++
	}
	end := start
	for end < len(text) && ascii[text[end]] == text[end] {
		end++
	}
	if end < len(text) && ascii[text[end]] != separator {
		s.rest = text[start:]
		return s.next()
	}
	s.rest = text[end:]
	return text[start:end], end > start
}

// next is Next for words that have to be lower-cased or hold more than ASCII.
func (s *Splitter) next() ([]byte, bool) {
	s.word = s.word[:0]
	for len(s.rest) > 0 {
		r, size := rune(s.rest[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(s.rest)
		}
		s.rest = s.rest[size:]
		lower, part := fold(r)
		switch {
		case part && lower < utf8.RuneSelf:
			s.word = append(s.word, byte(lower))
		case part:
			s.word = utf8.AppendRune(s.word, lower)
		case len(s.word) > 0:
			return s.word, true
		}
	}
	return s.word, len(s.word) > 0
}

// ascii maps a byte to its lower case if it is an ASCII letter or digit, to separator if it is any
// other ASCII byte, and to more if it is part of a longer rune. Most text is ASCII, and a look-up costs
// far less than the tables of package unicode.
var ascii = func() (table [256]byte) {
	for c := range table {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			table[c] = byte(c)
		case 'A' <= c && c <= 'Z':
			table[c] = byte(c) + 'a' - 'A'
		case c >= utf8.RuneSelf:
			table[c] = more
		default:
			table[c] = separator
		}
	}
	return table
}()

// Both are upper-case letters: no byte folds to one, so no byte that is marked with one stands for itself.
const (
	separator = 'S'
	more      = 'M'
)

// fold returns r in lower case, and whether it is part of a word.
func fold(r rune) (rune, bool) {
	if r < utf8.RuneSelf {
		lower := ascii[r]
		return rune(lower), lower != separator
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
