package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/seed88948545/vimage"

// module is all sources of a module, parsed whatever platform they are for;
// those of this platform are type-checked, without their tests.
type module struct {
	fset *token.FileSet
	pkgs []*pkg // by path
}

type pkg struct {
	path  string // below the module, "." for its root
	files []*file
	types *types.Package
	info  *types.Info
}

type file struct {
	*ast.File
	name  string // of the file alone
	test  bool
	lines int
	typed bool // checked by go/types
}

// finding is a broken rule at a place.
type finding struct {
	pos token.Position
	msg string
}

func (f finding) String() string { return f.pos.String() + ": " + f.msg }

// findings collects what a check finds.
type findings struct {
	m    *module
	list []finding
}

func (f *findings) add(pos token.Pos, format string, args ...any) {
	f.list = append(f.list, finding{f.m.fset.Position(pos), fmt.Sprintf(format, args...)})
}

// code yields the files of a package that are not tests.
func (p *pkg) code() []*file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test })
}

func (m *module) add(dir, name string, src []byte) error {
	f, err := parser.ParseFile(m.fset, path.Join(dir, name), src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	i, found := slices.BinarySearchFunc(m.pkgs, dir, func(p *pkg, dir string) int { return strings.Compare(p.path, dir) })
	if !found {
		m.pkgs = slices.Insert(m.pkgs, i, &pkg{path: dir})
	}
	m.pkgs[i].files = append(m.pkgs[i].files, &file{
		File: f, name: name, test: strings.HasSuffix(name, "_test.go"), lines: strings.Count(string(src), "\n"),
	})
	return nil
}

// readModule parses the module at root, without nested modules and testdata.
func readModule(root string) (*module, error) {
	m := &module{fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dir, base := filepath.ToSlash(filepath.Dir(name)), d.Name()
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			if name != root && (err == nil || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(base) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.FromSlash(dir))
		if err != nil {
			return err
		}
		return m.add(filepath.ToSlash(rel), base, src)
	})
	return m, err
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Export string
	GoFiles            []string
	Standard           bool
}

func goList(root string, args ...string) (map[string]listed, error) {
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export,GoFiles,Standard"}, args...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	pkgs := map[string]listed{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs[l.ImportPath] = l
	}
}

// chain imports planted packages, and then what the compiler exported.
type chain struct {
	planted  map[string]*types.Package
	compiled types.Importer
}

func (c chain) Import(path string) (*types.Package, error) {
	if p := c.planted[path]; p != nil {
		return p, nil
	}
	return c.compiled.Import(path)
}

// check type-checks the packages against what the compiler exported; isBuilt
// says which files of a package belong to this platform.
func (m *module) check(exports map[string]listed, isBuilt func(p *pkg, f *file) bool) error {
	imp := chain{map[string]*types.Package{}, importer.ForCompiler(m.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path].Export)
	})}
	for _, p := range m.pkgs {
		var files []*ast.File
		for _, f := range p.code() {
			if isBuilt(p, f) {
				files, f.typed = append(files, f.File), true
			}
		}
		p.info = &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{}}
		name := path.Join(modulePath, p.path)
		var err error
		if p.types, err = (&types.Config{Importer: imp}).Check(name, m.fset, files, p.info); err != nil {
			return err
		}
		if exports[name].Export == "" { // planted: what comes later may import it
			imp.planted[name] = p.types
		}
	}
	return nil
}

// here loads this module.
func here(t *testing.T) *module {
	t.Helper()
	root := filepath.Join("..", "..")
	m, err := readModule(root)
	if err != nil {
		t.Fatal(err)
	}
	exports, err := goList(root, "./...")
	if err != nil {
		t.Fatal(err)
	}
	isBuilt := func(p *pkg, f *file) bool {
		return slices.Contains(exports[path.Join(modulePath, p.path)].GoFiles, f.name)
	}
	if err := m.check(exports, isBuilt); err != nil {
		t.Fatal(err)
	}
	if len(m.pkgs) < 3 {
		t.Fatalf("found %d packages: not the module", len(m.pkgs))
	}
	return m
}

// parsed makes a module of sources given by path.
func parsed(t *testing.T, sources map[string]string) *module {
	t.Helper()
	m := &module{fset: token.NewFileSet()}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if err := m.add(path.Dir(name), path.Base(name), []byte(sources[name])); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// planted is parsed, and type-checked.
func planted(t *testing.T, exports map[string]listed, sources map[string]string) *module {
	t.Helper()
	m := parsed(t, sources)
	if err := m.check(exports, func(*pkg, *file) bool { return true }); err != nil {
		t.Fatal(err)
	}
	return m
}
