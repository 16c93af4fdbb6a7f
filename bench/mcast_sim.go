package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
)

// askedPort is a wire with a querier and others at its far end.
type askedPort struct {
	vmPort
	reports, echoes int
}

// Put implements link.Port.
func (p *askedPort) Put(r *netisr.Runner, b *pkt.Buf) {
	if f, fault := wire.ParseEther(b.Bytes()); fault == wire.OK {
		switch {
		case f.Dst() == wire.MulticastMAC(p.pick("224.0.0.22", "ff02::16")):
			p.reports++
		case f.Dst() == wire.MAC(gatewayMAC()) && f.Type() == p.etherType():
			p.echoes++ // or a neighbour advertisement, before the first
		}
	}
	p.vmPort.Put(r, b)
}

// Query implements prober.
func (p vimagePeer) Query(groups int) (a answer, err error) {
	const perSock = 1000
	w := vimage.NewWorld(vimage.Config{Simulated: true})
	port := &askedPort{vmPort: vmPort{family: p.family}}
	s, err := w.NewStack("a", vimage.StackConfig{})
	if err != nil {
		return a, err
	}
	for name, v := range map[string]int{"net.inet.icmp.icmplim": 0, "net.inet6.icmp6.errppslimit": -1} { // no limit
		if err := s.SetSysctl(name, int64(v)); err != nil {
			return a, err
		}
	}
	ifi, err := vmInterface(s, "eth0", port, routerOutMAC(), p.routerOut())
	if err != nil {
		return a, err
	}
	socks, err := p.vmSockets(s, (groups+perSock-1)/perSock)
	if err != nil {
		return a, err
	}
	for i := range groups {
		if err := vmMember(socks[i/perSock], usrreq.McastJoin, ifi, plus(p.groups(), i)); err != nil {
			return a, err
		}
	}
	feed := func(frame []byte) {
		r := w.Internal().Sched().Get()
		port.receive(r, frame)
		r.Done()
	}
	echo, query := p.echoRequest(wire.MAC(routerOutMAC())), p.generalQuery()
	feed(echo)
	w.Run(time.Minute) // all has been said, and the neighbour found
	port.reports, port.echoes = 0, 0
	feed(query)
	began := w.Now()
	first, last, served := began, began, began
	for tick := began; a.packets == 0 || tick.Sub(last) < time.Second; {
		if tick.Sub(began) > time.Minute {
			return a, fmt.Errorf("%d reports in a minute", a.packets)
		}
		before := port.echoes
		feed(echo)
		if port.echoes > before {
			served = w.Now()
		}
		tick = tick.Add(time.Millisecond)
		for due := true; due; { // one timer after the other
			had := port.reports
			due = w.Step(tick.Sub(w.Now()))
			if n := port.reports - had; n > 0 {
				if last = w.Now(); a.packets == 0 {
					first = last
				}
				a.packets, a.atOnce, a.took = a.packets+n, max(a.atOnce, n), last.Sub(first)
			}
		}
		a.gap = max(a.gap, tick.Sub(served))
	}
	return a, nil
}

// frameTo puts a message into a packet from the gateway, and that into a frame.
func (f family) frameTo(src, dst netip.Addr, mac wire.MAC, proto, ttl uint8, extra, message []byte) []byte {
	b := make([]byte, ethLen+f.headerLen()+len(extra)+len(message))
	wire.PutEther(b, mac, wire.MAC(gatewayMAC()), f.etherType())
	if f.is6() {
		wire.PutIPv6(b[ethLen:], &wire.IPv6Header{HopLimit: ttl, NextHeader: proto, Src: src, Dst: dst}, len(extra)+len(message))
		copy(b[ethLen+f.headerLen():], extra)
	} else {
		wire.PutIPv4(b[ethLen:], &wire.IPv4Header{TTL: ttl, Proto: proto, Src: src, Dst: dst, Options: extra}, len(message))
	}
	copy(b[len(b)-len(message):], message)
	return b
}

// echoRequest is a ping from the gateway to the host.
func (f family) echoRequest(host wire.MAC) []byte {
	src, dst := f.gateway(), f.routerOut().Addr()
	m := make([]byte, 16)
	if f.is6() {
		m[0] = 128
		wire.ICMP6(m).SetChecksum(src, dst)
		return f.frameTo(src, dst, host, wire.ProtoICMPv6, 64, nil, m)
	}
	wire.PutICMP4(m, 8, 0, 0, 8)
	return f.frameTo(src, dst, host, wire.ProtoICMP, 64, nil, m)
}

// generalQuery is one of version 3, or of MLD version 2, with ten seconds to
// answer.
func (f family) generalQuery() []byte {
	if !f.is6() {
		m := make([]byte, wire.IGMPv3QueryLen)
		wire.PutIGMPv3Query(m, &wire.IGMPv3QueryHeader{MaxRespCode: 100, Group: netip.IPv4Unspecified(), QRV: 2, QQIC: 125}, nil)
		alert := wire.RouterAlert()
		all := netip.AddrFrom4([4]byte{224, 0, 0, 1})
		return f.frameTo(f.gateway(), all, wire.MulticastMAC(all), wire.ProtoIGMP, 1, alert[:], m)
	}
	m := make([]byte, wire.MLDv2QueryLen)
	wire.PutMLDv2Query(m, &wire.MLDv2QueryHeader{MaxRespCode: 10000, Group: netip.IPv6Unspecified(), QRV: 2, QQIC: 125}, nil)
	src, all := netip.MustParseAddr("fe80::fe"), netip.IPv6LinkLocalAllNodes()
	wire.ICMP6(m).SetChecksum(src, all)
	alert := wire.RouterAlert6(wire.ProtoICMPv6, 0)
	return f.frameTo(src, all, wire.MulticastMAC(all), wire.ProtoHopByHop, 1, alert[:], m)
}

// Receivers implements prober.
func (p vimagePeer) Receivers(n int) (a arrival, err error) {
	const channels = 4
	began := time.Now()
	l := lab.Open(lab.Config{Simulated: true, IPv6: p.is6()})
	defer l.Close()
	lan, err := l.AddSwitch("lan", lab.SwitchConfig{Subnet: netip.MustParsePrefix("10.0.0.0/8")})
	if err != nil {
		return a, err
	}
	source := p.pick("10.255.0.1", "2001:db8::1")
	for i := range n {
		h, err := l.AddNode(fmt.Sprint("r", i), lab.NodeConfig{})
		if err != nil {
			return a, err
		}
		if _, err := l.AddLink(h, lan, lab.LinkConfig{}); err != nil {
			return a, err
		}
		if err := p.listen(h, source, channels); err != nil {
			return a, err
		}
	}
	for range 20 {
		l.Run(500 * time.Millisecond)
		if a.joined = p.known(lan, source, channels); a.joined == n*channels {
			break
		}
	}
	a.wall = time.Since(began)
	a.resident, err = residentSet()
	return a, err
}

// listen opens a socket that takes the channels of one source.
func (p vimagePeer) listen(h *lab.Node, source netip.Addr, channels int) error {
	c, err := h.ListenPacket(p.network("udp"), fmt.Sprint(":", udpPort))
	if err != nil {
		return err
	}
	at := usrreq.McastIf{Index: uint32(h.Eth(0).Index())}
	for i := range channels {
		if e := c.(*vimage.UDPConn).Internal().Mcast(usrreq.McastJoinSource, at, p.channel(i), source); e != 0 {
			return fmt.Errorf("channel %d: %w", i, e)
		}
	}
	return nil
}

// known counts the memberships that the switch knows of.
func (p vimagePeer) known(lan *lab.Switch, source netip.Addr, channels int) (count int) {
	for i := range channels {
		count += len(lan.Bridge().Members(p.channel(i), source))
	}
	return count
}

func (f family) channel(i int) netip.Addr { return plus(f.pick("232.1.0.0", "ff3e::8000:0"), i) }
