package vnet

import (
	"iter"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
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
func (st *Stack) Interface(index uint32) (ifnet.Info, bool) {
	c := st.view.Load().Conf(index)
	if c == nil {
		return ifnet.Info{}, false
	}
	return c.Info(), true
}

// Interfaces returns every interface, in order of index.
func (st *Stack) Interfaces() iter.Seq[ifnet.Info] {
	v := st.view.Load()
	return func(yield func(ifnet.Info) bool) {
		for _, c := range v.Ifs {
			if c != nil && !yield(c.Info()) {
				return
			}
		}
	}
}

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
	next := *st.view.Load().Conf(i.Index)
	next.Set(i)
	st.setConf(i.Index, &next)
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
	st.initIface(ifp, i.Name, i.Index, port)
	*conf = ifnet.Conf{Iface: ifp, Props: port.Props()}
	conf.Set(i)
	conf.Addrs = slices.Clone(i.Addrs)
	st.setConf(conf.Index, conf)
	return 0
}

// Attach lets a new interface hear its link. The control lock is held.
func (st *Stack) Attach(index uint32) {
	c := st.view.Load().Conf(index)
	c.Port.SetAddr(c.MAC)
	if c.Addrs.Has(false) {
		c.Port.Accept(allSystems(), true)
	}
	if c.Iface == &st.if0 {
		c.Port.Attach((*firstReceiver)(st))
	} else {
		c.Port.Attach(&receiver{c.Iface, st})
	}
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
		c.Iface.IGMP, c.Iface.Query = nil, nil
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

// control runs f as one change of what packets meet: under the lock of shard 0,
// with a Runner whose work is done afterwards.
func (st *Stack) control(f func(sh *shard, p *pass) syscall.Errno) syscall.Errno {
	r := st.world.sched.Get()
	p := pass{r: r}
	st.sh.lock(&p)
	e := f(&st.sh, &p)
	st.sh.unlock(&p)
	r.Done()
	return e
}

// allSystems is the hardware address of 224.0.0.1, which every interface with
// an address listens to (RFC 1112 §7.2).
func allSystems() wire.MAC { return wire.MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01} }

// Announce has an interface listen and answer for the IPv4 address it was given
// last, and tell its link of it. The control lock is held.
func (st *Stack) Announce(index uint32, a netip.Prefix) {
	c := st.view.Load().Conf(index)
	if c.Port == nil {
		return
	}
	before := *c
	before.Addrs = c.Addrs[:len(c.Addrs)-1]
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if !before.Addrs.Has(false) {
			c.Port.Accept(allSystems(), true)
		}
		if c.ARP != nil || p.v.Tun.ARP.GARPRexmit != 0 {
			sh.arpTable(p, &before).AddAddress(p.r.Now(), a)
			sh.pullARP(p, c)
		} else if c.Up() && c.Flags&ifnet.NoARP == 0 {
			m := arp.Announcement(c.MAC, a.Addr())
			sh.sendARP(p, c, &m)
		}
		return 0
	})
}

// Forget ends what Announce began, for an IPv4 address that an interface had. The
// control lock is held.
func (st *Stack) Forget(index uint32, gone netip.Prefix) {
	c := st.view.Load().Conf(index)
	st.control(func(sh *shard, p *pass) syscall.Errno {
		last := !c.Addrs.Has(false)
		if last && c.Port != nil {
			c.Port.Accept(allSystems(), false)
		}
		if c.ARP != nil {
			c.ARP.DelAddress(gone.Addr())
			c.ARP.Scrub(gone.Masked(), last)
			sh.pullARP(p, c)
		}
		return 0
	})
}

// LinkChanged has ARP and neighbour discovery learn that an interface went up or
// down, or what else changed about it: its addresses are announced when it comes
// up. The control lock is held.
func (st *Stack) LinkChanged(index uint32) {
	c := st.view.Load().Conf(index)
	st.control(func(sh *shard, p *pass) syscall.Errno {
		switch {
		case c.Port == nil:
		case c.ARP != nil:
			c.ARP.SetLink(p.r.Now(), c.ARPLink())
			sh.pullARP(p, c)
		case c.Up():
			for _, a := range c.Addrs {
				if a.Addr().Is4() {
					m := arp.Announcement(c.MAC, a.Addr())
					sh.sendARP(p, c, &m)
				}
			}
		}
		if c.V6 != nil {
			c.V6.ND.SetLink(p.r.Now(), c.NDLink(p.v.Forwards(true)))
			if c.Up() {
				c.V6.MLD.Announce(p.r.Now(), sh.mldEnv(p))
			}
			sh.pullV6(p, c)
		}
		return 0
	})
}

// ARP runs f on the ARP table of an interface and does what it then wants
// done. It returns ENXIO where there is no such interface, EINVAL for lo0, and
// else what f does.
func (st *Stack) ARP(index uint32, f func(t *arp.Table[*pkt.Buf]) syscall.Errno) syscall.Errno {
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		c := p.v.Conf(index)
		switch {
		case c == nil:
			return syscall.ENXIO
		case c.Port == nil:
			return syscall.EINVAL
		}
		e := f(sh.arpTable(p, c))
		sh.pullARP(p, c)
		return e
	})
}

// Tables returns the stack's routing tables. Who changes them holds the control
// lock.
func (st *Stack) Tables() *fib.Set[*ifnet.Neighbor] { return &st.fibs }

// FIBs returns the number of routing tables.
func (st *Stack) FIBs() int { return st.fibs.Len() }

// Pin returns the neighbour that a route's gateway is, and keeps it until Unpin.
// The control lock is held.
func (st *Stack) Pin(index uint32, gateway netip.Addr) *ifnet.Neighbor {
	c := st.view.Load().Conf(index)
	st.sh.mu.Lock()
	defer st.sh.release()
	n := c.NeedNeighbor(gateway)
	n.Pins++
	return n
}

// Unpin lets go of a route's neighbour, which may be nil. The control lock is
// held.
func (st *Stack) Unpin(index uint32, n *ifnet.Neighbor) {
	c := st.view.Load().Conf(index)
	if n == nil || c == nil {
		return
	}
	st.sh.mu.Lock()
	defer st.sh.release()
	c.Unpin(n)
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
