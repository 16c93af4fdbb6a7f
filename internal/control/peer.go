package control

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vnet"
)

// An address of a point-to-point link leads to its peer; any other, to its subnet.

// addSubnet installs the route that an address of interface c brings with it. The
// lock is held.
func addSubnet(st *vnet.Stack, c *ifnet.Info, a *ifaddr.Addr) {
	if !a.Peer().IsValid() {
		addPrefixRoute(st, c, a.Prefix)
		return
	}
	if c.Flags&ifnet.Up == 0 {
		return
	}
	if t, err := st.Tables().Writable(c.FIB); err == nil {
		t.Insert(peerRoute(c, a))
	}
}

// delSubnet removes what addSubnet installed, or moves it to another address. The
// lock is held.
func delSubnet(st *vnet.Stack, c *ifnet.Info, gone *ifaddr.Addr) {
	if !gone.Peer().IsValid() {
		delPrefixRoute(st, c, gone.Prefix)
		return
	}
	t := st.Tables().Table(c.FIB)
	if t == nil {
		return
	}
	dst := peerRoute(c, gone).Prefix
	if rt := t.Get(dst); rt == nil || rt.IfIndex != c.Index || rt.Flags&fib.Pinned == 0 {
		return
	}
	t.Delete(dst)
}

func peerRoute(c *ifnet.Info, a *ifaddr.Addr) fib.Route[*ifnet.Neighbor] {
	r := prefixRoute(c, a.Prefix)
	r.Prefix = netip.PrefixFrom(a.Peer(), a.Peer().BitLen())
	r.Flags |= fib.Host
	return r
}
