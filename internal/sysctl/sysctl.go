// Package sysctl gives names to the fields of plain structs: tunables by their
// `sysctl:"name,min=…,max=…"` tags, statistics by their `stat:"name"` tags. A
// page of tunables is never written: changing a value makes a new page.
package sysctl

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// tunable is where a value lies in a page, and what it may be.
type tunable struct {
	paths    [][]int // more than one where several rooms have the value
	min, max int64
	desc     string
}

// Names finds the tunables of pages of type T, a struct of integers and of
// such structs. The zero value is ready; the tags are read once.
type Names[T any] struct {
	once   sync.Once
	byName map[string]tunable
}

func (n *Names[T]) find(name string) (tunable, bool) {
	n.once.Do(func() {
		n.byName = make(map[string]tunable)
		collect(reflect.TypeFor[T](), nil, n.byName)
	})
	t, ok := n.byName[name]
	return t, ok
}

// collect adds the tagged fields of a page to all.
func collect(page reflect.Type, path []int, all map[string]tunable) {
	for i := range page.NumField() {
		f := page.Field(i)
		at := append(path[:len(path):len(path)], i)
		if f.Type.Kind() == reflect.Struct {
			collect(f.Type, at, all)
			continue
		}
		name, limits, _ := strings.Cut(f.Tag.Get("sysctl"), ",")
		t := tunable{paths: [][]int{at}, min: -1 << 63, max: 1<<63 - 1, desc: f.Tag.Get("desc")}
		for l := range strings.SplitSeq(limits, ",") {
			key, value, _ := strings.Cut(l, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			switch {
			case err != nil:
			case key == "min":
				t.min = n
			case key == "max":
				t.max = n
			}
		}
		if other, ok := all[name]; ok {
			t = tunable{append(other.paths, at), max(t.min, other.min), min(t.max, other.max), other.desc}
		}
		all[name] = t
	}
}

// All returns the names, sorted.
func (n *Names[T]) All() []string {
	n.find("")
	return slices.Sorted(maps.Keys(n.byName))
}

// Get returns the value of a tunable in a page; ENOENT where there is none of
// that name.
func (n *Names[T]) Get(page *T, name string) (int64, syscall.Errno) {
	t, ok := n.find(name)
	if !ok {
		return 0, syscall.ENOENT
	}
	return reflect.ValueOf(page).Elem().FieldByIndex(t.paths[0]).Int(), 0
}

// With returns a copy of a page in which a tunable has another value. ENOENT
// where there is none of that name, EINVAL for a value out of its range.
func (n *Names[T]) With(page *T, name string, value int64) (*T, syscall.Errno) {
	t, ok := n.find(name)
	if !ok {
		return nil, syscall.ENOENT
	}
	next := *page
	if value < t.min || value > t.max {
		return nil, syscall.EINVAL
	}
	for _, path := range t.paths {
		f := reflect.ValueOf(&next).Elem().FieldByIndex(path)
		if f.OverflowInt(value) {
			return nil, syscall.EINVAL
		}
		f.SetInt(value)
	}
	return &next, 0
}

// Describe returns what a tunable is, and its range; ok is false where there is
// none of that name.
func (n *Names[T]) Describe(name string) (desc string, min, max int64, ok bool) {
	t, ok := n.find(name)
	return t.desc, t.min, t.max, ok
}

// Add adds the tagged statistics of a block, a pointer to a struct, and of the
// blocks in it that are not zero to all.
func Add(block any, all map[string]uint64) {
	walk(reflect.ValueOf(block).Elem(), func(name string, f reflect.Value) {
		if n := f.Uint(); n != 0 {
			all[name] += n
		}
	})
}

// Reset makes the statistics of a block zero whose names begin with prefix.
func Reset(block any, prefix string) {
	walk(reflect.ValueOf(block).Elem(), func(name string, f reflect.Value) {
		if strings.HasPrefix(name, prefix) {
			f.SetUint(0)
		}
	})
}

// walk visits the tagged statistics of a block.
func walk(v reflect.Value, visit func(name string, f reflect.Value)) {
	for i := range v.NumField() {
		f := v.Field(i)
		if name := v.Type().Field(i).Tag.Get("stat"); name != "" {
			visit(name, f)
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		if f.Kind() == reflect.Struct {
			walk(f, visit)
		}
	}
}
