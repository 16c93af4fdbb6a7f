package policy

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// checkSizes finds files and functions that are too long, trees whose functions
// are long in general, and a hall that has grown past its limit. notes are the
// files past the soft limit, and each tree's figures.
func checkSizes(m *module) (list []finding, notes []string) {
	fs := &findings{m: m}
	lengths := map[string][]int{}
	hall := 0
	for _, p := range m.pkgs {
		tree := treeOf(p.path)
		for _, f := range p.code() {
			if p.path == "internal/vnet" {
				hall += f.lines
			}
			switch {
			case f.lines > fileHard:
				fs.add(f.Package, "%d lines, the limit is %d", f.lines, fileHard)
			case f.lines > fileSoft:
				notes = append(notes, fmt.Sprintf("%s/%s: %d lines, the soft limit is %d", p.path, f.name, f.lines, fileSoft))
			}
			for _, d := range f.Decls {
				if d, ok := d.(*ast.FuncDecl); ok {
					n := m.fset.Position(d.End()).Line - m.fset.Position(d.Pos()).Line + 1
					lengths[tree] = append(lengths[tree], n)
					if n > funcHard {
						fs.add(d.Pos(), "function %s has %d lines, the limit is %d", d.Name.Name, n, funcHard)
					}
				}
			}
			if hall > hallHard && p.path == "internal/vnet" {
				fs.add(f.Package, "the hall has %d lines so far, the limit is %d: split it by direction (in, out, control)", hall, hallHard)
			}
		}
	}
	for _, p := range m.pkgs {
		tree := treeOf(p.path)
		n := lengths[tree]
		if len(n) == 0 {
			continue
		}
		delete(lengths, tree)
		slices.Sort(n)
		p90 := n[(len(n)*9+9)/10-1]
		notes = append(notes, fmt.Sprintf("%s: %d functions, median %d lines, 90th percentile %d, longest %d", tree, len(n), n[len(n)/2], p90, n[len(n)-1]))
		if p90 > funcP90 {
			fs.add(p.files[0].Package, "functions below %s have %d lines at the 90th percentile, the limit is %d", tree, p90, funcP90)
		}
	}
	return fs.list, notes
}

// treeOf returns the part of the house a package belongs to.
func treeOf(p string) string {
	parts := strings.Split(p, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return strings.Join(parts[:2], "/")
	}
	return parts[0]
}

// checkComments finds packages, rooms and exported identifiers without the
// comment they need.
func checkComments(m *module) []finding {
	fs := &findings{m: m}
	for _, p := range m.pkgs {
		code := p.code()
		if len(code) == 0 {
			continue // an external test only
		}
		if !slices.ContainsFunc(code, func(f *file) bool { return f.Doc != nil }) {
			fs.add(code[0].Package, "package %s has no package comment", p.path)
		}
		if matches("internal/proto/...", p.path) && !slices.ContainsFunc(code, func(f *file) bool { return f.name == "doc.go" }) {
			fs.add(code[0].Package, "room %s has no doc.go (which RFCs it obeys, what it does not do)", p.path)
		}
		for _, f := range code {
			if f.Name.Name == "main" {
				continue
			}
			for _, d := range f.Decls {
				fs.undocumented(d)
			}
		}
	}
	return fs.list
}

func (f *findings) undocumented(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc != nil || !d.Name.IsExported() || d.Recv != nil && !ast.IsExported(receiver(d)) {
			return
		}
		switch d.Name.Name {
		case "String", "Error", "Unwrap": // their meaning is fixed
			return
		}
		f.add(d.Pos(), "exported %s has no comment", d.Name.Name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					f.add(s.Pos(), "exported type %s has no comment", s.Name.Name)
				}
			case *ast.ValueSpec:
				if d.Doc != nil || s.Doc != nil || s.Comment != nil {
					continue
				}
				if i := slices.IndexFunc(s.Names, (*ast.Ident).IsExported); i >= 0 {
					f.add(s.Pos(), "exported %s has no comment", s.Names[i].Name)
				}
			}
		}
	}
}

// receiver returns the name of a method's receiver type.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// checkUnfinished finds marks of unfinished work without a reason, and tests
// that skip without one.
func checkUnfinished(m *module) []finding {
	fs := &findings{m: m}
	for _, p := range m.pkgs {
		for _, f := range p.files {
			for _, group := range f.Comments {
				for _, c := range group.List {
					if mark := unfinished(c.Text); mark != "" {
						fs.add(c.Pos(), "%s without a reason: write %s: and why it is not done", mark, mark)
					}
				}
			}
			if f.test {
				ast.Inspect(f.File, func(n ast.Node) bool { fs.skips(n); return true })
			}
		}
	}
	return fs.list
}

// unfinished returns the mark a comment bears without a reason of three words.
func unfinished(comment string) string {
	for line := range strings.Lines(comment) {
		line = strings.TrimLeft(line, "/* \t")
		for _, mark := range []string{"TODO", "FIXME", "XXX"} { // at the beginning: a comment may speak of them
			if rest, ok := strings.CutPrefix(line, mark); ok {
				if _, reason, ok := strings.Cut(rest, ":"); !ok || len(strings.Fields(reason)) < 3 {
					return mark
				}
			}
		}
	}
	return ""
}

func (f *findings) skips(n ast.Node) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) > 0 {
		return
	}
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
		switch sel.Sel.Name {
		case "Skip", "Skipf", "SkipNow":
			f.add(call.Pos(), "%s without a reason", sel.Sel.Name)
		}
	}
}
