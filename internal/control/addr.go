package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vnet"
)

// AddrConfig says which address an interface is given.
type AddrConfig struct {
	Prefix netip.Prefix // the address with its subnet
	// Addr is an IPv4 address instead of Prefix: its subnet is that of its historic
	// class. Deviation: nobody is warned of that, there is no log.
	Addr      netip.Addr
	Peer      netip.Addr   // the other end of a point-to-point link
	Broadcast netip.Addr   // IPv4: invalid means the subnet's
	Flags     ifaddr.Flags // IPv6: Anycast, Optimistic, Temporary
}

// AddAddr gives an interface an address and its subnet, and installs the subnet's
// route in the interface's table. An address that is there already is replaced. An
// IPv6 address is used only once nobody else on the link has claimed it (RFC 4862
// §5.4). See Configure for the errors.
func AddAddr(st *vnet.Stack, ifIndex uint32, a netip.Prefix) syscall.Errno {
	return Configure(st, ifIndex, AddrConfig{Prefix: a})
}

// AddAddrFlags is AddAddr for an address with flags: ifaddr.Anycast, Optimistic,
// Temporary.
func AddAddrFlags(st *vnet.Stack, ifIndex uint32, a netip.Prefix, flags ifaddr.Flags) syscall.Errno {
	return Configure(st, ifIndex, AddrConfig{Prefix: a, Flags: flags})
}

// Configure is AddAddr for an address of which more is to be said. It returns ENXIO
// where there is no such interface; EINVAL for an address that no host can have, for
// one of IPv6 where the MTU is below 1,280, for a peer or broadcast address of
// another family and for a peer where the link has more than two ends; EDESTADDRREQ
// for one of IPv4 without a peer where it has two; EEXIST where
// net.inet.ip.no_same_prefix is set and the table has the subnet already. Then
// nothing has changed.
func Configure(st *vnet.Stack, ifIndex uint32, cfg AddrConfig) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	if !ok {
		return syscall.ENXIO
	}
	a, e := cfg.address(&c)
	if e == 0 {
		e = collides(st, &c, &a)
	}
	if e != 0 {
		return e
	}
	if c.Addrs.Find(a.Addr()) != nil {
		delAddr(st, &c, a.Addr())
	}
	if a.Addr().Is6() {
		return addAddr6(st, &c, a)
	}
	c.Addrs = append(c.Addrs[:len(c.Addrs):len(c.Addrs)], a)
	st.SetInterface(&c)
	addSubnet(st, &c, &a)
	announce(st, ifIndex, a.Prefix)
	addrEvent(st, &c, event.AddrAdd, a.Prefix)
	return 0
}

// address makes an interface's address out of what was asked for (behaviour 3.3).
func (cfg *AddrConfig) address(c *ifnet.Info) (a ifaddr.Addr, e syscall.Errno) {
	a = ifaddr.Addr{Prefix: cfg.Prefix, Flags: cfg.Flags}
	if !a.IsValid() && cfg.Addr.Is4() {
		a.Prefix = netip.PrefixFrom(cfg.Addr, ifaddr.ClassBits(cfg.Addr))
	}
	ptp := c.Flags&ifnet.PointToPoint != 0
	switch {
	case !canHave(a.Prefix), a.Addr().Is6() && c.MTU < minMTU6:
		return a, syscall.EINVAL
	case cfg.Peer.IsValid():
		if !ptp || cfg.Broadcast.IsValid() || cfg.Peer.Is4() != a.Addr().Is4() || !isUnicast(cfg.Peer) || a.Addr().Is6() && a.Bits() != 128 {
			return a, syscall.EINVAL
		}
		return a.WithPeer(cfg.Peer), 0
	case ptp && a.Addr().Is4():
		return a, syscall.EDESTADDRREQ
	case cfg.Broadcast.IsValid():
		if !a.Addr().Is4() || !cfg.Broadcast.Is4() || cfg.Broadcast == a.Addr() {
			return a, syscall.EINVAL
		}
		return a.WithBroadcast(cfg.Broadcast), 0
	}
	return a, 0
}

// collides returns EEXIST where two addresses of a subnet are not wanted.
func collides(st *vnet.Stack, c *ifnet.Info, a *ifaddr.Addr) syscall.Errno {
	if st.View().V().IP.NoSamePrefix == 0 || a.Addr().Is6() || a.Peer().IsValid() || a.IsSingleIP() {
		return 0
	}
	for o := range st.Interfaces() {
		if o.FIB != c.FIB || o.Flags&ifnet.Up == 0 {
			continue
		}
		for _, b := range o.Addrs {
			if b.Masked() == a.Masked() && (b.Addr() != a.Addr() || o.Index != c.Index) {
				return syscall.EEXIST
			}
		}
	}
	return 0
}

// canHave tells whether a host may have the address in that subnet.
func canHave(a netip.Prefix) bool {
	return a.IsValid() && isUnicast(a.Addr()) && a.Addr() != ifaddr.Broadcast(a)
}

func isUnicast(ip netip.Addr) bool {
	return !ip.Is4In6() && !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// DelAddr takes an address away, with its subnet's route or by moving that to
// another address of the subnet. An invalid ip means the interface's first IPv4
// address. It returns ENXIO where there is no such interface and EADDRNOTAVAIL where
// it does not have the address.
func DelAddr(st *vnet.Stack, ifIndex uint32, ip netip.Addr) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	if !ip.IsValid() {
		ip = c.Addrs.First()
	}
	switch {
	case !ok:
		return syscall.ENXIO
	case c.Addrs.Find(ip) == nil:
		return syscall.EADDRNOTAVAIL
	}
	delAddr(st, &c, ip)
	return 0
}

// delAddr takes an address that it has from interface c. The lock is held.
func delAddr(st *vnet.Stack, c *ifnet.Info, ip netip.Addr) {
	var gone ifaddr.Addr
	var rest ifaddr.List
	for _, a := range c.Addrs {
		if a.Addr() == ip {
			gone = a
		} else {
			rest = append(rest, a)
		}
	}
	c.Addrs = rest
	st.SetInterface(c)
	if gone.Flags&ifaddr.Auto == 0 {
		delSubnet(st, c, &gone)
	}
	if ip.Is6() {
		forget6(st, c, gone)
	} else {
		forget4(st, c.Index, gone.Prefix)
	}
	addrEvent(st, c, event.AddrDel, gone.Prefix)
	tell(st)
}

// prefixRoute is the route an address brings with it.
func prefixRoute(c *ifnet.Info, p netip.Prefix) fib.Route[*ifnet.Neighbor] {
	r := fib.Route[*ifnet.Neighbor]{Prefix: p.Masked(), IfIndex: c.Index, Flags: fib.Up | fib.Pinned}
	if p.Addr().Is4() {
		r.Src = p.Addr() // of IPv6, the choice is RFC 6724's
	}
	return r
}

// addPrefixRoute installs the route of an interface's subnet, unless another
// address has brought it already. The lock is held.
func addPrefixRoute(st *vnet.Stack, c *ifnet.Info, a netip.Prefix) {
	if a.IsSingleIP() || c.Flags&ifnet.Up == 0 || ifaddr.IsLinkLocal(a.Addr()) {
		return // a link-local prefix is on every link, and in no table
	}
	if t, err := st.Tables().Writable(c.FIB); err == nil {
		t.Insert(prefixRoute(c, a)) // EEXIST: another interface has the subnet already
	}
}

// delPrefixRoute removes the route of a subnet, or moves it to another address
// of it on an interface that is up. The lock is held.
func delPrefixRoute(st *vnet.Stack, c *ifnet.Info, gone netip.Prefix) {
	t := st.Tables().Table(c.FIB)
	if t == nil {
		return
	}
	rt := t.Get(gone.Masked())
	if rt == nil || rt.IfIndex != c.Index || rt.Flags&fib.Pinned == 0 {
		return
	}
	t.Delete(gone.Masked())
	for o := range st.Interfaces() {
		if o.FIB != c.FIB || o.Flags&ifnet.Up == 0 {
			continue
		}
		for _, a := range o.Addrs {
			if a.Masked() == gone.Masked() && a.Flags&ifaddr.Auto == 0 {
				t.Insert(prefixRoute(&o, a.Prefix))
				return
			}
		}
	}
}
