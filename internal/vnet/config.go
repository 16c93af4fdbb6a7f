package vnet

import (
	"iter"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/link"
)

// This file is how package control changes a stack while packets run through
// it: it says what, these say how.

// Lock takes the control lock, Unlock gives it back: one configuration change
// is made at a time.
func (st *Stack) Lock() { st.ctl.Lock() }

// Unlock gives the control lock back.
func (st *Stack) Unlock() { st.ctl.Unlock() }

// Interface returns the interface with an index; false where there is none.
func (st *Stack) Interface(index uint32) (ifnet.Info, bool) { return st.view.Load().Info(index) }

// Interfaces returns every interface, in order of index.
func (st *Stack) Interfaces() iter.Seq[ifnet.Info] { return st.view.Load().Infos }

// Change publishes a copy of the view that edit has changed. The control lock is
// held.
func (st *Stack) Change(edit func(v *ifnet.View)) {
	var next *ifnet.View
	if st.view.Load() == &st.views[0] {
		next = &st.views[1]
	} else {
		next = new(ifnet.View)
	}
	*next = *st.view.Load()
	edit(next)
	st.view.Store(next)
}

// setConf gives an interface its configuration, nil to remove it.
func (st *Stack) setConf(index uint32, c *ifnet.Conf) {
	st.Change(func(v *ifnet.View) {
		if index == 2 && len(v.Ifs) == 1 && c != nil && v == &st.views[1] {
			v.SetConf(index, c, st.ifs0[:2]) // the usual first change
		} else {
			v.SetConf(index, c, nil)
		}
	})
}

// View returns the stack as the path sees it now.
func (st *Stack) View() *ifnet.View { return st.view.Load() }

// SetInterface gives the interface with i's index its new configuration. The
// control lock is held.
func (st *Stack) SetInterface(i *ifnet.Info) {
	old := st.view.Load().Conf(i.Index)
	next := *old
	next.Set(i)
	st.setConf(i.Index, &next)
	if old.Asks() || next.Asks() {
		st.followQuerier(i.Index)
	}
	if old.Port != nil && old.HearsAll() != next.HearsAll() {
		old.Port.SetPromisc(next.HearsAll()) // what is asked of many groups, or sent to them
	}
}

// Plug makes an interface that leads to a link, and gives it an index. It hears
// nothing before Attach. It returns EEXIST where the name is taken and ENXIO where
// the stack is closed. The control lock is held.
func (st *Stack) Plug(i *ifnet.Info, port link.Port) syscall.Errno {
	if st.closed.Load() {
		return syscall.ENXIO
	}
	v := st.view.Load()
	if v.Named(i.Name) != nil {
		return syscall.EEXIST
	}
	i.Index = v.FreeIndex()
	ifp, conf := new(ifnet.Iface), new(ifnet.Conf)
	if i.Index == 2 && st.if0.Port == nil { // the stack itself has room for the first one
		ifp, conf = &st.if0, &st.conf0
	}
	st.initIface(ifp, i.Index, port)
	*conf = ifnet.Conf{Iface: ifp, Props: port.Props()}
	conf.Set(i)
	conf.Addrs = slices.Clone(i.Addrs)
	st.setConf(conf.Index, conf)
	return 0
}

// Attach lets a new interface hear its link. The control lock is held.
func (st *Stack) Attach(index uint32) {
	c := st.view.Load().Conf(index)
	if c.Iface == &st.if0 {
		c.Port.Attach((*firstReceiver)(st))
	} else {
		c.Port.Attach(&receiver{c.Iface, st})
	}
	c.Port.SetAddr(c.MAC)
}

// Unplug removes an interface that no route leads to any more. First nobody can
// find it, then it is taken apart. The control lock is held.
func (st *Stack) Unplug(index uint32) {
	c := st.view.Load().Conf(index)
	st.setConf(index, nil)
	c.Port.Detach()
	st.Barrier()
	st.depart(c)
	st.dismantle(c)
}

// depart ends what sockets have to do with an interface: memberships on it go
// without a message (behaviour 3.5).
func (st *Stack) depart(c *ifnet.Conf) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		for s := st.socks; s != nil; s = s.next {
			sh.leaveIf(p, s, c.Index)
			s.ForgetIf(c.Index)
		}
		return 0
	})
}

// dismantle frees what an interface holds that nobody can find any more.
func (st *Stack) dismantle(c *ifnet.Conf) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if c.ARP != nil {
			c.ARP.Clear()
			sh.pullARP(p, c)
			c.Iface.ARP = nil
		}
		if c.V6 != nil {
			c.V6.ND.Clear()
			sh.pullND(p, c)
			c.Iface.V6 = nil
		}
		c.Iface.IGMP = nil
		c.Neigh.Clear()
		return 0
	})
}

// Barrier returns after every batch that may have seen an older View.
func (st *Stack) Barrier() {
	for i := range 1 + len(st.more) {
		sh := st.shardAt(i)
		sh.mu.Lock()
		sh.release()
	}
}

// Events returns where those hear of changes who want to.
func (st *Stack) Events() *event.Hub { return &st.events }

// Tables returns the stack's routing tables. Who changes them holds the control
// lock.
func (st *Stack) Tables() *fib.Set[*ifnet.Neighbor] { return &st.fibs }

// FIBs returns the number of routing tables.
func (st *Stack) FIBs() int { return st.fibs.Len() }

// Pin returns the neighbour that a route's gateway is, and keeps it until Unpin.
// The control lock is held.
func (st *Stack) Pin(index uint32, gateway netip.Addr) *ifnet.Neighbor {
	c := st.view.Load().Conf(index)
	if n := c.Neighbor(gateway); n != nil && n.Pin() {
		return n // without a lock that packets need
	}
	st.sh.mu.Lock()
	defer st.sh.release()
	n := c.NeedNeighbor(gateway)
	n.Pin()
	return n
}

// Unpin lets go of a route's neighbour, which may be nil. The control lock is
// held.
func (st *Stack) Unpin(index uint32, n *ifnet.Neighbor) {
	c := st.view.Load().Conf(index)
	if n == nil || !n.Unpin() || c == nil {
		return
	}
	st.sh.mu.Lock()
	defer st.sh.release()
	c.Drop(n)
}

// IfaceStats returns the counters of an interface, summed over shards; false
// where there is none with the index.
func (st *Stack) IfaceStats(index uint32) (all ifnet.Stats, ok bool) {
	c := st.view.Load().Conf(index)
	if c == nil {
		return all, false
	}
	for i := range c.Count {
		sh := st.shardAt(i)
		sh.mu.Lock()
		n := c.Count[i]
		sh.release()
		all.Add(&n)
	}
	return all, true
}
