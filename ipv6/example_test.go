//go:build !novimage

package ipv6_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv6"
	"github.com/seed88948545/vimage/link"
)

// row makes hosts a, b, … in a row, with a cable between each and the next; those
// between are routers. The i-th cable is fd00:i::/64, and on it are ::1 and ::2.
func row(w *vimage.World, n int) (hosts []*vimage.Stack) {
	for i := range n {
		h, err := w.NewStack(string(rune('a'+i)), vimage.StackConfig{})
		if err != nil {
			log.Fatal(err)
		}
		h.SetForwarding(i > 0 && i < n-1)
		h.SetSysctl("net.inet6.ip6.dad_count", 0)
		hosts = append(hosts, h)
	}
	for i := range n - 1 {
		cable := link.NewEpair(0)
		for side, port := range []link.Port{cable.A(), cable.B()} {
			e, err := hosts[i+side].AddInterface(fmt.Sprint("eth", i), vimage.InterfaceConfig{Port: port, Addrs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("fd00:%d::%d/64", i+1, side+1)),
			}})
			if err == nil {
				err = e.WaitReady(context.Background())
			}
			if err != nil {
				log.Fatal(err)
			}
		}
		hosts[i].AddRoute(vimage.Route{Dst: netip.MustParsePrefix("::/0"), Gateway: netip.MustParseAddr(fmt.Sprintf("fd00:%d::2", i+1))})
		if i > 0 {
			hosts[i+1].AddRoute(vimage.Route{Dst: netip.MustParsePrefix("::/0"), Gateway: netip.MustParseAddr(fmt.Sprintf("fd00:%d::1", i+1))})
		}
	}
	return hosts
}

// x/net's own example: a server marks its connections.
func ExampleConn_markingTCP() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	hosts := row(w, 2)
	client, server := hosts[0], hosts[1]

	ln, err := server.Listen("tcp", "[::]:1024")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		if c.RemoteAddr().(*net.TCPAddr).IP.To16() != nil && c.RemoteAddr().(*net.TCPAddr).IP.To4() == nil {
			p := ipv6.NewConn(c)
			if err := p.SetTrafficClass(0x28); err != nil { // DSCP AF11
				log.Fatal(err)
			}
			if err := p.SetHopLimit(128); err != nil {
				log.Fatal(err)
			}
		}
		if _, err := c.Write([]byte("HELLO-R-U-THERE-ACK")); err != nil {
			log.Fatal(err)
		}
	}()

	c, err := client.Dial("tcp", "[fd00:1::2]:1024")
	if err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	fmt.Println(string(b[:n]), err)
	// Output: HELLO-R-U-THERE-ACK <nil>
}

// x/net's own example: a responder to questions of multicast DNS, which answers by
// the interface on which it was asked.
func ExamplePacketConn_servingOneShotMulticastDNS() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	hosts := row(w, 2)
	asker, host := hosts[0], hosts[1]

	c, err := host.ListenPacket("udp6", "[::]:5353") // mDNS over UDP
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	p := ipv6.NewPacketConn(c)

	eth0, err := host.InterfaceByName("eth0")
	if err != nil {
		log.Fatal(err)
	}
	mDNSLinkLocal := net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
	if err := p.JoinGroup(eth0, &mDNSLinkLocal); err != nil {
		log.Fatal(err)
	}
	defer p.LeaveGroup(eth0, &mDNSLinkLocal)
	if err := p.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true); err != nil {
		log.Fatal(err)
	}

	q, err := asker.ListenPacket("udp6", "[::]:0")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := q.WriteTo([]byte("who is b?"), &mDNSLinkLocal); err != nil {
		log.Fatal(err)
	}

	var wcm ipv6.ControlMessage
	b := make([]byte, 1500)
	n, rcm, peer, err := p.ReadFrom(b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s to %v\n", b[:n], rcm.Dst)
	wcm.IfIndex = rcm.IfIndex
	if _, err := p.WriteTo([]byte("b is"), &wcm, peer); err != nil {
		log.Fatal(err)
	}
	n, from, err := q.ReadFrom(b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s on interface %s\n", b[:n], from.(*net.UDPAddr).Zone)
	// Output:
	// who is b? to ff02::fb
	// b is on interface eth0
}

// x/net's own example: traceroute.
func ExamplePacketConn_tracingIPPacketRoute() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	hosts := row(w, 4)
	dst := net.IPAddr{IP: net.ParseIP("fd00:3::2")}

	c, err := hosts[0].ListenPacket("ip6:58", "::") // ICMP for IPv6
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	p := ipv6.NewPacketConn(c)

	if err := p.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagSrc|ipv6.FlagDst|ipv6.FlagInterface, true); err != nil {
		log.Fatal(err)
	}
	wm := icmp.Message{
		Type: ipv6.ICMPTypeEchoRequest, Code: 0,
		Body: &icmp.Echo{ID: 4711, Data: []byte("HELLO-R-U-THERE")},
	}
	var f ipv6.ICMPFilter
	f.SetAll(true)
	f.Accept(ipv6.ICMPTypeTimeExceeded)
	f.Accept(ipv6.ICMPTypeEchoReply)
	if err := p.SetICMPFilter(&f); err != nil {
		log.Fatal(err)
	}

	var wcm ipv6.ControlMessage
	rb := make([]byte, 1500)
	for i := 1; i <= 64; i++ { // up to 64 hops
		wm.Body.(*icmp.Echo).Seq = i
		wb, err := wm.Marshal(nil)
		if err != nil {
			log.Fatal(err)
		}
		wcm.HopLimit = i
		if _, err := p.WriteTo(wb, &wcm, &dst); err != nil {
			log.Fatal(err)
		}
		if err := p.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			log.Fatal(err)
		}
		n, rcm, peer, err := p.ReadFrom(rb)
		if err != nil {
			if err, ok := err.(net.Error); ok && err.Timeout() {
				fmt.Printf("%v\t*\n", i)
				continue
			}
			log.Fatal(err)
		}
		rm, err := icmp.ParseMessage(58, rb[:n])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %v: %v with hop limit %d\n", i, peer, rm.Type, rcm.HopLimit)
		if rm.Type == ipv6.ICMPTypeEchoReply {
			return
		}
	}
	// Output:
	// 1 fd00:1::2: time exceeded with hop limit 64
	// 2 fd00:2::2: time exceeded with hop limit 63
	// 3 fd00:3::2: echo reply with hop limit 62
}

// x/net's own example: a router greets its neighbours, with a checksum that the
// stack fills in.
func ExamplePacketConn_advertisingOSPFHello() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	hosts := row(w, 2)
	c, err := hosts[0].ListenPacket("ip6:89", "::") // OSPF for IPv6
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	p := ipv6.NewPacketConn(c)

	eth0, err := hosts[0].InterfaceByName("eth0")
	if err != nil {
		log.Fatal(err)
	}
	allSPFRouters := net.IPAddr{IP: net.ParseIP("ff02::5")}
	if err := p.JoinGroup(eth0, &allSPFRouters); err != nil {
		log.Fatal(err)
	}
	defer p.LeaveGroup(eth0, &allSPFRouters)

	neighbor, err := hosts[1].ListenPacket("ip6:89", "::")
	if err != nil {
		log.Fatal(err)
	}
	n := ipv6.NewPacketConn(neighbor)
	if err := n.JoinGroup(nil, &net.IPAddr{IP: allSPFRouters.IP, Zone: "eth0"}); err != nil {
		log.Fatal(err)
	}
	n.SetControlMessage(ipv6.FlagTrafficClass|ipv6.FlagHopLimit, true)
	n.SetChecksum(true, 12)

	hello := make([]byte, 24) // fake hello data, you need to implement this
	ospf := make([]byte, 16)  // fake ospf header, you need to implement this
	ospf[0] = 3               // version 3
	ospf[1] = 1               // hello packet
	ospf = append(ospf, hello...)
	if err := p.SetChecksum(true, 12); err != nil {
		log.Fatal(err)
	}
	cm := ipv6.ControlMessage{
		TrafficClass: 0xc0, // DSCP CS6
		HopLimit:     1,
		IfIndex:      eth0.Index,
	}
	if _, err := p.WriteTo(ospf, &cm, &allSPFRouters); err != nil {
		log.Fatal(err)
	}

	b := make([]byte, 1500)
	k, rcm, _, err := n.ReadFrom(b)
	fmt.Println(k, "bytes, version", b[0], "traffic class", rcm.TrafficClass, "hop limit", rcm.HopLimit, err)
	// Output: 40 bytes, version 3 traffic class 192 hop limit 1 <nil>
}

// A receiver of one source of a group. The source has two addresses; what it sends
// from the other is not heard.
func ExamplePacketConn_JoinSourceSpecificGroup() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	hosts := row(w, 2)
	sender, receiver := hosts[0], hosts[1]
	eth, err := sender.Interface("eth0")
	if err != nil {
		log.Fatal(err)
	}
	eth.AddAddr(netip.MustParsePrefix("fd00:1::9/64"))
	eth.WaitReady(context.Background())

	c, err := receiver.ListenPacket("udp6", "[ff3e::8000:1]:5000")
	if err != nil {
		log.Fatal(err)
	}
	p := ipv6.NewPacketConn(c)
	eth0, err := receiver.InterfaceByName("eth0")
	if err != nil {
		log.Fatal(err)
	}
	group := &net.UDPAddr{IP: net.ParseIP("ff3e::8000:1"), Port: 5000}
	source := &net.UDPAddr{IP: net.ParseIP("fd00:1::1")}
	if err := p.JoinSourceSpecificGroup(eth0, group, source); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.SourceFilter(eth0, group))
	p.SetControlMessage(ipv6.FlagDst|ipv6.FlagHopLimit, true)

	for _, from := range []string{"[fd00:1::9]:4000", "[fd00:1::1]:4000"} {
		s, err := sender.ListenPacket("udp6", from)
		if err != nil {
			log.Fatal(err)
		}
		ps := ipv6.NewPacketConn(s)
		ps.SetMulticastInterface(eth.Net())
		ps.SetMulticastHopLimit(8)
		if _, err := ps.WriteTo([]byte("hello"), nil, group); err != nil {
			log.Fatal(err)
		}
	}
	buf := make([]byte, 1500)
	n, cm, src, err := p.ReadFrom(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %v to %v, hop limit %d\n", buf[:n], src, cm.Dst, cm.HopLimit)
	fmt.Println("filtered:", receiver.Counters()["udp.filtermcast"])
	// Output:
	// INCLUDE [fd00:1::1] <nil>
	// hello: [fd00:1::1]:4000 to ff3e::8000:1, hop limit 8
	// filtered: 1
}
