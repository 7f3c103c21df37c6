// Command kv is a replicated key-value store with ordered keys. README.md describes its requests.
package main

import (
	"strconv"

	"github.com/groutlabs/grout/sdk"
)

const (
	// defaultPairs is how many pairs a range answers unless it says.
	defaultPairs = 100
	// maxAnswerBytes keeps a range's answer below the sandbox's limit of 512 KiB.
	maxAnswerBytes = 500 << 10
)

// kv is the machine.
type kv struct {
	store store
	// reply is used again by every get, which therefore allocates nothing.
	reply []byte
}

var (
	created  = []byte("created")
	replaced = []byte("replaced")
	deleted  = []byte("deleted")
)

func init() { sdk.Register(&kv{}) }

func main() {} // never runs: the host calls Apply and Query

// Apply runs put, create, cas, delete or get.
func (m *kv) Apply(_ *sdk.Context, command []byte) ([]byte, error) {
	verb, rest, _ := cutWord(command)
	switch string(verb) {
	case "put":
		return m.put(rest, true)
	case "create":
		return m.put(rest, false)
	case "cas":
		return m.compareAndSwap(rest)
	case "delete":
		return m.delete(rest)
	case "get":
		return m.get(rest)
	}
	return nil, sdk.Refuse(codeBadRequest, "kv: %.40q is no command: use put, create, cas, delete or get", verb)
}

// Query runs get, range or count.
func (m *kv) Query(_ *sdk.Context, query []byte) ([]byte, error) {
	verb, rest, more := cutWord(query)
	switch string(verb) {
	case "get":
		return m.get(rest)
	case "range":
		return m.scan(rest, more)
	case "count":
		return strconv.AppendInt(nil, int64(m.store.count), 10), nil
	}
	return nil, sdk.Refuse(codeBadRequest, "kv: %.40q is no query: use get, range or count", verb)
}

// put runs "put KEY VALUE" and "create KEY VALUE". The value is all that follows, spaces included.
func (m *kv) put(request []byte, replace bool) ([]byte, error) {
	key, value, more, err := cutArgument(request)
	if err != nil {
		return nil, err
	}
	if len(key) == 0 || !more {
		return nil, sdk.Refuse(codeBadRequest, "kv: %.40q: a key that is not empty, a space and a value must follow", request)
	}
	if err := checkSize(key, value); err != nil {
		return nil, err
	}
	if !replace {
		if _, found := m.store.get(string(key)); found {
			return nil, sdk.Refuse(codeExists, "kv: key %.80q exists already: use put or cas to change it", key)
		}
	}
	if m.store.put(key, value) {
		return created, nil
	}
	return replaced, nil
}

// compareAndSwap runs "cas KEY OLD NEW". OLD is an argument, NEW is all that follows.
func (m *kv) compareAndSwap(request []byte) ([]byte, error) {
	key, rest, _, err := cutArgument(request)
	if err != nil {
		return nil, err
	}
	old, value, more, err := cutArgument(rest)
	if err != nil {
		return nil, err
	}
	if !more {
		return nil, sdk.Refuse(codeBadRequest, "kv: %.40q: a key, the old value and the new value must follow", request)
	}
	if err := checkSize(key, value); err != nil {
		return nil, err
	}
	present, found := m.store.get(string(key))
	if !found {
		return nil, notFound(key)
	}
	if present != string(old) {
		return nil, sdk.Refuse(codeMismatch, "kv: key %.80q holds %.80q, not %.80q: the value stays", key, present, old)
	}
	m.store.put(key, value)
	return replaced, nil
}

// delete runs "delete KEY".
func (m *kv) delete(request []byte) ([]byte, error) {
	key, err := onlyKey(request)
	if err != nil {
		return nil, err
	}
	if !m.store.remove(string(key)) {
		return nil, notFound(key)
	}
	return deleted, nil
}

// get runs "get KEY" and answers the value's bytes.
func (m *kv) get(request []byte) ([]byte, error) {
	key, err := onlyKey(request)
	if err != nil {
		return nil, err
	}
	value, found := m.store.get(string(key))
	if !found {
		return nil, notFound(key)
	}
	m.reply = append(m.reply[:0], value...)
	return m.reply, nil
}

// scan runs "range [FROM [TO [LIMIT]]]".
func (m *kv) scan(request []byte, more bool) ([]byte, error) {
	from, to, limit, err := rangeBounds(request, more)
	if err != nil {
		return nil, err
	}
	var answer []byte
	m.store.scan(from, func(p pair) bool {
		if to != "" && p.key() >= to {
			return false
		}
		// Two counted arguments need at most 18 bytes beside their content.
		if limit == 0 || len(answer)+len(p.data)+18 > maxAnswerBytes {
			answer = append(appendArgument(answer, p.key()), '\n')
			return false
		}
		limit--
		answer = append(appendArgument(answer, p.key()), ' ')
		answer = append(appendArgument(answer, p.value()), '\n')
		return true
	})
	return answer, nil
}

// rangeBounds reads up to three arguments. An empty from is the first key, an empty to no end.
func rangeBounds(request []byte, more bool) (from, to string, limit int, err error) {
	var arguments [3][]byte
	for i := 0; i < len(arguments) && more; i++ {
		if arguments[i], request, more, err = cutArgument(request); err != nil {
			return "", "", 0, err
		}
	}
	limit = defaultPairs
	if text := arguments[2]; len(text) > 0 {
		parsed, parseErr := strconv.ParseUint(string(text), 10, 31)
		if parseErr != nil || parsed == 0 {
			return "", "", 0, sdk.Refuse(codeBadRequest, "kv: limit %.40q is not a positive number of pairs", text)
		}
		limit = int(parsed)
	}
	if more {
		return "", "", 0, sdk.Refuse(codeBadRequest, "kv: a range has at most three arguments: from, to and limit; %.40q is left over", request)
	}
	return string(arguments[0]), string(arguments[1]), limit, nil
}

// onlyKey reads a request that is one key and nothing else.
func onlyKey(request []byte) ([]byte, error) {
	key, rest, more, err := cutArgument(request)
	switch {
	case err != nil:
		return nil, err
	case len(key) == 0:
		return nil, sdk.Refuse(codeBadRequest, "kv: the key is missing: name one that is not empty")
	case more:
		return nil, sdk.Refuse(codeBadRequest,
			"kv: %.40q follows the key: a key with spaces is written with its length, as in '#5:a key'", rest)
	}
	return key, nil
}

func notFound(key []byte) error {
	return sdk.Refuse(codeNotFound, "kv: no key %.80q", key)
}

func checkSize(key, value []byte) error {
	if len(key) > maxKeyBytes {
		return sdk.Refuse(codeTooLarge, "kv: key %.80q has %d bytes, the limit is %d", key, len(key), maxKeyBytes)
	}
	if len(value) > maxValueBytes {
		return sdk.Refuse(codeTooLarge, "kv: the value for key %.80q has %d bytes, the limit is %d", key, len(value), maxValueBytes)
	}
	return nil
}
