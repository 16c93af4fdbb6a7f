package ipv6_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv6"
)

// both runs a test over the kernel's sockets and over a stack's, on a loopback
// interface that is ::1, fd00::1, fd00::2 and 127.0.0.1.
func both(t *testing.T, f func(t *testing.T, n vimage.Network, lo *net.Interface)) {
	t.Run("kernel", func(t *testing.T) {
		n, lo := kernel(t, "fd00::1", "fd00::2")
		f(t, n, lo)
	})
	t.Run("stack", func(t *testing.T) {
		s := stack(t, world(t), "s")
		lo := must(s.Interface("lo0"))(t)
		for _, a := range []string{"127.0.0.1/8", "::1/128", "fd00::1/128", "fd00::2/128"} {
			if err := lo.AddAddr(netip.MustParsePrefix(a)); err != nil {
				t.Fatal(err)
			}
		}
		f(t, s, lo.Net())
	})
}

// TestOptionsAgree sets options, reads them back, and sets what cannot be.
func TestOptionsAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		p := listen(t, n, "udp6", "[::1]:0")
		for _, o := range []struct {
			name  string
			set   func(int) error
			get   func() (int, error)
			first int
			good  []int
			bad   []int
		}{
			{"TrafficClass", p.SetTrafficClass, p.TrafficClass, 0, []int{0, 0x28, 0xb8, 255}, []int{256, -2}},
			{"HopLimit", p.SetHopLimit, p.HopLimit, 64, []int{0, 1, 65, 255}, []int{256, -2}},
			{"MulticastHopLimit", p.SetMulticastHopLimit, p.MulticastHopLimit, 1, []int{0, 1, 255}, []int{256, -2}},
		} {
			if got, err := o.get(); got != o.first || err != nil {
				t.Errorf("%s at first: %d, %v, want %d", o.name, got, err, o.first)
			}
			for _, v := range o.good {
				wantErrno(t, o.name, o.set(v), 0)
				if got, err := o.get(); got != v || err != nil {
					t.Errorf("%s: %d, %v, want %d", o.name, got, err, v)
				}
			}
			for _, v := range o.bad {
				if err := o.set(v); !errors.Is(err, syscall.EINVAL) {
					t.Errorf("%s %d: %v, want EINVAL", o.name, v, err)
				}
			}
			wantErrno(t, o.name, o.set(-1), 0)
			if got, err := o.get(); got != o.first || err != nil {
				t.Errorf("%s after -1: %d, %v, want %d", o.name, got, err, o.first)
			}
		}
		for _, on := range []bool{false, true} {
			wantErrno(t, "loop", p.SetMulticastLoopback(on), 0)
			if got, err := p.MulticastLoopback(); got != on || err != nil {
				t.Errorf("loop: %v, %v", got, err)
			}
		}
		for _, ifi := range []*net.Interface{lo, nil} {
			wantErrno(t, "interface", p.SetMulticastInterface(ifi), 0)
			got, err := p.MulticastInterface()
			if ifi == nil {
				continue // there is none of index 0, says x/net
			}
			if err != nil || got == nil || got.Name != lo.Name {
				t.Errorf("interface: %v, %v, want %v", got, err, ifi)
			}
		}
		if err := p.SetMulticastInterface(&net.Interface{Index: 99999}); !errors.Is(err, noInterface(n)) {
			t.Error("an interface there is not:", err)
		}
		c := ipv6.NewConn(p.PacketConn.(net.Conn))
		wantErrno(t, "Conn.SetTrafficClass", c.SetTrafficClass(0x10), 0)
		if tc, err := p.TrafficClass(); tc != 0x10 || err != nil {
			t.Error("Conn set traffic class", tc, err)
		}
		p.Close()
		for name, err := range map[string]error{"SetHopLimit": p.SetHopLimit(9), "SetTrafficClass": c.SetTrafficClass(9), "Join": p.JoinGroup(lo, ip("ff15::1"))} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
	})
}

// noInterface is what is said of an interface there is not: Linux and the BSDs
// differ.
func noInterface(n vimage.Network) syscall.Errno {
	if _, stack := n.(*vimage.Stack); stack {
		return syscall.EADDRNOTAVAIL
	}
	return syscall.ENODEV
}

// TestErrnosAgree makes requests of the delta API that Linux and the BSDs
// refuse with the same errno.
func TestErrnosAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		p := listen(t, n, "udp6", "[::1]:0")
		g, ssm, s1, s2 := ip("ff15::1"), ip("ff35::8000:1"), ip("fd00::1"), ip("fd00::2")
		for i, c := range []struct {
			err  error
			want syscall.Errno
		}{
			{p.JoinGroup(lo, ip("fd00::1")), syscall.EINVAL},
			{p.JoinGroup(&net.Interface{Index: 99999}, g), noInterface(n)},
			{p.LeaveGroup(lo, g), syscall.EADDRNOTAVAIL},
			{p.JoinGroup(lo, g), 0},
			{p.JoinGroup(lo, g), syscall.EADDRINUSE},
			{p.ExcludeSourceSpecificGroup(lo, g, s1), 0},
			{p.ExcludeSourceSpecificGroup(lo, g, s1), syscall.EADDRNOTAVAIL},
			{p.IncludeSourceSpecificGroup(lo, g, s2), syscall.EADDRNOTAVAIL},
			{p.IncludeSourceSpecificGroup(lo, g, s1), 0},
			{p.LeaveGroup(lo, g), 0},
			{p.JoinSourceSpecificGroup(lo, ssm, s1), 0},
			{p.JoinSourceSpecificGroup(lo, ssm, s1), syscall.EADDRNOTAVAIL},
			{p.JoinSourceSpecificGroup(lo, ssm, s2), 0},
			{p.JoinGroup(lo, ssm), syscall.EADDRINUSE},
			{p.ExcludeSourceSpecificGroup(lo, ssm, s2), syscall.EINVAL},
			{p.LeaveSourceSpecificGroup(lo, ssm, s2), 0},
			{p.LeaveSourceSpecificGroup(lo, ssm, s2), syscall.EADDRNOTAVAIL},
			{p.LeaveGroup(lo, ssm), 0},
			{p.LeaveGroup(lo, ssm), syscall.EADDRNOTAVAIL},
			{p.SetChecksum(true, 2), syscall.ENOPROTOOPT},
		} {
			if c.want == 0 && c.err != nil || c.want != 0 && !errors.Is(c.err, c.want) {
				t.Errorf("request %d: %v, want %v", i+1, c.err, c.want)
			}
		}
		for _, none := range []net.Addr{&net.TCPAddr{}, ip("239.1.1.1"), nil} {
			if err := p.JoinGroup(lo, none); err == nil || err.Error() != "missing address" {
				t.Errorf("join %v: %v", none, err)
			}
		}
		if _, err := p.ICMPFilter(); err == nil {
			t.Error("a UDP socket has an ICMP filter")
		}
	})
}

// TestIPv4SocketsAgree: a socket for IPv4 has no options of IPv6, and works.
func TestIPv4SocketsAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		p := listen(t, n, "udp4", "127.0.0.1:0")
		for name, err := range map[string]error{
			"SetHopLimit": p.SetHopLimit(3), "SetTrafficClass": p.SetTrafficClass(3),
			"JoinGroup": p.JoinGroup(lo, ip("ff15::1")), "SetControlMessage": p.SetControlMessage(ipv6.FlagDst, true),
			"SetMulticastHopLimit": p.SetMulticastHopLimit(2), "SetMulticastLoopback": p.SetMulticastLoopback(true),
		} {
			if !errors.Is(err, syscall.ENOPROTOOPT) {
				t.Errorf("%s: %v, want ENOPROTOOPT", name, err)
			}
		}
		if _, err := p.HopLimit(); err == nil {
			t.Error("it has a hop limit")
		}
		if n, err := p.WriteTo([]byte("hello"), nil, p.LocalAddr()); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		if msg, cm, from := read(t, p); msg != "hello" || cm != nil || from.String() != p.LocalAddr().String() {
			t.Errorf("%q, %v from %v", msg, cm, from)
		}
	})
}

// TestControlMessagesAgree reads what a packet says beside its payload.
func TestControlMessagesAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		r, s := listen(t, n, "udp6", "[::]:0"), listen(t, n, "udp6", "[::]:0")
		to := at("::1", port(r))
		wantErrno(t, "hop limit", s.SetHopLimit(42), 0)
		wantErrno(t, "traffic class", s.SetTrafficClass(0x28), 0)
		say := func(cm *ipv6.ControlMessage) {
			t.Helper()
			if n, err := s.WriteTo([]byte("hello"), cm, to); n != 5 || err != nil {
				t.Fatal(n, err)
			}
		}
		say(nil)
		if msg, cm, _ := read(t, r); msg != "hello" || cm != nil {
			t.Errorf("without flags: %q, %v", msg, cm)
		}
		wantErrno(t, "flags", r.SetControlMessage(ipv6.FlagSrc|ipv6.FlagPathMTU, true), 0)
		say(nil)
		if _, cm, _ := read(t, r); cm != nil {
			t.Errorf("source only: %v", cm)
		}
		all := ipv6.FlagHopLimit | ipv6.FlagTrafficClass | ipv6.FlagSrc | ipv6.FlagDst | ipv6.FlagInterface
		wantErrno(t, "flags", r.SetControlMessage(all, true), 0)
		for _, row := range []struct {
			cm   *ipv6.ControlMessage
			want ipv6.ControlMessage
		}{
			{nil, ipv6.ControlMessage{TrafficClass: 0x28, HopLimit: 42, Src: net.IPv6loopback}},
			{&ipv6.ControlMessage{HopLimit: 7}, ipv6.ControlMessage{TrafficClass: 0x28, HopLimit: 7, Src: net.IPv6loopback}},
			{&ipv6.ControlMessage{TrafficClass: 0xb8}, ipv6.ControlMessage{TrafficClass: 0xb8, HopLimit: 42, Src: net.IPv6loopback}},
			{&ipv6.ControlMessage{Src: ip("fd00::2").IP, IfIndex: lo.Index}, ipv6.ControlMessage{TrafficClass: 0x28, HopLimit: 42, Src: ip("fd00::2").IP}},
			{&ipv6.ControlMessage{Src: net.IPv4(127, 0, 0, 1)}, ipv6.ControlMessage{TrafficClass: 0x28, HopLimit: 42, Src: net.IPv6loopback}},
		} {
			say(row.cm)
			_, cm, from := read(t, r)
			row.want.Dst, row.want.IfIndex = to.IP, lo.Index
			if cm == nil || cm.String() != row.want.String() {
				t.Errorf("%v arrived as\n%v, want\n%v", row.cm, cm, &row.want)
			}
			if u := from.(*net.UDPAddr); !u.IP.Equal(row.want.Src) || u.Port != port(s) {
				t.Errorf("from %v", from)
			}
		}
		r.SetControlMessage(all, false)
		r.SetControlMessage(ipv6.FlagHopLimit, true)
		say(nil)
		if _, cm, _ := read(t, r); cm == nil || cm.HopLimit != 42 || cm.IfIndex != 0 || cm.Dst != nil || cm.TrafficClass != 0 || cm.Src == nil {
			t.Errorf("hop limit only: %v", cm)
		}
		if _, err := s.WriteTo(nil, nil, nil); err == nil {
			t.Error("sent to nobody")
		}
		for _, bad := range []ipv6.ControlMessage{{HopLimit: 256}, {TrafficClass: 256}} {
			if _, err := s.WriteTo([]byte("x"), &bad, to); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%v: %v, want EINVAL", &bad, err)
			}
		}
		for want, bad := range map[syscall.Errno]ipv6.ControlMessage{
			syscall.EADDRNOTAVAIL: {Src: ip("2001:db8::77").IP}, syscall.ENXIO: {IfIndex: 99999}, // EINVAL and ENODEV on Linux
		} {
			_, err := s.WriteTo([]byte("x"), &bad, to)
			if _, stack := n.(*vimage.Stack); err == nil || stack && !errors.Is(err, want) {
				t.Errorf("%v: %v, want %v", &bad, err, want)
			}
		}
	})
}

// TestDualStackAgree: a socket bound to :: takes IPv4 as well, if its network
// says so, and knows less of it.
func TestDualStackAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		p := listen(t, n, "udp", "[::]:0")
		v4 := at("127.0.0.1", port(p))
		cf := ipv6.FlagHopLimit | ipv6.FlagTrafficClass | ipv6.FlagDst
		wantErrno(t, "flags", p.SetControlMessage(cf, true), 0)
		for _, to := range []*net.UDPAddr{v4, at("::1", port(p))} {
			cm := &ipv6.ControlMessage{HopLimit: 9, TrafficClass: 0x28}
			if _, err := p.WriteTo([]byte("hello"), cm, to); err != nil {
				t.Fatal(err)
			}
			want := ipv6.ControlMessage{HopLimit: 9, TrafficClass: 0x28, Src: to.IP, Dst: to.IP, IfIndex: lo.Index}
			if to == v4 {
				want = ipv6.ControlMessage{Dst: to.IP, IfIndex: lo.Index}
			}
			msg, cm, from := read(t, p)
			if msg != "hello" || cm == nil || cm.String() != want.String() || from.String() != to.String() {
				t.Errorf("%q from %v:\n%v, want\n%v", msg, from, cm, &want)
			}
		}
		p.SetControlMessage(ipv6.FlagDst, false)
		p.WriteTo([]byte("hello"), nil, v4)
		if msg, cm, _ := read(t, p); msg != "hello" || cm != nil {
			t.Errorf("%q, %v", msg, cm)
		}
		only6 := listen(t, n, "udp6", "[::]:0")
		if _, err := only6.WriteTo([]byte("x"), nil, v4); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("IPv4 from a socket that is for IPv6 only: %v", err)
		}
	})
}

// TestPathMTUAgree asks connected sockets.
func TestPathMTUAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		c := must(n.DialContext(t.Context(), "udp6", "[::1]:9"))(t)
		defer c.Close()
		if mtu, err := ipv6.NewConn(c).PathMTU(); mtu != lo.MTU || err != nil {
			t.Errorf("UDP: %d, %v, want %d", mtu, err, lo.MTU)
		}
		p := listen(t, n, "udp6", "[::]:0")
		_, err := ipv6.NewConn(p.PacketConn.(net.Conn)).PathMTU()
		if !errors.Is(err, syscall.ENOTCONN) {
			t.Error("not connected:", err)
		}
	})
}

// TestTCPAgree sets the options of a connection.
func TestTCPAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		l := must(n.Listen("tcp6", "[::1]:0"))(t)
		defer l.Close()
		c := must(n.DialContext(t.Context(), "tcp6", l.Addr().String()))(t)
		defer c.Close()
		o := ipv6.NewConn(c)
		if hops, err := o.HopLimit(); hops != 64 || err != nil {
			t.Error("hop limit at first:", hops, err)
		}
		if mtu, err := o.PathMTU(); mtu != lo.MTU || err != nil {
			t.Errorf("path MTU %d, %v, want %d", mtu, err, lo.MTU)
		}
		wantErrno(t, "traffic class", o.SetTrafficClass(0x28), 0) // Linux forgets the path with it
		wantErrno(t, "hop limit", o.SetHopLimit(99), 0)
		if tc, err := o.TrafficClass(); tc != 0x28 || err != nil {
			t.Error("traffic class", tc, err)
		}
		if hops, err := o.HopLimit(); hops != 99 || err != nil {
			t.Error("hop limit", hops, err)
		}
		for name, err := range map[string]error{
			"hop limit 256": o.SetHopLimit(256), "hop limit -2": o.SetHopLimit(-2), "traffic class 256": o.SetTrafficClass(256),
		} {
			if !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.Close()
		if err := o.SetHopLimit(1); !errors.Is(err, net.ErrClosed) {
			t.Error("after Close:", err)
		}
	})
}

// TestBatchesAgree sends and receives several packets at once, in pieces, with
// control messages in the machine's format.
func TestBatchesAgree(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "js" {
		t.Skip("the format of control messages is not known on ", runtime.GOOS)
	}
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		r, s := listen(t, n, "udp6", "[::1]:0"), listen(t, n, "udp6", "[::]:0")
		cf := ipv6.FlagHopLimit | ipv6.FlagTrafficClass | ipv6.FlagDst | ipv6.FlagInterface
		wantErrno(t, "flags", r.SetControlMessage(cf, true), 0)
		how := (&ipv6.ControlMessage{Src: ip("fd00::2").IP, HopLimit: 5, TrafficClass: 0x28, IfIndex: lo.Index}).Marshal()
		if got, err := s.WriteBatch([]ipv6.Message{
			{Buffers: [][]byte{[]byte("one")}, Addr: r.LocalAddr()},
			{Buffers: [][]byte{[]byte("two "), []byte("in "), []byte("three")}, Addr: r.LocalAddr(), OOB: how},
			{Buffers: [][]byte{[]byte("longer than the buffers are")}, Addr: r.LocalAddr()},
		}, 0); got != 3 || err != nil {
			t.Fatal(got, err)
		}
		ms := make([]ipv6.Message, 8)
		for i := range ms {
			ms[i] = ipv6.Message{Buffers: [][]byte{make([]byte, 4), make([]byte, 12)}, OOB: ipv6.NewControlMessage(cf)}
		}
		r.SetReadDeadline(time.Now().Add(10 * time.Second))
		got, err := r.ReadBatch(ms, 0)
		if got != 3 || err != nil {
			t.Fatalf("%d messages, %v", got, err)
		}
		plain := ipv6.ControlMessage{HopLimit: 64, Dst: net.IPv6loopback, IfIndex: lo.Index}
		second := ipv6.ControlMessage{HopLimit: 5, TrafficClass: 0x28, Dst: net.IPv6loopback, IfIndex: lo.Index}
		for i, want := range []struct {
			text, from string
			truncated  bool
			cm         ipv6.ControlMessage
		}{{"one", "::1", false, plain}, {"two in three", "fd00::2", false, second}, {"longer than the ", "::1", true, plain}} {
			m := &ms[i]
			if text := string(bytes.Join(m.Buffers, nil)[:m.N]); text != want.text {
				t.Errorf("message %d is %q, want %q", i, text, want.text)
			}
			if truncated := m.Flags&ipv6.MsgTrunc != 0; truncated != want.truncated {
				t.Errorf("message %d: flags %#x", i, m.Flags)
			}
			if u := m.Addr.(*net.UDPAddr); u.IP.String() != want.from {
				t.Errorf("message %d from %v, want %v", i, u, want.from)
			}
			var cm ipv6.ControlMessage
			if err := cm.Parse(m.OOB[:m.NN]); err != nil || cm.String() != want.cm.String() {
				t.Errorf("message %d:\n%v, want\n%v, %v", i, &cm, &want.cm, err)
			}
		}
		r.SetReadDeadline(time.Now().Add(-1))
		if got, err := r.ReadBatch(ms, 0); got != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %d, %v", got, err)
		}
		if got, err := r.ReadBatch(nil, 0); got != 0 || err != nil {
			t.Errorf("no messages: %d, %v", got, err)
		}
	})
}

// TestSourceFiltersAgree listens to one source, to all, and to all but one, of
// groups of every scope.
func TestSourceFiltersAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		for _, group := range []string{"ff01::4321", "ff02::4321", "ff15::4321", "ff35::8000:4321", "ff3e::8000:4321"} {
			listenToSources(t, n, lo, group) // not in a goroutine of its own: see kernel
		}
	})
}

func listenToSources(t *testing.T, n vimage.Network, lo *net.Interface, group string) {
	r, s := listen(t, n, "udp6", "[::]:0"), listen(t, n, "udp6", "[::]:0")
	g := at(group, port(r))
	s1, s2 := ip("fd00::1"), ip("fd00::2")
	wantErrno(t, "interface", s.SetMulticastInterface(lo), 0)
	// Both sources speak, and then somebody says by unicast that it is over.
	heard := func() (all string) {
		for _, src := range []*net.IPAddr{s1, s2} {
			if _, err := s.WriteTo([]byte(src.String()), &ipv6.ControlMessage{Src: src.IP, IfIndex: lo.Index}, g); err != nil {
				t.Fatal(err)
			}
		}
		send(t, s, "over", "", at("::1", g.Port))
		for {
			msg, _, _ := read(t, r)
			if msg == "over" {
				return all
			}
			all += msg + " "
		}
	}
	expect := func(what, want string) {
		t.Helper()
		if got := heard(); got != want {
			t.Errorf("%s, %s: heard %q, want %q", group, what, got, want)
		}
	}
	expect("no member", "")
	wantErrno(t, "join source", r.JoinSourceSpecificGroup(lo, g, s2), 0)
	expect("INCLUDE{2}", "fd00::2 ")
	wantErrno(t, "join source", r.JoinSourceSpecificGroup(lo, g, s1), 0)
	expect("INCLUDE{1,2}", "fd00::1 fd00::2 ")
	wantErrno(t, "leave", r.LeaveGroup(lo, g), 0)
	expect("left", "")
	wantErrno(t, "join", r.JoinGroup(lo, g), 0)
	expect("EXCLUDE{}", "fd00::1 fd00::2 ")
	wantErrno(t, "exclude", r.ExcludeSourceSpecificGroup(lo, g, s2), 0)
	expect("EXCLUDE{2}", "fd00::1 ")
	wantErrno(t, "include", r.IncludeSourceSpecificGroup(lo, g, s2), 0)
	expect("EXCLUDE{}", "fd00::1 fd00::2 ")
}
