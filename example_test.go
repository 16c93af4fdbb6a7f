//go:build !novimage

package vimage_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// Two hosts with a cable between them, and code that takes either of them or
// the machine it runs on.
func Example() {
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	cable := link.NewEpair(0)
	var hosts []*vimage.Stack
	for i, port := range []link.Port{cable.A(), cable.B()} {
		host, err := w.NewStack(fmt.Sprint("host", i+1), vimage.StackConfig{})
		if err != nil {
			log.Fatal(err)
		}
		eth, err := host.AddInterface("eth0", vimage.InterfaceConfig{Port: port})
		if err != nil {
			log.Fatal(err)
		}
		if err := eth.AddAddr(netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", i+1))); err != nil {
			log.Fatal(err)
		}
		hosts = append(hosts, host)
	}

	// serve echoes one datagram. It would do the same on vimage.OS().
	serve := func(n vimage.Network, addr string, ready chan<- bool) {
		c, err := n.ListenPacket("udp", addr)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		ready <- true
		buf := make([]byte, 1500)
		k, from, err := c.ReadFrom(buf)
		if err != nil {
			log.Fatal(err)
		}
		c.WriteTo(buf[:k], from)
	}
	ready := make(chan bool)
	go serve(hosts[1], "10.0.0.2:7", ready)
	<-ready

	c, err := hosts[0].Dial("udp", "10.0.0.2:7")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	buf := make([]byte, 1500)
	n, err := c.Read(buf)
	fmt.Printf("%s from %v, %v\n", buf[:n], c.RemoteAddr(), err)
	// Output: hello from 10.0.0.2:7, <nil>
}

// In simulated time nothing blocks: what is received is handled in callbacks,
// and an hour takes as long as what happens in it.
func Example_simulated() {
	w := vimage.NewWorld(vimage.Config{Simulated: true, Seed: 1})
	defer w.Close()
	host := w.Stack("vnet0")
	lo, err := host.Interface("lo0")
	if err != nil {
		log.Fatal(err)
	}
	lo.AddAddr(netip.MustParsePrefix("127.0.0.1/8"))
	c, err := host.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7})
	if err != nil {
		log.Fatal(err)
	}
	start := w.Now()
	c.OnReadable(func() {
		buf := make([]byte, 1500)
		for n, _, ok, _ := c.TryReadFrom(buf); ok; n, _, ok, _ = c.TryReadFrom(buf) {
			fmt.Printf("%v: %s\n", w.Now().Sub(start), buf[:n])
		}
	})
	for _, d := range []time.Duration{time.Hour, time.Second} {
		w.AfterFunc(d, func() { c.WriteTo([]byte("it is "+d.String()), c.LocalAddr()) })
	}
	w.Run(24 * time.Hour)
	// Output:
	// 1s: it is 1s
	// 1h0m0s: it is 1h0m0s
}
