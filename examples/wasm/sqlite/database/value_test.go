package database

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestRequests shows a statement as the machine gets it, with the types of its values kept apart.
func TestRequests(t *testing.T) {
	type account int32
	text := "x"
	for want, args := range map[string][]any{
		`{"sql":"S"}`: nil,
		`{"sql":"S","args":[null,true,7,-7,1.0,0.1,1e+300,"a\"",{"blob":"00ff"},{"blob":""}]}`: {
			nil, true, 7, int8(-7), 1.0, 0.1, 1e300, `a"`, []byte{0, 255}, []byte{}},
		`{"sql":"S","args":[5,"x",null,null,1e999,-1e999]}`: {account(5), &text, sql.NullString{}, []byte(nil), math.Inf(1), math.Inf(-1)},
		`{"sql":"S","args":{"a":1,"b":2.5}}`:                {sql.Named("a", 1), sql.Named("b", float32(2.5))},
	} {
		request, err := Statement{"S", args}.request()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(request); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	for _, bad := range [][]any{{math.NaN()}, {uint64(math.MaxUint64)}, {"\xff"}, {time.Time{}}, {struct{}{}}, {1, sql.Named("a", 1)}, {sql.Named("a", []int{1})}} {
		if _, err := (Statement{"S", bad}).request(); !errors.Is(err, ErrBadValue) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestSQLIsText shows that SQL which JSON cannot carry is an error, and not other SQL.
func TestSQLIsText(t *testing.T) {
	if r, err := (Statement{SQL: "SELECT '\xff'"}).request(); !errors.Is(err, ErrBadValue) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestValues shows what the values of an answer become.
func TestValues(t *testing.T) {
	var a answer
	const text = `{"columns":["v"],"rows":[[null,9223372036854775807,-1,1.0,1e999,-1e999,1.0e+20,"é\u000a",{"blob":"00ff"},{"blob":""}]]}`
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	want := []any{nil, int64(math.MaxInt64), int64(-1), 1.0, math.Inf(1), math.Inf(-1), 1e20, "é\n", []byte{0, 255}, []byte{}}
	if got := plain(a.Rows)[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, want %#v", got, want)
	}
	for _, bad := range []string{`[[x]]`, `[[{"blob":"0"}]]`, `[[true]]`, `[[99999999999999999999]]`} {
		if err := json.Unmarshal([]byte(`{"rows":`+bad+`}`), &a); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestNoTransactions shows that what the machine has not is said.
func TestNoTransactions(t *testing.T) {
	db := Open(nil)
	if _, err := db.BeginTx(t.Context(), nil); !errors.Is(err, ErrNoTransaction) {
		t.Errorf("begin: %v", err)
	}
	if _, err := db.Driver().Open("x"); !errors.Is(err, ErrNoDriver) {
		t.Errorf("a name: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), "S", time.Time{}); !errors.Is(err, ErrBadValue) || !strings.Contains(err.Error(), "parameter 1") {
		t.Errorf("a time: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
