package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// vimagePeer is vimage by its front door, in real time.
type vimagePeer struct{ family }

func newVimage(f family) Peer { return vimagePeer{f} }

// Includes implements Peer.
func (vimagePeer) Includes(name string) string {
	const hosts = "stacks with ARP, IPv4, ICMP, IGMP, UDP, TCP"
	switch name {
	case "udp64", "fanout1", "fanout100", "fanout1000", "filter1000":
		return hosts + " on an Epair; UDPConn Write and Read"
	case "forward10", "forward100k":
		return "frame copied into a buffer, queued at the interface, counted by the port it leaves through"
	case "tcpbulk", "tcpplain", "tcprtt", "tcpconn", "tcpshards", "tcpflood", "tcpidle":
		return hosts + " on an Epair; net.Conn of Dial and Listen"
	case tapName:
		return hosts + " on a TAP with vnet_hdr"
	case "joins", "membership", "membership.heap":
		return "reports go to a port that discards"
	case "create1k", "create10k", "createdestroy":
		return hosts + ", each on an Epair of its own"
	}
	return ""
}

// vmHost returns a stack with one interface.
func vmHost(w *vimage.World, name string, port link.Port, a ...netip.Prefix) (*vimage.Stack, *vimage.Interface, error) {
	s, err := w.NewStack(name, vimage.StackConfig{})
	if err != nil {
		return nil, nil, err
	}
	i, err := vmInterface(s, "eth0", port, nil, a...)
	return s, i, err
}

func vmInterface(s *vimage.Stack, name string, port link.Port, mac []byte, a ...netip.Prefix) (*vimage.Interface, error) {
	i, err := s.AddInterface(name, vimage.InterfaceConfig{Port: port, MAC: mac, Addrs: a})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// vmWire returns two hosts on one wire and the second one's interface.
func (f family) vmWire() (a, b *vimage.Stack, ib *vimage.Interface, err error) {
	w := vimage.NewWorld(vimage.Config{})
	wire := link.NewEpair(wireMTU)
	if a, _, err = vmHost(w, "a", wire.A(), f.addrA()); err != nil {
		return nil, nil, nil, err
	}
	b, ib, err = vmHost(w, "b", wire.B(), f.addrB())
	return a, b, ib, err
}

func udpAddr(a netip.Addr) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, udpPort))
}

func (p vimagePeer) UDP64() (func(int) error, error) {
	a, b, _, err := p.vmWire()
	if err != nil {
		return nil, err
	}
	from, err := a.DialUDP(p.network("udp"), udpAddr(p.addrA().Addr()), udpAddr(p.addrB().Addr()))
	if err != nil {
		return nil, err
	}
	to, err := b.DialUDP(p.network("udp"), udpAddr(p.addrB().Addr()), udpAddr(p.addrA().Addr()))
	if err != nil {
		return nil, err
	}
	return func(n int) error {
		for range n {
			if err := vmWrite(from, 1); err != nil {
				return err
			}
			if err := vmRead(to, 1); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func vmWrite(c *vimage.UDPConn, n int) error {
	var payload [payloadLen]byte
	for range n {
		if _, err := c.Write(payload[:]); err != nil {
			return err
		}
	}
	return nil
}

// vmRead waits for ever where a datagram is missing, and this process is ended
// for it.
func vmRead(c *vimage.UDPConn, n int) error {
	var b [payloadLen]byte
	for range n {
		got, err := c.Read(b[:])
		if err != nil {
			return err
		}
		if got != payloadLen {
			return fmt.Errorf("read %d bytes", got)
		}
	}
	return nil
}

// forwards makes a stack a router.
func (f family) forwards(s *vimage.Stack) error {
	if f.is6() {
		return s.SetSysctl("net.inet6.ip6.forwarding", 1)
	}
	return s.SetSysctl("net.inet.ip.forwarding", 1)
}

func (p vimagePeer) Forward(t Traffic) (func(int) error, func() (uint64, error), error) {
	r, err := p.newRouter()
	if err != nil {
		return nil, nil, err
	}
	out := &vmPort{family: p.family}
	if _, err := vmInterface(r.stack, "out", out, routerOutMAC(), p.routerOut()); err != nil {
		return nil, nil, err
	}
	for _, dst := range t.Routes {
		if err := r.stack.AddRoute(vimage.Route{Dst: dst, Gateway: p.gateway()}); err != nil {
			return nil, nil, err
		}
	}
	feed := r.feed(t.Frames)
	// Only so many packets wait for ARP to learn the gateway.
	if err := feed(1); err != nil {
		return nil, nil, err
	}
	before := out.frames
	return feed, func() (uint64, error) { return out.frames - before, nil }, nil
}

// vmSockets returns n sockets bound to udpPort.
func (f family) vmSockets(s *vimage.Stack, n int) ([]*vimage.UDPConn, error) {
	lc := vimage.ListenConfig{Stack: s, ReusePort: true}
	var all []*vimage.UDPConn
	for range n {
		c, err := lc.ListenPacket(context.Background(), f.network("udp"), ":"+strconv.Itoa(udpPort))
		if err != nil {
			return nil, err
		}
		all = append(all, c.(*vimage.UDPConn))
	}
	return all, nil
}

func (p vimagePeer) Create() (func([]netip.Prefix) error, error) {
	w := vimage.NewWorld(vimage.Config{})
	n := 0
	add := func(a []netip.Prefix) error {
		n++
		_, _, err := vmHost(w, strconv.Itoa(n), link.NewEpair(wireMTU).A(), a...)
		return err
	}
	return add, nil
}

// vmBare returns a stack whose loopback interface has the addresses that Linux gives it.
func vmBare(w *vimage.World, name string) (*vimage.Stack, error) {
	s, err := w.NewStack(name, vimage.StackConfig{})
	if err != nil {
		return nil, err
	}
	lo, err := s.Interface("lo0")
	for _, a := range []string{"127.0.0.1/8", "::1/128"} {
		if err == nil {
			err = lo.AddAddr(netip.MustParsePrefix(a))
		}
	}
	return s, err
}

func (p vimagePeer) CreateDestroy() (func(int, bool) error, error) {
	w := vimage.NewWorld(vimage.Config{})
	var all []*vimage.Stack
	return func(n int, bare bool) error {
		for i := range n {
			var s *vimage.Stack
			var err error
			if bare {
				s, err = vmBare(w, strconv.Itoa(i))
			} else {
				s, _, err = vmHost(w, strconv.Itoa(i), link.NewEpair(wireMTU).A(), p.idleHost(i)...)
			}
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		for _, s := range all {
			if err := s.Close(); err != nil {
				return err
			}
		}
		all = all[:0]
		if n := len(w.Stacks()); n != 1 {
			return fmt.Errorf("%d stacks are left, not the first alone", n)
		}
		return nil
	}, nil
}
