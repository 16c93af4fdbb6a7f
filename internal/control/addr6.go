package control

import (
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// addAddr6 gives an interface an IPv6 address that it does not have: a tentative
// one, unless it is an anycast address or lo0's. Every interface
// with one also has a link-local one (RFC 4291 §2.1), made here if need be. The
// lock is held.
func addAddr6(st *vnet.Stack, c *ifnet.Info, a ifaddr.Addr) syscall.Errno {
	if c.Flags&ifnet.Loopback != 0 {
		c.Addrs = append(c.Addrs[:len(c.Addrs):len(c.Addrs)], a)
		st.SetInterface(c)
		addrEvent(st, c, event.AddrAdd, a.Prefix)
		return 0
	}
	if !ifaddr.IsLinkLocal(a.Addr()) && !hasLinkLocal(c) && st.View().V().Auto.AutoLinkLocal != 0 {
		claim(st, c, ifaddr.Addr{Prefix: linkLocal(st, c.MAC)})
	}
	claim(st, c, a)
	addSubnet(st, c, &a)
	return 0
}

// minMTU6 is the least MTU of a link that carries IPv6 (RFC 8200 §5).
const minMTU6 = 1280

// bootAddrs gives an interface that is about to be made the addresses that it has
// from the start, and the link-local one that IPv6's bring with them. The lock is
// held.
func bootAddrs(st *vnet.Stack, c *ifnet.Info, addrs []netip.Prefix) {
	n := len(addrs)
	if slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr().Is6() }) {
		n++ // link-local
	}
	c.Addrs = make(ifaddr.List, 0, n)
	for _, four := range [...]bool{true, false} {
		for _, a := range addrs {
			if a.Addr().Is4() != four {
				continue
			}
			if !four && !ifaddr.IsLinkLocal(a.Addr()) && !hasLinkLocal(c) && st.View().V().Auto.AutoLinkLocal != 0 {
				c.Addrs = append(c.Addrs, ifaddr.Addr{Prefix: linkLocal(st, c.MAC)})
			}
			c.Addrs = append(c.Addrs, ifaddr.Addr{Prefix: a})
		}
	}
}

// boot6 begins to use the IPv6 addresses that an interface was made with: nobody
// is asked, and there is nothing that package control has to look at afterwards. The
// lock is held.
func boot6(st *vnet.Stack, c *ifnet.Info) {
	if !c.Addrs.Has(true) {
		return
	}
	st.IPv6(c.Index, func(v6 *vnet.V6Call) syscall.Errno {
		for i := range c.Addrs {
			a := c.Addrs[i].Addr()
			if a.Is4() {
				continue
			}
			if group := wire.SolicitedNode(a); !c.Addrs[:i].Listens(group) {
				v6.Listen(group, true, 0)
			}
			v6.ND.AddAddress(v6.Now, a, nd.NoDAD)
		}
		v6.ND.Settle()
		return 0
	})
}

func hasLinkLocal(c *ifnet.Info) bool {
	for i := range c.Addrs {
		if ifaddr.IsLinkLocal(c.Addrs[i].Addr()) {
			return true
		}
	}
	return false
}

// linkLocal is the address that an interface forms of its hardware address
// (RFC 4862 §5.3), or where it has none of another interface's (RFC 4291 appendix A).
func linkLocal(st *vnet.Stack, mac wire.MAC) netip.Prefix {
	for o := range st.Interfaces() {
		if !mac.IsZero() {
			break
		}
		mac = o.MAC
	}
	if mac.IsZero() {
		mac = st.World().NewMAC()
	}
	id := auto.EUI64(mac)
	b := [16]byte{0: 0xfe, 1: 0x80}
	for i := range 8 {
		b[8+i] = byte(id >> (56 - 8*i))
	}
	return netip.PrefixFrom(netip.AddrFrom16(b), 64)
}

// joinDelay is within what time a group is joined that many may join at once
// (RFC 4862 §5.4.2).
const joinDelay = time.Second

// claim adds an address to an interface and has neighbour discovery ask whether
// anybody has it: after a random while, since two that boot at once must not ask at
// once. The lock is held.
//
// Deviation: RFC 4862 §5.4 has it ask on every link. At the other end of one between
// two there is nobody but the peer, whose addresses are configured as well.
func claim(st *vnet.Stack, c *ifnet.Info, a ifaddr.Addr) {
	how := nd.Delayed
	group := wire.SolicitedNode(a.Addr())
	known := c.Addrs.Listens(group)
	switch {
	case c.Flags&ifnet.PointToPoint != 0 && c.Flags&ifnet.NoARP != 0: // no link header
		how = nd.NoDAD
	case a.Flags&ifaddr.Anycast != 0:
		how |= nd.Anycast
	case a.Flags&ifaddr.Optimistic != 0:
		how |= nd.OptimisticDAD
	}
	if how&(nd.Anycast|nd.NoDAD) == 0 {
		a.Flags = a.Flags&^ifaddr.Optimistic | ifaddr.Tentative
	}
	c.Addrs = append(c.Addrs[:len(c.Addrs):len(c.Addrs)], a)
	st.SetInterface(c)
	st.IPv6(c.Index, func(v6 *vnet.V6Call) syscall.Errno {
		if !known {
			v6.Listen(group, true, joinDelay)
		}
		return v6.ND.AddAddress(v6.Now, a.Addr(), how)
	})
	addrEvent(st, c, event.AddrAdd, a.Prefix)
}

// forget6 ends what claim began for an address that an interface had. Without the
// link-local address that was another's, IPv6 may be spoken again. The lock is held.
func forget6(st *vnet.Stack, c *ifnet.Info, gone ifaddr.Addr) {
	if c.Flags&ifnet.Loopback != 0 {
		return
	}
	again := c.Flags&ifnet.NoIPv6 != 0 && gone.Flags&ifaddr.Duplicate != 0 && ifaddr.IsLinkLocal(gone.Addr())
	if again {
		c.Flags &^= ifnet.NoIPv6
		st.SetInterface(c)
	}
	group := wire.SolicitedNode(gone.Addr())
	st.IPv6(c.Index, func(v6 *vnet.V6Call) syscall.Errno {
		v6.ND.DelAddress(gone.Addr())
		if p := gone.Masked(); gone.Flags&ifaddr.Auto == 0 && !ifaddr.IsLinkLocal(gone.Addr()) && !c.Addrs.HasSubnet(p) {
			scrub6(v6, p)
		}
		if !c.Addrs.Listens(group) {
			v6.Listen(group, false, 0)
		}
		v6.Disabled = v6.Disabled && !again
		return 0
	})
	if again {
		linkChanged(st, c.Index)
	}
}
