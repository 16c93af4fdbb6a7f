package vnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/ifaddr"
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
	local  ifaddr.Locals
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
	addrs ifaddr.List
	props link.Props
	mute  bool // IGMP reports nothing: to show that reports matter
}

// up tells whether packets may pass.
func (c *ifConf) up() bool { return c.flags&FlagUp != 0 }

// broadcasts tells whether a is the broadcast address of one of the interface's
// subnets.
func (c *ifConf) broadcasts(a netip.Addr) bool {
	return c.flags&FlagBroadcast != 0 && c.addrs.Broadcasts(a)
}

// View returns the stack as the path sees it now.
func (st *Stack) View() *View { return st.view.Load() }

// Tunables returns the stack's page.
func (v *View) Tunables() *vars.Tunables { return v.tun }

// Hears tells whether packets to this stack may have the destination a, which
// is no group.
func (v *View) Hears(a netip.Addr) bool { return v.local.Find(a) != nil }

// IsOurs tells whether a is a unicast address of this stack.
func (v *View) IsOurs(a netip.Addr) bool {
	l := v.local.Find(a)
	return l != nil && !l.Broadcast
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
	var local ifaddr.Locals
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
func (v *View) relocal(local ifaddr.Locals) {
	n := 0
	for _, c := range v.ifs {
		if c != nil {
			n += 2 * len(c.addrs)
		}
	}
	if n > cap(local) {
		local = make(ifaddr.Locals, 0, n)
	}
	for _, c := range v.ifs {
		if c != nil {
			local = local.Add(c.addrs, c.index, c.flags&FlagBroadcast != 0)
		}
	}
	v.local = local.Sort()
}
