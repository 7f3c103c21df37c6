package wire

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// form is how a type is carried.
type form uint8

const (
	formBool form = iota
	formInt
	formUint
	formFloat
	formString
	formBytes
	formText
	formPointer
	formList
	formArray
	formMap
	formStruct
)

// describe names what a form wants, for messages.
var describe = [...]string{
	formBool: "true or false", formInt: "a whole number", formUint: "a whole number that is not negative", formFloat: "a number",
	formString: "a text", formBytes: "bytes", formText: "a text", formPointer: "a value", formList: "a list",
	formArray: "a list", formMap: "a map", formStruct: "a map of fields",
}

// plan is how values of one type are read and written. It is made once for each type.
type plan struct {
	form form
	typ  reflect.Type
	// bits is the size of numbers.
	bits int
	// key and element are those of maps, lists, arrays and pointers.
	key, element *plan
	fields       []field
}

// field is one field of a struct.
type field struct {
	name string
	// index is the way to the field, through embedded structs.
	index []int
	plan  *plan
	// omit leaves an empty one out.
	omit bool
}

var (
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// plans has those that are complete, by type.
var plans sync.Map

// planFor makes a type's plan, or finds it.
func planFor(t reflect.Type) (*plan, error) {
	if known, ok := plans.Load(t); ok {
		return known.(*plan), nil
	}
	made := map[reflect.Type]*plan{}
	p, err := build(t, made)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadType, t, err)
	}
	plans.Store(t, p)
	return p, nil
}

// build makes the plan of t; made has those that are under way, since types may hold themselves.
func build(t reflect.Type, made map[reflect.Type]*plan) (*plan, error) {
	if p := made[t]; p != nil {
		return p, nil
	}
	p := &plan{typ: t}
	made[t] = p
	switch {
	case isText(t):
		p.form = formText
		return p, nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		p.form = formBytes
		return p, nil
	}
	return p, p.compose(t, made)
}

// isText reports whether values of t write and read themselves as texts, as time.Time does.
func isText(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && t.Implements(textMarshaler) && reflect.PointerTo(t).Implements(textUnmarshaler)
}

// compose fills in a plan by the type's kind.
func (p *plan) compose(t reflect.Type, made map[reflect.Type]*plan) (err error) {
	switch t.Kind() {
	case reflect.Bool:
		p.form = formBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.form, p.bits = formInt, t.Bits()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		p.form, p.bits = formUint, t.Bits()
	case reflect.Float32, reflect.Float64:
		p.form, p.bits = formFloat, t.Bits()
	case reflect.String:
		p.form = formString
	case reflect.Pointer:
		p.form = formPointer
		p.element, err = build(t.Elem(), made)
	case reflect.Slice:
		p.form = formList
		p.element, err = build(t.Elem(), made)
	case reflect.Array:
		p.form = formArray
		p.element, err = build(t.Elem(), made)
	case reflect.Map:
		p.form = formMap
		return p.composeMap(t, made)
	case reflect.Struct:
		p.form = formStruct
		return p.compound(t, nil, made)
	default:
		err = fmt.Errorf("a %s cannot be carried: use numbers, texts, bytes, lists, maps, structs and pointers to them", t.Kind())
	}
	return err
}

func (p *plan) composeMap(t reflect.Type, made map[reflect.Type]*plan) (err error) {
	if p.key, err = build(t.Key(), made); err != nil {
		return err
	}
	if p.key.form != formString && p.key.form != formInt && p.key.form != formUint {
		return fmt.Errorf("a map's keys have to be texts or whole numbers, not %s", t.Key())
	}
	p.element, err = build(t.Elem(), made)
	return err
}

// compound adds the fields of a struct; those of an embedded one without a name count as its own.
func (p *plan) compound(t reflect.Type, way []int, made map[reflect.Type]*plan) error {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		index := append(slices.Clone(way), i)
		switch {
		case name == "-" && options == "":
			continue
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !isText(f.Type):
			if err := p.compound(f.Type, index, made); err != nil {
				return err
			}
			continue
		case !f.IsExported():
			continue
		case options != "" && options != "omitempty":
			return fmt.Errorf("field %s: the option %q of its json tag is not known: only omitempty is", f.Name, options)
		}
		if name == "" {
			name = f.Name
		}
		if slices.ContainsFunc(p.fields, func(other field) bool { return other.name == name }) {
			return fmt.Errorf("two fields are named %q", name)
		}
		inner, err := build(f.Type, made)
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		p.fields = append(p.fields, field{name: name, index: index, plan: inner, omit: options == "omitempty"})
	}
	return nil
}

// fieldNamed finds a field; near is where it should be, since most senders keep the order.
func (p *plan) fieldNamed(name []byte, near int) (int, error) {
	if near < len(p.fields) && string(name) == p.fields[near].name {
		return near, nil
	}
	for i := range p.fields {
		if string(name) == p.fields[i].name {
			return i, nil
		}
	}
	known := make([]string, len(p.fields))
	for i := range p.fields {
		known[i] = p.fields[i].name
	}
	if len(known) == 0 {
		return 0, invalid("field %.40q is not known: there are none", name)
	}
	return 0, invalid("field %.40q is not known: there are %s", name, strings.Join(known, ", "))
}

// at is the field's value in a struct's.
func (f *field) at(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
}

// leftOut reports whether a field is empty, as encoding/json means it, and shall not be written then.
func (f *field) leftOut(v reflect.Value) bool {
	if !f.omit {
		return false
	}
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// nullable reports whether null is a value of the type.
func (p *plan) nullable() bool {
	return p.form == formPointer || p.form == formList || p.form == formMap || p.form == formBytes
}

// maxDepth bounds how deep values may be nested, since the types may hold themselves.
const maxDepth = 64

func tooDeep() error { return invalid("it is nested deeper than %d", maxDepth) }

// mistaken says that a value is not what its type wants.
func (p *plan) mistaken(what string) error { return invalid("%s is not %s", what, describe[p.form]) }

// outOfRange says that a number does not fit into its type.
func (p *plan) outOfRange(number string) error {
	return invalid("%.40s does not fit into %s", number, p.typ.Kind())
}
