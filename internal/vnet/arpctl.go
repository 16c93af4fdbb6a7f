package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/wire"
)

// withARP runs f on the ARP table of an interface and does what it then wants
// done. It returns ENXIO where there is no such interface, EINVAL for lo0.
func (st *Stack) withARP(ifIndex uint32, f func(p *pass, t *arp.Table[*pkt.Buf]) syscall.Errno) syscall.Errno {
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		c := p.v.conf(ifIndex)
		switch {
		case c == nil:
			return syscall.ENXIO
		case c.port == nil:
			return syscall.EINVAL
		}
		e := f(p, sh.arpTable(p, c))
		sh.pullARP(p, c)
		return e
	})
}

// SetNeighbor adds or replaces a neighbour by hand: it does not age. published
// makes the stack answer for it. It returns EPERM for an address of its own and
// EINVAL for one that no host can have.
func (st *Stack) SetNeighbor(ifIndex uint32, ip netip.Addr, mac wire.MAC, published bool) syscall.Errno {
	return st.withARP(ifIndex, func(_ *pass, t *arp.Table[*pkt.Buf]) syscall.Errno {
		return t.Set(ip, mac, published, clock.Never)
	})
}

// DelNeighbor removes a neighbour. It returns ENOENT where there is none, EPERM
// for an address of the stack's own.
func (st *Stack) DelNeighbor(ifIndex uint32, ip netip.Addr) syscall.Errno {
	return st.withARP(ifIndex, func(_ *pass, t *arp.Table[*pkt.Buf]) syscall.Errno { return t.Delete(ip) })
}

// Neighbors returns the ARP table of an interface, sorted by address.
func (st *Stack) Neighbors(ifIndex uint32) (all []arp.Entry, e syscall.Errno) {
	e = st.withARP(ifIndex, func(_ *pass, t *arp.Table[*pkt.Buf]) syscall.Errno {
		all = t.AppendEntries(nil)
		return 0
	})
	return all, e
}
