package policy

import (
	"go/types"
	"reflect"
	"strings"
)

// checkValues finds Tunables and Stats, in rooms and in the hall, that are more
// than a page of plain integers, each with the name it is read by.
func checkValues(m *module) []finding {
	fs := &findings{m: m}
	for _, p := range m.pkgs {
		if !matches("internal/proto/... internal/vnet", p.path) || p.types == nil {
			continue
		}
		for name, key := range map[string]string{"Tunables": "sysctl", "Stats": "stat"} {
			obj := p.types.Scope().Lookup(name)
			if obj == nil {
				continue
			}
			if _, ok := obj.Type().Underlying().(*types.Struct); !ok {
				fs.add(obj.Pos(), "%s is no struct", name)
				continue
			}
			fs.unplain(obj.Type(), name, key)
		}
	}
	return fs.list
}

// unplain adds what is wrong with the fields of a struct, and of those it is
// composed of. Owner is its path from the page.
func (fs *findings) unplain(t types.Type, owner, key string) {
	s := t.Underlying().(*types.Struct)
	for i := range s.NumFields() {
		f := s.Field(i)
		if _, ok := f.Type().Underlying().(*types.Struct); ok {
			fs.unplain(f.Type(), owner+"."+f.Name(), key)
			continue
		}
		if f.Name() == "_" {
			continue // padding
		}
		b, ok := f.Type().Underlying().(*types.Basic)
		if !ok || b.Info()&(types.IsInteger|types.IsBoolean) == 0 || b.Kind() == types.Uintptr {
			fs.add(f.Pos(), "%s.%s has type %s: only integers and booleans, so that a copy shares nothing", owner, f.Name(), f.Type())
			continue
		}
		if name, _, _ := strings.Cut(reflect.StructTag(s.Tag(i)).Get(key), ","); name == "" {
			fs.add(f.Pos(), "%s.%s has no tag %s:\"name…\"", owner, f.Name(), key)
		}
	}
}
