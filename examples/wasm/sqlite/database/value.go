package database

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrBadValue marks the value of a parameter that SQLite has no type for.
var ErrBadValue = errors.New("database: no such value")

// request is a statement as the machine takes it.
type request struct {
	SQL string `json:"sql"`
	// Args is a slice or a map, nil for none.
	Args any `json:"args,omitempty"`
}

func (s Statement) request() (request, error) {
	if !utf8.ValidString(s.SQL) { // encoding/json would put others in place of its bytes
		return request{}, fmt.Errorf("%w: SQL that is no UTF-8: give the value as a parameter", ErrBadValue)
	}
	var list []any
	named := map[string]any{}
	for i, arg := range s.Args {
		name := ""
		if n, ok := arg.(sql.NamedArg); ok {
			name, arg = n.Name, n.Value
		}
		encoded, err := encode(arg)
		if err != nil {
			return request{}, fmt.Errorf("parameter %d: %w", i+1, err)
		}
		if name == "" {
			list = append(list, encoded)
			continue
		}
		named[name] = encoded
	}
	switch {
	case len(list) > 0 && len(named) > 0:
		return request{}, fmt.Errorf("%w: some parameters have names and some have none", ErrBadValue)
	case len(named) > 0:
		return request{s.SQL, named}, nil
	case len(list) > 0:
		return request{s.SQL, list}, nil
	}
	return request{SQL: s.SQL}, nil
}

// encode returns what encoding/json makes the machine's form of a value of.
func encode(given any) (any, error) {
	v, err := driver.DefaultParameterConverter.ConvertValue(given)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadValue, err)
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("%w: a string that is no UTF-8: give a []byte", ErrBadValue)
		}
		return v, nil
	case []byte:
		if v == nil { // NULL is read as one, too
			return nil, nil
		}
		return map[string]string{"blob": hex.EncodeToString(v)}, nil
	case float64:
		return encodeReal(v)
	}
	return nil, fmt.Errorf("%w: a %T: SQLite keeps a time as a text or a number, which is for you to choose", ErrBadValue, v)
}

// encodeReal keeps a number a real: without a point SQLite would have an integer.
func encodeReal(v float64) (any, error) {
	switch {
	case math.IsNaN(v):
		return nil, fmt.Errorf("%w: a float that is no number", ErrBadValue)
	case math.IsInf(v, 1):
		return json.Number("1e999"), nil
	case math.IsInf(v, -1):
		return json.Number("-1e999"), nil
	}
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.Number(text), nil
}

// value is one value of a row.
type value struct {
	// plain is nil, an int64, a float64, a string or a []byte.
	plain any
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(text []byte) error {
	switch {
	case bytes.Equal(text, []byte("null")):
		v.plain = nil
		return nil
	case text[0] == '"':
		var s string
		err := json.Unmarshal(text, &s)
		v.plain = s
		return err
	case text[0] == '{':
		var blob struct {
			Blob string `json:"blob"`
		}
		if err := json.Unmarshal(text, &blob); err != nil {
			return err
		}
		raw, err := hex.DecodeString(blob.Blob)
		v.plain = raw
		return err
	case bytes.ContainsAny(text, ".e"):
		f, err := strconv.ParseFloat(string(text), 64)
		if errors.Is(err, strconv.ErrRange) { // an infinity
			err = nil
		}
		v.plain = f
		return err
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	v.plain = n
	return err
}

func plain(rows [][]value) [][]any {
	if rows == nil {
		return nil
	}
	out := make([][]any, len(rows))
	for i, row := range rows {
		out[i] = make([]any, len(row))
		for j, v := range row {
			out[i][j] = v.plain
		}
	}
	return out
}
