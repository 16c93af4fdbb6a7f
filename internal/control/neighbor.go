package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// SetNeighbor adds or replaces a neighbour by hand: it does not age. published
// makes the stack answer for it. It returns EPERM for an address of its own and
// EINVAL for one that no host can have, as for lo0; ENXIO where there is no such
// interface.
func SetNeighbor(st *vnet.Stack, ifIndex uint32, ip netip.Addr, mac wire.MAC, published bool) syscall.Errno {
	if ip.Is6() {
		return setNeighbor6(st, ifIndex, ip, mac, published)
	}
	return st.On(ifIndex, func(c *vnet.Call) syscall.Errno { return c.ARPTable().Set(ip, mac, published, clock.Never) })
}

// DelNeighbor removes a neighbour. It returns ENOENT where there is none, EPERM
// for an address of the stack's own.
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
