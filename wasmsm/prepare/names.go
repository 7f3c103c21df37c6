package prepare

import (
	"unicode/utf8"
)

const (
	nameSection         = "name"
	nameSubFunctions    = 1
	maxKeptNameBytes    = 256
	producersSection    = "producers"
	maxProducerFields   = 16
	maxProducerValues   = 64
	maxProducerNameByte = 256
)

// functionNames reads the function names out of the name section. The binary format lets a tool
// ignore a malformed name section, so reading ends at the first fault, and what was read counts.
func (m *parsed) functionNames(limits Limits) []string {
	section, ok := m.customNamed(nameSection)
	if !ok {
		return nil
	}
	r := newReader(m.data)
	r.pos, r.end = section.start, section.end
	for r.left() > 0 && r.err == nil {
		id := r.byte("a subsection")
		size := r.count("bytes", limits.ModuleBytes, 1)
		if r.err != nil {
			return nil
		}
		if id != nameSubFunctions {
			r.bytes(size, "a subsection")
			continue
		}
		r.window(size)
		return m.readNames(r)
	}
	return nil
}

func (m *parsed) readNames(r *reader) []string {
	all := len(m.imports) + len(m.functions)
	names := make([]string, all)
	for range r.count("names", all, 2) {
		index := r.u32("an index")
		size := r.count("name bytes", r.left(), 1)
		name := r.bytes(size, "a name")
		if r.err != nil || int64(index) >= int64(all) {
			break
		}
		names[index] = cutName(name)
	}
	return names
}

// cutName keeps names short: Rust's can be longer than the functions that they name.
func cutName(name []byte) string {
	if len(name) > maxKeptNameBytes {
		n := maxKeptNameBytes
		for n > 0 && !utf8.RuneStart(name[n]) {
			n--
		}
		name = name[:n]
	}
	if !utf8.Valid(name) {
		return ""
	}
	return string(name)
}

func (m *parsed) customNamed(name string) (span, bool) {
	for _, c := range m.custom {
		if c.name == name {
			return c.content, true
		}
	}
	return span{}, false
}

// language reads the source language out of the producers section, "" when it does not say.
func (m *parsed) language() string {
	section, ok := m.customNamed(producersSection)
	if !ok {
		return ""
	}
	r := newReader(m.data)
	r.pos, r.end = section.start, section.end
	for range r.count("fields", maxProducerFields, 2) {
		field := r.name("field's name", maxProducerNameByte)
		for i := range r.count("values", maxProducerValues, 2) {
			value := r.name("value", maxProducerNameByte)
			version := r.name("version", maxProducerNameByte)
			if field == "language" && i == 0 && r.err == nil {
				return joinVersion(value, version)
			}
		}
	}
	return ""
}

func joinVersion(name, version string) string {
	if version == "" {
		return name
	}
	return name + " " + version
}
