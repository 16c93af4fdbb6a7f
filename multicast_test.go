package vimage_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// multicaster is what UDPConn and IPConn have in common.
type multicaster interface {
	net.Conn
	JoinGroup(ifi *vimage.Interface, group netip.Addr) error
	LeaveGroup(ifi *vimage.Interface, group netip.Addr) error
	JoinSourceGroup(ifi *vimage.Interface, group, source netip.Addr) error
	LeaveSourceGroup(ifi *vimage.Interface, group, source netip.Addr) error
	BlockSource(ifi *vimage.Interface, group, source netip.Addr) error
	UnblockSource(ifi *vimage.Interface, group, source netip.Addr) error
	SetSourceFilter(ifi *vimage.Interface, group netip.Addr, mode vimage.FilterMode, sources []netip.Addr) error
	SourceFilter(ifi *vimage.Interface, group netip.Addr) (vimage.FilterMode, []netip.Addr, error)
	SetMulticastInterface(ifi *vimage.Interface) error
	MulticastInterface() (*vimage.Interface, error)
	SetMulticastTTL(n int) error
	MulticastTTL() (int, error)
	SetMulticastLoopback(on bool) error
	MulticastLoopback() (bool, error)
	Setsockopt(level, name int, value []byte) error
	Getsockopt(level, name int, value []byte) (int, error)
}

var (
	_ multicaster = (*vimage.UDPConn)(nil)
	_ multicaster = (*vimage.IPConn)(nil)
)

// wantSyscall checks that err is a *net.OpError of the call, as in package net.
func wantSyscall(t *testing.T, what string, err error, call string, e syscall.Errno) {
	t.Helper()
	var oe *net.OpError
	var se *os.SyscallError
	if !errors.As(err, &oe) || !errors.As(err, &se) || se.Syscall != call || se.Err != e || oe.Source == nil {
		t.Errorf("%s: %v, want %s: %v", what, err, call, e)
	}
}

// TestMulticastMethods goes through the methods of every kind of socket.
func TestMulticastMethods(t *testing.T) {
	w := world(t, vimage.Config{})
	a, b := pair6(t, w)
	e0, others := must(a.Interface("e0"))(t), must(b.Interface("e0"))(t)
	for _, c := range []struct{ network, address, group, source, foreign string }{
		{"udp4", ":0", "232.1.1.1", "10.0.0.9", "ff3e::1"},
		{"udp6", ":0", "ff3e::1", "fd00::9", "232.1.1.1"},
		{"udp", ":0", "232.1.1.1", "10.0.0.9", "10.1.1.1"},
		{"udp", ":0", "ff3e::1", "fd00::9", "fd00::1"},
		{"ip4:89", "0.0.0.0", "232.1.1.1", "10.0.0.9", "ff3e::1"},
		{"ip6:89", "::", "ff3e::1", "fd00::9", "232.1.1.1"},
	} {
		pc := must(a.ListenPacket(c.network, c.address))(t)
		s := pc.(multicaster)
		group, source, foreign := netip.MustParseAddr(c.group), netip.MustParseAddr(c.source), netip.MustParseAddr(c.foreign)
		good := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s %s: %v", c.network, what, err)
			}
		}
		filter := func(want string) {
			t.Helper()
			mode, sources, err := s.SourceFilter(e0, group)
			var list []string
			for _, a := range sources {
				list = append(list, a.String())
			}
			if got := mode.String() + " " + strings.Join(list, " "); err != nil || got != want {
				t.Errorf("%s: filter %q, %v; want %q", c.network, got, err, want)
			}
		}
		wantSyscall(t, c.network, s.JoinGroup(e0, foreign), "setsockopt", syscall.EINVAL)
		wantSyscall(t, c.network, s.JoinGroup(others, group), "setsockopt", syscall.EADDRNOTAVAIL)
		_, _, err := s.SourceFilter(e0, group)
		wantSyscall(t, c.network, err, "getsockopt", syscall.EADDRNOTAVAIL)

		good("join", s.JoinGroup(e0, group))
		wantSyscall(t, c.network, s.JoinGroup(nil, group), "setsockopt", syscall.EADDRINUSE)
		filter("EXCLUDE ")
		good("block", s.BlockSource(e0, group, source))
		filter("EXCLUDE " + c.source)
		good("unblock", s.UnblockSource(nil, group, source))
		good("set filter", s.SetSourceFilter(nil, group, vimage.Include, []netip.Addr{source}))
		filter("INCLUDE " + c.source)
		wantSyscall(t, c.network, s.SetSourceFilter(e0, group, 3, nil), "setsockopt", syscall.EINVAL)
		good("leave", s.LeaveGroup(nil, group))
		good("join source", s.JoinSourceGroup(nil, group, source))
		filter("INCLUDE " + c.source)
		wantSyscall(t, c.network, s.JoinSourceGroup(e0, group, source), "setsockopt", syscall.EADDRNOTAVAIL)
		good("leave source", s.LeaveSourceGroup(e0, group, source))
		filter("INCLUDE ")

		if i, err := s.MulticastInterface(); i != nil || err != nil {
			t.Errorf("%s: interface %v, %v", c.network, i, err)
		}
		good("interface", s.SetMulticastInterface(e0))
		if i, err := s.MulticastInterface(); err != nil || i == nil || i.Name() != "e0" || i.Index() != e0.Index() {
			t.Errorf("%s: interface %v, %v", c.network, i, err)
		}
		wantSyscall(t, c.network, s.SetMulticastInterface(others), "setsockopt", syscall.EADDRNOTAVAIL)
		good("no interface", s.SetMulticastInterface(nil))
		if n, err := s.MulticastTTL(); n != 1 || err != nil {
			t.Errorf("%s: TTL %d, %v", c.network, n, err)
		}
		good("TTL", s.SetMulticastTTL(9))
		if n, err := s.MulticastTTL(); n != 9 || err != nil {
			t.Errorf("%s: TTL %d, %v", c.network, n, err)
		}
		for _, n := range []int{-1, 256} {
			wantSyscall(t, c.network, s.SetMulticastTTL(n), "setsockopt", syscall.EINVAL)
		}
		good("loop", s.SetMulticastLoopback(false))
		if on, err := s.MulticastLoopback(); on || err != nil {
			t.Errorf("%s: loop %t, %v", c.network, on, err)
		}
		level := 0
		if group.Is6() {
			level = 41
		}
		good("sockopt", s.Setsockopt(level, 10, []byte{7, 0, 0, 0}))
		v := make([]byte, 4)
		if n, err := s.Getsockopt(level, 10, v); n != 4 || v[0] != 7 || err != nil {
			t.Errorf("%s: sockopt %d, %v, %v", c.network, n, v, err)
		}
		wantSyscall(t, c.network, s.Setsockopt(level, 99, nil), "setsockopt", syscall.EOPNOTSUPP)
		_, err = s.Getsockopt(level, 99, v)
		wantSyscall(t, c.network, err, "getsockopt", syscall.ENOPROTOOPT)

		s.Close()
		if err := s.JoinGroup(e0, group); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s closed: %v", c.network, err)
		}
		if _, err := s.MulticastTTL(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s closed: %v", c.network, err)
		}
	}
}

// TestMulticastOfBothFamilies: a socket for both has the options of both, and is
// heard and hears by both.
func TestMulticastOfBothFamilies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{}))
		ia, ib := must(a.Interface("e0"))(t), must(b.Interface("e0"))(t)
		send, recv := must(a.ListenUDP("udp", nil))(t), must(b.ListenUDP("udp", &net.UDPAddr{Port: 7}))(t)
		defer send.Close()
		defer recv.Close()
		for _, err := range []error{send.SetMulticastInterface(ia), send.SetMulticastTTL(3)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, group := range []string{"239.1.1.1", "ff0e::1", "ff02::1:7%e0"} {
			g := netip.MustParseAddr(group)
			if err := recv.JoinGroup(ib, g); err != nil {
				t.Fatal(err)
			}
			if _, err := send.WriteToUDPAddrPort([]byte(group), netip.AddrPortFrom(g, 7)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 20)
			if n, _, err := recv.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != group {
				t.Errorf("%s: %q, %v", group, buf[:n], err)
			}
		}
	})
}

// TestGroupZone: without an interface, the zone of a group names it.
func TestGroupZone(t *testing.T) {
	w := world(t, vimage.Config{})
	s := must(w.NewStack("s", vimage.StackConfig{}))(t)
	plug(t, s, "e0", link.NewEpair(0).A(), "fd00::1/64")
	e1 := plug(t, s, "e1", link.NewEpair(0).A(), "fd00:0:0:1::1/64")
	c := must(s.ListenUDP("udp6", nil))(t)
	defer c.Close()
	group := netip.MustParseAddr("ff02::1:7")
	if err := c.JoinGroup(nil, group.WithZone("e1")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.SourceFilter(e1, group); err != nil {
		t.Errorf("not a member on e1: %v", err)
	}
	wantSyscall(t, "another zone", c.LeaveGroup(nil, group.WithZone("e0")), "setsockopt", syscall.EADDRNOTAVAIL)
	wantSyscall(t, "no zone", c.JoinGroup(nil, group.WithZone("e7")), "setsockopt", syscall.EADDRNOTAVAIL)
	if err := c.LeaveGroup(nil, group.WithZone("e1")); err != nil {
		t.Error(err)
	}
}

// TestListenMulticastUDP: as in package net, the socket is a member of the group on
// the interface, sends by it, and does not hear itself.
func TestListenMulticastUDP(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{}))
		ia, ib := must(a.InterfaceByName("e0"))(t), must(b.InterfaceByName("e0"))(t)
		for _, c := range []struct {
			network string
			ip      string
			zone    string
			ifi     bool
			local   string
		}{
			{"udp", "239.1.1.1", "", true, "0.0.0.0:7"}, {"udp4", "239.1.1.1", "", true, "0.0.0.0:7"},
			{"udp", "ff0e::1", "", true, "[::]:7"}, {"udp6", "ff0e::1", "", true, "[::]:7"},
			{"udp6", "ff02::1:7", "e0", true, "[::]:7"}, {"udp6", "ff02::1:7", "e0", false, "[::]:7"},
			{"udp4", "239.1.1.1", "", false, "0.0.0.0:7"},
		} {
			group := &net.UDPAddr{IP: net.ParseIP(c.ip), Port: 7, Zone: c.zone}
			if !c.ifi {
				ia, ib = nil, nil
			}
			sa, sb := must(a.ListenMulticastUDP(c.network, ia, group))(t), must(b.ListenMulticastUDP(c.network, ib, group))(t)
			ia, ib = must(a.InterfaceByName("e0"))(t), must(b.InterfaceByName("e0"))(t)
			if got := sb.LocalAddr().String(); got != c.local {
				t.Errorf("%s %v: bound to %s, want %s", c.network, group, got, c.local)
			}
			if _, err := sa.WriteToUDP([]byte(c.ip), group); c.ifi && err != nil {
				t.Errorf("%s %v: %v", c.network, group, err)
			} else if err == nil {
				buf := make([]byte, 20)
				if n, _, err := sb.ReadFromUDP(buf); err != nil || string(buf[:n]) != c.ip {
					t.Errorf("%s %v: %q, %v", c.network, group, buf[:n], err)
				}
				if _, _, ok, _ := sa.TryReadFrom(buf); ok {
					t.Errorf("%s %v: hears itself", c.network, group)
				}
			}
			sa.Close()
			sb.Close()
		}
		_, err := a.ListenMulticastUDP("udp6", ia, &net.UDPAddr{IP: net.IPv4(239, 1, 1, 1), Port: 7})
		if err == nil {
			t.Error("an IPv4 group on udp6")
		}
		_, err = a.ListenMulticastUDP("udp4", &net.Interface{Index: 9}, &net.UDPAddr{IP: net.IPv4(239, 1, 1, 1), Port: 7})
		wantErr := &net.OpError{}
		if !errors.As(err, &wantErr) || wantErr.Op != "listen" || !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("an interface there is not: %v", err)
		}
	})
}
