package sdktest

import (
	"crypto/sha256"
	"math/rand/v2"
	"slices"
)

// A script as the fuzzer has it: step after step, each ended by endStep, which the last one may lack.
//
//	input                 a command
//	queryStep input       a query
//	knownStep n u8 edits  the step with number n of those that are known
//
// An edit is two bytes: the number of a word in the input, and that of the word that comes in its place, one of numbers that
// often break something or of the words of all known steps. A word is a run of letters, digits, '-', '_' and '.'. All numbers
// count modulo what there is.
//
// In an input, escape stands before each of the five bytes. There are no sizes: whatever byte the fuzzer adds or takes away,
// one step changes and those behind it stay. Any bytes are a script. The fuzzer of Go knows nothing of requests: known steps
// and edits let it come from good ones to others that are nearly good with a byte or two.
//
// Data that begins with madeUp is a script made of known steps and edits at random, with the rest as the seed of the
// random numbers: whatever byte the fuzzer changes, another script comes of it.
const (
	escape    = 0x1b
	queryStep = 0x1c
	knownStep = 0x1d
	endStep   = 0x1e
	madeUp    = 0x1f
)

// EncodeScript returns a script as the bytes that Fuzz reads, for a corpus of one's own.
func EncodeScript(script Script) []byte {
	var data []byte
	for _, step := range script {
		if step.Query {
			data = append(data, queryStep)
		}
		for i := range len(step.Input) {
			if c := step.Input[i]; c >= escape && c <= madeUp {
				data = append(data, escape)
			}
			data = append(data, step.Input[i])
		}
		data = append(data, endStep)
	}
	return data
}

// vocabulary is what scripts may name by number.
type vocabulary struct {
	steps Script
	words []string
}

// breaking are the words that every vocabulary begins with.
var breaking = []string{"0", "-1", "1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
	"4294967296", "1.5", "1e3", "", "null", "true"}

func vocabularyOf(steps Script) vocabulary {
	v := vocabulary{steps: steps, words: breaking[:len(breaking):len(breaking)]}
	for _, step := range steps {
		for _, w := range wordsIn(step.Input) {
			if word := step.Input[w[0]:w[1]]; !slices.Contains(v.words, word) {
				v.words = append(v.words, word)
			}
		}
	}
	return v
}

// wordsIn are the bounds of the words of an input.
func wordsIn(input string) (bounds [][2]int) {
	begin := -1
	for i := 0; i <= len(input); i++ {
		inside := i < len(input) && partOfWord(input[i])
		switch {
		case inside && begin < 0:
			begin = i
		case !inside && begin >= 0:
			bounds = append(bounds, [2]int{begin, i})
			begin = -1
		}
	}
	return bounds
}

func partOfWord(c byte) bool {
	letter := c | 0x20
	return letter >= 'a' && letter <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c >= 0x80
}

// edited has the words that the edits name exchanged.
func (v *vocabulary) edited(step Step, edits []byte) Step {
	for ; len(edits) >= 2; edits = edits[2:] {
		words := wordsIn(step.Input)
		if len(words) == 0 {
			return step
		}
		w := words[int(edits[0])%len(words)]
		step.Input = step.Input[:w[0]] + v.words[int(edits[1])%len(v.words)] + step.Input[w[1]:]
	}
	return step
}

// DecodeScript reads at most steps steps; known are those that the bytes may name by number.
func DecodeScript(data []byte, steps int, known Script) Script {
	v := vocabularyOf(known)
	return v.decode(data, steps)
}

func (v *vocabulary) decode(data []byte, steps int) Script {
	if len(data) > 0 && data[0] == madeUp && len(v.steps) > 0 {
		return v.makeUp(data[1:], steps)
	}
	var script Script
	for len(data) > 0 && len(script) < steps {
		var step Step
		step, data = v.decodeStep(data)
		script = append(script, step)
	}
	return script
}

// makeUp takes known steps at random and edits one of four.
func (v *vocabulary) makeUp(seed []byte, steps int) Script {
	random := rand.New(rand.NewChaCha8(sha256.Sum256(seed)))
	script := make(Script, 1+random.IntN(steps))
	for i := range script {
		script[i] = v.steps[random.IntN(len(v.steps))]
		for random.IntN(4) == 0 {
			script[i] = v.edited(script[i], []byte{byte(random.Uint32()), byte(random.Uint32())})
		}
	}
	return script
}

// decodeStep reads one step and returns what is left.
func (v *vocabulary) decodeStep(data []byte) (step Step, rest []byte) {
	switch {
	case data[0] == knownStep && len(data) > 1 && len(v.steps) > 0:
		step, data = v.steps[int(data[1])%len(v.steps)], data[2:]
		end := slices.Index(data, endStep)
		if end < 0 {
			return v.edited(step, data), nil
		}
		return v.edited(step, data[:end]), data[end+1:]
	case data[0] == queryStep:
		step.Query, data = true, data[1:]
	}
	var input []byte
	for i := 0; i < len(data); i++ {
		switch {
		case data[i] == endStep:
			step.Input = string(input)
			return step, data[i+1:]
		case data[i] == escape && i+1 < len(data):
			i++
		}
		input = append(input, data[i])
	}
	step.Input = string(input)
	return step, nil
}

// encodeKnown is a script of known steps by their numbers, from first on.
func encodeKnown(first, count int) []byte {
	var data []byte
	for i := range count {
		data = append(data, knownStep, byte(first+i), endStep)
	}
	return data
}
