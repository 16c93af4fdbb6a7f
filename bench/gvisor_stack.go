package main

import (
	"fmt"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// gvProtocols returns the options of an ordinary host, IGMP on: of an IPv4 one,
// or one for both families, MLD on.
func (p family) gvProtocols() stack.Options {
	o := stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocolWithOptions(ipv4.Options{IGMP: ipv4.IGMPOptions{Enabled: true}}),
			arp.NewProtocol,
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			udp.NewProtocol, tcp.NewProtocol, icmp.NewProtocol4,
		},
		HandleLocal: true,
	}
	if p.is6() {
		o.NetworkProtocols = append(o.NetworkProtocols, ipv6.NewProtocolWithOptions(ipv6.Options{MLD: ipv6.MLDOptions{Enabled: true}}))
		o.TransportProtocols = append(o.TransportProtocols, icmp.NewProtocol6)
	}
	return o
}

// gvNetwork is the number of the family's protocol.
func (p family) gvNetwork() tcpip.NetworkProtocolNumber {
	return tcpip.NetworkProtocolNumber(p.etherType())
}

// gvHost returns a stack with one Ethernet interface.
func gvHost(o stack.Options, port stack.LinkEndpoint, a ...netip.Prefix) (*stack.Stack, error) {
	s := stack.New(o)
	return s, gvInterface(s, 1, port, a...)
}

// gvInterface adds an Ethernet interface, its addresses and the routes to their networks.
func gvInterface(s *stack.Stack, id tcpip.NICID, port stack.LinkEndpoint, addrs ...netip.Prefix) error {
	return gvAddNIC(s, id, ethernet.New(port), addrs...)
}

// gvAddNIC is gvInterface for a link that does its own framing.
func gvAddNIC(s *stack.Stack, id tcpip.NICID, port stack.LinkEndpoint, addrs ...netip.Prefix) error {
	if err := s.CreateNIC(id, port); err != nil {
		return gvErr("CreateNIC", err)
	}
	for _, a := range addrs {
		with := tcpip.AddressWithPrefix{Address: gvAddr(a.Addr()), PrefixLen: a.Bits()}
		pa := tcpip.ProtocolAddress{Protocol: familyOf(a.Addr()).gvNetwork(), AddressWithPrefix: with}
		if err := s.AddProtocolAddress(id, pa, stack.AddressProperties{}); err != nil {
			return gvErr("AddProtocolAddress", err)
		}
		s.AddRoute(tcpip.Route{Destination: with.Subnet(), NIC: id})
	}
	return nil
}

// Includes implements Peer.
func (p gvisorPeer) Includes(name string) string {
	const hosts = "hosts with ARP, IPv4, ICMP, IGMP, UDP, TCP on an ethernet endpoint"
	switch name {
	case "udp64", "fanout1", "fanout100", "fanout1000":
		return hosts + " over a pipe; tcpip.Endpoint Write and Read"
	case "forward10", "forward100k":
		return "frame copied into a packet buffer, injected, counted by the link endpoint it leaves through"
	case "tcpbulk", "tcpflood":
		return hosts + " over a pipe with host GSO and checksums left out, buffers of 4 MiB"
	case "tcpplain":
		return hosts + " over a pipe without GSO, buffers of 256 KiB"
	case tapName:
		return "the same host on fdbased, which has GSO for sockets only; buffers of 256 KiB out and 1 MiB in"
	case "tcprtt", "tcpconn", "tcpidle":
		return hosts + " over a pipe with host GSO; tcpip.Endpoint's calls with waiter.Queue"
	case "joins", "membership", "membership.heap":
		return "socket option; reports go to a link endpoint that discards"
	case "createdestroy":
		return hosts + " over a pipe; Stack.Destroy"
	case "create1k", "create10k":
		return hosts + " over a pipe; without TCP " + p.gvCreateWithoutTCP()
	}
	return ""
}

// gvCreateWithoutTCP tells how long a stack takes that has UDP and ICMP only.
func (p family) gvCreateWithoutTCP() string {
	const n = 200
	var w stopwatch
	err := w.time(func() error {
		for range n {
			o := p.gvProtocols()
			o.TransportProtocols = []stack.TransportProtocolFactory{udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6}[:len(o.TransportProtocols)-1]
			port, _ := pipe.New(tcpip.LinkAddress(routerInMAC()), tcpip.LinkAddress(sourceMAC()), wireMTU+ethLen)
			if _, err := gvHost(o, port, p.idleHost(0)...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.0f µs", w.figure(n, time.Microsecond).Value)
}
