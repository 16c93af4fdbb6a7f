// Command ipv6 is a router and a host that configures itself: its address, its
// route and its name server come from the router's advertisements, and it
// connects to a name over both families (RFC 8305).
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

func main() {
	w := vimage.NewWorld(vimage.Config{Seed: 1})
	defer w.Close()
	cable := link.NewEpair(0)
	router, re := plug(w, "router", cable.A(), "2001:db8::1/64", "10.0.0.1/24")
	host, he := plug(w, "host", cable.B(), "10.0.0.2/24")

	check(router.SetForwarding(true))
	check(re.Advertise(&vimage.RouterConfig{
		Prefixes: []vimage.RouterPrefix{{Prefix: netip.MustParsePrefix("2001:db8::/64")}},
	}))
	check(he.SetAutoconf(&vimage.AutoconfConfig{Stable: true, Secret: &[32]byte{42}}))
	addr, err := he.WaitAddr(context.Background(), func(a vimage.Address) bool {
		return a.Auto && a.Prefix.Addr().IsGlobalUnicast()
	})
	check(err)
	fmt.Println("address:", addr.Prefix)

	l := serve(router)
	defer l.Close()
	host.SetResolver(&vimage.Resolver{Hosts: map[string][]netip.Addr{
		"www": {netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")},
	}})
	c, err := host.Dial("tcp", "www:80")
	check(err)
	text, err := io.ReadAll(c)
	check(err)
	fmt.Printf("%v says: %s\n", c.RemoteAddr(), text)
	c.Close()
}

// serve tells whoever connects who he is, over both families, as package net does.
func serve(s *vimage.Stack) net.Listener {
	l, err := s.Listen("tcp", ":80")
	check(err)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "you are ", c.RemoteAddr().(*net.TCPAddr).IP)
			c.Close()
		}
	}()
	return l
}

// plug makes a stack with one interface.
func plug(w *vimage.World, name string, p link.Port, addrs ...string) (*vimage.Stack, *vimage.Interface) {
	s, err := w.NewStack(name, vimage.StackConfig{})
	check(err)
	c := vimage.InterfaceConfig{Port: p}
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, netip.MustParsePrefix(a))
	}
	i, err := s.AddInterface("eth0", c)
	check(err)
	return s, i
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
