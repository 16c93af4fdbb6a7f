// Typecheck checks the types of packages, their tests and all that they import for other
// platforms, from the sources: in seconds, where compilers for each would take minutes.
//
//	go run ./internal/policy/typecheck GOOS/GOARCH... -- PACKAGE...
//
// It prints what is wrong, and ends with 1 then.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

func main() {
	args := os.Args[1:]
	i := slices.Index(args, "--")
	if i < 1 || i == len(args)-1 {
		fmt.Fprintln(os.Stderr, "usage: typecheck GOOS/GOARCH... -- PACKAGE...")
		os.Exit(2)
	}
	status := 0
	for _, t := range args[:i] {
		n, err := check(t, args[i+1:])
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", t, err)
			status = 1
			continue
		}
		fmt.Printf("%s: %d packages\n", t, n)
	}
	os.Exit(status)
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
	DepOnly         bool
}

// check says how many packages, and their tests, are right for a platform.
func check(target string, patterns []string) (int, error) {
	goos, goarch, _ := strings.Cut(target, "/")
	sizes := types.SizesFor("gc", goarch)
	if sizes == nil {
		return 0, errors.New("not GOOS/GOARCH")
	}
	list, err := list(goos, goarch, patterns)
	if err != nil {
		return 0, err
	}
	c := checker{fset: token.NewFileSet(), sizes: sizes, done: map[string]*types.Package{"unsafe": types.Unsafe}}
	n := 0
	for _, p := range list {
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") {
			continue // the second is what the go command would write to run tests
		}
		if err := c.check(p); err != nil {
			return n, fmt.Errorf("%s: %w", p.ImportPath, err)
		}
		if !p.DepOnly {
			n++
		}
	}
	return n, nil
}

// list returns packages and tests, each after those that it imports.
func list(goos, goarch string, patterns []string) ([]listed, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-test",
		"-json=ImportPath,Dir,GoFiles,ImportMap,DepOnly"}, patterns...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
}

// checker checks packages in the order of their imports.
type checker struct {
	fset  *token.FileSet
	sizes types.Sizes
	done  map[string]*types.Package
}

func (c *checker) check(p listed) error {
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	conf := types.Config{
		Importer: imports{c, p.ImportMap},
		Sizes:    c.sizes,
		// What others publish compiles; only how it looks from outside matters.
		IgnoreFuncBodies: p.DepOnly,
		GoVersion:        strings.SplitN(runtime.Version(), " ", 2)[0],
	}
	checked, err := conf.Check(p.ImportPath, c.fset, files, nil)
	if err != nil {
		return err
	}
	c.done[p.ImportPath] = checked
	return nil
}

// imports finds what a package imports among the packages before it.
type imports struct {
	c   *checker
	own map[string]string // what a path in this package's sources stands for
}

func (i imports) Import(path string) (*types.Package, error) {
	if real, ok := i.own[path]; ok {
		path = real
	}
	if p := i.c.done[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s is not among what the go command listed", path)
}
