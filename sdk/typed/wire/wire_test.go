package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ugorji/go/codec"

	"github.com/groutlabs/grout/sdk/typed/wire"
)

type named string

type base struct {
	ID uint16 `json:"id"`
}

// everything has a field of each form.
type everything struct {
	base
	Yes    bool
	Small  int8              `json:"small"`
	Large  int64             `json:"large,omitempty"`
	Count  uint64            `json:"count"`
	Half   float32           `json:"half"`
	Whole  float64           `json:"whole,omitempty"`
	Text   named             `json:"text"`
	Bytes  []byte            `json:"bytes"`
	When   time.Time         `json:"when"`
	Next   *everything       `json:"next,omitempty"`
	List   []int32           `json:"list"`
	Pair   [2]string         `json:"pair"`
	Names  map[string]uint8  `json:"names,omitempty"`
	Lines  map[int16][]named `json:"lines"`
	Maybe  *string           `json:"maybe"`
	Hidden chan int          `json:"-"`
}

func codecFor[T any](t testing.TB) wire.Codec[T] {
	t.Helper()
	c, err := wire.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func random(r *rand.Rand, depth int) *everything {
	text := func() string {
		return []string{"", "ada", "a\"b\\c/\n\t\x01<&>", "Ω é 日本", "\u2028", strings.Repeat("x", r.IntN(300))}[r.IntN(6)]
	}
	v := &everything{
		base: base{ID: uint16(r.Uint32() >> r.IntN(16))}, Yes: r.IntN(2) == 0, Small: int8(r.Uint32()), Large: int64(r.Uint64()) >> r.IntN(64),
		Count: r.Uint64() >> r.IntN(64), Half: float32(r.NormFloat64()), Whole: math.Float64frombits(r.Uint64()),
		Text: named(text()), When: time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC(), Pair: [2]string{text(), text()},
	}
	if math.IsNaN(v.Whole) || math.IsInf(v.Whole, 0) {
		v.Whole = 1e-9
	}
	if r.IntN(3) > 0 {
		v.Bytes, v.List = []byte(text()), []int32{}
		v.Names, v.Lines = map[string]uint8{}, map[int16][]named{}
		for range r.IntN(20) {
			v.List = append(v.List, int32(r.Uint32()))
			v.Names[text()] = uint8(r.Uint32())
			// Of one digit, so that encoding/json has the same order.
			v.Lines[int16(r.IntN(10))] = []named{named(text())}
		}
	}
	if len(v.Names) == 0 {
		v.Names = nil
	}
	if depth > 0 && r.IntN(2) == 0 {
		s := text()
		v.Next, v.Maybe = random(r, depth-1), &s
	}
	return v
}

// plainJSON is what encoding/json writes when it is not told to spare HTML.
func plainJSON(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return bytes.ReplaceAll(text, []byte(`\u2028`), []byte("\u2028")) // legal in JSON; escaped there for JavaScript's sake
}

// TestJSONEqualsTheStandardLibrarys shows on random values that both write the same bytes, and that ours are read back whole.
func TestJSONEqualsTheStandardLibrarys(t *testing.T) {
	seed := rand.Uint64()
	r, c := rand.New(rand.NewPCG(seed, 0)), codecFor[everything](t)
	for range 3_000 {
		v := random(r, 3)
		got, err := c.Append(nil, wire.JSON, v)
		if want := plainJSON(t, v); err != nil || string(got) != string(want) {
			t.Fatalf("seed %d: %v\nwe write    %s\nthe library %s", seed, err, got, want)
		}
		var back everything
		if err := c.Parse(wire.JSON, got, &back); err != nil || !reflect.DeepEqual(&back, v) {
			t.Fatalf("seed %d: %s is read as %+v, %v", seed, got, back, err)
		}
	}
}

// odd has values and shapes that random ones do not hit.
type odd struct {
	Wide   []float64
	Narrow []float32
	// Two that are texts: so the struct itself is none.
	netip.Prefix
	netip.Addr
}

// TestOddJSONEqualsTheStandardLibrarys shows the same for numbers at the ends of their forms, and that embedded texts are kept.
func TestOddJSONEqualsTheStandardLibrarys(t *testing.T) {
	v := odd{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Addr: netip.MustParseAddr("::1")}
	for _, f := range []float64{0, math.Copysign(0, -1), 1, 0.1, 1e-6, 9.99e-7, 1e-7, 1e-10, 1e20, 1e21, 123456789e15, math.MaxFloat64, 5e-324} {
		v.Wide, v.Narrow = append(v.Wide, f, -f), append(v.Narrow, float32(min(f, math.MaxFloat32)))
	}
	c := codecFor[odd](t)
	got, err := c.Append(nil, wire.JSON, &v)
	want := strings.TrimSuffix(string(plainJSON(t, v)), "}") + `,"Prefix":"10.0.0.0/8","Addr":"::1"}` // which it loses
	if err != nil || string(got) != want {
		t.Fatalf("%v\nwe write    %s\nthe library %s", err, got, want)
	}
	for _, e := range []wire.Encoding{wire.JSON, wire.MessagePack} {
		packed, err := c.Append(nil, e, &v)
		var back odd
		if err = errors.Join(err, c.Parse(e, packed, &back)); err != nil || !reflect.DeepEqual(back, v) {
			t.Errorf("%s: %+v, %v", e, back, err)
		}
	}
}

// TestMessagePackEqualsAnothers shows on random values that another implementation reads what we write, and
// we what it writes.
func TestMessagePackEqualsAnothers(t *testing.T) {
	seed := rand.Uint64()
	r, c := rand.New(rand.NewPCG(seed, 0)), codecFor[everything](t)
	handle := &codec.MsgpackHandle{WriteExt: true}
	handle.TypeInfos = codec.NewTypeInfos([]string{"json"})
	handle.RawToString = true
	for range 3_000 {
		v := random(r, 3)
		got, err := c.Append(nil, wire.MessagePack, v)
		if err != nil {
			t.Fatal(err)
		}
		var back everything
		if err := c.Parse(wire.MessagePack, got, &back); err != nil || !reflect.DeepEqual(&back, v) {
			t.Fatalf("seed %d: %x is read as %+v, %v", seed, got, back, err)
		}
		var theirs any
		if err := codec.NewDecoderBytes(got, handle).Decode(&theirs); err != nil {
			t.Fatalf("seed %d: %x: %v", seed, got, err)
		}
		var again []byte
		if err := codec.NewEncoderBytes(&again, handle).Encode(theirs); err != nil {
			t.Fatal(err)
		}
		back = everything{}
		if err := c.Parse(wire.MessagePack, again, &back); err != nil || !reflect.DeepEqual(&back, v) {
			t.Fatalf("seed %d: of another's %x we read %+v, %v; it was %+v", seed, again, back, err, v)
		}
	}
}

type deposit struct {
	Account string  `json:"account"`
	Amount  int64   `json:"amount"`
	Lines   []line  `json:"lines,omitempty"`
	Rate    float64 `json:"rate,omitempty"`
	Ref     []byte  `json:"ref,omitempty"`
	Ports   [2]uint `json:"ports,omitempty"`
}

type line struct {
	Price uint8           `json:"price"`
	By    map[string]bool `json:"by,omitempty"`
	When  *time.Time      `json:"when,omitempty"`
}

// TestGoldenBytes pins the bytes that the documentation promises.
func TestGoldenBytes(t *testing.T) {
	type short struct {
		Account string `json:"account"`
		Amount  int64  `json:"amount"`
	}
	c, v := codecFor[short](t), short{"ada", 5}
	for e, want := range map[wire.Encoding]string{
		wire.JSON:        hex.EncodeToString([]byte(`{"deposit":{"account":"ada","amount":5}}`)),
		wire.MessagePack: "81a76465706f73697482a76163636f756e74a3616461a6616d6f756e7405",
	} {
		got, err := wire.AppendRequest(nil, e, "deposit", c, &v)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, %v, want %s", e, got, err, want)
		}
		found, name, payload, err := wire.Open(got)
		if err != nil || found != e || string(name) != "deposit" {
			t.Fatalf("%s: %s %q %v", e, found, name, err)
		}
		var back short
		if err := c.Parse(e, payload, &back); err != nil || back != v {
			t.Errorf("%s: %+v, %v", e, back, err)
		}
	}
}

// TestRefusalsNameTheField shows what every kind of bad payload is told.
func TestRefusalsNameTheField(t *testing.T) {
	c := codecFor[deposit](t)
	for payload, want := range map[string]string{
		`{"account":5}`:                          `field "account": the number 5 is not a text`,
		`{"account":null}`:                       `field "account": null is not a text`,
		`{"amount":"five"}`:                      `field "amount": the text "five" is not a whole number`,
		`{"amount":1.5}`:                         `field "amount": the number 1.5 is not a whole number`,
		`{"amount":9223372036854775808}`:         `field "amount": 9223372036854775808 does not fit into int64`,
		`{"lines":[{},{"price":256}]}`:           `field "lines[1].price": 256 does not fit into uint8`,
		`{"lines":[{"price":-1}]}`:               `field "lines[0].price": the number -1 is not a whole number that is not negative`,
		`{"lines":[{"by":{"x":1}}]}`:             `field "lines[0].by.x": the number 1 is not true or false`,
		`{"lines":[{"by":{"x":true,"x":true}}]}`: `field "lines[0].by": "x" is there twice`,
		`{"lines":[{"when":"noon"}]}`:            `field "lines[0].when": the text "noon" is no time.Time: parsing time`,
		`{"lines":{}}`:                           `field "lines": a map is not a list`,
		`{"rate":true}`:                          `field "rate": true or false is not a number`,
		`{"rate":1e999}`:                         `field "rate": 1e999 does not fit into float64`,
		`{"ref":"?"}`:                            `field "ref": the text "?" is not bytes in base64`,
		`{"ports":[1]}`:                          `field "ports": a list of 1 is too short: it has to have 2`,
		`{"ports":[1,2,3]}`:                      `field "ports": a list of more than 2 is too long`,
		`{"acount":"ada"}`:                       `the payload: field "acount" is not known: there are account, amount, lines, rate, ref, ports`,
		`{"amount":1,"amount":2}`:                `the payload: field "amount" is there twice`,
		`[]`:                                     `the payload: a list is not a map of fields`,
		`{"amount":01}`:                          `the payload: bad JSON at "1}": ',' is expected`,
		`{"account":"a`:                          `field "account": the JSON ends too early: a text has no end`,
		`{"account":"\ud800x"}`:                  `field "account": bad JSON at "x\"}": half a surrogate pair`,
		"{\"account\":\"\xff\"}":                 `field "account": the text "\xff" is not UTF-8`,
		"{\"account\":\"a\nb\"}":                 `field "account": bad JSON at "b\"}": a text cannot hold the control character 0x0a`,
		`{"account":"ada"} {}`:                   `the payload: bad JSON at "{}": nothing is expected after the payload`,
		`{account:"ada"}`:                        `the payload: bad JSON at "account:\"ada\"}": a name in quotation marks is expected`,
		`nulls`:                                  `the payload: bad JSON at "s": nothing is expected`,
	} {
		refused(t, c.Parse(wire.JSON, []byte(payload), new(deposit)), payload, want)
	}
	for payload, want := range map[string]string{
		"81a76163636f756e7405":                 `field "account": the number 5 is not a text`,
		"81a6616d6f756e74a466697665":           `field "amount": the text "five" is not a whole number`,
		"81a6616d6f756e74cfffffffffffffffff":   `field "amount": 18446744073709551615 does not fit into int64`,
		"81a6616d6f756e74c0":                   `field "amount": nil is not a whole number`,
		"81a6616d6f756e74d4":                   `field "amount": the byte 0xd4 begins no value: extensions are not used`,
		"81a6616d6f756e74ca3f800000":           `field "amount": the number 1 is not a whole number`,
		"81a56c696e65739181a57072696365cd0100": `field "lines[0].price": 256 does not fit into uint8`,
		"81a56c696e65739181a57072696365ff":     `field "lines[0].price": the number -1 is not a whole number that`,
		"81a56c696e6573ddffffffff":             `field "lines": the MessagePack ends too early: 4294967295 elements are expected, 0 bytes are left`,
		"81a76163636f756e74a1ff":               `field "account": the text "\xff" is not UTF-8`,
		"8101":                                 `the payload: the MessagePack ends too early`,
		"81 01c0":                              `the payload: a field's name is a text, not the number 1`,
		"81a16101":                             `the payload: field "a" is not known: there are account`,
		"80c0":                                 `the payload: 1 bytes are left over after it`,
		"82a6616d6f756e7401a6616d6f756e7401":   `the payload: field "amount" is there twice`,
	} {
		data, err := hex.DecodeString(strings.ReplaceAll(payload, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if payload == "8101" {
			data = data[:1]
		}
		refused(t, c.Parse(wire.MessagePack, data, new(deposit)), payload, want)
	}
}

func refused(t *testing.T, err error, payload, want string) {
	t.Helper()
	var bad *wire.ValueError
	if !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%s gives\n%v, want\n%s", payload, err, want)
	}
}

type endless struct {
	Next *endless `json:"next,omitempty"`
}

// TestRepliesMaySayMore shows that a client passes over what it does not know, however it is made, and no further.
func TestRepliesMaySayMore(t *testing.T) {
	type reply struct {
		Account string `json:"account"`
	}
	c := codecFor[reply](t)
	for e, text := range map[wire.Encoding]string{
		wire.JSON: `{"new":[1,-2.5e3,"a\"b",null,true,false,[],{}],"more":{"x":{"y":[[]]}},"account":"ada","z":0}`,
		wire.MessagePack: "\x84\xa3new\x99\x01\xcb@\x00\x00\x00\x00\x00\x00\x00\xa3a\"b\xc0\xc3\xc2\x90\x80\xc4\x01x\xa4more\x81\xa1x\x81\xa1y\x91\x90" +
			"\xa7account\xa3ada\xa1z\x00",
	} {
		var got reply
		if err := c.ParseReply(e, []byte(text), &got); err != nil || got.Account != "ada" {
			t.Errorf("%s is read as %+v, %v", e, got, err)
		}
		if err := c.Parse(e, []byte(text), new(reply)); err == nil {
			t.Errorf("%s: a machine takes what it does not know", e)
		}
		for end := 1; end < len(text); end++ {
			if err := c.ParseReply(e, []byte(text[:end]), new(reply)); err == nil {
				t.Errorf("%s: %q is read", e, text[:end])
			}
		}
	}
	for e, nested := range map[wire.Encoding]string{
		wire.JSON:        `{"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}",
		wire.MessagePack: "\x81\xa1x" + strings.Repeat("\x91", 1000) + "\xc0",
	} {
		if err := c.ParseReply(e, []byte(nested), new(reply)); err == nil || !strings.Contains(err.Error(), "nested deeper than 64") {
			t.Errorf("%s: a thousand levels give %v", e, err)
		}
	}
}

// TestDepthIsBounded shows that a type which holds itself is written and read to a depth and no deeper.
func TestDepthIsBounded(t *testing.T) {
	c, deep := codecFor[endless](t), &endless{}
	for range 100 {
		deep = &endless{deep}
	}
	for e, nested := range map[wire.Encoding]string{
		wire.JSON:        strings.Repeat(`{"next":`, 100) + "{}" + strings.Repeat("}", 100),
		wire.MessagePack: strings.Repeat("\x81\xa4next", 100) + "\x80",
	} {
		for _, err := range []error{c.Parse(e, []byte(nested), new(endless)), second(c.Append(nil, e, deep))} {
			if err == nil || !strings.Contains(err.Error(), "next.next") || !strings.Contains(err.Error(), "it is nested deeper than 64") {
				t.Errorf("%s: %v", e, err)
			}
		}
	}
}

func second[A any](_ A, err error) error { return err }

// TestTypesThatCannotBeCarried shows what each is told when its plan is made.
func TestTypesThatCannotBeCarried(t *testing.T) {
	for want, err := range map[string]error{
		"field F: a func cannot be carried":              second(wire.For[struct{ F func() }]()),
		"field A: a interface cannot be carried":         second(wire.For[struct{ A any }]()),
		"a map's keys have to be texts or whole numbers": second(wire.For[map[bool]int]()),
		`two fields are named "id"`:                      second(wire.For[twice]()),
		`field N: the option "string" of its json tag is not`: second(wire.For[struct {
			N int `json:"n,string"`
		}]()),
	} {
		if !errors.Is(err, wire.ErrBadType) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestBadEnvelopes shows what requests without a name or payload are told.
func TestBadEnvelopes(t *testing.T) {
	for request, want := range map[string]string{
		"":                               "is no envelope",
		"5":                              `"5" is no envelope: send {"NAME": PAYLOAD} in JSON`,
		"{}":                             "holds no name",
		`{"a"`:                           "a colon, the payload and a closing brace",
		`{"a":`:                          "a colon, the payload and a closing brace",
		`{"a":1`:                         "a colon, the payload and a closing brace",
		`{"a": }`:                        `has no payload: send null for none`,
		"\x80":                           "is no envelope",
		"\xde\x00\x02\xa1a\xc0\xa1b\xc0": "a map of one name, not of 2",
		"\x81":                           "ends too early",
		"\x81\x05\xc0":                   "a command's name is a text, not the number 5",
		"\x81\xa1a":                      `"a" has no payload: send nil for none`,
	} {
		if _, _, _, err := wire.Open([]byte(request)); !errors.Is(err, wire.ErrBadRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", request, err, want)
		}
	}
	for _, name := range []string{"", "two words", "ä", "a\"b", strings.Repeat("x", 65)} {
		if err := wire.CheckName(name); !errors.Is(err, wire.ErrBadRequest) {
			t.Errorf("the name %q gives %v", name, err)
		}
	}
	if err := wire.CheckName("Move.to-2_x"); err != nil {
		t.Error(err)
	}
}

// TestNotANumber shows that a value without JSON is an error that names it, and MessagePack carries it.
func TestNotANumber(t *testing.T) {
	c, v := codecFor[map[string]float64](t), map[string]float64{"rate": math.NaN()}
	if _, err := c.Append(nil, wire.JSON, &v); err == nil || err.Error() != `field "rate": NaN has no form in JSON` {
		t.Errorf("JSON: %v", err)
	}
	packed, err := c.Append(nil, wire.MessagePack, &v)
	var back map[string]float64
	if err = errors.Join(err, c.Parse(wire.MessagePack, packed, &back)); err != nil || !math.IsNaN(back["rate"]) {
		t.Errorf("MessagePack: %v, %v", back, err)
	}
}

// FuzzJSON shows that whatever we read the standard library reads as the same value, and that no bytes break the reader.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"id":1,"Yes":true,"small":-3,"text":"a\u00e9\ud83d\ude00","bytes":"aGk=","list":[1,2],"names":{"a":1},"lines":{"3":["x"]}}`))
	f.Add([]byte(`{"whole":-0.5e-7,"half":3e38,"next":{"next":null},"pair":["a","b"],"maybe":"x","when":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(` { "count" : 18446744073709551615 } `))
	c := codecFor[everything](f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours, theirs everything
		if c.Parse(wire.JSON, data, &ours) != nil || len(bytes.TrimSpace(data)) == 0 {
			return
		}
		if err := json.Unmarshal(data, &theirs); err != nil {
			t.Fatalf("we read %q, the library says %v", data, err)
		}
		if !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%q is for us\n%+v, for the library\n%+v", data, ours, theirs)
		}
		again(t, c, wire.JSON, &ours)
	})
}

// FuzzMessagePack shows that no bytes break the reader, and that what it reads is written and read again alike.
func FuzzMessagePack(f *testing.F) {
	c := codecFor[everything](f)
	r := rand.New(rand.NewPCG(1, 0))
	for range 20 {
		packed, err := c.Append(nil, wire.MessagePack, random(r, 2))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v everything
		if c.Parse(wire.MessagePack, data, &v) == nil {
			again(t, c, wire.MessagePack, &v)
		}
	})
}

// FuzzOpen shows that no bytes break an envelope's reader, and that what it finds is inside of the request.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"deposit":{"account":"ada"}}`))
	f.Add([]byte("\x81\xa1a\xc0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, name, payload, err := wire.Open(data)
		if err == nil && (len(name) == 0 || len(payload) == 0 || !bytes.Contains(data, payload)) {
			t.Fatalf("%q is opened as %s %q %q", data, e, name, payload)
		}
	})
}

// again writes a value, reads it and writes it: the bytes have to be equal. Of time zones only the offset is kept.
func again(t *testing.T, c wire.Codec[everything], e wire.Encoding, v *everything) {
	t.Helper()
	first, err := c.Append(nil, e, v)
	if err != nil {
		return // a time that no text has, or NaN
	}
	var back everything
	if err := c.Parse(e, first, &back); err != nil {
		t.Fatalf("our own %q is not read: %v", first, err)
	}
	if second, err := c.Append(nil, e, &back); err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%q is written again as %q, %v", first, second, err)
	}
}

func Example() {
	c, err := wire.For[map[string]int]()
	if err != nil {
		panic(err)
	}
	request, err := wire.AppendRequest(nil, wire.JSON, "set", c, &map[string]int{"b": 2, "a": 1})
	fmt.Println(string(request), err)
	// Output: {"set":{"a":1,"b":2}} <nil>
}

type twice struct {
	base
	Other int `json:"id"`
}
