package vnet

import (
	"iter"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/socket"
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

// IfaceInfo is the configuration of an interface.
type IfaceInfo struct {
	Name  string
	Index uint32
	MTU   int
	FIB   int
	MAC   wire.MAC
	Flags Flags
	Addrs []netip.Prefix // in the order they were added; not to be changed in place
	Mute  bool           // IGMP reports nothing: to show that reports matter
}

func (c *ifConf) info() IfaceInfo {
	return IfaceInfo{c.name, c.index, c.mtu, int(c.fib), c.mac, c.flags, c.addrs, c.mute}
}

// set takes over what may change about an interface while it is there.
func (c *ifConf) set(i *IfaceInfo) {
	c.mtu, c.fib, c.mac, c.flags, c.addrs, c.mute = i.MTU, uint32(i.FIB), i.MAC, i.Flags, i.Addrs, i.Mute
}

// Interface returns the interface with an index; false where there is none.
func (st *Stack) Interface(index uint32) (IfaceInfo, bool) {
	c := st.view.Load().conf(index)
	if c == nil {
		return IfaceInfo{}, false
	}
	return c.info(), true
}

// Interfaces returns every interface, in order of index.
func (st *Stack) Interfaces() iter.Seq[IfaceInfo] {
	v := st.view.Load()
	return func(yield func(IfaceInfo) bool) {
		for _, c := range v.ifs {
			if c != nil && !yield(c.info()) {
				return
			}
		}
	}
}

// SetInterface gives the interface with i's index its new configuration. The
// control lock is held.
func (st *Stack) SetInterface(i *IfaceInfo) {
	next := *st.view.Load().conf(i.Index)
	next.set(i)
	st.change(func(v *View) { v.setConf(i.Index, &next) })
}

// Plug makes an interface that leads to a link, and gives it an index and, if it
// has none, a hardware address. It hears nothing before Attach. It returns
// EEXIST where the name is taken and ENXIO where the stack is closed. The
// control lock is held.
func (st *Stack) Plug(i *IfaceInfo, port link.Port) syscall.Errno {
	if st.closed.Load() {
		return syscall.ENXIO
	}
	v := st.view.Load()
	for _, c := range v.ifs {
		if c != nil && c.name == i.Name {
			return syscall.EEXIST
		}
	}
	props := port.Props()
	if i.MAC.IsZero() {
		if i.MAC = props.MAC; i.MAC.IsZero() {
			i.MAC = st.world.NewMAC()
		}
	}
	i.Index = freeIndex(v)
	ifp, conf := st.allocIface(i.Index)
	st.initIface(ifp, i.Name, i.Index, port)
	*conf = ifConf{Iface: ifp, props: props}
	conf.set(i)
	if len(i.Addrs) == 1 && ifp == &st.if0 {
		st.addrs0[0] = i.Addrs[0]
		conf.addrs = st.addrs0[:1:1]
	} else {
		conf.addrs = slices.Clone(i.Addrs)
	}
	st.change(func(v *View) { v.setConf(conf.index, conf) })
	return 0
}

// allocIface returns room for an interface: that in the stack itself for the
// first one.
func (st *Stack) allocIface(index uint32) (*Iface, *ifConf) {
	if index == 2 && st.if0.st == nil {
		return &st.if0, &st.conf0
	}
	return new(Iface), new(ifConf)
}

func freeIndex(v *View) uint32 {
	for i, c := range v.ifs {
		if c == nil {
			return uint32(i + 1)
		}
	}
	return uint32(len(v.ifs) + 1)
}

// Attach lets a new interface hear its link. The control lock is held.
func (st *Stack) Attach(index uint32) {
	c := st.view.Load().conf(index)
	c.port.SetAddr(c.mac)
	if len(c.addrs) > 0 {
		c.port.Accept(allSystems(), true)
	}
	c.port.Attach(c.Iface)
}

// Unplug removes an interface that no route leads to any more. First nobody can
// find it, then it is taken apart. The control lock is held.
func (st *Stack) Unplug(index uint32) {
	c := st.view.Load().conf(index)
	st.depart(c)
	st.change(func(v *View) { v.setConf(index, nil) })
	c.port.Detach()
	st.Barrier()
	st.dismantle(c)
}

// depart ends what sockets have to do with an interface: memberships on it go
// without a message (behaviour 3.5).
func (st *Stack) depart(c *ifConf) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		for s := st.socks; s != nil; s = s.next {
			sh.leaveIf(p, s, c.index)
			if s.Opts.Load().McastIf == c.index {
				s.Option(func(o *socket.Options) { o.McastIf = 0 })
			}
		}
		return 0
	})
}

// dismantle frees what an interface holds that nobody can find any more.
func (st *Stack) dismantle(c *ifConf) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if c.arp != nil {
			c.arp.Clear()
			sh.pullARP(p, c)
			c.Iface.arp = nil
		}
		c.Iface.igmp, c.Iface.query = nil, nil
		c.neigh.Clear()
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

// Announce has an interface listen and answer for the address it was given
// last, and tell its link of it. The control lock is held.
func (st *Stack) Announce(index uint32, a netip.Prefix) {
	c := st.view.Load().conf(index)
	if c.port == nil {
		return
	}
	before := *c
	before.addrs = c.addrs[:len(c.addrs)-1]
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if len(before.addrs) == 0 {
			c.port.Accept(allSystems(), true)
		}
		if c.arp != nil || p.v.tun.ARP.GARPRexmit != 0 {
			sh.arpTable(p, &before).AddAddress(p.r.Now(), a)
			sh.pullARP(p, c)
		} else if c.up() && c.flags&FlagNoARP == 0 {
			m := arp.Announcement(c.mac, a.Addr())
			sh.sendARP(p, c, &m)
		}
		return 0
	})
}

// Forget ends what Announce began, for an address that an interface had. The
// control lock is held.
func (st *Stack) Forget(index uint32, gone netip.Prefix) {
	c := st.view.Load().conf(index)
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if len(c.addrs) == 0 && c.port != nil {
			c.port.Accept(allSystems(), false)
		}
		if c.arp != nil {
			c.arp.DelAddress(gone.Addr())
			c.arp.Scrub(gone.Masked(), len(c.addrs) == 0)
			sh.pullARP(p, c)
		}
		return 0
	})
}

// LinkChanged has ARP learn that an interface went up or down: its addresses
// are announced when it comes up. The control lock is held.
func (st *Stack) LinkChanged(index uint32) {
	c := st.view.Load().conf(index)
	st.control(func(sh *shard, p *pass) syscall.Errno {
		switch {
		case c.port == nil:
		case c.arp != nil:
			c.arp.SetLink(p.r.Now(), arpLink(c))
			sh.pullARP(p, c)
		case c.up():
			for _, a := range c.addrs {
				m := arp.Announcement(c.mac, a.Addr())
				sh.sendARP(p, c, &m)
			}
		}
		return 0
	})
}

// ARP runs f on the ARP table of an interface and does what it then wants
// done. It returns ENXIO where there is no such interface, EINVAL for lo0, and
// else what f does.
func (st *Stack) ARP(index uint32, f func(t *arp.Table[*pkt.Buf]) syscall.Errno) syscall.Errno {
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		c := p.v.conf(index)
		switch {
		case c == nil:
			return syscall.ENXIO
		case c.port == nil:
			return syscall.EINVAL
		}
		e := f(sh.arpTable(p, c))
		sh.pullARP(p, c)
		return e
	})
}

// Tables returns the stack's routing tables. Who changes them holds the control
// lock.
func (st *Stack) Tables() *fib.Set[*Neighbor] { return &st.fibs }

// FIBs returns the number of routing tables.
func (st *Stack) FIBs() int { return st.fibs.Len() }

// Pin returns the neighbour that a route's gateway is, and keeps it until Unpin.
// The control lock is held.
func (st *Stack) Pin(index uint32, gateway netip.Addr) *Neighbor {
	c := st.view.Load().conf(index)
	st.sh.mu.Lock()
	defer st.sh.release()
	n := c.needNeighbor(gateway)
	n.pins++
	return n
}

// Unpin lets go of a route's neighbour, which may be nil. The control lock is
// held.
func (st *Stack) Unpin(index uint32, n *Neighbor) {
	if n == nil {
		return
	}
	st.sh.mu.Lock()
	defer st.sh.release()
	n.pins--
	c := st.view.Load().conf(index)
	if n.pins == 0 && n.hdr.Load() == nil && c != nil {
		c.neigh.Delete(st.world.seed.Addr(n.ip, 0), n.ip)
	}
}
