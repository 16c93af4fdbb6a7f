package control

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/vnet"
)

// SetQuerier makes an interface that of a multicast router, which asks who
// listens to what and remembers the answers, or of a host again: by IGMP while it
// has an IPv4 address, by MLD while it has a link-local one of IPv6, be it later. It
// returns ENXIO where there is no such interface and EINVAL for lo0.
func SetQuerier(st *vnet.Stack, ifIndex uint32, on bool) syscall.Errno {
	return setFlag(st, ifIndex, ifnet.Querier, on)
}

// SetPromiscuous asks the link for every frame, or no longer. ENXIO where there
// is no such interface, EINVAL for lo0.
func SetPromiscuous(st *vnet.Stack, ifIndex uint32, on bool) syscall.Errno {
	return setFlag(st, ifIndex, ifnet.Promisc, on)
}

// SetARP says whether an interface does ARP at all, and whether it asks and learns. It
// returns ENXIO where there is no such interface and EINVAL for lo0 and for one whose
// link has no hardware addresses.
func SetARP(st *vnet.Stack, ifIndex uint32, off, static bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	i, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case i.Flags&(ifnet.Loopback|ifnet.PointToPoint) != 0:
		return syscall.EINVAL
	}
	flagInterface(st, &i, ifnet.NoARP, off)
	flagInterface(st, &i, ifnet.StaticARP, static)
	return st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		if c.ARP != nil {
			c.ARP.SetLink(c.Now, c.ARPLink())
		}
		return 0
	})
}

func setFlag(st *vnet.Stack, ifIndex uint32, flag ifnet.Flags, on bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	i, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case i.Flags&ifnet.Loopback != 0:
		return syscall.EINVAL
	}
	flagInterface(st, &i, flag, on)
	return 0
}

// flagInterface changes a flag of an interface, if that is a change. The lock is held.
func flagInterface(st *vnet.Stack, i *ifnet.Info, flag ifnet.Flags, on bool) {
	was := i.Flags
	if i.Flags &^= flag; on {
		i.Flags |= flag
	}
	if i.Flags != was {
		st.SetInterface(i)
	}
}

// QuerierGroups returns what a multicast router's interface knows of its groups,
// sorted, IPv4's first; false where it is none.
func QuerierGroups(st *vnet.Stack, ifIndex uint32) (groups []gmp.GroupState, ok bool) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		ok = c.Asks()
		if c.Query != nil {
			groups = c.Query.State(c.Now)
		}
		if c.V6 != nil && c.V6.Query != nil {
			groups = append(groups, c.V6.Query.State(c.Now)...)
		}
		return 0
	})
	return groups, ok
}

// Queriers returns the addresses of the routers that ask on an interface, IPv4's
// and IPv6's, as its own router knows them, be it itself; invalid where it is none
// in the family.
func Queriers(st *vnet.Stack, ifIndex uint32) (four, six netip.Addr) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		four, six = c.Queriers(c.Now)
		return 0
	})
	return four, six
}

// Memberships returns what an interface listens to, and what it reports of it, in
// IPv4 and in IPv6: nil where it does not speak the family.
func Memberships(st *vnet.Stack, ifIndex uint32) (four, six *gmp.HostState) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		all := c.Members()
		four, six = c.HostStates(c.Now, c.View.V(), all)
		for _, g := range all {
			if g.Group.Is4() {
				addSilent(four, g)
			} else {
				addSilent(six, g)
			}
		}
		addSilent(four, gmp.HostGroup{Group: netip.AddrFrom4([4]byte{224, 0, 0, 1}), Filter: mcast.Filter{Mode: mcast.Exclude}})
		addSilent(six, gmp.HostGroup{Group: netip.IPv6LinkLocalAllNodes(), Filter: mcast.Filter{Mode: mcast.Exclude}})
		return 0
	})
	return four, six
}

// addSilent adds a group that is listened to unless it is among those that are
// reported.
func addSilent(s *gmp.HostState, g gmp.HostGroup) {
	if s == nil {
		return
	}
	i, found := slices.BinarySearchFunc(s.Groups, g.Group, func(o gmp.HostGroup, a netip.Addr) int { return o.Group.Compare(a) })
	if !found {
		g.State = gmp.SilentMember
		s.Groups = slices.Insert(s.Groups, i, g)
	}
}

// ReportsPending tells whether IGMP or MLD has something to send on an interface: a
// report that is to be repeated, or the answer to a query.
func ReportsPending(st *vnet.Stack, ifIndex uint32) bool {
	pending := false
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		pending = c.IGMP != nil && c.IGMP.Deadline() != clock.Never || c.V6 != nil && c.V6.MLD.Deadline() != clock.Never
		return 0
	})
	return pending
}
