package vimage

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/seed88948545/vimage/internal/jail"
)

// Jail owns a network stack, or shares that of the jail it is in. The jails of a world
// are a tree with jail 0 at the top; whoever is in one sees those below it and no
// others. A Stack that World.NewStack makes is that of a jail too, right below jail 0.
//
// What somebody in a jail may do his handle's credential says (Jail.Stack). In a jail
// with a stack of its own he may configure that, and open raw sockets. In one that
// shares a stack he may use sockets, with the addresses that the jail has (IP4, IP6):
// any address means those, the loopback address means the first of them, and others
// fail with EADDRNOTAVAIL; a socket of a family that is disabled fails with EAFNOSUPPORT.
//
// Several goroutines may use a Jail at once.
type Jail struct {
	w *World
	j *jail.Jail
}

// JailConfig is the parameters of a jail. The zero value shares the stack of the jail
// it is made in, with all of that one's addresses.
type JailConfig struct {
	// Name must not be taken in the jail it is made in, and has no dot; "" is the
	// jail's number.
	Name string
	// VNET gives the jail a stack of its own, with one interface, lo0. Without, it
	// shares that of the jail it is made in (vnet=inherit).
	VNET   bool
	Shards int // of that stack, as in StackConfig; 0 means 1
	// Persist lets the jail stay when its last Process is released. Without, it is
	// removed then.
	Persist bool
	// ChildrenMax is how many jails there may be below it, however deep.
	ChildrenMax int
	// Interfaces of the stack of the jail it is made in move into its own. They go
	// back when it is removed.
	Interfaces []string
	// ExecFIB is the routing table of the handle that Jail.Start returns.
	ExecFIB  int
	Hostname string
	// IP4 and IP6 say which addresses a jail uses that shares its stack.
	IP4, IP6 JailAddrs
	Allow    JailFlags
}

// JailFlags is what may be allowed in a jail, where the one it is in allows it:
// RawSockets, raw sockets in one that shares its stack, and SocketAF, sockets of other
// families than those of IP.
type JailFlags = jail.Flags

// JailAddrs says which addresses of a family a jail has: with the Mode JailInherit all
// that the jail it is in has, with JailNew Addrs, with JailDisable none.
type JailAddrs = jail.Family

// Modes of JailAddrs.
const (
	JailInherit = jail.Inherit
	JailNew     = jail.New
	JailDisable = jail.Disable
)

// JailParam is a parameter of a jail by its name in FreeBSD's jail(8): "vnet",
// "children.max", "ip4.addr".
type JailParam = jail.Param

// ParseJail returns the JailConfig that parameters written as text make. Switches are
// "1", "0" or empty, lists separated by commas. ENOENT: there is no such parameter.
// EPERM: it cannot be set. EINVAL: not to that.
func ParseJail(params ...JailParam) (JailConfig, error) {
	c, err := jail.Parse(params)
	if err != nil {
		return JailConfig{}, &ConfigError{"parse", "jail", err}
	}
	return JailConfig(c), nil
}

// Root returns jail 0, which owns vnet0 and may do everything.
func (w *World) Root() *Jail { return &Jail{w, w.jails.Root()} }

// Jail returns the jail that owns the stack, nil where the stack has been removed or
// the handle is that of a jail which only shares it.
func (s *Stack) Jail() *Jail {
	if in := s.cred.Jail(); in != nil && !in.Owns() {
		return nil
	}
	if j := s.w.jails.Of(s.st); j != nil {
		return &Jail{s.w, j}
	}
	return nil
}

// ID returns the jail's number. Numbers are not used again.
func (j *Jail) ID() int { return j.j.ID() }

// Name returns the jail's name with those of the jails it is in before it: "a.b". That
// of jail 0 is "0".
func (j *Jail) Name() string { return j.j.Name() }

// Stack returns a handle on the jail's stack with the jail's credential, as jexec(8)
// runs a command in it: with routing table 0. It is nil where the stack has been
// removed.
func (j *Jail) Stack() *Stack {
	if j.j.Stack() == nil {
		return nil
	}
	return j.handle()
}

// handle is Stack for one who has seen the jail: it may be gone.
func (j *Jail) handle() *Stack { return &Stack{w: j.w, st: j.j.Place(), cred: j.j.Cred()} }

// Create makes a jail in this one. The error is a *ConfigError around ENXIO where this
// one has been removed; EPERM where there may be no more jails below it (ChildrenMax,
// of every jail that it is in, too), or where it does not itself have what the new one
// is to have; EEXIST where the name is taken; EINVAL for what does not fit; and those of
// Interface.MoveTo for an interface that cannot be moved: then no jail is made.
func (j *Jail) Create(c JailConfig) (*Jail, error) {
	n, err := j.j.Create(jail.Config(c))
	if err != nil {
		return nil, jailError("create jail", c.Name, err)
	}
	return &Jail{j.w, n}, nil
}

func jailError(op, what string, err error) error {
	switch err {
	case nil:
		return nil
	case syscall.EOPNOTSUPP:
		err = ErrSecondStack
	}
	return &ConfigError{op, what, err}
}

// Set changes parameters, all or, after an error, none. Sockets keep the addresses that
// the jail had when they were made; what is allowed changes at once. A jail without a
// Process vanishes when it is set not to persist. ENXIO: the jail has been removed.
// ENOENT: there is no such parameter. EPERM: it is read-only, or only set by Create, or
// the jail that this one is in does not have as much. EINVAL: it cannot be that.
func (j *Jail) Set(params ...JailParam) error {
	return jailError("set jail", j.Name(), j.j.Set(params...))
}

// Get returns a parameter as text. ENOENT: there is no such parameter.
func (j *Jail) Get(name string) (string, error) {
	v, err := j.j.Get(name)
	return v, jailError("get jail", j.Name(), err)
}

// Params returns all parameters, in a fixed order.
func (j *Jail) Params() []JailParam { return j.j.Params() }

// Config returns the parameters as they would be given to Create.
func (j *Jail) Config() JailConfig { return JailConfig(j.j.Config()) }

// Children returns the jails right below this one, by number.
func (j *Jail) Children() []*Jail {
	var all []*Jail
	for _, c := range j.j.Children() {
		all = append(all, &Jail{j.w, c})
	}
	return all
}

// Find returns the jail below this one that has a name, without this one's own ("b.c"
// from "a" is "a.b.c"), or a number; nil where there is none.
func (j *Jail) Find(name string) *Jail {
	if f := j.j.Find(name); f != nil {
		return &Jail{j.w, f}
	}
	return nil
}

// Remove removes the jail and those below it, these first: sockets report
// net.ErrClosed, borrowed interfaces go back to the stacks they were made in, without
// addresses, and all others are removed. A borrowed one whose name was given away
// there meanwhile gets a number behind it ("eth0.1"). ENXIO: the jail has been removed.
// EPERM: it is jail 0.
func (j *Jail) Remove() error {
	return jailError("remove jail", j.Name(), j.j.Remove())
}

// Process is somebody in a jail: a handle on its stack that keeps it alive. Release it
// when it is done. Its sockets are not closed by that, but end with the jail.
type Process struct {
	*Stack
	leave func()
}

// Attach returns a handle as Stack does, which keeps the jail alive until it is
// released.
func (j *Jail) Attach() (*Process, error) {
	if !j.j.Enter() {
		return nil, &ConfigError{"attach to jail", j.Name(), syscall.ENXIO}
	}
	return &Process{j.handle(), sync.OnceFunc(j.j.Leave)}, nil
}

// Start is Attach as jail(8) runs the commands of a jail that starts: with the routing
// table that the parameter exec.fib names. EINVAL: there is no such table.
func (j *Jail) Start() (*Process, error) {
	p, err := j.Attach()
	if err != nil {
		return nil, err
	}
	s, err := p.Stack.FIB(j.j.Config().ExecFIB)
	if err != nil {
		p.Release()
		return nil, err
	}
	p.Stack = s
	return p, nil
}

// Release ends the Process. The last one that is released of a jail that does not
// persist removes the jail. Releasing twice is harmless.
func (p *Process) Release() { p.leave() }

// MoveTo moves the interface into the stack of a jail and returns a handle on it there.
// It leaves its stack as when it is removed: without addresses, routes, neighbours,
// packets that wait, memberships; name, MTU and hardware address stay, its index is a
// new one, and so is its routing table where the jail's stack has no such. It comes
// back when the jail is removed. EPERM: the handle's credential does not allow it.
// ENXIO: the jail is not below the handle's, or has been removed. EEXIST: the interface
// is in that stack already, or another of its name is. EBUSY: its stack is being
// removed. ENODEV: it is not there any more.
func (i *Interface) MoveTo(j *Jail) (*Interface, error) {
	if j == nil {
		return nil, &ConfigError{"move interface", i.name, fmt.Errorf("%w: there is no such jail", syscall.ENXIO)}
	}
	index, e := i.s.w.jails.Move(i.s.cred, i.s.st, i.index, j.j)
	if e != 0 {
		return nil, &ConfigError{"move interface", i.name + " to jail " + j.Name(), e}
	}
	return j.iface(index, i.name), nil
}

// iface returns a handle on an interface that has just been moved here.
func (j *Jail) iface(index uint32, name string) *Interface {
	s := j.handle()
	if c := s.st.View().Conf(index); c != nil { // it may have been renamed
		name = c.Name
	}
	return &Interface{s: s, index: index, name: name}
}

// Reclaim takes an interface of the jail's stack back to the stack of the jail it is
// in, as MoveTo moves it. ENXIO: the jail has none of that name, or has been removed.
// EEXIST: it has no stack of its own, or the name is taken.
func (j *Jail) Reclaim(ifname string) (*Interface, error) {
	index, up, e := j.j.Reclaim(ifname)
	if e != 0 {
		return nil, &ConfigError{"reclaim interface", ifname + " from jail " + j.Name(), e}
	}
	return (&Jail{j.w, up}).iface(index, ifname), nil
}

// CreateEpair makes a virtual Ethernet cable with both ends plugged into the stack:
// epair0a and epair0b, or the next number that is free. Each may be moved to another
// stack; removing one removes both, wherever they are.
func (s *Stack) CreateEpair() (a, b *Interface, err error) {
	if err := s.may(jail.NetConfig, "create", "epair"); err != nil {
		return nil, nil, err
	}
	at, bt, e := s.w.jails.NewEpair(s.st)
	if e != 0 {
		return nil, nil, wrapConfig("create", "epair", e)
	}
	v := s.st.View()
	return &Interface{s: s, index: at, name: v.Conf(at).Name}, &Interface{s: s, index: bt, name: v.Conf(bt).Name}, nil
}
