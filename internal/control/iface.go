package control

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// IfaceConfig says how an interface is made.
type IfaceConfig struct {
	Name         string
	Port         link.Port
	MAC          wire.MAC // zero: the link's suggestion, else a new one
	MTU          int      // 0: the link's
	FIB          int      // table that routes what arrives
	Down         bool     // leave it down
	PointToPoint bool     // the link has two ends, as one without link header always has: addresses have peers
	// Addrs are addresses it has from the start, before the cable is plugged in:
	// nobody hears them announced. See AddAddr for the errors.
	Addrs []netip.Prefix
}

// AddInterface plugs the stack into a link and returns the interface's index.
// It returns EINVAL for a bad name, MTU or FIB, EEXIST where the name is taken,
// and ENXIO where the stack is closed.
func AddInterface(st *vnet.Stack, c IfaceConfig) (uint32, syscall.Errno) {
	st.Lock()
	defer st.Unlock()
	most := c.Port.Props().MTU
	if c.MTU == 0 {
		c.MTU = most
	}
	if c.Name == "" || c.MTU < 68 || c.MTU > most || c.FIB < 0 || c.FIB >= st.FIBs() {
		return 0, syscall.EINVAL
	}
	for _, a := range c.Addrs {
		switch {
		case !canHave(a) || a.Addr().Is6() && c.MTU < minMTU6:
			return 0, syscall.EINVAL
		case c.PointToPoint && a.Addr().Is4():
			return 0, syscall.EDESTADDRREQ
		}
	}
	i := ifnet.Info{Name: c.Name, MTU: c.MTU, FIB: c.FIB, MAC: c.MAC, Flags: ifnet.Broadcast | ifnet.Multicast}
	if c.Port.Props().Bare {
		i.MAC, i.Flags = wire.MAC{}, ifnet.PointToPoint|ifnet.Multicast|ifnet.NoARP
	} else if i.MAC.IsZero() {
		if i.MAC = c.Port.Props().MAC; i.MAC.IsZero() {
			i.MAC = st.World().NewMAC()
		}
	}
	bootAddrs(st, &i, c.Addrs)
	if !c.Down {
		i.Flags |= ifnet.Up
	}
	if c.PointToPoint && i.Flags&ifnet.Broadcast != 0 {
		i.Flags ^= ifnet.Broadcast | ifnet.PointToPoint
	}
	if e := st.Plug(&i, c.Port); e != 0 {
		return 0, e
	}
	ifEvent(st, &i, event.Arrival)
	for _, a := range i.Addrs {
		addSubnet(st, &i, &a)
		addrEvent(st, &i, event.AddrAdd, a.Prefix)
	}
	boot6(st, &i)
	if i.Addrs.Has(false) {
		c.Port.Accept(allSystems(), true)
	}
	st.Attach(i.Index)
	return i.Index, 0
}

// Net describes an interface as package net does.
func Net(i ifnet.Info) net.Interface {
	n := net.Interface{Index: int(i.Index), MTU: i.MTU, Name: i.Name}
	if !i.MAC.IsZero() {
		n.HardwareAddr = net.HardwareAddr(i.MAC[:])
	}
	for _, f := range []struct {
		flag ifnet.Flags
		net  net.Flags
	}{
		{ifnet.Up, net.FlagUp}, {ifnet.Broadcast, net.FlagBroadcast},
		{ifnet.Loopback, net.FlagLoopback}, {ifnet.Multicast, net.FlagMulticast},
		{ifnet.PointToPoint, net.FlagPointToPoint},
	} {
		if i.Flags&f.flag != 0 {
			n.Flags |= f.net
		}
	}
	if i.Flags&(ifnet.Up|ifnet.NoCarrier) == ifnet.Up {
		n.Flags |= net.FlagRunning
	}
	return n
}

// RemoveInterface unplugs an interface. It returns ENXIO where there is none
// with the index, and EPERM for lo0.
func RemoveInterface(st *vnet.Stack, ifIndex uint32) syscall.Errno {
	there := st.View().Conf(ifIndex)
	switch {
	case there == nil:
		return syscall.ENXIO
	case there.Flags&ifnet.Loopback != 0:
		return syscall.EPERM
	}
	c := there.Info()
	departs(st, &c)
	st.Lock()
	defer st.Unlock()
	if now := st.View().Conf(ifIndex); now == nil || now.Gen != there.Gen {
		return syscall.ENXIO
	}
	removeInterface(st, &c)
	return 0
}

// removeInterface takes everything from an interface that leads to it, the last
// thing first. The lock is held.
func removeInterface(st *vnet.Stack, c *ifnet.Info) {
	ifEvent(st, c, event.Departure)
	unrouteMulticast(st, c.Index)
	*c, _ = st.Interface(c.Index)
	flagInterface(st, c, ifnet.Querier, false)
	for n := len(c.Addrs); n > 0; n = len(c.Addrs) {
		delAddr(st, c, c.Addrs[n-1].Addr())
	}
	dropRoutesVia(st, c.Index)
	st.Unplug(c.Index)
	tell(st)
}

// SetUp brings an interface up or down. Down, it neither sends nor receives,
// and the routes of its subnets are gone; coming up restores them and announces
// its addresses. It returns ENXIO where there is no such interface.
func SetUp(st *vnet.Stack, ifIndex uint32, up bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case up == (c.Flags&ifnet.Up != 0):
		return 0
	}
	c.Flags ^= ifnet.Up
	st.SetInterface(&c)
	if up {
		ifEvent(st, &c, event.Up)
	} else {
		ifEvent(st, &c, event.Down)
	}
	for _, a := range c.Addrs {
		switch {
		case a.Flags&ifaddr.Auto != 0: // routers say what is on the link
		case up:
			addSubnet(st, &c, &a)
		default:
			delSubnet(st, &c, &a)
		}
	}
	linkChanged(st, ifIndex)
	if up && st.View().Conf(ifIndex).V6 != nil {
		st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
			v6.Auto.Solicit(v6.Now) // RFC 4861 §6.3.7
			v6.Reconfigure()
			return 0
		})
	}
	return 0
}

// SetMute keeps an interface from reporting its memberships: to show that
// reports matter. It returns ENXIO where there is no such interface.
func SetMute(st *vnet.Stack, ifIndex uint32, on bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	if !ok {
		return syscall.ENXIO
	}
	c.Mute = on
	st.SetInterface(&c)
	return 0
}
