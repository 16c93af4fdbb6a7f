package policy

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// checkVars finds package-level variables that could hold state: what two
// stacks of one process would share by accident.
func checkVars(m *module) []finding {
	fs := &findings{m: m}
	changed := changedVars(m)
	for _, p := range m.pkgs {
		if r, _ := ruleFor(p.path); r.vars {
			continue
		}
		for _, f := range p.code() {
			for _, d := range f.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.VAR || !f.typed {
					continue
				}
				for _, spec := range g.Specs {
					v := spec.(*ast.ValueSpec)
					for _, name := range v.Names {
						if why := fault(p.info.Defs[name], embeds(g, v), changed); why != "" {
							fs.add(name.Pos(), "package-level variable %s: %s", name.Name, why)
						}
					}
				}
			}
		}
	}
	return fs.list
}

// fault tells why a variable may not stand at package level, "" if it may.
func fault(obj types.Object, embedded bool, changed map[string]token.Position) string {
	if obj == nil || obj.Name() == "_" {
		return "" // an interface assertion
	}
	if pos, ok := changed[objKey(obj)]; ok {
		return "it is assigned to, or its address is taken, at " + pos.String()
	}
	t := obj.Type()
	switch t.Underlying().(type) {
	case *types.Array, *types.Struct:
		if !fixed(t) {
			return "its type " + t.String() + " holds a pointer, slice, map, channel or interface, so its parts can change"
		}
		return ""
	}
	if embedded || t.String() == "error" || matches(immutable, t.String()) {
		return ""
	}
	return "only error sentinels, interface assertions, go:embed, and arrays and structs that nobody changes may; what varies belongs to a world, a stack or a room"
}

// embeds tells whether the declaration has a go:embed directive.
func embeds(g *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{g.Doc, v.Doc} {
		if doc != nil {
			for _, c := range doc.List {
				if strings.HasPrefix(c.Text, "//go:embed ") {
					return true
				}
			}
		}
	}
	return false
}

// fixed tells whether a value of the type has no part that can be changed
// through a copy of it.
func fixed(t types.Type) bool {
	if matches(immutable, t.String()) {
		return true
	}
	if t.String() == "embed.FS" {
		return true
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Kind() != types.UnsafePointer
	case *types.Signature:
		return true
	case *types.Array:
		return fixed(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if !fixed(f.Type()) {
				return false
			}
		}
		return !strings.HasPrefix(t.String(), "sync.") && !strings.HasPrefix(t.String(), "sync/atomic.")
	}
	return false
}

// objKey names a package-level object: one that is imported is another object
// than the one its own package defines.
func objKey(obj types.Object) string {
	if obj == nil || obj.Pkg() == nil || obj.Parent() != obj.Pkg().Scope() {
		return ""
	}
	return obj.Pkg().Path() + "." + obj.Name()
}

// changedVars finds every package-level variable that code assigns to, in whole
// or in part, or whose address it takes, openly or by a method or a slice.
func changedVars(m *module) map[string]token.Position {
	changed := map[string]token.Position{}
	for _, p := range m.pkgs {
		mark := func(e ast.Expr) {
			if v, ok := root(p.info, e).(*types.Var); ok && objKey(v) != "" {
				changed[objKey(v)] = m.fset.Position(e.Pos())
			}
		}
		for _, f := range p.code() {
			if f.typed {
				ast.Inspect(f.File, func(n ast.Node) bool { markChanges(p.info, n, mark); return true })
			}
		}
	}
	return changed
}

func markChanges(info *types.Info, n ast.Node, mark func(ast.Expr)) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, e := range n.Lhs {
				mark(e)
			}
		}
	case *ast.IncDecStmt:
		mark(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			mark(n.Key)
			mark(n.Value)
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			mark(n.X)
		}
	case *ast.SliceExpr:
		if _, ok := info.Types[n.X].Type.Underlying().(*types.Array); ok {
			mark(n.X)
		}
	case *ast.SelectorExpr: // a method with a pointer receiver, called on the variable
		s := info.Selections[n]
		if s == nil || s.Kind() != types.MethodVal {
			return
		}
		_, onPointer := s.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
		if _, isPointer := s.Recv().Underlying().(*types.Pointer); onPointer && !isPointer {
			mark(n.X)
		}
	}
}

// root returns the variable of which an expression is a part.
func root(info *types.Info, e ast.Expr) types.Object {
	switch e := e.(type) {
	case *ast.Ident:
		return info.Uses[e]
	case *ast.ParenExpr:
		return root(info, e.X)
	case *ast.IndexExpr:
		return root(info, e.X)
	case *ast.StarExpr:
		return root(info, e.X)
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			if _, ok := info.Uses[x].(*types.PkgName); ok {
				return info.Uses[e.Sel]
			}
		}
		return root(info, e.X)
	}
	return nil
}
