package vnet

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// Module is code that is not part of the stack and is loaded into a world
// while stacks run. Its fields must not change once it is loaded.
type Module struct {
	Name string // unique among the loaded
	// Construct is called once for every stack, existing ones first, before
	// anybody else can see the new stack; Destruct in the reverse order. They may
	// configure the stack, but make, close and load nothing.
	Construct func(*Stack) syscall.Errno
	Destruct  func(*Stack)
	// EtherType and Proto ask for the packets of a link-layer or IP protocol
	// that the stack does not know; 0 means none. The functions borrow the
	// bytes, from the frame's or packet's beginning, and are called under a
	// shard's lock, by several shards at once: they must not call the stack.
	EtherType uint16
	InEther   func(st *Stack, ifIndex uint32, frame wire.Ether)
	Proto     uint8
	InIP      func(st *Stack, ifIndex uint32, packet wire.IPv4)

	vars []variable
}

// variable makes a stack's copy of a module variable.
type variable interface{ fresh() any }

// Var is a variable of a module of which every stack has its own, as V_
// variables are: it starts as a copy of the initial value, and changing one
// stack's changes no other's.
type Var[T any] struct {
	module  *Module
	index   int
	initial T
}

// NewVar declares a variable of m, which must not be loaded yet.
func NewVar[T any](m *Module, initial T) *Var[T] {
	v := &Var[T]{module: m, index: len(m.vars), initial: initial}
	m.vars = append(m.vars, v)
	return v
}

func (v *Var[T]) fresh() any {
	p := new(T)
	*p = v.initial
	return p
}

// Of returns st's copy, or nil where the module is not loaded. Who writes
// through it keeps order among its readers and writers.
func (v *Var[T]) Of(st *Stack) *T {
	slots := st.slots.Load()
	if slots == nil {
		return nil
	}
	for i := range *slots {
		if s := &(*slots)[i]; s.module == v.module {
			return s.vars[v.index].(*T)
		}
	}
	return nil
}

// slot is what a stack keeps for one loaded module.
type slot struct {
	module *Module
	vars   []any
}

func newSlot(m *Module) slot {
	s := slot{module: m}
	for _, v := range m.vars {
		s.vars = append(s.vars, v.fresh())
	}
	return s
}

// modules is the loaded modules in order of loading; replaced at each change.
type modules struct {
	mu   sync.Mutex // control; taken before the world's and any stack's
	list atomic.Pointer[[]*Module]
}

func (m *modules) all() []*Module {
	if l := m.list.Load(); l != nil {
		return *l
	}
	return nil
}

// LoadModule loads m into the world: every existing stack gets its variables
// and is constructed for it at once, later ones when they are made. It returns
// EEXIST where a module of that name is loaded, and Construct's error, having
// undone what was done.
func (w *World) LoadModule(m *Module) syscall.Errno {
	w.mods.mu.Lock()
	defer w.mods.mu.Unlock()
	loaded := w.mods.all()
	for _, o := range loaded {
		if o.Name == m.Name {
			return syscall.EEXIST
		}
	}
	all := w.Stacks()
	for i, st := range all {
		if e := st.load(m); e != 0 {
			for _, o := range slices.Backward(all[:i]) {
				o.unload(m)
			}
			return e
		}
	}
	next := append(slices.Clip(slices.Clone(loaded)), m)
	w.mods.list.Store(&next)
	return 0
}

// UnloadModule runs m's destructors in every stack and frees its variables. It
// returns ENOENT where m is not loaded.
func (w *World) UnloadModule(m *Module) syscall.Errno {
	w.mods.mu.Lock()
	defer w.mods.mu.Unlock()
	loaded := w.mods.all()
	i := slices.Index(loaded, m)
	if i < 0 {
		return syscall.ENOENT
	}
	next := slices.Delete(slices.Clone(loaded), i, i+1)
	w.mods.list.Store(&next)
	for _, st := range slices.Backward(w.Stacks()) {
		st.barrier() // no packet is inside the module any more
		st.unload(m)
	}
	return 0
}

// load gives st its variables of m and constructs it. modules.mu is held, as it
// is by all that change a stack's slots; ctl is not, so that constructors and
// destructors may configure the stack.
func (st *Stack) load(m *Module) syscall.Errno {
	if st.closed.Load() {
		return 0
	}
	var slots []slot
	if old := st.slots.Load(); old != nil {
		slots = slices.Clone(*old)
	}
	slots = append(slots, newSlot(m))
	st.slots.Store(&slots)
	if m.Construct == nil {
		return 0
	}
	e := m.Construct(st)
	if e != 0 {
		st.forget(m)
	}
	return e
}

// unload destructs st for m, if it was constructed, and frees the variables.
// modules.mu is held.
func (st *Stack) unload(m *Module) {
	if !st.has(m) {
		return
	}
	if m.Destruct != nil {
		m.Destruct(st)
	}
	st.forget(m)
}

func (st *Stack) has(m *Module) bool {
	slots := st.slots.Load()
	return slots != nil && slices.ContainsFunc(*slots, func(s slot) bool { return s.module == m })
}

func (st *Stack) forget(m *Module) {
	next := slices.DeleteFunc(slices.Clone(*st.slots.Load()), func(s slot) bool { return s.module == m })
	if len(next) == 0 {
		st.slots.Store(nil)
		return
	}
	st.slots.Store(&next)
}

// inUnknown takes a frame of a protocol that is not the stack's own.
func (sh *shard) inUnknown(p *pass, b *pkt.Buf, e wire.Ether) {
	for _, m := range sh.st.world.mods.all() {
		if m.InEther != nil && m.EtherType == e.Type() && sh.st.has(m) {
			m.InEther(sh.st, p.in.index, e)
			p.r.Cache.Free(b)
			return
		}
	}
	sh.drop(p, b, pkt.UnknownProtocol)
}

// inModule offers a packet to the modules and tells whether one wanted it. It
// borrows b.
func (sh *shard) inModule(p *pass, ip wire.IPv4) bool {
	for _, m := range sh.st.world.mods.all() {
		if m.InIP != nil && m.Proto == ip.Proto() && sh.st.has(m) {
			var index uint32
			if p.in != nil {
				index = p.in.index
			}
			m.InIP(sh.st, index, ip)
			return true
		}
	}
	return false
}
