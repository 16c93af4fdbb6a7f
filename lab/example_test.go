//go:build !novimage

package lab_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// Two hosts and an echo, in real time. In a test lab.New(t) spares the errors
// and Close.
func Example() {
	n := lab.Open(lab.Config{})
	defer n.Close()
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, b)

	server, err := b.ListenPacket("udp", ":7")
	if err != nil {
		log.Fatal(err)
	}
	go echo(server)
	conn, err := a.Dial("udp", b.Addr().String()+":7")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(conn, "hello")
	buf := make([]byte, 1500)
	k, err := conn.Read(buf)
	fmt.Printf("%s from %v, %v\n", buf[:k], conn.RemoteAddr(), err)
	// Output: hello from 10.0.0.2:7, <nil>
}

// echo sends back one datagram.
func echo(c net.PacketConn) {
	buf := make([]byte, 1500)
	k, from, err := c.ReadFrom(buf)
	if err == nil {
		c.WriteTo(buf[:k], from)
	}
}

// Simulated time moves only by Run, so nothing may block: sockets are read in
// callbacks. Here a second of delay passes at once.
func Example_simulated() {
	n := lab.Open(lab.Config{Simulated: true, Seed: 1})
	defer n.Close()
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, b, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: time.Second}})

	pc, err := b.ListenPacket("udp", ":7")
	if err != nil {
		log.Fatal(err)
	}
	server := pc.(*vimage.UDPConn)
	began := n.World.Now()
	server.OnReadable(func() {
		buf := make([]byte, 1500)
		for k, from, ok, _ := server.TryReadFrom(buf); ok; k, from, ok, _ = server.TryReadFrom(buf) {
			fmt.Printf("%s from %v after %v\n", buf[:k], from.Addr(), n.World.Now().Sub(began))
		}
	})
	conn, err := a.Dial("udp", b.Addr().String()+":7")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(conn, "hello")
	n.Run(time.Hour)
	// Output: hello from 10.0.0.1 after 3s
}

// Routers forward between the links they are on; RouteAll tells everybody the
// way.
func ExampleLab_RouteAll() {
	n := lab.Open(lab.Config{Simulated: true})
	defer n.Close()
	lan := n.Switch("lan")
	r := n.Router("r")
	far := n.Host("far")
	n.Link(r, lan)
	n.Link(r, far)
	for i := range 3 {
		n.Link(n.Host(fmt.Sprint("pc", i)), lan)
	}
	n.RouteAll()
	for _, h := range n.Nodes() {
		for _, route := range h.Routes() {
			if route.Gateway.IsValid() {
				fmt.Println(h.Name(), "to", route.Dst, "via", route.Gateway)
			}
		}
	}
	// Output:
	// far to 10.0.0.0/24 via 10.0.1.1
	// pc0 to 10.0.1.0/24 via 10.0.0.1
	// pc1 to 10.0.1.0/24 via 10.0.0.1
	// pc2 to 10.0.1.0/24 via 10.0.0.1
}

// A router says which prefix its link has; hosts form addresses of it, and take
// the router for their way out.
func ExampleNode_Advertise() {
	n := lab.Open(lab.Config{Simulated: true, Seed: 1})
	defer n.Close()
	lan := n.Switch("lan", lab.SwitchConfig{Subnet6: netip.MustParsePrefix("2001:db8:1::/64")})
	n.Link(n.Router("r"), lan, lab.LinkConfig{AdvertiseA: &vimage.RouterConfig{MTU: 1400}})
	pc, err := n.AddNode("pc", lab.NodeConfig{Autoconf: new(vimage.AutoconfConfig)})
	if err != nil {
		log.Fatal(err)
	}
	n.Link(pc, lan)
	fmt.Println("at first:", pc.Addr6())
	n.Run(10 * time.Second)
	fmt.Println("in ten seconds:", pc.Addr6())
	for _, r := range pc.DefaultRouters() {
		fmt.Println("by", r.Addr)
	}
	// Output:
	// at first: invalid IP
	// in ten seconds: 2001:db8:1:0:67:ecff:fe00:2
	// by fe80::67:ecff:fe00:1%eth0
}
