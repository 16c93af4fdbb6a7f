package ipv4_test

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
	"github.com/seed88948545/vimage/ipv4"
)

// both runs a test over the kernel's sockets and over a stack's, on the
// loopback interface.
func both(t *testing.T, f func(t *testing.T, n vimage.Network, lo *net.Interface)) {
	t.Run("kernel", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("the kernel's answers compared with are Linux's")
		}
		f(t, vimage.OS(), must(net.InterfaceByName("lo"))(t))
	})
	t.Run("stack", func(t *testing.T) {
		s := stack(t, world(t), "s")
		lo := must(s.Interface("lo0"))(t)
		for _, a := range []string{"127.0.0.1/8", "127.0.0.2/8"} {
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
		p := listen(t, n, "udp4", "127.0.0.1:0")
		for _, o := range []struct {
			name string
			set  func(int) error
			get  func() (int, error)
			good []int
			bad  []int
		}{
			{"TOS", p.SetTOS, p.TOS, []int{0, 0x28, 0xb8}, nil},
			{"TTL", p.SetTTL, p.TTL, []int{1, 64, 255}, []int{0, 256, -2}},
			{"MulticastTTL", p.SetMulticastTTL, p.MulticastTTL, []int{0, 1, 255}, []int{256, -2}},
		} {
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
		}
		for _, on := range []bool{false, true} {
			wantErrno(t, "loop", p.SetMulticastLoopback(on), 0)
			if got, err := p.MulticastLoopback(); got != on || err != nil {
				t.Errorf("loop: %v, %v", got, err)
			}
		}
		for _, ifi := range []*net.Interface{nil, lo, nil} {
			wantErrno(t, "interface", p.SetMulticastInterface(ifi), 0)
			if _, stack := n.(*vimage.Stack); !stack {
				continue // Linux does not tell
			}
			got, err := p.MulticastInterface()
			if err != nil || (got == nil) != (ifi == nil) || got != nil && got.Name != lo.Name {
				t.Errorf("interface: %v, %v, want %v", got, err, ifi)
			}
		}
		if err := p.SetMulticastInterface(&net.Interface{Index: 99999}); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Error("an interface there is not:", err)
		}
		c := ipv4.NewConn(p.PacketConn.(net.Conn))
		wantErrno(t, "Conn.SetTOS", c.SetTOS(0x10), 0)
		if tos, err := p.TOS(); tos != 0x10 || err != nil {
			t.Error("Conn set TOS", tos, err)
		}
		p.Close()
		for name, err := range map[string]error{"SetTTL": p.SetTTL(9), "SetTOS": c.SetTOS(9), "Join": p.JoinGroup(lo, ip("239.1.1.1"))} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
	})
}

// TestErrnosAgree makes requests of the delta API that Linux and the BSDs
// refuse with the same errno.
func TestErrnosAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		p := listen(t, n, "udp4", "127.0.0.1:0")
		g, ssm, s1, s2 := ip("239.1.1.1"), ip("232.1.1.1"), ip("127.0.0.1"), ip("127.0.0.2")
		for i, c := range []struct {
			err  error
			want syscall.Errno
		}{
			{p.JoinGroup(lo, ip("10.0.0.1")), syscall.EINVAL},
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
			{p.ExcludeSourceSpecificGroup(lo, ssm, s2), syscall.EINVAL},
			{p.LeaveSourceSpecificGroup(lo, ssm, s2), 0},
			{p.LeaveSourceSpecificGroup(lo, ssm, s2), syscall.EADDRNOTAVAIL},
			{p.LeaveGroup(lo, ssm), 0},
			{p.LeaveGroup(lo, ssm), syscall.EADDRNOTAVAIL},
		} {
			if c.want == 0 && c.err != nil || c.want != 0 && !errors.Is(c.err, c.want) {
				t.Errorf("request %d: %v, want %v", i+1, c.err, c.want)
			}
		}
		if err := p.JoinGroup(lo, &net.TCPAddr{}); err == nil || err.Error() != "missing address" {
			t.Error("join no address:", err)
		}
	})
}

// TestControlMessagesAgree reads what a packet says beside its payload.
func TestControlMessagesAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		r := listen(t, n, "udp4", "0.0.0.0:0")
		s := listen(t, n, "udp4", "0.0.0.0:0")
		to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: r.LocalAddr().(*net.UDPAddr).Port}
		wantErrno(t, "TTL", s.SetTTL(42), 0)
		say := func(cm *ipv4.ControlMessage) {
			t.Helper()
			if n, err := s.WriteTo([]byte("hello"), cm, to); n != 5 || err != nil {
				t.Fatal(n, err)
			}
		}
		say(nil)
		if msg, cm, _ := read(t, r); msg != "hello" || cm != nil {
			t.Errorf("without flags: %q, %v", msg, cm)
		}
		all := ipv4.FlagTTL | ipv4.FlagSrc | ipv4.FlagDst | ipv4.FlagInterface
		wantErrno(t, "flags", r.SetControlMessage(all, true), 0)
		say(&ipv4.ControlMessage{Src: net.IPv4(127, 0, 0, 2), IfIndex: lo.Index})
		_, cm, from := read(t, r)
		if cm == nil || cm.TTL != 42 || cm.IfIndex != lo.Index || !cm.Dst.Equal(to.IP) || !cm.Src.Equal(net.IPv4(127, 0, 0, 2)) {
			t.Errorf("all flags: %v", cm)
		}
		if u := from.(*net.UDPAddr); !u.IP.Equal(net.IPv4(127, 0, 0, 2)) || u.Port != s.LocalAddr().(*net.UDPAddr).Port {
			t.Errorf("from %v", from)
		}
		r.SetControlMessage(all, false)
		r.SetControlMessage(ipv4.FlagTTL, true)
		say(nil)
		if _, cm, _ = read(t, r); cm == nil || cm.TTL != 42 || cm.IfIndex != 0 || cm.Dst != nil || cm.Src == nil {
			t.Errorf("TTL only: %v", cm)
		}
		if _, err := s.WriteTo(nil, nil, nil); err == nil {
			t.Error("sent to nobody")
		}
	})
}

// TestBatchesAgree sends and receives several packets at once, in pieces, with
// control messages in the machine's format.
func TestBatchesAgree(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("the format of control messages is not known on ", runtime.GOOS)
	}
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		r := listen(t, n, "udp4", "127.0.0.1:0")
		s := listen(t, n, "udp4", "0.0.0.0:0")
		cf := ipv4.FlagTTL | ipv4.FlagDst | ipv4.FlagInterface
		wantErrno(t, "flags", r.SetControlMessage(cf, true), 0)
		src := (&ipv4.ControlMessage{Src: net.IPv4(127, 0, 0, 2)}).Marshal()
		if got, err := s.WriteBatch([]ipv4.Message{
			{Buffers: [][]byte{[]byte("one")}, Addr: r.LocalAddr()},
			{Buffers: [][]byte{[]byte("two "), []byte("in "), []byte("three")}, Addr: r.LocalAddr(), OOB: src},
			{Buffers: [][]byte{[]byte("longer than the buffers are")}, Addr: r.LocalAddr()},
		}, 0); got != 3 || err != nil {
			t.Fatal(got, err)
		}
		ms := make([]ipv4.Message, 8)
		for i := range ms {
			ms[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 4), make([]byte, 12)}, OOB: ipv4.NewControlMessage(cf)}
		}
		r.SetReadDeadline(time.Now().Add(10 * time.Second))
		got, err := r.ReadBatch(ms, 0)
		if got != 3 || err != nil {
			t.Fatalf("%d messages, %v", got, err)
		}
		for i, want := range []string{"one", "two in three", "longer than the "} {
			m := &ms[i]
			if text := string(bytes.Join(m.Buffers, nil)[:m.N]); text != want {
				t.Errorf("message %d is %q, want %q", i, text, want)
			}
			if truncated := m.Flags&ipv4.MsgTrunc != 0; truncated != (i == 2) {
				t.Errorf("message %d: flags %#x", i, m.Flags)
			}
			from := net.IPv4(127, 0, 0, 1)
			if i == 1 {
				from = net.IPv4(127, 0, 0, 2)
			}
			if u := m.Addr.(*net.UDPAddr); !u.IP.Equal(from) {
				t.Errorf("message %d from %v, want %v", i, u, from)
			}
			var cm ipv4.ControlMessage
			if err := cm.Parse(m.OOB[:m.NN]); err != nil || cm.TTL != 64 || cm.IfIndex != lo.Index || !cm.Dst.Equal(net.IPv4(127, 0, 0, 1)) {
				t.Errorf("message %d: %v, %v", i, &cm, err)
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

// TestSourceFiltersAgree listens to one source, to all, and to all but one.
func TestSourceFiltersAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		r := listen(t, n, "udp4", "0.0.0.0:0")
		s := listen(t, n, "udp4", "0.0.0.0:0")
		g := &net.UDPAddr{IP: net.IPv4(232, 43, 21, 9), Port: r.LocalAddr().(*net.UDPAddr).Port}
		s1, s2 := ip("127.0.0.1"), ip("127.0.0.2")
		wantErrno(t, "interface", s.SetMulticastInterface(lo), 0)
		// Both sources speak, and then somebody says by unicast that it is over.
		heard := func() (all string) {
			for _, src := range []*net.IPAddr{s1, s2} {
				if _, err := s.WriteTo([]byte(src.String()), &ipv4.ControlMessage{Src: src.IP, IfIndex: lo.Index}, g); err != nil {
					t.Fatal(err)
				}
			}
			s.WriteTo([]byte("over"), nil, &net.UDPAddr{IP: s1.IP, Port: g.Port})
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
				t.Errorf("%s: heard %q, want %q", what, got, want)
			}
		}
		expect("no member", "")
		wantErrno(t, "join source", r.JoinSourceSpecificGroup(lo, g, s2), 0)
		expect("INCLUDE{2}", "127.0.0.2 ")
		wantErrno(t, "join source", r.JoinSourceSpecificGroup(lo, g, s1), 0)
		expect("INCLUDE{1,2}", "127.0.0.1 127.0.0.2 ")
		wantErrno(t, "leave", r.LeaveGroup(lo, g), 0)
		expect("left", "")
		wantErrno(t, "join", r.JoinGroup(lo, g), 0)
		expect("EXCLUDE{}", "127.0.0.1 127.0.0.2 ")
		wantErrno(t, "exclude", r.ExcludeSourceSpecificGroup(lo, g, s2), 0)
		expect("EXCLUDE{2}", "127.0.0.1 ")
		wantErrno(t, "no loop", s.SetMulticastLoopback(false), 0)
		if _, stack := n.(*vimage.Stack); stack {
			expect("no loop", "") // Linux loops on lo whatever one says
		}
	})
}

// TestTCPAgree sets the options of a connection.
func TestTCPAgree(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, _ *net.Interface) {
		l := must(n.Listen("tcp4", "127.0.0.1:0"))(t)
		defer l.Close()
		c := must(n.DialContext(t.Context(), "tcp4", l.Addr().String()))(t)
		defer c.Close()
		o := ipv4.NewConn(c)
		if ttl, err := o.TTL(); ttl != 64 || err != nil {
			t.Error("TTL at first:", ttl, err)
		}
		wantErrno(t, "TOS", o.SetTOS(0x28), 0)
		wantErrno(t, "TTL", o.SetTTL(99), 0)
		if tos, err := o.TOS(); tos != 0x28 || err != nil {
			t.Error("TOS", tos, err)
		}
		if ttl, err := o.TTL(); ttl != 99 || err != nil {
			t.Error("TTL", ttl, err)
		}
		for _, bad := range []int{0, 256, -2} {
			if err := o.SetTTL(bad); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("TTL %d: %v", bad, err)
			}
		}
		c.Close()
		if err := o.SetTTL(1); !errors.Is(err, net.ErrClosed) {
			t.Error("after Close:", err)
		}
	})
}
