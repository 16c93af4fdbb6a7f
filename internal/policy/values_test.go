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
			s, ok := obj.Type().Underlying().(*types.Struct)
			if !ok {
				fs.add(obj.Pos(), "%s is no struct", name)
				continue
			}
			checkPage(fs, s, name, key)
		}
	}
	return fs.list
}

// checkPage checks the fields of a page, and of the pages inside it.
func checkPage(fs *findings, s *types.Struct, name, key string) {
	for i := range s.NumFields() {
		f := s.Field(i)
		if inner, ok := f.Type().Underlying().(*types.Struct); ok {
			checkPage(fs, inner, name+"."+f.Name(), key)
			continue
		}
		if why := unplain(f, s.Tag(i), key); why != "" {
			fs.add(f.Pos(), "%s.%s %s", name, f.Name(), why)
		}
	}
}

// unplain tells what is wrong with a field, "" if nothing is.
func unplain(f *types.Var, tag, key string) string {
	if f.Name() == "_" {
		return "" // padding
	}
	b, ok := f.Type().Underlying().(*types.Basic)
	if !ok || b.Info()&(types.IsInteger|types.IsBoolean) == 0 || b.Kind() == types.Uintptr {
		return "has type " + f.Type().String() + ": only integers and booleans, so that a copy shares nothing"
	}
	if name, _, _ := strings.Cut(reflect.StructTag(tag).Get(key), ","); name == "" {
		return "has no tag " + key + `:"name…"`
	}
	return ""
}
