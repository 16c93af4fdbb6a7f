package vnet

import (
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// View is what seldom changes about a stack, as the path sees it: a batch
// loads it once, and it never changes.
type View struct {
	tun    *vars.Tunables
	ifs    []*ifConf // by index-1; nil where there is none
	local  []localAddr
	filter pfil.Filter
	divert []divertPort
}

// Flags are an interface's.
type Flags uint16

// Interface flags.
const (
	FlagUp Flags = 1 << iota
	FlagBroadcast
	FlagLoopback
	FlagMulticast
	FlagPromisc
	FlagNoARP
)

// ifConf is the configuration of one interface. It never changes: the
// interface gets a new one.
type ifConf struct {
	*Iface
	flags Flags
	fib   uint32
	mtu   int
	mac   wire.MAC
	addrs []netip.Prefix // in the order they were added
	props link.Props
	mute  bool // IGMP reports nothing: to show that reports matter
}

// up tells whether packets may pass.
func (c *ifConf) up() bool { return c.flags&FlagUp != 0 }

// primary returns the first address of the interface, invalid if it has none.
func (c *ifConf) primary() netip.Addr {
	if len(c.addrs) == 0 {
		return netip.Addr{}
	}
	return c.addrs[0].Addr()
}

// broadcasts tells whether a is the broadcast address of one of the interface's
// subnets. Several interfaces may be in one subnet.
func (c *ifConf) broadcasts(a netip.Addr) bool {
	for _, p := range c.addrs {
		if c.flags&FlagBroadcast != 0 && BroadcastOf(p) == a {
			return true
		}
	}
	return false
}

// sourceFor returns the address to send from to dst: the one on dst's subnet,
// else the first.
func (c *ifConf) sourceFor(dst netip.Addr) netip.Addr {
	for _, p := range c.addrs {
		if p.Contains(dst) {
			return p.Addr()
		}
	}
	return c.primary()
}

// localAddr is an address that packets to this stack may have.
type localAddr struct {
	addr      netip.Addr
	ifIndex   uint32
	broadcast bool
}

// linear is how many local addresses are searched one by one.
const linear = 8

// localOf returns the entry of a, or nil. local is sorted by address.
func (v *View) localOf(a netip.Addr) *localAddr {
	if len(v.local) <= linear {
		for i := range v.local {
			if v.local[i].addr == a {
				return &v.local[i]
			}
		}
		return nil
	}
	i, ok := slices.BinarySearchFunc(v.local, a, func(l localAddr, a netip.Addr) int { return l.addr.Compare(a) })
	if !ok {
		return nil
	}
	return &v.local[i]
}

// View returns the stack as the path sees it now.
func (st *Stack) View() *View { return st.view.Load() }

// Tunables returns the stack's page.
func (v *View) Tunables() *vars.Tunables { return v.tun }

// Hears tells whether packets to this stack may have the destination a, which
// is no group.
func (v *View) Hears(a netip.Addr) bool { return v.localOf(a) != nil }

// IsOurs tells whether a is a unicast address of this stack.
func (v *View) IsOurs(a netip.Addr) bool {
	l := v.localOf(a)
	return l != nil && !l.broadcast
}

// conf returns the interface with the index, or nil.
func (v *View) conf(index uint32) *ifConf {
	if i := int(index) - 1; i >= 0 && i < len(v.ifs) {
		return v.ifs[i]
	}
	return nil
}

// arrival returns the interface a queued packet came by, or nil where it has
// gone: an index may have been given to another since.
func (v *View) arrival(index, gen uint32) *ifConf {
	if c := v.conf(index); c != nil && c.gen == gen {
		return c
	}
	return nil
}

// change publishes a copy of the view that edit has changed. ctl is held.
func (st *Stack) change(edit func(v *View)) {
	var next *View
	if st.used < len(st.views) {
		next = &st.views[st.used]
		st.used++
	} else {
		next = new(View)
	}
	*next = *st.view.Load()
	edit(next)
	st.view.Store(next)
}

// setConf returns v's interfaces with that of c's index replaced.
func (v *View) setConf(index uint32, c *ifConf) {
	n := max(len(v.ifs), int(index))
	var ifs []*ifConf
	var local []localAddr
	if index == 2 && len(v.ifs) == 1 && c != nil && v == &c.st.views[1] {
		ifs, local = c.st.ifs0[:2], c.st.local0[:0] // the usual first change
	} else {
		ifs = make([]*ifConf, n)
	}
	copy(ifs, v.ifs)
	ifs[index-1] = c
	v.ifs = ifs
	v.relocal(local)
}

// relocal makes the list of local addresses from the interfaces', in the array
// of local if that is large enough.
func (v *View) relocal(local []localAddr) {
	n := 0
	for _, c := range v.ifs {
		if c != nil {
			n += 2 * len(c.addrs)
		}
	}
	if n > cap(local) {
		local = make([]localAddr, 0, n)
	}
	for _, c := range v.ifs {
		if c == nil {
			continue
		}
		for _, p := range c.addrs {
			local = append(local, localAddr{p.Addr(), c.index, false})
			if b := BroadcastOf(p); b.IsValid() && c.flags&FlagBroadcast != 0 {
				local = append(local, localAddr{b, c.index, true})
			}
		}
	}
	slices.SortStableFunc(local, func(a, b localAddr) int { return a.addr.Compare(b.addr) })
	v.local = slices.CompactFunc(local, func(a, b localAddr) bool { return a.addr == b.addr && a.broadcast == b.broadcast })
}

// BroadcastOf returns the broadcast address of an IPv4 subnet, invalid where
// it has none (RFC 3021 for /31).
func BroadcastOf(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	for i := range b {
		if host := 32 - p.Bits() - 8*(3-i); host > 0 {
			b[i] |= byte(1<<min(host, 8) - 1)
		}
	}
	return netip.AddrFrom4(b)
}
