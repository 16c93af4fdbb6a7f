package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/vnet"
)

// SetQuerier makes an interface that of a multicast router, which asks who
// listens to what and remembers the answers, or of a host again. It returns
// ENXIO where there is no such interface and EADDRNOTAVAIL where it has no
// IPv4 address.
func SetQuerier(st *vnet.Stack, ifIndex uint32, on bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	return st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		switch {
		case on && !c.Addrs.First().IsValid():
			return syscall.EADDRNOTAVAIL
		case on == (c.Query != nil):
			return 0
		}
		c.Port.SetPromisc(on || c.Flags&ifnet.Promisc != 0) // reports go to many groups
		c.Iface.Query = nil
		if on {
			c.Iface.Query = igmp.NewRouter(c.Now, &c.View.Tun.Query, c.Addrs.First(), false)
		}
		return 0
	})
}

// QuerierGroups returns what a multicast router's interface knows of its
// groups, sorted; false where it is none.
func QuerierGroups(st *vnet.Stack, ifIndex uint32) (groups []igmp.GroupState, ok bool) {
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		if c.Query != nil {
			groups, ok = c.Query.State(c.Now), true
		}
		return 0
	})
	return groups, ok
}

// ReportsPending tells whether IGMP has something to send on an interface: a
// report that is to be repeated, or the answer to a query.
func ReportsPending(st *vnet.Stack, ifIndex uint32) bool {
	pending := false
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		pending = c.IGMP != nil && c.IGMP.Deadline() != clock.Never
		return 0
	})
	return pending
}

// SetPromiscuous asks the link for every frame, or no longer. ENXIO where there
// is no such interface.
func SetPromiscuous(st *vnet.Stack, ifIndex uint32, on bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	i, ok := st.Interface(ifIndex)
	if !ok {
		return syscall.ENXIO
	}
	if i.Flags &^= ifnet.Promisc; on {
		i.Flags |= ifnet.Promisc
	}
	return st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		st.SetInterface(&i)
		c.Port.SetPromisc(on || c.Query != nil)
		return 0
	})
}
