package collections

// Span is a range of keys.
type Span[K any] struct {
	from, to *K
	prefix   []byte
}

// All is the span of all keys.
func All[K any]() Span[K] { return Span[K]{} }

// From is the span of key and all after it.
func From[K any](key K) Span[K] { return Span[K]{from: &key} }

// To is the span of all keys before key.
func To[K any](key K) Span[K] { return Span[K]{to: &key} }

// Between is the span of from and all after it that are before to.
func Between[K any](from, to K) Span[K] { return Span[K]{from: &from, to: &to} }

// Prefix is the span of the keys whose bytes begin with prefix. With Ordered strings those are the keys that begin with it as a text.
func Prefix[K any](prefix string) Span[K] { return Span[K]{prefix: []byte(prefix)} }

// bounds are the bytes of a span: from <= key < to, with an empty to for no end.
type bounds struct{ from, to []byte }

// bounds encodes a span. none is set where no key can be in it.
func (s Span[K]) bounds(codec Codec[K]) (b bounds, none bool, err error) {
	if len(s.prefix) > 0 {
		return bounds{s.prefix, after(s.prefix)}, false, nil
	}
	if s.from != nil {
		if b.from, err = encode("the start of the span", codec, *s.from); err != nil {
			return b, false, err
		}
	}
	if s.to != nil {
		if b.to, err = encode("the end of the span", codec, *s.to); err != nil {
			return b, false, err
		}
		none = len(b.to) == 0
	}
	return b, none, nil
}

// after is the first key behind all that begin with prefix, nil if there is none.
func after(prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if prefix[n-1] < 0xff {
			end := append([]byte(nil), prefix[:n]...)
			end[n-1]++
			return end
		}
	}
	return nil
}

// has reports whether a key is in the bounds.
func (b bounds) has(key []byte) bool {
	return string(key) >= string(b.from) && (len(b.to) == 0 || string(key) < string(b.to))
}

// meets reports whether a key can be in both.
func (b bounds) meets(o bounds) bool {
	return (len(b.to) == 0 || string(o.from) < string(b.to)) && (len(o.to) == 0 || string(b.from) < string(o.to))
}
