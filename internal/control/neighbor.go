package control

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// Neighbours belong to shard 0's rooms: whoever looks at them or changes them takes its
// lock and no other, so that routes may change meanwhile (behaviour 5.1).

// Neighbor is a neighbour as it is set by hand.
type Neighbor struct {
	IP        netip.Addr
	MAC       wire.MAC
	Published bool          // the stack answers for it
	For       time.Duration // how long it stays unless it confirms itself; 0: it is static
}

// SetNeighbor is AddNeighbor for one that does not age.
func SetNeighbor(st *vnet.Stack, ifIndex uint32, ip netip.Addr, mac wire.MAC, published bool) syscall.Errno {
	return AddNeighbor(st, ifIndex, &Neighbor{IP: ip, MAC: mac, Published: published})
}

// AddNeighbor adds or replaces a neighbour. It returns EPERM for an address of the
// interface's own and EINVAL for one that no host can have, for a group's hardware
// address and for lo0; ENOMEM for a host that is not on the link, unless the stack is
// to answer for it; ENOBUFS where there are too many that age; ENXIO where there is no
// such interface.
func AddNeighbor(st *vnet.Stack, ifIndex uint32, n *Neighbor) syscall.Errno {
	if n.For < 0 || n.MAC.IsMulticast() {
		return syscall.EINVAL
	}
	if n.IP.Is6() {
		return addNeighbor6(st, ifIndex, n)
	}
	return st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		if e := n.onLink(c); e != 0 {
			return e
		}
		return c.ARPTable().Set(n.IP, n.MAC, n.Published, n.until(c.Now))
	})
}

// until returns when the neighbour goes.
func (n *Neighbor) until(now clock.Time) clock.Time {
	if n.For == 0 {
		return clock.Never
	}
	return now.Add(n.For)
}

// onLink returns ENOMEM for what cannot be a neighbour. Deviation: whoever is answered
// for may be anywhere; BSD wants a route of the interface even to him.
func (n *Neighbor) onLink(c *vnet.Call) syscall.Errno {
	switch ip := n.IP; {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback(), n.Published, ifaddr.IsLinkLocal(ip):
		return 0 // the table knows better, or needs no route
	case c.Addrs.Covers(ip) || c.View.IsNeighbor(c.Conf, ip):
		return 0
	}
	return syscall.ENOMEM
}

// DelNeighbor removes a neighbour. It returns ENOENT where there is none, EPERM
// for an address of the interface's own, ENXIO where there is no such interface and
// EINVAL for lo0.
func DelNeighbor(st *vnet.Stack, ifIndex uint32, ip netip.Addr) syscall.Errno {
	if ip.Is6() {
		return delNeighbor6(st, ifIndex, ip)
	}
	return st.On(ifIndex, func(c *vnet.Call) syscall.Errno { return c.ARPTable().Delete(ip) })
}

// Neighbors returns the ARP table of an interface, sorted by address.
func Neighbors(st *vnet.Stack, ifIndex uint32) (all []arp.Entry, e syscall.Errno) {
	e = st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		all = c.ARPTable().AppendEntries(nil)
		return 0
	})
	return all, e
}
