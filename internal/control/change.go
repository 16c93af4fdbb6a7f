package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// Rename gives an interface another name; all else stays as it is. It returns ENXIO
// where there is no such interface, EINVAL for an empty name and EEXIST where another
// interface has it.
func Rename(st *vnet.Stack, ifIndex uint32, name string) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case name == "":
		return syscall.EINVAL
	case name == c.Name:
		return 0
	case st.View().Named(name) != nil:
		return syscall.EEXIST
	}
	old := c.Name
	c.Name = name
	st.SetInterface(&c)
	e := aboutIf(&c, event.Renamed)
	e.Old = old
	st.Events().Post(e)
	return 0
}

// SetMAC gives an interface another hardware address. The link is told: by gratuitous
// ARP for its IPv4 addresses, by unsolicited advertisements for those of IPv6
// (RFC 4861 §7.2.6). Its addresses stay, also those made of the old one. It returns
// ENXIO where there is no such interface and EINVAL for a group's address and for
// lo0.
func SetMAC(st *vnet.Stack, ifIndex uint32, mac wire.MAC) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case c.Flags&ifnet.Loopback != 0 || mac.IsMulticast() || mac.IsZero():
		return syscall.EINVAL
	case mac == c.MAC:
		return 0
	}
	c.MAC = mac
	st.SetInterface(&c)
	st.View().Conf(ifIndex).Port.SetAddr(mac)
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		c.NewMAC(mac)
		return 0
	})
	linkChanged(st, ifIndex)
	if st.View().Conf(ifIndex).V6 != nil {
		st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno { return advertise(v6) })
	}
	ifEvent(st, &c, event.LinkAddr)
	return 0
}

// SetMTU sets the length of an interface's longest packets. It returns ENXIO where
// there is no such interface, and EINVAL for fewer than 68 bytes (RFC 791), for more
// than its link carries, and for fewer than 1,280 where it has addresses of IPv6
// (RFC 8200 §5).
func SetMTU(st *vnet.Stack, ifIndex uint32, mtu int) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	if !ok {
		return syscall.ENXIO
	}
	most := maxLoopbackMTU
	if port := st.View().Conf(ifIndex).Port; port != nil {
		most = port.Props().MTU
	}
	switch {
	case mtu < 68 || mtu > most || mtu < minMTU6 && c.Addrs.Has(true):
		return syscall.EINVAL
	case mtu == c.MTU:
		return 0
	}
	c.MTU = mtu
	st.SetInterface(&c)
	ifEvent(st, &c, event.MTU)
	return 0
}

// maxLoopbackMTU is the longest packet that IPv4 has.
const maxLoopbackMTU = 65535

// SetCarrier says whether an interface's link has a carrier, as a driver does: with
// it back, the interface's addresses are announced again. Without it packets are sent
// all the same, and lost. It returns ENXIO where there is no such interface and EINVAL
// for lo0.
func SetCarrier(st *vnet.Stack, ifIndex uint32, on bool) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case c.Flags&ifnet.Loopback != 0:
		return syscall.EINVAL
	case on == (c.Flags&ifnet.NoCarrier == 0):
		return 0
	}
	flagInterface(st, &c, ifnet.NoCarrier, !on)
	if !on {
		ifEvent(st, &c, event.LinkDown)
		return 0
	}
	ifEvent(st, &c, event.LinkUp)
	st.On(ifIndex, func(c *vnet.Call) syscall.Errno {
		announceAll(c)
		return 0
	})
	if st.View().Conf(ifIndex).V6 != nil {
		st.IPv6(ifIndex, func(v6 *vnet.V6Call) syscall.Errno {
			down := v6.NDLink(v6.View.Forwards(true))
			down.Up = false
			v6.ND.SetLink(v6.Now, down)
			v6.ND.SetLink(v6.Now, v6.NDLink(v6.View.Forwards(true)))
			return 0
		})
	}
	return 0
}

// announceAll tells the link of all IPv4 addresses of an interface. The lock is held.
func announceAll(c *vnet.Call) {
	if !c.Up() || c.Flags&ifnet.NoARP != 0 {
		return
	}
	for _, a := range c.Addrs {
		if a.Addr().Is4() {
			m := arp.Announcement(c.MAC, a.Addr())
			c.SendARP(&m)
		}
	}
}
