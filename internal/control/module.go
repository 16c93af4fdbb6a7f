package control

import (
	"cmp"
	"slices"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/vnet"
)

// LoadModule loads m into the world: every existing stack gets its variables
// and is constructed for it at once, later ones when they are made. It returns
// EEXIST where a module of that name is loaded, or one for its family, and
// Construct's error, having undone what was done.
func LoadModule(w *vnet.World, m *vnet.Module) syscall.Errno {
	mods := w.Modules()
	mods.Lock()
	defer mods.Unlock()
	loaded := mods.All()
	if slices.ContainsFunc(loaded, func(o *vnet.Module) bool { return o.Name == m.Name }) ||
		m.Family != nil && family(w, m.Family.Name) != nil {
		return syscall.EEXIST
	}
	all := w.Stacks()
	for i, st := range all {
		if e := load(st, m); e != 0 {
			for _, o := range slices.Backward(all[:i]) {
				unload(o, m)
			}
			return e
		}
	}
	mods.Add(m)
	return 0
}

// UnloadModule runs m's destructors in every stack and frees its variables. It
// returns ENOENT where m is not loaded.
func UnloadModule(w *vnet.World, m *vnet.Module) syscall.Errno {
	mods := w.Modules()
	mods.Lock()
	defer mods.Unlock()
	if !slices.Contains(mods.All(), m) {
		return syscall.ENOENT
	}
	mods.Remove(m)
	for _, st := range slices.Backward(w.Stacks()) {
		st.Barrier() // no packet is inside the module any more
		unload(st, m)
	}
	return 0
}

// load gives st its variables of m and constructs it. Modules are locked, as
// they are by all that change a stack's variables; the stack is not, so that
// constructors and destructors may configure it.
func load(st *vnet.Stack, m *vnet.Module) syscall.Errno {
	if st.Closed() {
		return 0
	}
	st.Vars().Add(&m.Vars)
	var e syscall.Errno
	if m.Construct != nil {
		e = m.Construct(st)
	}
	if e != 0 {
		st.Vars().Remove(&m.Vars)
	}
	return e
}

// unload destructs st for m, if it was constructed, and frees the variables.
// Modules are locked.
func unload(st *vnet.Stack, m *vnet.Module) {
	if !st.Vars().Has(&m.Vars) {
		return
	}
	detach(st, m)
	if m.Destruct != nil {
		m.Destruct(st)
	}
	st.Vars().Remove(&m.Vars)
}

// inOrder returns the loaded modules in the order of their constructors.
func inOrder(w *vnet.World) []*vnet.Module {
	all := slices.Clone(w.Modules().All())
	slices.SortStableFunc(all, func(a, b *vnet.Module) int {
		return cmp.Or(cmp.Compare(a.Subsystem, b.Subsystem), cmp.Compare(a.Order, b.Order))
	})
	return all
}

// destruct unloads all modules from a stack in reverse order. Modules are locked.
func destruct(st *vnet.Stack) {
	for _, m := range slices.Backward(inOrder(st.World())) {
		unload(st, m)
	}
}

// ReadVar returns what a variable of a stack holds, as kvm does for netstat: a
// module's by the module's name, a dot and its own, a sysctl's or a counter's by
// its name. The value is a copy: an int64 for a sysctl, a uint64 for a counter, what
// vvar.Set.Read says for a module's. It returns ENOENT where there is none of that
// name.
func ReadVar(st *vnet.Stack, name string) (any, syscall.Errno) {
	if module, v, ok := strings.Cut(name, "."); ok {
		for _, m := range st.World().Modules().All() {
			if m.Name == module {
				if value, ok := st.Vars().Read(&m.Vars, v); ok {
					return value, 0
				}
			}
		}
	}
	if n, e := Sysctl(st, 0, name); e == 0 {
		return n, 0
	}
	if slices.Contains(vars.CounterNames(), name) {
		return st.Counters()[name], 0
	}
	return nil, syscall.ENOENT
}

// VarNames returns every name that ReadVar knows, sorted.
func VarNames(st *vnet.Stack) []string {
	all := vars.CounterNames()
	for _, t := range Tunables(st, 0) {
		all = append(all, t.Name)
	}
	for _, m := range st.World().Modules().All() {
		for _, v := range m.Vars.Names() {
			all = append(all, m.Name+"."+v)
		}
	}
	slices.Sort(all)
	return all
}
