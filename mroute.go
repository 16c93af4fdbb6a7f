package vimage

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/mroute"
)

// MulticastRoute says where a router sends packets to groups. Of routes that match a
// packet the one with the longest prefix decides, and of two with the same the one
// for its source. Packets to the groups of a link (224.0.0.0/24, ff02::/16, and what
// reaches less far) are never forwarded.
type MulticastRoute struct {
	Group     netip.Prefix // a group (/32, /128), or a prefix of groups
	Source    netip.Addr   // whose packets; the zero Addr: anybody's
	In        *Interface   // where they must come in: others are counted and not forwarded
	Out       []*Interface // where they go
	Listeners bool         // also to wherever a querier knows a listener (RFC 3376 §6.3): see Interface.SetQuerier

	// What the route has seen; AddMulticastRoute takes no notice of it.
	Packets, Bytes uint64
	WrongInterface uint64
}

// AddMulticastRoute adds a route. EEXIST: there is one for that source to those
// groups. ENOBUFS: the sysctl net.inet.mroute.max_routes forbids more. EINVAL: groups
// that are not forwarded, or a source of another family. Forwarding need not be on:
// that is for packets to one host.
func (s *Stack) AddMulticastRoute(r MulticastRoute) error {
	if err := s.may(jail.Mroute, "add multicast route", r.Group.String()); err != nil {
		return err
	}
	mr := mroute.Route{Group: r.Group, Source: r.Source, Listeners: r.Listeners}
	var err error
	if mr.In, err = s.own("add multicast route", r.In); err != nil {
		return err
	}
	for _, i := range r.Out {
		out, err := s.own("add multicast route", i)
		if err != nil {
			return err
		}
		mr.Out = append(mr.Out, out)
	}
	return wrapConfig("add multicast route", r.Group.String(), control.AddMulticastRoute(s.st, mr))
}

// own returns the index of an interface that must be the stack's.
func (s *Stack) own(op string, i *Interface) (uint32, error) {
	switch {
	case i == nil:
		return 0, &ConfigError{op, "interface", fmt.Errorf("%w: there is none", syscall.EINVAL)}
	case i.s.st != s.st:
		return 0, &ConfigError{op, i.name, fmt.Errorf("%w: it is an interface of %s", syscall.EINVAL, i.s.Name())}
	}
	return i.index, nil
}

// DelMulticastRoute removes the route for a source, the zero Addr for any, to groups.
// ESRCH: there is none.
func (s *Stack) DelMulticastRoute(group netip.Prefix, source netip.Addr) error {
	if err := s.may(jail.Mroute, "delete multicast route", group.String()); err != nil {
		return err
	}
	return wrapConfig("delete multicast route", group.String(), control.DelMulticastRoute(s.st, group, source))
}

// MulticastRoutes returns the routes with what they have seen, sorted by group and
// source.
func (s *Stack) MulticastRoutes() []MulticastRoute {
	byIndex := make(map[uint32]*Interface)
	for i := range s.st.Interfaces() {
		byIndex[i.Index] = &Interface{s: s, index: i.Index, name: i.Name}
	}
	var all []MulticastRoute
	for _, r := range control.MulticastRoutes(s.st) {
		mr := MulticastRoute{
			Group: r.Group, Source: r.Source, In: byIndex[r.In], Listeners: r.Listeners,
			Packets: r.Packets, Bytes: r.Bytes, WrongInterface: r.WrongIf,
		}
		for _, i := range r.Out {
			mr.Out = append(mr.Out, byIndex[i])
		}
		all = append(all, mr)
	}
	return all
}

// SetMulticastProxy makes the stack an IGMP and MLD proxy (RFC 4605): what hosts
// listen to on the interfaces downstream it listens to upstream, with filters merged;
// packets from upstream go to where there are listeners and this router is the one
// that asks, those from downstream also upstream. The interfaces downstream ask as
// after SetQuerier. A nil upstream ends it. Routes come before the proxy.
func (s *Stack) SetMulticastProxy(upstream *Interface, downstream ...*Interface) error {
	if err := s.may(jail.Mroute, "set multicast proxy", s.Name()); err != nil {
		return err
	}
	var up uint32
	var down []uint32
	var err error
	if upstream != nil {
		if up, err = s.own("set multicast proxy", upstream); err != nil {
			return err
		}
	}
	for _, i := range downstream {
		index, err := s.own("set multicast proxy", i)
		if err != nil {
			return err
		}
		down = append(down, index)
	}
	return wrapConfig("set multicast proxy", s.Name(), control.SetMulticastProxy(s.st, up, down))
}
