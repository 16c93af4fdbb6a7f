package policy

import (
	"go/ast"
	"path"
	"strconv"
	"strings"
)

// checkImports finds imports that the rules do not allow, and packages they do
// not know.
func checkImports(m *module) []finding {
	fs := &findings{m: m}
	for _, p := range m.pkgs {
		r, ok := ruleFor(p.path)
		if !ok {
			fs.add(p.files[0].Package, "package %s is in no rule: add a line with a reason to rules in internal/policy/rules_test.go", p.path)
			continue
		}
		for _, f := range p.files {
			for _, spec := range f.Imports {
				if spec.Name != nil && spec.Name.Name == "." {
					fs.add(spec.Pos(), "import by dot hides where names come from")
				}
				if f.test {
					continue
				}
				if msg := r.refuses(strings.Trim(spec.Path.Value, `"`)); msg != "" {
					fs.add(spec.Pos(), "%s must not import %s: %s (%s: %s)", p.path, spec.Path.Value, msg, r.pkg, r.why)
				}
			}
		}
	}
	return fs.list
}

// refuses tells why the rule does not allow an import, "" if it does.
func (r rule) refuses(imported string) string {
	inside, ours := strings.CutPrefix(imported+"/", modulePath+"/")
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case ours:
		if inside = path.Clean("./" + inside); !matches(r.may, inside) {
			return "it lies beside or above"
		}
	case imported == "C":
		return "the module builds without cgo"
	case !strings.Contains(first, "."):
		if matches(r.ban, imported) {
			return "not in the packages of this rule"
		}
	case r.mods == "any":
	default:
		for _, mod := range strings.Fields(r.mods) {
			if imported == mod || strings.HasPrefix(imported, mod+"/") {
				return ""
			}
		}
		return "not a module that this rule names"
	}
	return ""
}

// checkTime finds uses of package time that look at the clock where the rules
// do not allow it; in tests, sleeping.
func checkTime(m *module) []finding {
	fs := &findings{m: m}
	for _, p := range m.pkgs {
		r, _ := ruleFor(p.path)
		for _, f := range p.files {
			name := importName(f, "time")
			if name == "" {
				continue
			}
			ast.Inspect(f.File, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); !ok || x.Name != name {
					return true
				}
				switch {
				case f.test && sel.Sel.Name == "Sleep":
					fs.add(sel.Pos(), "time.Sleep in a test: wait for what you wait for, or use a fake clock")
				case !f.test && !r.time && matches(outsideTime, sel.Sel.Name):
					fs.add(sel.Pos(), "time.%s in %s: only internal/clock asks package time; take a Clock, or now as a value", sel.Sel.Name, p.path)
				}
				return true
			})
		}
	}
	return fs.list
}

// importName returns the name a file has for a package, "" if it has none.
func importName(f *file, imported string) string {
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != imported {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}

// checkGo finds go statements in more files than a rule allows.
func checkGo(m *module) []finding {
	fs := &findings{m: m}
	for _, p := range m.pkgs {
		r, _ := ruleFor(p.path)
		files := 0
		for _, f := range p.code() {
			var first ast.Node
			ast.Inspect(f.File, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok && first == nil {
					first = g
				}
				return true
			})
			if first == nil {
				continue
			}
			if files++; files > r.goFiles {
				fs.add(first.Pos(), "go statement: in %s %d files may have them (%s)", p.path, r.goFiles, r.why)
			}
		}
	}
	return fs.list
}
