package vimage

import (
	"errors"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/vvar"
	"github.com/seed88948545/vimage/internal/wire"
)

// Module is code that is no part of the stacks and is loaded into a world while
// they run. Each stack has its own of the variables that NewVar declares. Its
// fields, and its variables, must not change once it is loaded; it may be loaded
// into one world at a time.
type Module struct {
	Name string // unique among the loaded
	// Construct is called once for every stack, existing ones first, before anybody
	// else can see a new one; Destruct in the reverse order. They may configure the
	// stack, but make, close, load and unload nothing. Of several modules the one of
	// the lower Subsystem is constructed first, then that of the lower Order, then
	// that which was loaded first.
	Subsystem, Order int
	Construct        func(*Stack) error
	Destruct         func(*Stack)
	// EtherType asks for the frames of a link-layer protocol that the stacks do not
	// know, Proto for the packets of an IP protocol; 0 means none. InEther and InIP
	// borrow the bytes, from the frame's or packet's beginning, for the call. They
	// are called while packets run, by several goroutines, and must be quick: of
	// this package they may call what Var.In returns, and no method of the stack.
	//
	// InEther may answer with a frame, or pass one on: it writes at most as long a
	// one to out and returns its length and the interface by which it is to leave,
	// whose hardware address becomes its source.
	EtherType uint16
	InEther   func(s *Stack, ifIndex int, frame, out []byte) (n, via int)
	Proto     uint8
	InIP      func(s *Stack, ifIndex int, packet []byte)
	Family    *Family // that the module routes; nil for none

	loaded atomic.Bool
	inner  vnet.Module
	handle *vvar.Var[*Stack] // what the functions are called with
}

// Family is how a module routes an address family that stacks do not know. The
// methods are called one at a time, with numbers of tables that exist; they may
// ignore these. One without FIBs is asked for table 0 alone. Calls to Stack's
// methods on families do not come from within.
type Family struct {
	Name   string // such as "xns"; unique: "inet" and "inet6" are taken
	FIBs   bool
	Attach func(s *Stack, fib int) error // before the first route is added to a table; may be nil
	Detach func(s *Stack, fib int)       // of what was attached, the last first; may be nil
	Lookup func(s *Stack, fib int, dst string) (FamilyRoute, error)
	Add    func(s *Stack, fib int, r FamilyRoute) error
	Delete func(s *Stack, fib int, r FamilyRoute) error
	Walk   func(s *Stack, fib int, visit func(FamilyRoute) bool)
}

// FamilyRoute is a route as all families have it. Addresses are the bytes that the
// family has for them: 4 for "inet", 16 for "inet6".
type FamilyRoute struct {
	Dst       string
	Bits      int    // of Dst that must match; a family without netmasks ignores it
	Gateway   string // "" where the destination is on the link
	Interface int    // index; 0: the family finds out
}

// Var is a variable of a module, of which every stack has its own.
type Var[T any] struct{ v *vvar.Var[T] }

// NewVar declares a variable of a module that is not loaded. In every stack it
// starts as a copy of initial. Others read it by "module.name": see Stack.Var. What
// changes while it may be read so is one of package sync/atomic, or has a method
// Snapshot() any.
func NewVar[T any](m *Module, name string, initial T) *Var[T] {
	return &Var[T]{vvar.New(&m.inner.Vars, name, initial)}
}

// In returns the stack's own, or nil where the module is not loaded. Who writes
// through it keeps order among its readers and writers.
func (v *Var[T]) In(s *Stack) *T { return v.v.In(s.st.Vars()) }

// Load loads a module: every stack is constructed for it at once, later ones when
// they are made. The error is around EEXIST where one of its name, or for its
// family, is loaded, or Construct's, having undone what was done.
func (w *World) Load(m *Module) error {
	if !m.loaded.CompareAndSwap(false, true) {
		return wrapConfig("load module", m.Name, syscall.EEXIST)
	}
	if m.handle == nil {
		m.handle = vvar.New(&m.inner.Vars, "", (*Stack)(nil))
	}
	failed := m.prepare(w)
	e := control.LoadModule(w.w, &m.inner)
	if e != 0 {
		m.loaded.Store(false)
		if *failed != nil {
			return &ConfigError{"load module", m.Name, *failed}
		}
	}
	return wrapConfig("load module", m.Name, e)
}

// prepare gives the module the form in which stacks know it, and returns where the
// error of its constructor will be.
func (m *Module) prepare(w *World) *error {
	failed := new(error)
	in := &m.inner
	in.Name, in.Subsystem, in.Order, in.EtherType, in.Proto = m.Name, m.Subsystem, m.Order, m.EtherType, m.Proto
	in.Construct = func(st *vnet.Stack) syscall.Errno {
		s := &Stack{w: w, st: st}
		*m.handle.In(st.Vars()) = s
		if m.Construct == nil {
			return 0
		}
		if err := m.Construct(s); err != nil {
			*failed = err
			return errnoOf(err)
		}
		return 0
	}
	if m.Destruct != nil {
		in.Destruct = func(st *vnet.Stack) { m.Destruct(m.in(st)) }
	}
	if m.InEther != nil {
		in.InEther = func(st *vnet.Stack, i uint32, frame wire.Ether, out []byte) (int, uint32) {
			n, via := m.InEther(m.in(st), int(i), frame, out)
			return n, uint32(via)
		}
	}
	if m.InIP != nil {
		in.InIP = func(st *vnet.Stack, i uint32, p wire.Packet) { m.InIP(m.in(st), int(i), p.Bytes()) }
	}
	if m.Family != nil {
		in.Family = m.Family.inner(m)
	}
	return failed
}

// Unload takes a module's packets from it, removes its routes, runs its destructors
// in every stack and frees its variables. The error is around ENOENT where it is
// not loaded.
func (w *World) Unload(m *Module) error {
	e := control.UnloadModule(w.w, &m.inner)
	if e == 0 {
		m.loaded.Store(false)
	}
	return wrapConfig("unload module", m.Name, e)
}

// in returns the handle with which the module's functions are called.
func (m *Module) in(st *vnet.Stack) *Stack { return *m.handle.In(st.Vars()) }

// errnoOf returns an error's number: EINVAL for one that has none.
func errnoOf(err error) syscall.Errno {
	e := syscall.EINVAL
	if err == nil {
		return 0
	}
	errors.As(err, &e)
	return e
}

// inner returns the family as stacks know it.
func (f *Family) inner(m *Module) *vnet.Family {
	in := &vnet.Family{
		Name: f.Name, FIBs: f.FIBs,
		Lookup: func(st *vnet.Stack, fib int, dst string) (vnet.FamilyRoute, syscall.Errno) {
			r, err := f.Lookup(m.in(st), fib, dst)
			return r.inner(), errnoOf(err)
		},
		Add: func(st *vnet.Stack, fib int, r vnet.FamilyRoute) syscall.Errno {
			return errnoOf(f.Add(m.in(st), fib, familyRoute(r)))
		},
		Delete: func(st *vnet.Stack, fib int, r vnet.FamilyRoute) syscall.Errno {
			return errnoOf(f.Delete(m.in(st), fib, familyRoute(r)))
		},
		Walk: func(st *vnet.Stack, fib int, visit func(vnet.FamilyRoute) bool) {
			f.Walk(m.in(st), fib, func(r FamilyRoute) bool { return visit(r.inner()) })
		},
	}
	if f.Attach != nil {
		in.Attach = func(st *vnet.Stack, fib int) syscall.Errno { return errnoOf(f.Attach(m.in(st), fib)) }
	}
	if f.Detach != nil {
		in.Detach = func(st *vnet.Stack, fib int) { f.Detach(m.in(st), fib) }
	}
	return in
}

func (r FamilyRoute) inner() vnet.FamilyRoute {
	return vnet.FamilyRoute{Dst: r.Dst, Bits: r.Bits, Gateway: r.Gateway, IfIndex: uint32(r.Interface)}
}

func familyRoute(r vnet.FamilyRoute) FamilyRoute {
	return FamilyRoute{r.Dst, r.Bits, r.Gateway, int(r.IfIndex)}
}

// AddFamilyRoute adds a route to the handle's table of a family: "inet", "inet6" or
// a loaded module's. Of a family without FIBs every handle means table 0. The error
// is around EAFNOSUPPORT for a family that nobody has registered, else the
// family's.
func (s *Stack) AddFamilyRoute(family string, r FamilyRoute) error {
	if err := s.may(jail.NetConfig, "add route", family); err != nil {
		return err
	}
	return wrapConfig("add route", family, control.FamilyAdd(s.st, family, s.fib, r.inner()))
}

// DelFamilyRoute removes the route to r.Dst from the handle's table of a family. The
// error is around ESRCH where there is none, else as AddFamilyRoute's.
func (s *Stack) DelFamilyRoute(family string, r FamilyRoute) error {
	if err := s.may(jail.NetConfig, "delete route", family); err != nil {
		return err
	}
	return wrapConfig("delete route", family, control.FamilyDelete(s.st, family, s.fib, r.inner()))
}

// LookupFamily returns the route to an address in the handle's table of a family.
// The error is around ESRCH where there is none, else as AddFamilyRoute's.
func (s *Stack) LookupFamily(family, dst string) (FamilyRoute, error) {
	r, e := control.FamilyLookup(s.st, family, s.fib, dst)
	return familyRoute(r), wrapConfig("look up route", family, e)
}

// FamilyRoutes returns the routes of the handle's table of a family.
func (s *Stack) FamilyRoutes(family string) ([]FamilyRoute, error) {
	routes, e := control.FamilyRoutes(s.st, family, s.fib)
	all := make([]FamilyRoute, len(routes))
	for i, r := range routes {
		all[i] = familyRoute(r)
	}
	return all, wrapConfig("routes", family, e)
}

// Var returns what a variable of the stack holds, by name, from outside and while
// it runs: a sysctl's (an int64), a counter's (a uint64) or a module's, as
// "module.name" (a copy, or what its Load or Snapshot returns). The error is around
// ENOENT where there is none of that name.
func (s *Stack) Var(name string) (any, error) {
	v, e := control.ReadVar(s.st, name)
	return v, wrapConfig("read variable", name, e)
}

// Vars returns the name of every variable that Var reads, sorted.
func (s *Stack) Vars() []string { return control.VarNames(s.st) }
