package vimage

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/sockbuf"
)

// Address is an address of an interface and what is known of it. All below Broadcast is
// IPv6's.
type Address struct {
	Prefix     netip.Prefix // the address with its subnet
	Peer       netip.Addr   // the other end of a point-to-point link; invalid for other addresses
	Broadcast  netip.Addr   // of its subnet; invalid where there is none
	Tentative  bool         // not used yet: the link is being asked whether anybody has it (RFC 4862 §5.4)
	Duplicate  bool         // somebody else has it: it is not used at all
	Optimistic bool         // used while the link is being asked (RFC 4429)
	Deprecated bool         // not for new conversations (RFC 4862 §5.5.4)
	Temporary  bool         // changes now and then, for privacy (RFC 8981)
	Anycast    bool         // others may have it too; nothing is sent from it
	Auto       bool         // formed by autoconfiguration: see Interface.SetAutoconf

	// Of one with Auto: when it will be deprecated, and when it will go. The zero
	// Time means never.
	PreferredUntil, ValidUntil time.Time
}

// Usable tells whether packets to the address are received.
func (a *Address) Usable() bool { return !a.Tentative && !a.Duplicate }

// AddrFlags say how AddAddrFlags adds an IPv6 address.
type AddrFlags uint8

// Flags of AddAddrFlags.
const (
	AddrAnycast    AddrFlags = 1 << iota // others may have it too: the link is not asked
	AddrOptimistic                       // it may be used while the link is being asked (RFC 4429); not on a router
	AddrTemporary                        // it counts as one of RFC 8981
)

// Addrs returns the interface's addresses in the order they were added, those
// that may not be used included: see Addresses.
func (i *Interface) Addrs() (all []netip.Prefix) {
	for _, a := range i.addrs() {
		all = append(all, a.Prefix)
	}
	return all
}

// addrs returns those addresses that the handle's jail has.
func (i *Interface) addrs() ifaddr.List {
	c, _ := i.s.st.Interface(i.index)
	l := i.s.cred.Limit()
	if l == nil {
		return c.Addrs
	}
	return slices.DeleteFunc(slices.Clone(c.Addrs), func(a ifaddr.Addr) bool { return !l.Allows(a.Addr()) })
}

// Addresses returns the interface's addresses in the order they were added, with
// their states.
func (i *Interface) Addresses() (all []Address) {
	var auto []auto.Address
	for _, a := range i.addrs() {
		o := Address{
			Prefix:     a.Prefix,
			Peer:       a.Peer(),
			Broadcast:  a.Broadcast(),
			Tentative:  a.Flags&ifaddr.Tentative != 0,
			Duplicate:  a.Flags&ifaddr.Duplicate != 0,
			Optimistic: a.Flags&ifaddr.Optimistic != 0,
			Deprecated: a.Flags&ifaddr.Deprecated != 0,
			Temporary:  a.Flags&ifaddr.Temporary != 0,
			Anycast:    a.Flags&ifaddr.Anycast != 0,
			Auto:       a.Flags&ifaddr.Auto != 0,
		}
		if o.Auto {
			if auto == nil {
				auto = control.ReadLearned(i.s.st, i.index).Addresses
			}
			i.s.lifetimes(&o, auto)
		}
		all = append(all, o)
	}
	return all
}

// lifetimes fills in when an address ends, as autoconfiguration has it.
func (s *Stack) lifetimes(a *Address, list []auto.Address) {
	n := slices.IndexFunc(list, func(l auto.Address) bool { return l.Prefix.Addr() == a.Prefix.Addr() })
	if n >= 0 {
		a.PreferredUntil, a.ValidUntil = s.wall(list[n].Preferred), s.wall(list[n].Valid)
	}
}

// wall returns the calendar time of a moment, zero for never.
func (s *Stack) wall(t clock.Time) time.Time {
	if t == clock.Never {
		return time.Time{}
	}
	return s.clock().Wall(t)
}

// AddAddr gives the interface an address and its subnet: the subnet's route
// comes with it. An IPv6 address is tentative at first: it is used once the link
// has been asked, for a second or two, and nobody has claimed it (RFC 4862 §5.4;
// the sysctl net.inet6.ip6.dad_count): see WaitReady. The first one brings a
// link-local one, made of the hardware address, with it.
func (i *Interface) AddAddr(a netip.Prefix) error { return i.AddAddrFlags(a, 0) }

// AddAddrFlags is AddAddr for an IPv6 address that is to be added otherwise.
func (i *Interface) AddAddrFlags(a netip.Prefix, flags AddrFlags) error {
	return i.Configure(AddrConfig{Prefix: a, Flags: flags})
}

// WaitReady waits until none of the interface's addresses is tentative. It returns
// an error around EADDRINUSE where one turned out to be somebody else's, ENXIO
// where the interface is gone, and ctx's. In simulated time it does not wait: let
// time pass with World.Run and read Addresses.
func (i *Interface) WaitReady(ctx context.Context) error {
	return i.watch(ctx, "wait for addresses", func(all []Address) (bool, error) {
		ready := true
		for _, a := range all {
			if a.Duplicate {
				return true, fmt.Errorf("%w: %v is another host's", syscall.EADDRINUSE, a.Prefix.Addr())
			}
			ready = ready && !a.Tentative
		}
		return ready, nil
	})
}

// WaitAddr waits until the interface has an address that may be used and for
// which suits, if it is not nil, returns true; it is how to wait for what routers
// give. The errors are ctx's and ENXIO where the interface is gone. See WaitReady
// for simulated time.
func (i *Interface) WaitAddr(ctx context.Context, suits func(Address) bool) (found Address, err error) {
	err = i.watch(ctx, "wait for an address", func(all []Address) (bool, error) {
		for _, a := range all {
			if a.Usable() && (suits == nil || suits(a)) {
				found = a
				return true, nil
			}
		}
		return false, nil
	})
	return found, err
}

// watch asks done about the addresses whenever they may have changed.
func (i *Interface) watch(ctx context.Context, op string, done func([]Address) (bool, error)) error {
	for {
		changed := control.Changed(i.s.st)
		if _, ok := i.s.st.Interface(i.index); !ok || i.s.st.Closed() {
			return &ConfigError{op, i.name, syscall.ENXIO}
		}
		ok, err := done(i.Addresses())
		switch {
		case err != nil:
			return &ConfigError{op, i.name, err}
		case ok:
			return nil
		case i.s.clock().Simulated():
			return &ConfigError{op, i.name, sockbuf.Simulated{}}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &ConfigError{op, i.name, ctx.Err()}
		}
	}
}
