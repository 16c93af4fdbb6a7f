package vimage_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
)

// TestReuse binds two sockets to one port (behaviour 6.7): a group's address
// needs one option in both, any other SO_REUSEPORT in both, and one that is
// covered by any address an option in the second.
func TestReuse(t *testing.T) {
	type opts = vimage.ListenConfig
	none, addr, port := opts{}, opts{ReuseAddr: true}, opts{ReusePort: true}
	for _, c := range []struct {
		first, second string
		a, b          opts
		want          syscall.Errno
	}{
		{"0.0.0.0:7", "0.0.0.0:7", none, none, syscall.EADDRINUSE},
		{"0.0.0.0:7", "0.0.0.0:7", addr, addr, syscall.EADDRINUSE},
		{"0.0.0.0:7", "0.0.0.0:7", port, none, syscall.EADDRINUSE},
		{"0.0.0.0:7", "0.0.0.0:7", none, port, syscall.EADDRINUSE},
		{"0.0.0.0:7", "0.0.0.0:7", port, port, 0},
		{"0.0.0.0:7", "0.0.0.0:8", none, none, 0},
		{"10.0.0.1:7", "0.0.0.0:7", none, none, syscall.EADDRINUSE},
		{"10.0.0.1:7", "0.0.0.0:7", none, addr, 0},
		{"0.0.0.0:7", "10.0.0.1:7", none, none, syscall.EADDRINUSE},
		{"0.0.0.0:7", "10.0.0.1:7", none, addr, 0},
		{"10.0.0.1:7", "10.0.0.9:7", none, none, 0},
		// A group's address shares its port as in package net.
		{"239.1.1.1:7", "239.1.1.1:7", none, none, 0},
		{"239.1.1.1:7", "239.1.1.2:7", none, none, 0},
	} {
		w := world(t, vimage.Config{})
		s, _ := pair(t, w)
		if err := must(s.Interface("e0"))(t).AddAddr(netip.MustParsePrefix("10.0.0.9/24")); err != nil {
			t.Fatal(err)
		}
		c.a.Stack, c.b.Stack, c.a.BindGroup, c.b.BindGroup = s, s, true, true
		if _, err := c.a.ListenPacket(context.Background(), "udp4", c.first); err != nil {
			t.Fatal(c.first, err)
		}
		_, err := c.b.ListenPacket(context.Background(), "udp4", c.second)
		if c.want == 0 && err != nil || c.want != 0 && !errors.Is(err, c.want) {
			t.Errorf("%+v, then %+v: %v, want %v", c.first, c.second, err, c.want)
		}
	}
}

// TestBroadcast sends to the limited and to the subnet's broadcast address, as
// every socket of package net may.
func TestBroadcast(t *testing.T) {
	a, b := pair(t, world(t, vimage.Config{}))
	s := must(b.ListenUDP("udp4", &net.UDPAddr{Port: 67}))(t)
	c := must(a.ListenUDP("udp4", nil))(t)
	for _, to := range []string{"255.255.255.255:67", "10.0.0.255:67"} {
		if _, err := c.WriteToUDPAddrPort([]byte(to), netip.MustParseAddrPort(to)); err != nil {
			t.Fatal(to, err)
		}
		buf := make([]byte, 64)
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != to || from.Addr().String() != "10.0.0.1" {
			t.Errorf("%s: %q from %v, %v", to, buf[:n], from, err)
		}
	}
}
