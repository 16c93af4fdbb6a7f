package control

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// Neighbors6 returns the IPv6 neighbours of an interface, sorted by address.
func Neighbors6(st *vnet.Stack, ifIndex uint32) (all []nd.Entry) {
	st.Lock()
	defer st.Unlock()
	inV6(st, ifIndex, func(v6 *ifnet.V6) { all = v6.ND.AppendEntries(nil) })
	return all
}

// setNeighbor6 is SetNeighbor for IPv6. What the stack answers for, it must hear
// being asked for.
func setNeighbor6(st *vnet.Stack, ifIndex uint32, ip netip.Addr, mac wire.MAC, published bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	return st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
		e := v6.ND.Set(ip, mac, published, clock.Never)
		if e == 0 && published {
			v6.Listen(wire.SolicitedNode(ip), true, 0)
		}
		return e
	})
}

// delNeighbor6 is DelNeighbor for IPv6.
func delNeighbor6(st *vnet.Stack, ifIndex uint32, ip netip.Addr) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	return st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
		was, _ := v6.ND.Lookup(ip)
		e := v6.ND.Delete(ip)
		if e != 0 || was.Flags&nd.Published == 0 {
			return e
		}
		group := wire.SolicitedNode(ip)
		others := slices.ContainsFunc(v6.ND.AppendEntries(nil), func(o nd.Entry) bool {
			return o.Flags&nd.Published != 0 && wire.SolicitedNode(o.IP) == group
		})
		if !others && !v6.Conf.Addrs.Listens(group) {
			v6.Listen(group, false, 0)
		}
		return 0
	})
}
