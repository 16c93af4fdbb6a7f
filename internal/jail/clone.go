package jail

import (
	"fmt"
	"strconv"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// clone is what is remembered of an interface that is not where it was made, or is
// one end of a pair.
type clone struct {
	iface *ifnet.Iface
	st    *vnet.Stack // where it is
	home  *vnet.Stack // where it was made, nil while it is there
	peer  *clone      // the other end
	dying bool        // it is being removed: it goes nowhere
}

// keep remembers c as what is known of an interface.
func (t *Tree) keep(c *clone, st *vnet.Stack, index uint32) {
	c.st, c.iface = st, st.View().Conf(index).Iface
	t.away[c.iface] = c
	t.some.Store(true)
}

// known returns what is remembered of an interface, nil where that is nothing.
func (t *Tree) known(st *vnet.Stack, index uint32) *clone {
	if c := st.View().Conf(index); c != nil {
		return t.away[c.Iface]
	}
	return nil
}

// Paired tells whether an interface is one end of a pair that NewEpair has made.
func (t *Tree) Paired(st *vnet.Stack, index uint32) bool {
	if !t.some.Load() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.known(st, index)
	return c != nil && c.peer != nil
}

// index returns the index of an interface in the stack in which it is.
func (c *clone) index() (uint32, bool) {
	i := c.st.View().Conf(c.iface.Index)
	return c.iface.Index, i != nil && i.Iface == c.iface
}

// Move moves an interface into the stack of a jail, for somebody with the credential
// by, and returns its new index there. EPERM: he must not. ENXIO: the jail is not
// below his, or has been removed. The rest is control.Move's.
func (t *Tree) Move(by Cred, from *vnet.Stack, index uint32, to *Jail) (uint32, syscall.Errno) {
	in := by.in
	if in == nil {
		in = t.root
	}
	return t.transfer(from, index, to.st, func() syscall.Errno {
		switch {
		case !by.Allows(SetIfVnet):
			return syscall.EPERM
		case to.t != t || !to.under(in) || to.gone.Load():
			return syscall.ENXIO
		}
		return 0
	})
}

// transfer moves an interface, if may says that it may be, and remembers where it came
// from. No lock is held: before the interface goes, others look at it.
func (t *Tree) transfer(from *vnet.Stack, index uint32, to *vnet.Stack, may func() syscall.Errno) (uint32, syscall.Errno) {
	e := may()
	if e == 0 {
		e = control.MayMove(from, index, to)
	}
	if e != 0 {
		return 0, e
	}
	control.Departs(from, index)
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.known(from, index)
	switch e = may(); {
	case e != 0:
		return 0, e
	case c != nil && c.dying:
		return 0, syscall.ENODEV
	}
	n, e := control.Move(from, index, to)
	if e == 0 {
		t.moved(c, from, to, n)
	}
	return n, e
}

// moved notes that an interface has gone from one stack to another, where it has the
// index n. c is what was known of it.
func (t *Tree) moved(c *clone, from, to *vnet.Stack, n uint32) {
	if c == nil {
		c = new(clone)
	} else {
		delete(t.away, c.iface)
	}
	if c.home == nil {
		c.home = from
	}
	if c.home == to {
		c.home = nil
	}
	if c.home != nil || c.peer != nil {
		t.keep(c, to, n)
	}
}

// lend moves interfaces from the stack of the jail above into the one of j. No lock is
// held.
func (j *Jail) lend(names []string) error {
	from := j.parent.st
	for _, name := range names {
		i := from.View().Named(name)
		if i == nil {
			return fmt.Errorf("%w: %s has no interface %s", syscall.ENXIO, from.Name(), name)
		}
		if _, e := j.t.transfer(from, i.Index, j.st, j.there); e != 0 {
			return fmt.Errorf("%w: interface %s", e, name)
		}
	}
	return nil
}

// there returns ENXIO where the jail has been removed.
func (j *Jail) there() syscall.Errno {
	if j.gone.Load() {
		return syscall.ENXIO
	}
	return 0
}

// Reclaim takes an interface of the jail's stack back to the stack of the jail above,
// and returns its index there and that jail. ENXIO: there is none of that name, or the
// jail has been removed. EPERM: the jail above must not. The rest is control.Move's.
func (j *Jail) Reclaim(name string) (uint32, *Jail, syscall.Errno) {
	up := j.parent
	switch {
	case j.gone.Load():
		return 0, nil, syscall.ENXIO
	case up == nil || !up.Cred().Allows(SetIfVnet):
		return 0, nil, syscall.EPERM
	}
	i := j.st.View().Named(name)
	if i == nil {
		return 0, nil, syscall.ENXIO
	}
	n, e := j.t.transfer(j.st, i.Index, up.st, j.there)
	return n, up, e
}

// NewEpair makes a cable both of whose ends are plugged into a stack, as epairNa and
// epairNb with the least N that there is none of, and returns their indexes. Removing
// one end removes both, wherever they are.
func (t *Tree) NewEpair(st *vnet.Stack) (a, b uint32, e syscall.Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cable := link.NewEpair(0)
	for n := 0; ; n++ {
		name := "epair" + strconv.Itoa(n)
		if v := st.View(); v.Named(name+"a") != nil || v.Named(name+"b") != nil {
			continue
		}
		a, e = control.AddInterface(st, control.IfaceConfig{Name: name + "a", Port: cable.A()})
		if e == 0 {
			if b, e = control.AddInterface(st, control.IfaceConfig{Name: name + "b", Port: cable.B()}); e != 0 {
				control.RemoveInterface(st, a)
			}
		}
		if e == syscall.EEXIST { // somebody was faster
			continue
		}
		break
	}
	if e == 0 {
		one, other := new(clone), new(clone)
		one.peer, other.peer = other, one
		t.keep(one, st, a)
		t.keep(other, st, b)
	}
	return a, b, e
}

// RemoveInterface removes an interface for somebody with the credential by, and the
// other end of its pair. EPERM: it was lent by a jail that is above his, and is no end
// of a pair. The rest is control.RemoveInterface's.
func (t *Tree) RemoveInterface(by Cred, st *vnet.Stack, index uint32) syscall.Errno {
	if !t.some.Load() {
		return control.RemoveInterface(st, index)
	}
	t.mu.Lock()
	c := t.known(st, index)
	if c != nil && c.home != nil && c.peer == nil && by.in != nil && !t.holds(by.in, c.home) {
		t.mu.Unlock()
		return syscall.EPERM
	}
	c.doom()
	t.mu.Unlock()
	if c == nil {
		return control.RemoveInterface(st, index)
	}
	return t.destroy(c)
}

// holds tells whether a stack is of j or of a jail below it.
func (t *Tree) holds(j *Jail, st *vnet.Stack) bool {
	o := t.byStack[st]
	return o != nil && (o == j || o.under(j))
}

// doom lets an interface and the other end of its pair go nowhere any more.
func (c *clone) doom() {
	for ; c != nil && !c.dying; c = c.peer {
		c.dying = true
	}
}

// destroy removes a doomed interface and the other end of its pair. No lock is held.
func (t *Tree) destroy(c *clone) (e syscall.Errno) {
	e = c.remove()
	if c.peer != nil {
		c.peer.remove()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.away, c.iface)
	if c.peer != nil {
		delete(t.away, c.peer.iface)
	}
	return e
}

func (c *clone) remove() syscall.Errno {
	i, ok := c.index()
	if !ok {
		return syscall.ENXIO
	}
	return control.RemoveInterface(c.st, i)
}
