package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// What an interface's link is told when its configuration changes. The lock is
// held in all of these.

// allSystems is the hardware address of 224.0.0.1, which every interface with
// an address listens to (RFC 1112 §7.2).
func allSystems() wire.MAC { return wire.MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01} }

// announce has an interface listen and answer for the IPv4 address it was given
// last, and tell its link of it.
func announce(st *vnet.Stack, index uint32, a netip.Prefix) {
	st.On(index, func(c *vnet.Call) syscall.Errno {
		old := *c.Conf
		old.Addrs = c.Addrs[:len(c.Addrs)-1]
		if !old.Addrs.Has(false) {
			c.Port.Accept(allSystems(), true)
		}
		if c.ARP != nil || c.View.V().ARP.GARPRexmit != 0 {
			before := *c
			before.Conf = &old // a table that is made now must not know the new one
			before.ARPTable().AddAddress(c.Now, a)
		} else if c.Up() && c.Flags&ifnet.NoARP == 0 {
			m := arp.Announcement(c.MAC, a.Addr())
			c.SendARP(&m)
		}
		return 0
	})
}

// forget4 ends what announce began, for an address that an interface had.
func forget4(st *vnet.Stack, index uint32, gone netip.Prefix) {
	st.On(index, func(c *vnet.Call) syscall.Errno {
		if !c.Addrs.Has(false) {
			c.Port.Accept(allSystems(), false)
		}
		if c.ARP != nil {
			c.ARP.DelAddress(gone.Addr())
			if p := gone.Masked(); !c.Addrs.HasSubnet(p) {
				c.ARP.Scrub(p, true)
			}
		}
		return 0
	})
}

// linkChanged has ARP, neighbour discovery and MLD learn that an interface went up
// or down, or what else changed about it: its addresses are announced when it comes
// up.
func linkChanged(st *vnet.Stack, index uint32) {
	st.On(index, func(c *vnet.Call) syscall.Errno {
		if c.ARP != nil {
			c.ARP.SetLink(c.Now, c.ARPLink())
		} else {
			announceAll(c)
		}
		if c.Up() {
			c.Announce(false)
		}
		return 0
	})
	if st.View().Conf(index).V6 == nil {
		return
	}
	st.IPv6(index, func(v6 *vnet.V6Call) syscall.Errno {
		v6.ND.SetLink(v6.Now, v6.NDLink(v6.View.Forwards(true)))
		if v6.Up() {
			v6.Announce(true)
		}
		return 0
	})
}
