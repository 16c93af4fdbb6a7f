package policy

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/token"
	"path"
	"path/filepath"
	"testing"
)

// novimageTag is the build tag with which there is one stack, and its tunables are a
// variable of the process.
const novimageTag = "novimage"

// swapped returns the files of code that are there only with the tag, and those only
// without it, and the package-level variables of the first.
func swapped(m *module) (with, without, vars []string) {
	for _, p := range m.pkgs {
		for _, f := range p.code() {
			name := path.Join(p.path, f.name)
			switch {
			case !f.depends(novimageTag):
			case f.constraint().Eval(func(string) bool { return true }):
				with, vars = append(with, name), append(vars, f.vars()...)
			default:
				without = append(without, name)
			}
		}
	}
	return with, without, vars
}

// constraint returns what a file's go:build line says, nil if it has none.
func (f *file) constraint() constraint.Expr {
	for _, g := range f.Comments {
		for _, c := range g.List {
			if c.Pos() < f.Package && constraint.IsGoBuild(c.Text) {
				if x, err := constraint.Parse(c.Text); err == nil {
					return x
				}
			}
		}
	}
	return nil
}

// depends tells whether a tag has a part in whether the file is built.
func (f *file) depends(tag string) (named bool) {
	if x := f.constraint(); x != nil {
		x.Eval(func(t string) bool { named = named || t == tag; return true })
		x.Eval(func(t string) bool { named = named || t == tag; return false })
	}
	return named
}

// vars returns the names of a file's package-level variables.
func (f *file) vars() (names []string) {
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// TestNoVIMAGE: one file takes the place of another in the build with one stack, and
// brings the page and whether it is taken; everything else is what the rules have seen.
func TestNoVIMAGE(t *testing.T) {
	m, err := readModule(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	const want = "[internal/ifnet/page_novimage.go] [internal/ifnet/page.go] [one taken]"
	with, without, vars := swapped(m)
	if got := fmt.Sprint(with, without, vars); got != want {
		t.Errorf("with the tag, without it, and the variables: %s, want %s", got, want)
	}
	with, without, vars = swapped(parsed(t, map[string]string{
		"a/a.go":      "//go:build novimage && linux\n\npackage a\nvar x, y int\n",
		"a/b.go":      "//go:build !novimage\n\npackage a\nvar z int\n",
		"a/c.go":      "//go:build linux\n\npackage a\nvar c int\n",
		"a/d_test.go": "//go:build novimage\n\npackage a\nvar d int\n",
		"a/e.go":      "// Package a is planted.\npackage a\n\n//go:build novimage\nvar e int\n",
	}))
	if got := fmt.Sprint(with, without, vars); got != "[a/a.go] [a/b.go] [x y]" {
		t.Errorf("planted: %s", got)
	}
}
