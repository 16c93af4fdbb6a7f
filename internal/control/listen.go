package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Listen makes the stack itself a member of a group on an interface, without a
// socket, with a filter that takes the place of the one it had; the zero Filter ends
// the membership. It is reported and counts for source filters as a socket's does,
// and packets to the group are the stack's, but nobody reads them. It returns ENXIO
// where the stack is closed, EADDRNOTAVAIL where there is no such interface, it
// cannot multicast, or there is no membership to end, EINVAL for what is no group,
// ENOSPC for more sources than the interface may have.
func Listen(st *vnet.Stack, ifIndex uint32, group netip.Addr, f mcast.Filter) syscall.Errno {
	return st.Listen(func(v *ifnet.View, g *vnet.Groups, m *vnet.Members) (vnet.McastTxn, error) {
		var index uint32
		if group.IsMulticast() { // else refused as such
			index, _ = v.MemberIf(0, ifnet.MemberAt{Index: ifIndex}, group)
		}
		return g.Replace(m, group, int32(index), f, &v.V().Mcast)
	})
}
