// Command wordcount counts words over all the lines it is sent. README.md describes its requests, and
// package words says what a word is.
package main

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"

	"github.com/groutlabs/grout/examples/wasm/wordcount/words"
	"github.com/groutlabs/grout/sdk"
)

// The codes of refusals, for clients that look at Grout-Machine-Code.
const (
	codeBadQuery    = 1
	codeWordTooLong = 2
)

const (
	// maxWordBytes bounds a word, so that any word fits into an answer.
	maxWordBytes = 64 << 10
	// maxEntries bounds what one query collects.
	maxEntries = 20_000
	// maxAnswerBytes keeps an answer below the sandbox's limit of 512 KiB.
	maxAnswerBytes = 500 << 10
)

// fromStart is where a range begins that has no word to go on from. It can be no word itself.
const fromStart = "-"

// wordcount is the machine.
type wordcount struct {
	tally    tally
	splitter words.Splitter
	reply    []byte
}

func newWordcount() *wordcount { return &wordcount{tally: newTally()} }

func init() { sdk.Register(newWordcount()) }

func main() {} // never runs: the host calls Apply and Query

// Apply counts the words of one line and answers how many there were.
func (m *wordcount) Apply(_ *sdk.Context, line []byte) ([]byte, error) {
	// The check comes first, so that the machine is right even where nothing undoes a refusal.
	if len(line) > maxWordBytes {
		if err := m.checkWords(line); err != nil {
			return nil, err
		}
	}
	before := m.tally.words
	m.splitter.Reset(line)
	for word, ok := m.splitter.Next(); ok; word, ok = m.splitter.Next() {
		m.tally.add(word)
	}
	m.tally.lines++
	m.reply = strconv.AppendUint(m.reply[:0], m.tally.words-before, 10)
	return m.reply, nil
}

func (m *wordcount) checkWords(line []byte) error {
	m.splitter.Reset(line)
	for word, ok := m.splitter.Next(); ok; word, ok = m.splitter.Next() {
		if len(word) > maxWordBytes {
			return sdk.Refuse(codeWordTooLong,
				"wordcount: the word %.40q... has %d bytes, the limit is %d: the line was not counted", word[:40], len(word), maxWordBytes)
		}
	}
	return nil
}

// Query answers totals, "count WORD", "top N" or "range AFTER LIMIT".
func (m *wordcount) Query(_ *sdk.Context, query []byte) ([]byte, error) {
	verb, argument, _ := bytes.Cut(query, []byte{' '})
	switch string(verb) {
	case "":
		return m.totals(), nil
	case "count":
		return m.count(argument)
	case "top":
		return m.top(argument)
	case "range":
		return m.after(argument)
	}
	return nil, sdk.Refuse(codeBadQuery,
		"wordcount: %.40q is no query: use count WORD, top N, range AFTER LIMIT, or nothing for the totals", verb)
}

func (m *wordcount) totals() []byte {
	answer := strconv.AppendUint([]byte(`{"lines":`), m.tally.lines, 10)
	answer = strconv.AppendUint(append(answer, `,"words":`...), m.tally.words, 10)
	answer = strconv.AppendInt(append(answer, `,"distinct":`...), int64(len(m.tally.entries)), 10)
	return append(answer, '}')
}

// count answers how often one word came, whatever its case.
func (m *wordcount) count(argument []byte) ([]byte, error) {
	word, err := oneWord(argument)
	if err != nil {
		return nil, err
	}
	return strconv.AppendUint(nil, m.tally.count([]byte(word)), 10), nil
}

// top answers the N most frequent words; of equally frequent ones, the first by the order of bytes.
func (m *wordcount) top(argument []byte) ([]byte, error) {
	n, err := limit(string(argument))
	if err != nil {
		return nil, err
	}
	all := func(entry) bool { return true }
	return lines(m.tally.first(n, all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.word, b.word))
	})), nil
}

// after answers the next LIMIT words after AFTER, by the order of their bytes.
func (m *wordcount) after(argument []byte) ([]byte, error) {
	from, number, _ := strings.Cut(string(argument), " ")
	n, err := limit(number)
	if err != nil {
		return nil, err
	}
	last := ""
	if from != fromStart {
		if last, err = oneWord([]byte(from)); err != nil {
			return nil, err
		}
	}
	later := func(e entry) bool { return e.word > last }
	return lines(m.tally.first(n, later, func(a, b entry) int { return strings.Compare(a.word, b.word) })), nil
}

// lines formats entries as "WORD COUNT", one a line, and leaves out the last ones that would make the
// answer too large.
func lines(entries []entry) []byte {
	answer := make([]byte, 0, 4<<10)
	for _, e := range entries {
		if len(answer)+len(e.word)+22 > maxAnswerBytes {
			break
		}
		answer = append(append(answer, e.word...), ' ')
		answer = append(strconv.AppendUint(answer, e.count, 10), '\n')
	}
	return answer
}

func limit(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 || n > maxEntries {
		return 0, sdk.Refuse(codeBadQuery, "wordcount: %.40q is no number of words: use 1 to %d", text, maxEntries)
	}
	return int(n), nil
}

// oneWord reads an argument that is one word, and returns it in lower case.
func oneWord(argument []byte) (string, error) {
	var s words.Splitter
	s.Reset(argument)
	first, _ := s.Next()
	word := string(first)
	if _, second := s.Next(); second || word == "" {
		return "", sdk.Refuse(codeBadQuery,
			"wordcount: %.40q is not one word of letters and digits", argument)
	}
	return word, nil
}
