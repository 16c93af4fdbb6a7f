package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// gvisorPeer is gVisor's netstack, used by its own interfaces and not by its
// net.Conn adapter, which costs more.
type gvisorPeer struct{}

func newGvisor() Peer { return gvisorPeer{} }

// gvErr makes an error of gVisor's own kind of error.
func gvErr(what string, err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %v", what, err)
}

func gvAddr(a netip.Addr) tcpip.Address { return tcpip.AddrFrom4(a.As4()) }

// gvWire returns two hosts on one wire.
func gvWire() (a, b *stack.Stack, err error) {
	left, right := pipe.New(tcpip.LinkAddress(routerInMAC()), tcpip.LinkAddress(sourceMAC()), wireMTU+ethLen)
	if a, err = gvHost(gvProtocols(), left, addrA()); err != nil {
		return nil, nil, err
	}
	b, err = gvHost(gvProtocols(), right, addrB())
	return a, b, err
}

// gvSocket returns a UDP endpoint bound to udpPort.
func gvSocket(s *stack.Stack, reuse bool) (tcpip.Endpoint, error) {
	ep, err := s.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, new(waiter.Queue))
	if err != nil {
		return nil, gvErr("NewEndpoint", err)
	}
	ep.SocketOptions().SetReuseAddress(reuse)
	return ep, gvErr("Bind", ep.Bind(tcpip.FullAddress{Port: udpPort}))
}

func (gvisorPeer) UDP64() (func(int) error, error) {
	a, b, err := gvWire()
	if err != nil {
		return nil, err
	}
	from, err := gvSocket(a, false)
	if err != nil {
		return nil, err
	}
	to, err := gvSocket(b, false)
	if err != nil {
		return nil, err
	}
	if err := gvErr("Connect", from.Connect(tcpip.FullAddress{NIC: 1, Addr: gvAddr(addrB().Addr()), Port: udpPort})); err != nil {
		return nil, err
	}
	if err := gvErr("Connect", to.Connect(tcpip.FullAddress{NIC: 1, Addr: gvAddr(addrA().Addr()), Port: udpPort})); err != nil {
		return nil, err
	}
	exchange := func(n int) error {
		for range n {
			if err := gvWrite(from, 1); err != nil {
				return err
			}
			if err := gvRead(to, 1); err != nil {
				return err
			}
		}
		return nil
	}
	return exchange, gvFirst(from, to)
}

// gvFirst sends one datagram and waits for it: what waits for ARP is sent by
// another goroutine.
func gvFirst(from, to tcpip.Endpoint) error {
	if err := gvWrite(from, 1); err != nil {
		return err
	}
	for range 1000 {
		if to.Readiness(waiter.ReadableEvents) != 0 {
			return gvRead(to, 1)
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("the first datagram did not arrive")
}

// gvWrite writes n datagrams into a connected endpoint.
func gvWrite(ep tcpip.Endpoint, n int) error {
	var payload [payloadLen]byte
	r := bytes.NewReader(payload[:])
	for range n {
		r.Reset(payload[:])
		if _, err := ep.Write(r, tcpip.WriteOptions{}); err != nil {
			return gvErr("Write", err)
		}
	}
	return nil
}

// gvRead reads n datagrams that have arrived.
func gvRead(ep tcpip.Endpoint, n int) error {
	var b [payloadLen]byte
	for range n {
		w := tcpip.SliceWriter(b[:])
		r, err := ep.Read(&w, tcpip.ReadOptions{})
		if err != nil {
			return gvErr("Read", err)
		}
		if r.Count != payloadLen {
			return fmt.Errorf("read %d bytes", r.Count)
		}
	}
	return nil
}

// gvSink is the far end of a wire that swallows what it gets and counts what
// is for the gateway.
type gvSink struct {
	*channel.Endpoint
	gateway tcpip.LinkAddress
	frames  uint64
}

func newGvSink(mac []byte) *gvSink {
	return &gvSink{
		Endpoint: channel.New(0, wireMTU+ethLen, tcpip.LinkAddress(mac)),
		gateway:  tcpip.LinkAddress(gatewayMAC()),
	}
}

// WritePackets implements stack.LinkEndpoint.
func (s *gvSink) WritePackets(p stack.PacketBufferList) (int, tcpip.Error) {
	for _, pkt := range p.AsSlice() {
		if pkt.EgressRoute.RemoteLinkAddress == s.gateway {
			s.frames++
		}
	}
	return p.Len(), nil
}

func (gvisorPeer) Forward(t Traffic) (func(int) error, func() (uint64, error), error) {
	in, out := newGvSink(routerInMAC()), newGvSink(routerOutMAC())
	s, err := gvHost(gvProtocols(), in, routerIn())
	if err != nil {
		return nil, nil, err
	}
	if err := gvInterface(s, 2, out, routerOut()); err != nil {
		return nil, nil, err
	}
	via := gvAddr(gateway())
	if err := s.AddStaticNeighbor(2, ipv4.ProtocolNumber, via, tcpip.LinkAddress(gatewayMAC())); err != nil {
		return nil, nil, gvErr("AddStaticNeighbor", err)
	}
	if err := s.SetForwardingDefaultAndAllNICs(ipv4.ProtocolNumber, true); err != nil {
		return nil, nil, gvErr("SetForwarding", err)
	}
	routes := s.GetRouteTable()
	for _, p := range t.Routes {
		a := tcpip.AddressWithPrefix{Address: gvAddr(p.Addr()), PrefixLen: p.Bits()}
		routes = append(routes, tcpip.Route{Destination: a.Subnet(), Gateway: via, NIC: 2})
	}
	s.SetRouteTable(routes)
	next := 0
	feed := func(n int) error {
		for range n {
			p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(t.Frames[next%len(t.Frames)])})
			in.InjectInbound(header.IPv4ProtocolNumber, p)
			p.DecRef()
			next++
		}
		return nil
	}
	return feed, func() (uint64, error) { return out.frames, nil }, nil
}

func (gvisorPeer) Fanout(members int) (func(int) error, func(int) error, error) {
	a, b, err := gvWire()
	if err != nil {
		return nil, nil, err
	}
	group := gvAddr(fanoutGroup())
	var sockets []tcpip.Endpoint
	for range members {
		ep, err := gvSocket(b, true)
		if err != nil {
			return nil, nil, err
		}
		if err := ep.SetSockOpt(&tcpip.AddMembershipOption{NIC: 1, MulticastAddr: group}); err != nil {
			return nil, nil, gvErr("AddMembership", err)
		}
		sockets = append(sockets, ep)
	}
	from, err := gvSocket(a, false)
	if err != nil {
		return nil, nil, err
	}
	if err := from.Connect(tcpip.FullAddress{NIC: 1, Addr: group, Port: udpPort}); err != nil {
		return nil, nil, gvErr("Connect", err)
	}
	send := func(n int) error { return gvWrite(from, n) }
	drain := func(n int) error {
		for _, ep := range sockets {
			if err := gvRead(ep, n); err != nil {
				return err
			}
		}
		return nil
	}
	return send, drain, nil
}

func (gvisorPeer) Create() (func(netip.Prefix) error, error) {
	var keep []*stack.Stack
	add := func(a netip.Prefix) error {
		port, _ := pipe.New(tcpip.LinkAddress(routerInMAC()), tcpip.LinkAddress(sourceMAC()), wireMTU+ethLen)
		s, err := gvHost(gvProtocols(), port, a)
		keep = append(keep, s)
		return err
	}
	return add, nil
}

func (gvisorPeer) Joins(sockets int) (func(int, netip.Addr) error, func() error, error) {
	s, err := gvHost(gvProtocols(), newGvSink(routerInMAC()), addrA())
	if err != nil {
		return nil, nil, err
	}
	var eps []tcpip.Endpoint
	for range sockets {
		ep, err := gvSocket(s, true)
		if err != nil {
			return nil, nil, err
		}
		eps = append(eps, ep)
	}
	var joined []tcpip.RemoveMembershipOption
	var by []tcpip.Endpoint
	join := func(i int, group netip.Addr) error {
		m := tcpip.AddMembershipOption{NIC: 1, MulticastAddr: gvAddr(group)}
		joined, by = append(joined, tcpip.RemoveMembershipOption(m)), append(by, eps[i])
		return gvErr("AddMembership", eps[i].SetSockOpt(&m))
	}
	leave := func() error {
		for i := range joined {
			if err := by[i].SetSockOpt(&joined[i]); err != nil {
				return gvErr("RemoveMembership", err)
			}
		}
		joined, by = joined[:0], by[:0]
		return nil
	}
	return join, leave, nil
}
