package wire

import (
	"fmt"
	"reflect"
	"slices"
)

func (p *plan) readJSONList(r *jsonReader, v reflect.Value, depth int) error {
	if !r.take('[') {
		return p.mistaken(r.what())
	}
	if p.form == formList {
		v.Set(reflect.MakeSlice(p.typ, 0, 0))
	}
	n := 0
	for ; !r.take(']'); n++ {
		if n > 0 {
			if err := r.expect(','); err != nil {
				return inElement(n, err)
			}
		}
		if err := p.room(v, n); err != nil {
			return err
		}
		if err := p.element.readJSON(r, v.Index(n), depth+1); err != nil {
			return inElement(n, err)
		}
	}
	return p.filled(v, n)
}

// room makes room for element n of a list, or says that an array is full.
func (p *plan) room(v reflect.Value, n int) error {
	if p.form == formArray {
		if n == v.Len() {
			return invalid("a list of more than %d is too long", n)
		}
		return nil
	}
	v.Grow(1)
	v.SetLen(n + 1)
	v.Index(n).SetZero()
	return nil
}

// filled checks that an array has all of its elements.
func (p *plan) filled(v reflect.Value, n int) error {
	if p.form == formArray && n < v.Len() {
		return invalid("a list of %d is too short: it has to have %d", n, v.Len())
	}
	return nil
}

func (p *plan) readJSONMap(r *jsonReader, v reflect.Value, depth int) error {
	v.Set(reflect.MakeMap(p.typ))
	return r.object(p, func(_ int, name []byte) error {
		text := string(name)
		key := reflect.New(p.key.typ).Elem()
		if err := p.setKey(name, key); err != nil {
			return err
		}
		if v.MapIndex(key).IsValid() {
			return invalid("%.40q is there twice", text)
		}
		value := reflect.New(p.element.typ).Elem()
		if err := p.element.readJSON(r, value, depth+1); err != nil {
			return inField(text, err)
		}
		v.SetMapIndex(key, value)
		return nil
	})
}

// setKey reads a map's key from its text.
func (p *plan) setKey(name []byte, key reflect.Value) error {
	if p.key.form == formString {
		key.SetString(string(name))
		return nil
	}
	digits := jsonReader{data: name}
	if len(name) == 0 || name[0] != '-' && (name[0] < '0' || name[0] > '9') {
		return p.key.mistaken(fmt.Sprintf("the key %.40q", name))
	}
	if text, whole, err := digits.number(); err != nil || !whole || len(text) != len(name) {
		return p.key.mistaken(fmt.Sprintf("the key %.40q", name))
	}
	return p.key.setWhole(name, key)
}

func (p *plan) readJSONStruct(r *jsonReader, v reflect.Value, depth int) error {
	var seen seenFields
	return r.object(p, func(near int, name []byte) error {
		i, err := p.fieldNamed(name, near)
		switch {
		case err != nil && r.lenient:
			return r.skip(p, depth+1)
		case err == nil:
			err = seen.add(p, i)
		}
		if err != nil {
			return err
		}
		f := &p.fields[i]
		if err := f.plan.readJSON(r, f.at(v), depth+1); err != nil {
			return inField(f.name, err)
		}
		return nil
	})
}

// object reads the names of an object; member reads each value. near counts them.
func (r *jsonReader) object(p *plan, member func(near int, name []byte) error) error {
	if !r.take('{') {
		return p.mistaken(r.what())
	}
	for near := 0; !r.take('}'); near++ {
		if near > 0 {
			if err := r.expect(','); err != nil {
				return err
			}
		}
		if r.peek() != '"' {
			return r.bad("a name in quotation marks is expected")
		}
		name, err := r.text()
		if err == nil {
			err = r.expect(':')
		}
		if err == nil {
			err = member(near, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skip passes over a value that nobody wants.
func (r *jsonReader) skip(p *plan, depth int) (err error) {
	if depth > maxDepth {
		return tooDeep()
	}
	switch c := r.peek(); {
	case c == '{':
		return r.object(p, func(int, []byte) error { return r.skip(p, depth+1) })
	case c == '[':
		r.at++
		for n := 0; !r.take(']'); n++ {
			if n > 0 {
				err = r.expect(',')
			}
			if err == nil {
				err = r.skip(p, depth+1)
			}
			if err != nil {
				return err
			}
		}
	case c == '"':
		_, err = r.text()
	case c == '-' || c >= '0' && c <= '9':
		_, _, err = r.number()
	case !r.word("true") && !r.word("false") && !r.word("null"):
		err = r.bad("a value is expected")
	}
	return err
}

// seenFields are the fields of a struct that were read.
type seenFields struct {
	few  uint64
	many []int
}

// add notes field i, which must be new: of two values one would be lost without a word.
func (s *seenFields) add(p *plan, i int) error {
	seen := false
	if i < 64 {
		seen = s.few&(1<<i) != 0
		s.few |= 1 << i
	} else {
		seen = slices.Contains(s.many, i)
		s.many = append(s.many, i)
	}
	if seen {
		return invalid("field %q is there twice", p.fields[i].name)
	}
	return nil
}
