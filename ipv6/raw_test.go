package ipv6_test

import (
	"encoding/binary"
	"errors"
	"net"
	"reflect"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/icmp"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv6"
	"github.com/seed88948545/vimage/link"
)

func echo(t testing.TB, seq int) []byte {
	t.Helper()
	m := icmp.Message{Type: ipv6.ICMPTypeEchoRequest, Body: &icmp.Echo{ID: 0x7a7a, Seq: seq, Data: []byte("hello")}}
	return must(m.Marshal(nil))(t)
}

// readICMP reads messages until one is of the type.
func readICMP(t testing.TB, p *ipv6.PacketConn, typ ipv6.ICMPType) (*icmp.Message, *ipv6.ControlMessage, net.Addr) {
	t.Helper()
	for {
		b, cm, from := read(t, p)
		m := must(icmp.ParseMessage(58, []byte(b)))(t)
		if m.Type == typ {
			return m, cm, from
		}
	}
}

// TestPing sends an echo request from a raw socket, with a checksum that the stack
// fills in (RFC 3542 §3.1) and with control messages.
func TestPing(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		p := listen(t, n, "ip6:ipv6-icmp", "::")
		if on, offset, err := p.Checksum(); !on || offset != 2 || err != nil {
			t.Error("checksum", on, offset, err)
		}
		wantErrno(t, "flags", p.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagTrafficClass|ipv6.FlagDst|ipv6.FlagInterface, true), 0)
		cm := &ipv6.ControlMessage{HopLimit: 9, TrafficClass: 0x28, Src: ip("fd00::2").IP}
		if n, err := p.WriteTo(echo(t, 7), cm, ip("::1")); n != 13 || err != nil {
			t.Fatal(n, err)
		}
		m, cm, from := readICMP(t, p, ipv6.ICMPTypeEchoReply)
		if e := m.Body.(*icmp.Echo); e.ID != 0x7a7a || e.Seq != 7 || string(e.Data) != "hello" {
			t.Errorf("reply %+v", e)
		}
		if cm.HopLimit != 64 || cm.IfIndex != lo.Index || cm.Dst.String() != "fd00::2" || from.String() != "::1" {
			t.Errorf("%v from %v", cm, from)
		}
		for what, bad := range map[string][]byte{"too short for a checksum": {128, 0, 0}, "nothing": nil} {
			if _, err := p.WriteTo(bad, nil, ip("::1")); err == nil {
				t.Errorf("sent %s", what)
			}
		}
		if _, err := p.WriteTo(echo(t, 1), nil, ip("127.0.0.1")); err == nil {
			t.Error("a raw socket for IPv6 sent IPv4")
		}
	})
}

// TestICMPFilter lets a raw socket hear replies only (RFC 3542 §3.2).
func TestICMPFilter(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "js" {
		t.Skip("x/net's ICMPFilter holds nothing on ", runtime.GOOS)
	}
	both(t, func(t *testing.T, n vimage.Network, _ *net.Interface) {
		p := listen(t, n, "ip6:58", "::1")
		var f ipv6.ICMPFilter
		f.SetAll(false)
		if got, err := p.ICMPFilter(); err != nil || !reflect.DeepEqual(got, &f) {
			t.Errorf("at first %+v, %v", got, err)
		}
		f.SetAll(true)
		f.Accept(ipv6.ICMPTypeEchoReply)
		f.Accept(ipv6.ICMPTypeTimeExceeded)
		wantErrno(t, "set", p.SetICMPFilter(&f), 0)
		if got, err := p.ICMPFilter(); err != nil || !reflect.DeepEqual(got, &f) {
			t.Errorf("read back %+v, %v, want %+v", got, err, f)
		}
		for seq := range 3 {
			p.WriteTo(echo(t, seq), nil, ip("::1"))
			if b, _, _ := read(t, p); b[0] != byte(ipv6.ICMPTypeEchoReply) {
				t.Errorf("heard type %d", b[0])
			}
		}
		u := listen(t, n, "udp6", "[::1]:0")
		if err := u.SetICMPFilter(&f); !errors.Is(err, syscall.ENOPROTOOPT) && !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Error("of a UDP socket:", err)
		}
	})
}

// sum returns the checksum over a message with its pseudo header (RFC 8200 §8.1),
// 0 for one that has the right one.
func sum(src, dst net.IP, proto byte, m []byte) uint16 {
	all := append(append([]byte(nil), src...), dst...)
	all = append(binary.BigEndian.AppendUint32(all, uint32(len(m))), 0, 0, 0, proto)
	all = append(all, m...)
	if len(all)%2 != 0 {
		all = append(all, 0)
	}
	acc := uint32(0)
	for i := 0; i < len(all); i += 2 {
		acc += uint32(binary.BigEndian.Uint16(all[i:]))
	}
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return ^uint16(acc)
}

// TestChecksum has the stack fill in a checksum, at any even place, and keep away
// what has a wrong one (RFC 3542 §3.1).
func TestChecksum(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, _ *net.Interface) {
		s, r, plain := listen(t, n, "ip6:89", "::"), listen(t, n, "ip6:89", "::1"), listen(t, n, "ip6:89", "::1")
		off := func() {
			t.Helper()
			// x/net takes the kernel's -1 to be 4294967295.
			if on, offset, err := s.Checksum(); on && offset != 1<<32-1 || err != nil {
				t.Errorf("off: %v, %d, %v", on, offset, err)
			}
		}
		off()
		for _, bad := range []int{1, 13} {
			if err := s.SetChecksum(true, bad); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("at %d: %v", bad, err)
			}
		}
		for _, at := range []int{0, 4, 12} {
			for _, p := range []*ipv6.PacketConn{s, r} {
				wantErrno(t, "on", p.SetChecksum(true, at), 0)
			}
			if on, offset, err := s.Checksum(); !on || offset != at || err != nil {
				t.Errorf("at %d: %v, %d, %v", at, on, offset, err)
			}
			for _, m := range []string{"hello, world 123", "and of an odd length"[:19]} {
				if _, err := s.WriteTo([]byte(m), &ipv6.ControlMessage{Src: ip("fd00::2").IP}, ip("::1")); err != nil {
					t.Fatal(err)
				}
				for _, p := range []*ipv6.PacketConn{r, plain} {
					got, _, from := read(t, p)
					if sum(ip("fd00::2").IP, ip("::1").IP, 89, []byte(got)) != 0 || got[:at] != m[:at] || got[at+2:] != m[at+2:] || from.String() != "fd00::2" {
						t.Errorf("at %d: %q from %v", at, got, from)
					}
				}
			}
			if _, err := s.WriteTo(make([]byte, at+1), nil, ip("::1")); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("no room at %d: %v", at, err)
			}
		}
		wantErrno(t, "off", s.SetChecksum(false, 0), 0)
		off()
		for _, m := range []string{"whose checksum is wrong", "short"} {
			s.WriteTo([]byte(m), nil, ip("::1"))
			if got, _, _ := read(t, plain); got != m {
				t.Errorf("%q", got)
			}
		}
		right := []byte("whose checksum isOK right")
		right[12], right[13] = 0, 0
		binary.BigEndian.PutUint16(right[12:], sum(net.IPv6loopback, net.IPv6loopback, 89, right))
		s.WriteTo(right, nil, ip("::1"))
		if got, _, _ := read(t, r); got != string(right) {
			t.Errorf("%q", got)
		}
	})
}

// TestRawBatch: packets of a batch have no header, as RFC 3542 §3 has it.
func TestRawBatch(t *testing.T) {
	both(t, func(t *testing.T, n vimage.Network, _ *net.Interface) {
		p := listen(t, n, "ip6:253", "::")
		if n, err := p.WriteBatch([]ipv6.Message{
			{Buffers: [][]byte{[]byte("one")}, Addr: ip("::1")},
			{Buffers: [][]byte{[]byte("two")}, Addr: ip("::1")},
		}, 0); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		ms := []ipv6.Message{{Buffers: [][]byte{make([]byte, 1500)}}, {Buffers: [][]byte{make([]byte, 2), make([]byte, 9)}}}
		p.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := p.ReadBatch(ms, 0); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if got := string(ms[0].Buffers[0][:ms[0].N]); got != "one" || ms[0].Addr.String() != "::1" {
			t.Errorf("%q from %v", got, ms[0].Addr)
		}
		if got := string(ms[1].Buffers[0]) + string(ms[1].Buffers[1][:ms[1].N-2]); got != "two" {
			t.Errorf("%q", got)
		}
	})
}

// TestTraceroute finds the routers on the way by their errors, between stacks.
func TestTraceroute(t *testing.T) {
	w := world(t)
	var hosts []*vimage.Stack
	for _, name := range []string{"a", "r1", "r2", "b"} {
		hosts = append(hosts, stack(t, w, name))
	}
	chain(t, hosts, 1500)
	p := listen(t, hosts[0], "ip6:ipv6-icmp", "::")
	wantErrno(t, "flags", p.SetControlMessage(ipv6.FlagHopLimit, true), 0)
	want := []string{"fd00:1::2", "fd00:2::2", "fd00:3::2"}
	for i, hop := range want {
		if _, err := p.WriteTo(echo(t, i), &ipv6.ControlMessage{HopLimit: i + 1}, ip("fd00:3::2")); err != nil {
			t.Fatal(err)
		}
		typ := ipv6.ICMPTypeTimeExceeded
		if i == len(want)-1 {
			typ = ipv6.ICMPTypeEchoReply
		}
		m, cm, from := readICMP(t, p, typ)
		if from.String() != hop || cm.HopLimit != 64-i {
			t.Errorf("hop %d: %v from %v with hop limit %d, want %s", i+1, m.Type, from, cm.HopLimit, hop)
		}
	}
}

// TestRawMulticast: a raw socket with options hears the groups it is a member
// of, one without options all.
func TestRawMulticast(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "ip6:89", "::")
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	all, members := listen(t, c.b, "ip6:89", "::"), listen(t, c.b, "ip6:89", "::")
	wantErrno(t, "join", members.JoinSourceSpecificGroup(c.bIf, ip(group), ip("fd00::11")), 0)
	say := func(src string) {
		t.Helper()
		if _, err := s.WriteTo([]byte(src), &ipv6.ControlMessage{Src: net.ParseIP(src)}, ip(group)); err != nil {
			t.Fatal(err)
		}
	}
	say("fd00::12")
	say("fd00::11")
	for _, want := range []string{"fd00::12", "fd00::11"} {
		if got, _, _ := read(t, all); got != want {
			t.Errorf("without options: %q, want %q", got, want)
		}
	}
	if got, _, _ := read(t, members); got != "fd00::11" {
		t.Errorf("member: %q", got)
	}
}

// TestChecksumBetweenHosts: a raw socket with a checksum is deaf to a sender that
// does not know of it.
func TestChecksumBetweenHosts(t *testing.T) {
	w := world(t)
	a, b := stack(t, w, "a"), stack(t, w, "b")
	wire := link.NewEpair(0)
	plug(t, a, "e0", wire.A(), "fd00::1/64")
	plug(t, b, "e0", wire.B(), "fd00::2/64")
	s, r := listen(t, a, "ip6:89", "::"), listen(t, b, "ip6:89", "::")
	wantErrno(t, "on", r.SetChecksum(true, 2), 0)
	for _, on := range []bool{false, true} {
		wantErrno(t, "on", s.SetChecksum(on, 2), 0)
		if _, err := s.WriteTo([]byte{'a', 'b', 0, 0, 7, 'x'}, nil, ip("fd00::2")); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, from := read(t, r); got[:2] != "ab" || sum(ip("fd00::1").IP, ip("fd00::2").IP, 89, []byte(got)) != 0 {
		t.Errorf("%q from %v", got, from)
	}
	r.SetReadDeadline(time.Now().Add(-1))
	if _, _, _, err := r.ReadFrom(nil); err == nil {
		t.Error("heard both")
	}
}

// TestWhatIsMissing names what is not done.
func TestWhatIsMissing(t *testing.T) {
	c := newCable(t)
	p := listen(t, c.a, "udp6", "[::]:0")
	wantErrno(t, "SetBPF", p.SetBPF([]bpf.RawInstruction{{}}), syscall.ENOPROTOOPT)
	_, err := p.ReadBatch(make([]ipv6.Message, 1), 2)
	wantErrno(t, "ReadBatch with flags", err, syscall.EOPNOTSUPP)
	_, err = p.WriteBatch(make([]ipv6.Message, 1), 4)
	wantErrno(t, "WriteBatch with flags", err, syscall.EOPNOTSUPP)
	k := ipv6.NewPacketConn(must(net.ListenPacket("udp4", "127.0.0.1:0"))(t))
	wantErrno(t, "the kernel's filter", k.SetSourceFilter(c.aIf, ip(group), ipv6.Exclude, nil), syscall.ENOPROTOOPT)
	_, _, err = k.SourceFilter(c.aIf, ip(group))
	wantErrno(t, "the kernel's filter", err, syscall.ENOPROTOOPT)
	k.Close()
}
