package control

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vnet"
)

// AddAddr gives an interface an IPv4 address and its subnet, and installs the
// subnet's route in the interface's table. An address that is there already is
// replaced. It returns ENXIO where there is no such interface and EINVAL for an
// address that no host can have.
func AddAddr(st *vnet.Stack, ifIndex uint32, a netip.Prefix) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case !canHave(a):
		return syscall.EINVAL
	}
	if has(&c, a.Addr()) {
		delAddr(st, &c, a.Addr())
	}
	c.Addrs = append(c.Addrs[:len(c.Addrs):len(c.Addrs)], a)
	st.SetInterface(&c)
	addPrefixRoute(st, &c, a)
	st.Announce(ifIndex, a)
	return 0
}

// canHave tells whether a host may have the address in that subnet.
func canHave(a netip.Prefix) bool {
	ip := a.Addr()
	return a.IsValid() && ip.Is4() && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && ip != ifaddr.Broadcast(a)
}

func has(c *ifnet.Info, ip netip.Addr) bool {
	return slices.ContainsFunc(c.Addrs, func(a netip.Prefix) bool { return a.Addr() == ip })
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
	case !has(&c, ip):
		return syscall.EADDRNOTAVAIL
	}
	delAddr(st, &c, ip)
	return 0
}

// delAddr takes an address that it has from interface c. The lock is held.
func delAddr(st *vnet.Stack, c *ifnet.Info, ip netip.Addr) {
	var gone netip.Prefix
	var rest []netip.Prefix
	for _, a := range c.Addrs {
		if a.Addr() == ip {
			gone = a
		} else {
			rest = append(rest, a)
		}
	}
	c.Addrs = rest
	st.SetInterface(c)
	delPrefixRoute(st, c, gone)
	st.Forget(c.Index, gone)
}

// prefixRoute is the route an address brings with it.
func prefixRoute(c *ifnet.Info, p netip.Prefix) fib.Route[*ifnet.Neighbor] {
	return fib.Route[*ifnet.Neighbor]{Prefix: p.Masked(), IfIndex: c.Index, Src: p.Addr(), Flags: fib.Up | fib.Pinned}
}

// addPrefixRoute installs the route of an interface's subnet, unless another
// address has brought it already. The lock is held.
func addPrefixRoute(st *vnet.Stack, c *ifnet.Info, a netip.Prefix) {
	if a.Bits() == 32 || c.Flags&ifnet.Up == 0 {
		return
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
			if a.Masked() == gone.Masked() {
				t.Insert(prefixRoute(&o, a))
				return
			}
		}
	}
}
