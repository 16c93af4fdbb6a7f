package main

import (
	"bytes"
	"fmt"
	"io"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// gvGSO is one end of a pipe that takes super-segments whose checksums nobody
// computes and nobody checks: what host GSO is between two stacks in one process.
type gvGSO struct{ *pipe.Endpoint }

// GSOMaxSize implements stack.GSOEndpoint.
func (gvGSO) GSOMaxSize() uint32 { return 65535 }

// SupportedGSO implements stack.GSOEndpoint.
func (gvGSO) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// Capabilities implements stack.LinkEndpoint.
func (gvGSO) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityTXChecksumOffload | stack.CapabilityRXChecksumOffload
}

// Sizes of buffers with which gVisor is fastest, of the powers of two from
// 256 KiB to 8 MiB: with super-segments, and without.
const (
	gvSupers = 4 << 20
	gvPlain  = 256 << 10
	gvTAPIn  = 1 << 20 // for what it receives from a TAP
)

// gvTune makes buffers of a fixed size.
func gvTune(s *stack.Stack, out, in int) error {
	recv := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: in, Max: in}
	if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, &recv); err != nil {
		return gvErr("receive buffers", err)
	}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: out, Max: out}
	if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, &send); err != nil {
		return gvErr("send buffers", err)
	}
	return nil
}

// TCP implements Peer.
func (p gvisorPeer) TCP(l TCPLink) (TCPHosts, error) {
	left, right := pipe.New(tcpip.LinkAddress(routerInMAC()), tcpip.LinkAddress(sourceMAC()), wireMTU+ethLen)
	var ports [2]stack.LinkEndpoint
	for i, p := range [2]*pipe.Endpoint{left, right} {
		ports[i] = gvGSO{p}
		if l.Plain {
			ports[i] = p
		}
	}
	a, err := gvHost(p.gvProtocols(), ports[0], p.addrA())
	if err != nil {
		return TCPHosts{}, err
	}
	b, err := gvHost(p.gvProtocols(), ports[1], p.addrB())
	if err != nil {
		return TCPHosts{}, err
	}
	size := gvSupers
	if l.Plain {
		size = gvPlain
	}
	for _, s := range []*stack.Stack{a, b} {
		if err := gvTune(s, size, size); err != nil {
			return TCPHosts{}, err
		}
	}
	var h TCPHosts
	if h.Open, err = p.gvOpener(a, b); err != nil {
		return h, err
	}
	if l.Flood {
		h.Flood, err = p.gvFlood(b)
	}
	return h, err
}

// gvFlood gives a host a second interface and returns what hands it frames there.
func (p family) gvFlood(s *stack.Stack) (func(n int) error, error) {
	in := newGvSink(routerInMAC())
	if err := gvInterface(s, 2, in, p.routerOut()); err != nil {
		return nil, err
	}
	via := gvAddr(p.gateway())
	if err := s.AddStaticNeighbor(2, p.gvNetwork(), via, tcpip.LinkAddress(gatewayMAC())); err != nil {
		return nil, gvErr("AddStaticNeighbor", err)
	}
	syn := p.synSources()
	from := tcpip.AddressWithPrefix{Address: gvAddr(syn.Addr()), PrefixLen: syn.Bits()}
	s.AddRoute(tcpip.Route{Destination: from.Subnet(), Gateway: via, NIC: 2})
	frames := p.synFlood(routerInMAC(), p.routerOut().Addr())
	next := 0
	return func(n int) error {
		for range n {
			b := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frames[next%len(frames)])})
			in.InjectInbound(p.gvNetwork(), b)
			b.DecRef()
			next++
		}
		return nil
	}, nil
}

// gvOpener has one host listen and returns what connects the other to it.
func (p family) gvOpener(a, b *stack.Stack) (func() (Stream, Stream, error), error) {
	var listeners []*gvStream
	for i := range tcpPorts {
		l, err := p.gvNew(b)
		if err != nil {
			return nil, err
		}
		if err := l.ep.Bind(tcpip.FullAddress{Port: uint16(tcpPort + i)}); err != nil {
			return nil, gvErr("Bind", err)
		}
		if err := l.ep.Listen(tcpBacklog); err != nil {
			return nil, gvErr("Listen", err)
		}
		listeners = append(listeners, l)
	}
	return inTurn(func(i int) (Stream, error) { return p.gvDial(a, i) }, func(i int) (Stream, error) { return listeners[i].accept() }), nil
}

// gvDial connects to the i-th port of addrB.
func (p family) gvDial(s *stack.Stack, i int) (Stream, error) {
	c, err := p.gvNew(s)
	if err != nil {
		return nil, err
	}
	return c, c.connect(tcpip.FullAddress{NIC: 1, Addr: gvAddr(p.addrB().Addr()), Port: uint16(tcpPort + i)})
}

// gvStream is a TCP endpoint whose calls wait.
type gvStream struct {
	ep tcpip.Endpoint
	wq *waiter.Queue
	in gvWaiter // of Read
	on gvWaiter // of Write
}

// gvWaiter is registered the first time that somebody has to wait.
type gvWaiter struct {
	entry waiter.Entry
	c     chan struct{}
}

// wait returns once try has done something other than not getting ready.
func (w *gvWaiter) wait(q *waiter.Queue, mask waiter.EventMask, try func() tcpip.Error) tcpip.Error {
	for {
		err := try()
		if _, blocked := err.(*tcpip.ErrWouldBlock); !blocked {
			return err
		}
		if w.c == nil {
			w.entry, w.c = waiter.NewChannelEntry(mask | waiter.EventHUp | waiter.EventErr)
			q.EventRegister(&w.entry)
			continue
		}
		<-w.c
	}
}

func (p family) gvNew(s *stack.Stack) (*gvStream, error) {
	c := &gvStream{wq: new(waiter.Queue)}
	ep, err := s.NewEndpoint(tcp.ProtocolNumber, p.gvNetwork(), c.wq)
	c.ep = ep
	return c, gvErr("NewEndpoint", err)
}

func (c *gvStream) connect(to tcpip.FullAddress) error {
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventHUp | waiter.EventErr)
	c.wq.EventRegister(&entry)
	defer c.wq.EventUnregister(&entry)
	err := c.ep.Connect(to)
	if _, started := err.(*tcpip.ErrConnectStarted); !started {
		return gvErr("Connect", err)
	}
	<-ready
	return gvErr("Connect", c.ep.LastError())
}

func (c *gvStream) accept() (*gvStream, error) {
	var s *gvStream
	err := c.in.wait(c.wq, waiter.ReadableEvents, func() tcpip.Error {
		ep, wq, err := c.ep.Accept(nil)
		s = &gvStream{ep: ep, wq: wq}
		return err
	})
	return s, gvErr("Accept", err)
}

// Read implements Stream.
func (c *gvStream) Read(b []byte) (int, error) {
	var r tcpip.ReadResult
	err := c.in.wait(c.wq, waiter.ReadableEvents, func() (err tcpip.Error) {
		w := tcpip.SliceWriter(b)
		r, err = c.ep.Read(&w, tcpip.ReadOptions{})
		return err
	})
	if _, end := err.(*tcpip.ErrClosedForReceive); end {
		return 0, io.EOF
	}
	return r.Count, gvErr("Read", err)
}

// Write implements Stream.
func (c *gvStream) Write(b []byte) (int, error) {
	r := bytes.NewReader(b)
	for r.Len() > 0 {
		err := c.on.wait(c.wq, waiter.WritableEvents, func() (err tcpip.Error) {
			_, err = c.ep.Write(r, tcpip.WriteOptions{})
			return err
		})
		if err != nil {
			return len(b) - r.Len(), fmt.Errorf("Write: %v", err)
		}
	}
	return len(b), nil
}

// Close implements Stream.
func (c *gvStream) Close() error {
	c.ep.Close()
	return nil
}
