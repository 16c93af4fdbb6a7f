package control

import (
	"strconv"
	"syscall"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Move takes an interface out of a stack and puts it into another of the same world
// (behaviour 1.3), and returns the index it has there. It leaves as RemoveInterface
// has it leave: without addresses, routes, neighbours, memberships. It arrives as a
// new one that is as much up as it was, with its name, its MTU and its hardware
// address, and in the table it was in, or table 0 where the stack has no such table.
// Whoever moves it calls MayMove and Departs before. EEXIST: the stacks are the same,
// or to has an interface of that name (as it always has of lo0's). EBUSY: from is being
// removed. ENXIO: to is. ENODEV: there is no such interface (any more).
func Move(from *vnet.Stack, ifIndex uint32, to *vnet.Stack) (uint32, syscall.Errno) {
	if from == to {
		return 0, syscall.EEXIST
	}
	lockBoth(from, to)
	defer from.Unlock()
	defer to.Unlock()
	if e := MayMove(from, ifIndex, to); e != 0 {
		return 0, e
	}
	c, _ := from.Interface(ifIndex)
	return move(from, c, to)
}

// MayMove returns the error that Move would.
func MayMove(from *vnet.Stack, ifIndex uint32, to *vnet.Stack) syscall.Errno {
	c, ok := from.Interface(ifIndex)
	switch {
	case from == to:
		return syscall.EEXIST
	case from.Closed():
		return syscall.EBUSY
	case !ok:
		return syscall.ENODEV
	case to.Closed():
		return syscall.ENXIO
	case to.View().Named(c.Name) != nil:
		return syscall.EEXIST
	}
	return 0
}

// Departs runs the handlers of who must know before an interface is moved. No lock is
// held.
func Departs(st *vnet.Stack, ifIndex uint32) {
	if c, ok := st.Interface(ifIndex); ok {
		departs(st, &c)
	}
}

// GiveBack is Move for an interface of a stack that is being removed, to the one it
// was lent by; Departs has been called. Deviation: one whose name has been given away there meanwhile gets a
// number behind it; FreeBSD lets two have the same name.
func GiveBack(from *vnet.Stack, ifIndex uint32, to *vnet.Stack) (uint32, syscall.Errno) {
	lockBoth(from, to)
	defer from.Unlock()
	defer to.Unlock()
	c, ok := from.Interface(ifIndex)
	if !ok {
		return 0, syscall.ENODEV
	}
	name := c.Name
	for n := 1; to.View().Named(c.Name) != nil; n++ {
		c.Name = name + "." + strconv.Itoa(n)
	}
	return move(from, c, to)
}

// lockBoth takes the control locks of two stacks, in the one order in which that is
// done: of their numbers.
func lockBoth(a, b *vnet.Stack) {
	if *a.Number() > *b.Number() {
		a, b = b, a
	}
	a.Lock()
	b.Lock()
}

// move moves interface c. Both locks are held.
func move(from *vnet.Stack, c ifnet.Info, to *vnet.Stack) (uint32, syscall.Errno) {
	old := from.View().Conf(c.Index)
	gone := c
	removeInterface(from, &gone)
	index, e := replug(to, &c, old)
	if e != 0 { // to is being removed since a moment ago
		replug(from, &c, old)
	}
	return index, e
}

// replug plugs an interface in that came out of another stack, where it was old. Its
// captures go on. The lock is held.
func replug(st *vnet.Stack, c *ifnet.Info, old *ifnet.Conf) (uint32, syscall.Errno) {
	const left = ifnet.Promisc | ifnet.NoIPv6 | ifnet.Querier | ifnet.Downstream | ifnet.AllMulti
	i := ifnet.Info{Name: c.Name, MTU: c.MTU, MAC: c.MAC, FIB: c.FIB, Flags: c.Flags &^ left}
	if i.FIB >= st.FIBs() {
		i.FIB = 0
	}
	e := st.Plug(&i, old.Port)
	if e == 0 {
		st.View().Conf(i.Index).Tee.Store(old.Tee.Load())
		ifEvent(st, &i, event.Arrival)
		st.Attach(i.Index)
	}
	return i.Index, e
}
