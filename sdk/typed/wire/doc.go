// Package wire has the bytes of typed machines: envelopes, and values in JSON and MessagePack. Guests and clients
// share it; hosts know nothing of it. Programs use sdk/typed and sdk/client instead.
//
// # Envelopes
//
// A command or query is a map of one element: the name, and its payload. The reply is the value alone; a
// refusal travels as any machine's does, in headers.
//
//	JSON          {"deposit":{"account":"ada","amount":5}}        reply {"account":"ada","balance":5}
//	MessagePack   81                                              a map of one
//	              a7 64 65 70 6f 73 69 74                         "deposit"
//	              82                                              a map of two: the payload
//	              a7 61 63 63 6f 75 6e 74  a3 61 64 61            "account": "ada"
//	              a6 61 6d 6f 75 6e 74     05                     "amount": 5
//
// The first byte tells them apart: '{' or white space begins JSON; 0x81, 0xde or 0xdf a map in MessagePack. A
// name has 1 to 64 letters, digits, '-', '_' and '.'. The payload null (nil) means the zero value.
//
// # Values
//
//	Go                        JSON                         MessagePack
//	bool                      true, false                  c3, c2
//	int..., uint...           a number without fraction    the shortest of 00-7f, e0-ff, cc-cf, d0-d3; any of them is read
//	float32, float64          the shortest number          ca, cb; ca, cb and whole numbers are read
//	string                    a string                     the shortest of a0-bf, d9-db
//	[]byte                    base64 with padding          the shortest of c4-c6; strings are read too
//	slice, array              an array                     the shortest of 90-9f, dc, dd
//	map of strings, integers  an object, sorted by key     the shortest of 80-8f, de, df, sorted by key
//	struct                    an object                    a map with strings as keys, in the order of the fields
//	pointer                   null or the value            c0 or the value
//	nil slice, map, []byte    null                         c0
//	time.Time and others      a string                     a string: by MarshalText and UnmarshalText
//
// Fields have the names of their json tags, in both encodings; omitempty is known, "-" hides a field. The JSON is
// what encoding/json writes with SetEscapeHTML(false), save that integer keys are sorted by value, and that an embedded
// struct which is a text is a field, where encoding/json would lose it.
//
// # What is read
//
// Reading is strict, since whatever is passed over is lost on every member alike: a field that is not known or comes twice,
// null for what is neither pointer, slice nor map, a fraction for an integer, a number out of range and text that is no UTF-8
// are errors that name the field. A field that is missing has its zero value. Values are nested at most 64 deep. A client
// passes over fields of a reply that it does not know, so that a machine may come to say more.
//
// # Determinism
//
// Equal values give equal bytes. Floats are written with the fewest digits that give the same number again, which is a function
// of the number alone, and the sandbox has one form of NaN; NaN and infinities have no JSON and are an error there.
//
// Start reading at Codec.
package wire
