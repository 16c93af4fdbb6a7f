package main

import (
	"fmt"
	"net/netip"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/usrreq"
)

func (p vimagePeer) Fanout(members int) (func(int) error, func(int) error, error) {
	return p.Filtered(members, nil)
}

// Filtered implements Peer; without sources there is no filter.
func (p vimagePeer) Filtered(members int, sources []netip.Addr) (func(int) error, func(int) error, error) {
	a, b, ib, err := p.vmWire()
	if err != nil {
		return nil, nil, err
	}
	sockets, err := p.vmSockets(b, members)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range sockets {
		if err := vmMember(c, usrreq.McastJoin, ib, p.fanoutGroup()); err != nil {
			return nil, nil, err
		}
		if len(sources) > 0 {
			at := usrreq.McastIf{Index: uint32(ib.Index())}
			if e := c.Internal().SetSourceFilter(at, p.fanoutGroup(), mcast.Include, sources); e != 0 {
				return nil, nil, fmt.Errorf("filter: %w", e)
			}
		}
	}
	if err := a.AddRoute(vimage.Route{Dst: p.multicast(), Interface: "eth0"}); err != nil {
		return nil, nil, err
	}
	from, err := a.DialUDP(p.network("udp"), udpAddr(p.addrA().Addr()), udpAddr(p.fanoutGroup()))
	if err != nil {
		return nil, nil, err
	}
	send := func(n int) error { return vmWrite(from, n) }
	drain := func(n int) error {
		for _, c := range sockets {
			if err := vmRead(c, n); err != nil {
				return err
			}
		}
		return nil
	}
	return send, drain, nil
}

// vmMember makes a socket a member of a group, or ends that.
func vmMember(c *vimage.UDPConn, op usrreq.McastOp, i *vimage.Interface, group netip.Addr) error {
	if e := c.Internal().Mcast(op, usrreq.McastIf{Index: uint32(i.Index())}, group, netip.Addr{}); e != 0 {
		return fmt.Errorf("group %v: %w", group, e)
	}
	return nil
}

func (p vimagePeer) Joins(sockets int) (Members, error) {
	port := &vmPort{family: p.family}
	s, i, err := vmHost(vimage.NewWorld(vimage.Config{}), "a", port, p.addrA())
	if err != nil {
		return Members{}, err
	}
	all, err := p.vmSockets(s, sockets)
	if err != nil {
		return Members{}, err
	}
	return Members{
		Join:  func(n int, group netip.Addr) error { return vmMember(all[n], usrreq.McastJoin, i, group) },
		Leave: func(n int, group netip.Addr) error { return vmMember(all[n], usrreq.McastLeave, i, group) },
		Sent:  func() (uint64, error) { return port.all.Load(), nil },
	}, nil
}
