package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// gvisorPeer is gVisor's netstack, used by its own interfaces and not by its
// net.Conn adapter, which costs more.
type gvisorPeer struct{ family }

func newGvisor(f family) Peer { return gvisorPeer{f} }

// gvErr makes an error of gVisor's own kind of error.
func gvErr(what string, err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %v", what, err)
}

func gvAddr(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// gvWire returns two hosts on one wire.
func (p family) gvWire() (a, b *stack.Stack, err error) {
	left, right := pipe.New(tcpip.LinkAddress(routerInMAC()), tcpip.LinkAddress(sourceMAC()), wireMTU+ethLen)
	if a, err = gvHost(p.gvProtocols(), left, p.addrA()); err != nil {
		return nil, nil, err
	}
	b, err = gvHost(p.gvProtocols(), right, p.addrB())
	return a, b, err
}

// gvSocket returns a UDP endpoint bound to udpPort.
func (p family) gvSocket(s *stack.Stack, reuse bool) (tcpip.Endpoint, error) {
	ep, err := s.NewEndpoint(udp.ProtocolNumber, p.gvNetwork(), new(waiter.Queue))
	if err != nil {
		return nil, gvErr("NewEndpoint", err)
	}
	ep.SocketOptions().SetReuseAddress(reuse)
	return ep, gvErr("Bind", ep.Bind(tcpip.FullAddress{Port: udpPort}))
}

func (p gvisorPeer) UDP64() (func(int) error, error) {
	a, b, err := p.gvWire()
	if err != nil {
		return nil, err
	}
	from, err := p.gvSocket(a, false)
	if err != nil {
		return nil, err
	}
	to, err := p.gvSocket(b, false)
	if err != nil {
		return nil, err
	}
	if err := gvErr("Connect", from.Connect(tcpip.FullAddress{NIC: 1, Addr: gvAddr(p.addrB().Addr()), Port: udpPort})); err != nil {
		return nil, err
	}
	if err := gvErr("Connect", to.Connect(tcpip.FullAddress{NIC: 1, Addr: gvAddr(p.addrA().Addr()), Port: udpPort})); err != nil {
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
	all     atomic.Uint64 // timers send, too
}

func newGvSink(mac []byte) *gvSink {
	return &gvSink{
		Endpoint: channel.New(0, wireMTU+ethLen, tcpip.LinkAddress(mac)),
		gateway:  tcpip.LinkAddress(gatewayMAC()),
	}
}

// WritePackets implements stack.LinkEndpoint.
func (s *gvSink) WritePackets(p stack.PacketBufferList) (int, tcpip.Error) {
	s.all.Add(uint64(p.Len()))
	for _, pkt := range p.AsSlice() {
		if pkt.EgressRoute.RemoteLinkAddress == s.gateway {
			s.frames++
		}
	}
	return p.Len(), nil
}

func (p gvisorPeer) Forward(t Traffic) (func(int) error, func() (uint64, error), error) {
	in, out := newGvSink(routerInMAC()), newGvSink(routerOutMAC())
	s, err := gvHost(p.gvProtocols(), in, p.routerIn())
	if err != nil {
		return nil, nil, err
	}
	if err := gvInterface(s, 2, out, p.routerOut()); err != nil {
		return nil, nil, err
	}
	via := gvAddr(p.gateway())
	if err := s.AddStaticNeighbor(2, p.gvNetwork(), via, tcpip.LinkAddress(gatewayMAC())); err != nil {
		return nil, nil, gvErr("AddStaticNeighbor", err)
	}
	if err := s.SetForwardingDefaultAndAllNICs(p.gvNetwork(), true); err != nil {
		return nil, nil, gvErr("SetForwarding", err)
	}
	routes := s.GetRouteTable()
	for _, r := range t.Routes {
		a := tcpip.AddressWithPrefix{Address: gvAddr(r.Addr()), PrefixLen: r.Bits()}
		routes = append(routes, tcpip.Route{Destination: a.Subnet(), Gateway: via, NIC: 2})
	}
	s.SetRouteTable(routes)
	next := 0
	feed := func(n int) error {
		for range n {
			b := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(t.Frames[next%len(t.Frames)])})
			in.InjectInbound(p.gvNetwork(), b)
			b.DecRef()
			next++
		}
		return nil
	}
	return feed, func() (uint64, error) { return out.frames, nil }, nil
}

func (p gvisorPeer) Fanout(members int) (func(int) error, func(int) error, error) {
	a, b, err := p.gvWire()
	if err != nil {
		return nil, nil, err
	}
	group := gvAddr(p.fanoutGroup())
	var sockets []tcpip.Endpoint
	for range members {
		ep, err := p.gvSocket(b, true)
		if err != nil {
			return nil, nil, err
		}
		if err := ep.SetSockOpt(&tcpip.AddMembershipOption{NIC: 1, MulticastAddr: group}); err != nil {
			return nil, nil, gvErr("AddMembership", err)
		}
		sockets = append(sockets, ep)
	}
	from, err := p.gvSocket(a, false)
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

func (p gvisorPeer) Create() (func([]netip.Prefix) error, error) {
	var keep []*stack.Stack
	add := func(a []netip.Prefix) error {
		port, _ := pipe.New(tcpip.LinkAddress(routerInMAC()), tcpip.LinkAddress(sourceMAC()), wireMTU+ethLen)
		s, err := gvHost(p.gvProtocols(), port, a...)
		keep = append(keep, s)
		return err
	}
	return add, nil
}

func (p gvisorPeer) CreateDestroy() (func(int, bool) error, error) {
	var all []*stack.Stack
	return func(n int, bare bool) error {
		for i := range n {
			var s *stack.Stack
			var err error
			if bare {
				s = stack.New(p.gvProtocols())
				err = gvAddNIC(s, 1, loopback.New(), netip.MustParsePrefix("127.0.0.1/8"))
			} else {
				port, _ := pipe.New(tcpip.LinkAddress(routerInMAC()), tcpip.LinkAddress(sourceMAC()), wireMTU+ethLen)
				s, err = gvHost(p.gvProtocols(), port, p.idleHost(i)...)
			}
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		for _, s := range all {
			s.Destroy()
		}
		all = all[:0]
		return nil
	}, nil
}

func (p gvisorPeer) Filtered(int, []netip.Addr) (func(int) error, func(int) error, error) {
	return nil, nil, absence("gVisor has no source filters")
}

func (p gvisorPeer) Joins(sockets int) (Members, error) {
	sink := newGvSink(routerInMAC())
	s, err := gvHost(p.gvProtocols(), sink, p.addrA())
	if err != nil {
		return Members{}, err
	}
	var eps []tcpip.Endpoint
	for range sockets {
		ep, err := p.gvSocket(s, true)
		if err != nil {
			return Members{}, err
		}
		eps = append(eps, ep)
	}
	return Members{
		Join: func(i int, group netip.Addr) error {
			return gvErr("AddMembership", eps[i].SetSockOpt(&tcpip.AddMembershipOption{NIC: 1, MulticastAddr: gvAddr(group)}))
		},
		Leave: func(i int, group netip.Addr) error {
			return gvErr("RemoveMembership", eps[i].SetSockOpt(&tcpip.RemoveMembershipOption{NIC: 1, MulticastAddr: gvAddr(group)}))
		},
		Sent: func() (uint64, error) { return sink.all.Load(), nil },
	}, nil
}
