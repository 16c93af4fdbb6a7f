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

// AddAddr gives an interface an address and its subnet, and installs the subnet's
// route in the interface's table. An address that is there already is replaced. An
// IPv6 address is used only once nobody else on the link has claimed it (RFC 4862
// §5.4). It returns ENXIO where there is no such interface and EINVAL for an
// address that no host can have, and for one of IPv6 where the MTU is below 1,280.
func AddAddr(st *vnet.Stack, ifIndex uint32, a netip.Prefix) syscall.Errno {
	return AddAddrFlags(st, ifIndex, a, 0)
}

// AddAddrFlags is AddAddr for an address with flags: ifaddr.Anycast, Optimistic,
// Temporary.
func AddAddrFlags(st *vnet.Stack, ifIndex uint32, a netip.Prefix, flags ifaddr.Flags) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case !canHave(a):
		return syscall.EINVAL
	}
	if a.Addr().Is6() && c.MTU < minMTU6 {
		return syscall.EINVAL
	}
	if c.Addrs.Find(a.Addr()) != nil {
		delAddr(st, &c, a.Addr())
	}
	if a.Addr().Is6() {
		return addAddr6(st, &c, ifaddr.Addr{Prefix: a, Flags: flags})
	}
	c.Addrs = append(c.Addrs[:len(c.Addrs):len(c.Addrs)], ifaddr.Addr{Prefix: a})
	st.SetInterface(&c)
	addPrefixRoute(st, &c, a)
	announce(st, ifIndex, a)
	addrEvent(st, &c, event.AddrAdd, a)
	return 0
}

// canHave tells whether a host may have the address in that subnet.
func canHave(a netip.Prefix) bool {
	ip := a.Addr()
	return a.IsValid() && !ip.Is4In6() && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && ip != ifaddr.Broadcast(a)
}

// DelAddr takes an address away, with its subnet's route or by moving that to
// another address of the subnet. It returns ENXIO where there is no such
// interface and EADDRNOTAVAIL where it does not have the address.
func DelAddr(st *vnet.Stack, ifIndex uint32, ip netip.Addr) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
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
		delPrefixRoute(st, c, gone.Prefix)
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
