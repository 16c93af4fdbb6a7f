package control

import (
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/vnet"
)

// LoadModule loads m into the world: every existing stack gets its variables
// and is constructed for it at once, later ones when they are made. It returns
// EEXIST where a module of that name is loaded, and Construct's error, having
// undone what was done.
func LoadModule(w *vnet.World, m *vnet.Module) syscall.Errno {
	mods := w.Modules()
	mods.Lock()
	defer mods.Unlock()
	loaded := mods.All()
	if slices.ContainsFunc(loaded, func(o *vnet.Module) bool { return o.Name == m.Name }) {
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
	if m.Construct == nil {
		return 0
	}
	e := m.Construct(st)
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
	if m.Destruct != nil {
		m.Destruct(st)
	}
	st.Vars().Remove(&m.Vars)
}

// destruct unloads all modules from a stack in reverse order. Modules are locked.
func destruct(st *vnet.Stack) {
	for _, m := range slices.Backward(st.World().Modules().All()) {
		unload(st, m)
	}
}
