//go:build !novimage

package ipv4_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv4"
	"github.com/seed88948545/vimage/link"
)

// connect makes two hosts, 10.0.0.1 and 10.0.0.2, with a cable between them.
func connect(w *vimage.World) (a, b *vimage.Stack) {
	cable := link.NewEpair(0)
	var hosts []*vimage.Stack
	for i, port := range []link.Port{cable.A(), cable.B()} {
		host, err := w.NewStack(string(rune('a'+i)), vimage.StackConfig{})
		if err != nil {
			log.Fatal(err)
		}
		eth, err := host.AddInterface("eth0", vimage.InterfaceConfig{Port: port})
		if err != nil {
			log.Fatal(err)
		}
		if err := eth.AddAddr(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 24)); err != nil {
			log.Fatal(err)
		}
		hosts = append(hosts, host)
	}
	return hosts[0], hosts[1]
}

// A receiver of one source of a group, with the calls of x/net. The source has
// two addresses; what it sends from the other is not heard.
func ExamplePacketConn_JoinSourceSpecificGroup() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	sender, receiver := connect(w)
	eth, err := sender.Interface("eth0")
	if err != nil {
		log.Fatal(err)
	}
	eth.AddAddr(netip.MustParsePrefix("10.0.0.9/24"))

	c, err := receiver.ListenPacket("udp4", "232.1.2.3:5000")
	if err != nil {
		log.Fatal(err)
	}
	p := ipv4.NewPacketConn(c)
	eth0, err := receiver.InterfaceByName("eth0")
	if err != nil {
		log.Fatal(err)
	}
	group := &net.UDPAddr{IP: net.IPv4(232, 1, 2, 3), Port: 5000}
	source := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1)}
	if err := p.JoinSourceSpecificGroup(eth0, group, source); err != nil {
		log.Fatal(err)
	}
	p.SetControlMessage(ipv4.FlagDst|ipv4.FlagTTL, true)

	for _, from := range []string{"10.0.0.9:4000", "10.0.0.1:4000"} {
		s, err := sender.ListenPacket("udp4", from)
		if err != nil {
			log.Fatal(err)
		}
		ps := ipv4.NewPacketConn(s)
		ps.SetMulticastInterface(eth.Net())
		ps.SetMulticastTTL(8)
		if _, err := ps.WriteTo([]byte("from "+from), nil, group); err != nil {
			log.Fatal(err)
		}
	}
	buf := make([]byte, 1500)
	n, cm, src, err := p.ReadFrom(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %v to %v, TTL %d\n", buf[:n], src, cm.Dst, cm.TTL)
	fmt.Println("filtered:", receiver.Counters()["udp.filtermcast"])
	// Output:
	// from 10.0.0.1:4000: 10.0.0.1:4000 to 232.1.2.3, TTL 8
	// filtered: 1
}

// One call replaces mode and sources of a membership.
func ExamplePacketConn_SetSourceFilter() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	_, host := connect(w)
	c, err := host.ListenPacket("udp4", "0.0.0.0:5000")
	if err != nil {
		log.Fatal(err)
	}
	p := ipv4.NewPacketConn(c)
	eth0, err := host.InterfaceByName("eth0")
	if err != nil {
		log.Fatal(err)
	}
	group := &net.IPAddr{IP: net.IPv4(239, 1, 1, 1)}
	if err := p.JoinGroup(eth0, group); err != nil {
		log.Fatal(err)
	}
	p.ExcludeSourceSpecificGroup(eth0, group, &net.IPAddr{IP: net.IPv4(10, 0, 0, 66)})
	fmt.Println(p.SourceFilter(eth0, group))
	p.SetSourceFilter(eth0, group, ipv4.Include, []net.Addr{&net.IPAddr{IP: net.IPv4(10, 0, 0, 1)}})
	fmt.Println(p.SourceFilter(eth0, group))
	// Output:
	// EXCLUDE [10.0.0.66] <nil>
	// INCLUDE [10.0.0.1] <nil>
}

// A ping from one stack to another.
func ExamplePacketConn_ping() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	a, _ := connect(w)
	c, err := a.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		log.Fatal(err)
	}
	p := ipv4.NewPacketConn(c)
	p.SetControlMessage(ipv4.FlagTTL, true)
	request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 1, Seq: 1, Data: []byte("are you there?")}}
	b, err := request.Marshal(nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.WriteTo(b, nil, &net.IPAddr{IP: net.IPv4(10, 0, 0, 2)}); err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, 1500)
	p.SetReadDeadline(time.Now().Add(time.Second))
	n, cm, from, err := p.ReadFrom(buf)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := icmp.ParseMessage(1, buf[:n])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v from %v with TTL %d: %s\n", reply.Type, from, cm.TTL, reply.Body.(*icmp.Echo).Data)
	// Output: echo reply from 10.0.0.2 with TTL 64: are you there?
}
