package control

import (
	"cmp"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Tunable is what there is to know about a sysctl with a number for a value.
type Tunable struct {
	Name     string
	Desc     string
	Value    int64
	Default  int64
	Min, Max int64
	ReadOnly bool
	Global   bool // the world's: it may be written by vnet0 alone
}

// computed is a sysctl whose value is in no page of tunables.
type computed struct {
	name, desc    string
	def, min, max int64
	global        bool
	get           func(st *vnet.Stack, table int) int64           // table: that of who asks
	set           func(st *vnet.Stack, value int64) syscall.Errno // nil: read-only; not called out of range
}

// find returns the computed sysctl of that name.
func find(name string) (computed, bool) {
	for _, c := range sysctls {
		if c.name == name {
			return c, true
		}
	}
	return computed{}, false
}

// Sysctl returns the value of a sysctl to somebody who uses a table; ENOENT where
// there is none of that name, EINVAL where its value is no number (see Values).
func Sysctl(st *vnet.Stack, table int, name string) (int64, syscall.Errno) {
	if c, ok := find(name); ok {
		return c.get(st, table), 0
	}
	n, e := st.Sysctl(name)
	if e != 0 && isNode(name) {
		return 0, syscall.EINVAL
	}
	return n, e
}

// SetSysctl changes a sysctl. It returns ENOENT where there is none of that name,
// EPERM for one that is read-only, or the world's and not written by vnet0,
// EINVAL for a value out of its range.
func SetSysctl(st *vnet.Stack, name string, value int64) syscall.Errno {
	c, ok := find(name)
	switch {
	case !ok:
		e := st.SetSysctl(name, value)
		if e != 0 && isNode(name) {
			return syscall.EPERM
		}
		return e
	case c.set == nil, c.global && st.Name() != "vnet0":
		return syscall.EPERM
	case value < c.min || value > c.max:
		return syscall.EINVAL
	}
	return c.set(st, value)
}

// Tunables returns every sysctl that has a number for a value, sorted by name, as
// somebody sees it who uses a table.
func Tunables(st *vnet.Stack, table int) []Tunable {
	var all []Tunable
	for _, c := range sysctls {
		all = append(all, Tunable{c.name, c.desc, c.get(st, table), c.def, c.min, c.max, c.set == nil, c.global})
	}
	names, defaults := st.World().Tunables(), vars.Defaults()
	for _, name := range names.All() {
		t := Tunable{Name: name}
		t.Value, _ = st.Sysctl(name)
		t.Default, _ = names.Get(&defaults, name)
		t.Desc, t.Min, t.Max, _ = names.Describe(name)
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Tunable) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
