package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
)

// control runs f as one configuration change: under the control lock and that
// of shard 0, with a Runner whose work is done afterwards.
func (st *Stack) control(f func(sh *shard, p *pass) syscall.Errno) syscall.Errno {
	r := st.world.sched.Get()
	p := pass{r: r}
	st.sh.lock(&p)
	e := f(&st.sh, &p)
	st.sh.unlock(&p)
	r.Done()
	return e
}

// AddAddr gives an interface an IPv4 address and its subnet, and installs the
// subnet's route in the interface's table. An address that is there already is
// replaced. It returns ENXIO where there is no such interface and EINVAL for an
// address that no host can have.
func (st *Stack) AddAddr(ifIndex uint32, a netip.Prefix) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	v := st.view.Load()
	c := v.conf(ifIndex)
	ip := a.Addr()
	switch {
	case c == nil:
		return syscall.ENXIO
	case !canHave(a):
		return syscall.EINVAL
	}
	if c.has(ip) {
		st.delAddr(ifIndex, ip)
		c = st.view.Load().conf(ifIndex)
	}
	next := *c
	next.addrs = append(c.addrs[:len(c.addrs):len(c.addrs)], a)
	st.change(func(v *View) { v.setConf(ifIndex, &next) })
	st.addPrefixRoute(&next, a)
	if next.port == nil {
		return 0
	}
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		if len(c.addrs) == 0 {
			c.port.Accept(allSystems(), true)
		}
		if c.arp != nil || p.v.tun.ARP.GARPRexmit != 0 {
			sh.arpTable(p, c).AddAddress(p.r.Now(), a)
			sh.pullARP(p, &next)
		} else if next.up() && next.flags&FlagNoARP == 0 {
			m := arp.Announcement(next.mac, ip)
			sh.sendARP(p, &next, &m)
		}
		return 0
	})
}

// allSystems is the hardware address of 224.0.0.1, which every interface with
// an address listens to (RFC 1112 §7.2).
func allSystems() wire.MAC { return wire.MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01} }

// canHave tells whether a host may have the address in that subnet.
func canHave(a netip.Prefix) bool {
	ip := a.Addr()
	return a.IsValid() && ip.Is4() && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && ip != broadcastOf(a)
}

func (c *ifConf) has(ip netip.Addr) bool {
	for _, a := range c.addrs {
		if a.Addr() == ip {
			return true
		}
	}
	return false
}

// addPrefixRoute installs the route of an interface's subnet, unless another
// address has brought it already. ctl is held.
func (st *Stack) addPrefixRoute(c *ifConf, a netip.Prefix) {
	if a.Bits() == 32 || c.flags&FlagUp == 0 {
		return
	}
	if t, err := st.fibs.Writable(int(c.fib)); err == nil {
		t.Insert(prefixRoute(c, a)) // EEXIST: another interface has the subnet already
	}
}

// DelAddr takes an address away, with its subnet's route or by moving that to
// another address of the subnet. It returns EADDRNOTAVAIL where the interface
// does not have it.
func (st *Stack) DelAddr(ifIndex uint32, ip netip.Addr) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	return st.delAddr(ifIndex, ip)
}

// delAddr does the work of DelAddr. ctl is held.
func (st *Stack) delAddr(ifIndex uint32, ip netip.Addr) syscall.Errno {
	c := st.view.Load().conf(ifIndex)
	if c == nil {
		return syscall.ENXIO
	}
	if !c.has(ip) {
		return syscall.EADDRNOTAVAIL
	}
	next := *c
	next.addrs = nil
	var gone netip.Prefix
	for _, a := range c.addrs {
		if a.Addr() == ip {
			gone = a
		} else {
			next.addrs = append(next.addrs, a)
		}
	}
	st.change(func(v *View) { v.setConf(ifIndex, &next) })
	st.delPrefixRoute(&next, gone)
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		if len(next.addrs) == 0 && c.port != nil {
			c.port.Accept(allSystems(), false)
		}
		if c.arp != nil {
			c.arp.DelAddress(ip)
			c.arp.Scrub(gone.Masked(), len(next.addrs) == 0)
			sh.pullARP(p, &next)
		}
		return 0
	})
}

// delPrefixRoute removes the route of a subnet, or moves it to another address
// of it on an interface that is up.
func (st *Stack) delPrefixRoute(c *ifConf, gone netip.Prefix) {
	t := st.fibs.Table(int(c.fib))
	if t == nil {
		return
	}
	rt := t.Get(gone.Masked())
	if rt == nil || rt.IfIndex != c.index || rt.Flags&fib.Pinned == 0 {
		return
	}
	t.Delete(gone.Masked())
	for _, o := range st.view.Load().ifs {
		if o == nil || o.fib != c.fib || !o.up() {
			continue
		}
		for _, a := range o.addrs {
			if a.Masked() == gone.Masked() {
				t.Insert(prefixRoute(o, a))
				return
			}
		}
	}
}

// SetUp brings an interface up or down. Down, it neither sends nor receives,
// and the routes of its subnets are gone; coming up restores them and announces
// its addresses. It returns ENXIO where there is no such interface.
func (st *Stack) SetUp(ifIndex uint32, up bool) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	c := st.view.Load().conf(ifIndex)
	if c == nil {
		return syscall.ENXIO
	}
	if c.up() == up {
		return 0
	}
	next := *c
	next.flags ^= FlagUp
	st.change(func(v *View) { v.setConf(ifIndex, &next) })
	for _, a := range next.addrs {
		if up {
			st.addPrefixRoute(&next, a)
		} else {
			st.delPrefixRoute(&next, a)
		}
	}
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		if next.port == nil {
			return 0
		}
		if next.arp == nil && up {
			for _, a := range next.addrs {
				m := arp.Announcement(next.mac, a.Addr())
				sh.sendARP(p, &next, &m)
			}
			return 0
		}
		if next.arp != nil {
			next.arp.SetLink(p.r.Now(), arpLink(&next))
			sh.pullARP(p, &next)
		}
		return 0
	})
}
