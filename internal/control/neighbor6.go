package control

import (
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// Neighbors6 returns the IPv6 neighbours of an interface, sorted by address.
func Neighbors6(st *vnet.Stack, ifIndex uint32) (all []nd.Entry) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		if c.V6 != nil {
			all = c.V6.ND.AppendEntries(nil)
		}
		return 0
	})
	return all
}

// speaks6 tells whether an interface speaks IPv6 already.
func speaks6(st *vnet.Stack, ifIndex uint32) (yes bool) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		yes = c.V6 != nil
		return 0
	})
	return yes
}

// addNeighbor6 is AddNeighbor for IPv6. What the stack answers for, it must hear
// being asked for.
func addNeighbor6(st *vnet.Stack, ifIndex uint32, n *Neighbor) syscall.Errno {
	if !speaks6(st, ifIndex) { // that it will is a change of the configuration
		st.Lock()
		defer st.Unlock()
	}
	return st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
		if e := n.onLink(&v6.Call); e != 0 {
			return e
		}
		was, _ := v6.ND.Lookup(n.IP)
		e := v6.ND.Set(n.IP, n.MAC, n.Published, n.until(v6.Now))
		if e == 0 {
			answers(v6, n.IP, was.Flags&nd.Published != 0)
		}
		return e
	})
}

// delNeighbor6 is DelNeighbor for IPv6.
func delNeighbor6(st *vnet.Stack, ifIndex uint32, ip netip.Addr) (e syscall.Errno) {
	on := st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		if c.V6 == nil {
			e = syscall.ENOENT
		}
		return 0
	})
	if on != 0 || e != 0 {
		return max(on, e)
	}
	return st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
		was, _ := v6.ND.Lookup(ip)
		e := v6.ND.Delete(ip)
		if e == 0 {
			answers(v6, ip, was.Flags&nd.Published != 0)
		}
		return e
	})
}

// answers has an interface listen to the solicited-node group of an address that it
// answers for from now on, or no longer.
func answers(v6 *vnet.V6Call, ip netip.Addr, before bool) {
	entry, _ := v6.ND.Lookup(ip)
	now := entry.Flags&nd.Published != 0
	group := wire.SolicitedNode(ip)
	if now == before || slices.ContainsFunc(v6.ND.AppendEntries(nil), func(o nd.Entry) bool {
		return o.IP != ip && o.Flags&nd.Published != 0 && wire.SolicitedNode(o.IP) == group
	}) {
		return
	}
	if now || !v6.Conf.Addrs.Listens(group) {
		v6.Listen(group, now, 0)
	}
}

// scrub6 forgets the neighbours of a subnet that the interface is no longer in, those
// set by hand too.
func scrub6(v6 *vnet.V6Call, p netip.Prefix) {
	var published []netip.Addr
	for _, n := range v6.ND.AppendEntries(nil) {
		if n.Flags&nd.Published != 0 && p.Contains(n.IP) {
			published = append(published, n.IP)
		}
	}
	v6.ND.Scrub(p, true)
	for _, ip := range published {
		answers(v6, ip, true)
	}
}

// NDInfo is how an interface deals with its neighbours.
type NDInfo struct {
	BaseReachable, Reachable, Retrans time.Duration
	Disabled                          bool
}

// ReadND returns that of an interface; ok is false where it does not speak IPv6.
func ReadND(st *vnet.Stack, ifIndex uint32) (n NDInfo, ok bool) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		if c.V6 == nil {
			return 0
		}
		ok = true
		n.BaseReachable, n.Reachable, n.Retrans = c.V6.ND.Timers()
		n.Disabled = c.V6.Disabled
		return 0
	})
	return n, ok
}
