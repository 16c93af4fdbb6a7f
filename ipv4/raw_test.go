package ipv4_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/icmp"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv4"
	"github.com/seed88948545/vimage/link"
)

func echo(t testing.TB, seq int) []byte {
	t.Helper()
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 0x7a7a, Seq: seq, Data: []byte("hello")}}
	return must(m.Marshal(nil))(t)
}

// readICMP reads messages until one is of the type.
func readICMP(t testing.TB, p *ipv4.PacketConn, typ ipv4.ICMPType) (*icmp.Message, *ipv4.ControlMessage, net.Addr) {
	t.Helper()
	for {
		b, cm, from := read(t, p)
		m := must(icmp.ParseMessage(1, []byte(b)))(t)
		if m.Type == typ {
			return m, cm, from
		}
	}
}

// raws runs a test over raw sockets of the kernel and of a stack.
func raws(t *testing.T, f func(t *testing.T, n vimage.Network, lo *net.Interface)) {
	both(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		c, err := n.ListenPacket("ip4:icmp", "127.0.0.1")
		if errors.Is(err, syscall.EPERM) {
			t.Skip("raw sockets need privilege: ", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		f(t, n, lo)
	})
}

// TestPing sends an echo request from a raw socket, with a payload of one's own
// and control messages.
func TestPing(t *testing.T) {
	raws(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		p := listen(t, n, "ip4:icmp", "0.0.0.0")
		wantErrno(t, "flags", p.SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst|ipv4.FlagInterface, true), 0)
		if n, err := p.WriteTo(echo(t, 7), nil, ip("127.0.0.1")); n != 13 || err != nil {
			t.Fatal(n, err)
		}
		m, cm, from := readICMP(t, p, ipv4.ICMPTypeEchoReply)
		if e := m.Body.(*icmp.Echo); e.ID != 0x7a7a || e.Seq != 7 || string(e.Data) != "hello" {
			t.Errorf("reply %+v", e)
		}
		if cm.TTL != 64 || cm.IfIndex != lo.Index || !cm.Dst.Equal(net.IPv4(127, 0, 0, 1)) || from.String() != "127.0.0.1" {
			t.Errorf("%v from %v", cm, from)
		}
		// Package net's own calls give the payload too. (Linux shows the request
		// as well as the reply, the BSDs and a stack only the reply.)
		p.WriteTo(echo(t, 8), nil, ip("127.0.0.1"))
		b := make([]byte, 100)
		if n, from, err := p.PacketConn.ReadFrom(b); err != nil || n != 13 || b[0] != 8 && b[0] != 0 || from.String() != "127.0.0.1" {
			t.Errorf("%x from %v, %v", b[:n], from, err)
		}
	})
}

// TestICMPFilter lets a raw socket hear replies only.
func TestICMPFilter(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("x/net's ICMPFilter holds nothing on ", runtime.GOOS)
	}
	raws(t, func(t *testing.T, n vimage.Network, _ *net.Interface) {
		p := listen(t, n, "ip4:icmp", "127.0.0.1")
		var f ipv4.ICMPFilter
		if got, err := p.ICMPFilter(); err != nil || !reflect.DeepEqual(got, &f) {
			t.Errorf("at first %+v, %v", got, err)
		}
		f.SetAll(true)
		f.Accept(ipv4.ICMPTypeEchoReply)
		wantErrno(t, "set", p.SetICMPFilter(&f), 0)
		if got, err := p.ICMPFilter(); err != nil || !reflect.DeepEqual(got, &f) {
			t.Errorf("read back %+v, %v, want %+v", got, err, f)
		}
		p.WriteTo(echo(t, 1), nil, ip("127.0.0.1"))
		b, _, _ := read(t, p)
		if b[0] != byte(ipv4.ICMPTypeEchoReply) {
			t.Errorf("heard type %d", b[0])
		}
		u := listen(t, n, "udp4", "127.0.0.1:0")
		if err := u.SetICMPFilter(&f); !errors.Is(err, syscall.ENOPROTOOPT) && !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Error("of a UDP socket:", err)
		}
	})
}

// TestRawConn sends and receives packets with their header.
func TestRawConn(t *testing.T) {
	raws(t, func(t *testing.T, n vimage.Network, lo *net.Interface) {
		r := must(ipv4.NewRawConn(must(n.ListenPacket("ip4:253", "0.0.0.0"))(t)))(t)
		defer r.Close()
		wantErrno(t, "flags", r.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true), 0)
		r.SetReadDeadline(time.Now().Add(10 * time.Second))
		for _, h := range []ipv4.Header{
			{Dst: net.IPv4(127, 0, 0, 1), TTL: 3},
			{Dst: net.IPv4(127, 0, 0, 1), TTL: 200, TOS: 0x28, ID: 0x1234, Src: net.IPv4(127, 0, 0, 2), Flags: ipv4.DontFragment},
			{Dst: net.IPv4(127, 0, 0, 1), TTL: 1, ID: 9, Options: []byte{1, 1, 1, 1}}, // no-operations
		} {
			h.Version, h.Len, h.Protocol = 4, 20+len(h.Options), 253
			h.TotalLen = h.Len + 5
			if err := r.WriteTo(&h, []byte("hello"), nil); err != nil {
				t.Fatal(err)
			}
			got, p, cm, err := r.ReadFrom(make([]byte, 1500))
			if err != nil || string(p) != "hello" {
				t.Fatalf("%q, %v", p, err)
			}
			if h.Src == nil {
				h.Src = net.IPv4(127, 0, 0, 1)
			}
			if got.Version != 4 || got.Len != h.Len || got.TotalLen != h.TotalLen || got.TTL != h.TTL || got.TOS != h.TOS ||
				got.Flags != h.Flags || got.FragOff != 0 || got.Protocol != 253 || got.Checksum == 0 ||
				!got.Src.Equal(h.Src) || !got.Dst.Equal(h.Dst) || !bytes.Equal(got.Options, h.Options) {
				t.Errorf("got  %v\nwant %v", got, &h)
			}
			if h.ID != 0 && got.ID != h.ID || got.ID == 0 {
				t.Errorf("identification %#x, want %#x or any", got.ID, h.ID)
			}
			if cm == nil || cm.IfIndex != lo.Index || !cm.Dst.Equal(h.Dst) {
				t.Errorf("%v", cm)
			}
		}
		for name, err := range map[string]error{
			"nil header":       r.WriteTo(nil, nil, nil),
			"header too short": r.WriteTo(&ipv4.Header{Len: 19, Dst: net.IPv4(127, 0, 0, 1)}, nil, nil),
			"missing address":  r.WriteTo(&ipv4.Header{Len: 20}, nil, nil),
		} {
			if err == nil || err.Error() != name {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r.LocalAddr().Network() != "ip" {
			t.Error(r.LocalAddr())
		}
	})
}

// TestRawBatch: packets of a batch have their header.
func TestRawBatch(t *testing.T) {
	raws(t, func(t *testing.T, n vimage.Network, _ *net.Interface) {
		p := listen(t, n, "ip4:253", "0.0.0.0")
		if n, err := p.WriteBatch([]ipv4.Message{
			{Buffers: [][]byte{[]byte("one")}, Addr: ip("127.0.0.1")},
			{Buffers: [][]byte{[]byte("two")}, Addr: ip("127.0.0.1")},
		}, 0); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		ms := []ipv4.Message{{Buffers: [][]byte{make([]byte, 1500)}}, {Buffers: [][]byte{make([]byte, 20), make([]byte, 9)}}}
		p.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := p.ReadBatch(ms, 0); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if got := string(ms[0].Buffers[0][20:ms[0].N]); got != "one" || ms[0].Addr.String() != "127.0.0.1" {
			t.Errorf("%q from %v", got, ms[0].Addr)
		}
		if got := string(ms[1].Buffers[1][:ms[1].N-20]); got != "two" {
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
	chain(t, hosts)
	p := listen(t, hosts[0], "ip4:icmp", "0.0.0.0")
	wantErrno(t, "flags", p.SetControlMessage(ipv4.FlagTTL, true), 0)
	want := []string{"10.0.1.2", "10.0.2.2", "10.0.3.2"}
	for i, hop := range want {
		wantErrno(t, "TTL", p.SetTTL(i+1), 0)
		if _, err := p.WriteTo(echo(t, i), nil, ip("10.0.3.2")); err != nil {
			t.Fatal(err)
		}
		typ := ipv4.ICMPTypeTimeExceeded
		if i == len(want)-1 {
			typ = ipv4.ICMPTypeEchoReply
		}
		m, cm, from := readICMP(t, p, typ)
		if from.String() != hop || cm.TTL != 64-i {
			t.Errorf("hop %d: %v from %v with TTL %d, want %s", i+1, m.Type, from, cm.TTL, hop)
		}
	}
}

// chain connects hosts in a row: 10.0.i.1 is the i-th and 10.0.i.2 the one
// after it; those between are routers.
func chain(t testing.TB, hosts []*vimage.Stack) {
	t.Helper()
	last := len(hosts) - 1
	for i := range last {
		wire := link.NewEpair(0)
		net := "10.0." + string(rune('1'+i))
		plug(t, hosts[i], "r", wire.A(), net+".1/24")
		plug(t, hosts[i+1], "l", wire.B(), net+".2/24")
	}
	for i, h := range hosts {
		if i > 0 && i < last {
			if err := h.SetForwarding(true); err != nil {
				t.Fatal(err)
			}
		}
		for dst := 1; dst <= last; dst++ {
			r := vimage.Route{Dst: netip.MustParsePrefix("10.0." + string(rune('0'+dst)) + ".0/24")}
			switch {
			case dst > i+1:
				r.Gateway = netip.MustParseAddr("10.0." + string(rune('1'+i)) + ".2")
			case dst < i:
				r.Gateway = netip.MustParseAddr("10.0." + string(rune('0'+i)) + ".1")
			default:
				continue
			}
			if err := h.AddRoute(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestHeaderIncluded writes whole packets, with lengths and checksums that the
// stack has to mend, and with a source that is somebody else's.
func TestHeaderIncluded(t *testing.T) {
	c := newCable(t)
	out := must(c.a.ListenPacket("ip4:253", "0.0.0.0"))(t).(*vimage.IPConn)
	in := must(c.b.ListenPacket("ip4:253", "0.0.0.0"))(t).(*vimage.IPConn)
	out.SetHeaderIncluded(true)
	header := func(total, id, sum int, src net.IP) []byte {
		return append([]byte{0x45, 0, byte(total >> 8), byte(total), byte(id >> 8), byte(id), 0, 0, 9, 253, byte(sum >> 8), byte(sum)},
			append(src.To4(), 10, 0, 0, 2)...)
	}
	for _, h := range [][]byte{
		header(25, 0x4242, 0, net.IPv4(10, 0, 0, 1)),
		header(0, 0x4242, 0xdead, net.IPv4(10, 0, 0, 99)),
		header(9999, 0, 0, net.IPv4zero),
	} {
		if n, err := out.WriteTo(append(h, "hello"...), ip("10.0.0.2")); n != 25 || err != nil {
			t.Fatalf("%x: %d, %v", h, n, err)
		}
		b := make([]byte, 100)
		n := must(in.ReadPacket(b))(t)
		got := must(ipv4.ParseHeader(b[:20]))(t)
		if n != 25 || got.TotalLen != 25 || got.TTL != 9 || string(b[20:n]) != "hello" {
			t.Errorf("%v, %q", got, b[:n])
		}
		if id := int(h[4])<<8 | int(h[5]); id != 0 && got.ID != id || got.ID == 0 {
			t.Errorf("identification %#x, sent %#x", got.ID, id)
		}
		src := net.IP(h[12:16])
		if src.IsUnspecified() {
			src = net.IPv4(10, 0, 0, 1)
		}
		if !got.Src.Equal(src) {
			t.Errorf("from %v, sent %v", got.Src, src)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 19), append([]byte{0x65}, make([]byte, 19)...), append([]byte{0x4f}, make([]byte, 30)...)} {
		_, err := out.WriteTo(bad, ip("10.0.0.2"))
		wantErrno(t, "bad header", err, syscall.EINVAL)
	}
}

// TestRawMulticast: a raw socket with options hears the groups it is a member
// of, one without options all.
func TestRawMulticast(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "ip4:89", "0.0.0.0")
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	all := listen(t, c.b, "ip4:89", "0.0.0.0")
	members := listen(t, c.b, "ip4:89", "0.0.0.0")
	wantErrno(t, "join", members.JoinSourceSpecificGroup(c.bIf, ip(group), ip("10.0.0.11")), 0)
	say := func(src, g string) {
		t.Helper()
		if _, err := s.WriteTo([]byte(src+" "+g), &ipv4.ControlMessage{Src: net.ParseIP(src)}, ip(g)); err != nil {
			t.Fatal(err)
		}
	}
	say("10.0.0.12", group)
	say("10.0.0.11", group)
	for _, want := range []string{"10.0.0.12 " + group, "10.0.0.11 " + group} {
		if got, _, _ := read(t, all); got != want {
			t.Errorf("without options: %q, want %q", got, want)
		}
	}
	if got, _, _ := read(t, members); got != "10.0.0.11 "+group {
		t.Errorf("member: %q", got)
	}
}

// TestConnectedRaw dials a raw socket: only the peer is heard.
func TestConnectedRaw(t *testing.T) {
	c := newCable(t)
	conn := must(c.b.Dial("ip4:253", "10.0.0.11"))(t)
	s := listen(t, c.a, "ip4:253", "0.0.0.0")
	for _, src := range []string{"10.0.0.12", "10.0.0.11"} {
		if _, err := s.WriteTo([]byte(src), &ipv4.ControlMessage{Src: net.ParseIP(src)}, ip("10.0.0.2")); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, 64)
	if n := must(conn.Read(b))(t); string(b[:n]) != "10.0.0.11" {
		t.Errorf("%q", b[:n])
	}
	if _, err := conn.Write([]byte("back")); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := read(t, s); got != "back" {
		t.Errorf("%q", got)
	}
}

// TestWhatIsMissing names what is not done.
func TestWhatIsMissing(t *testing.T) {
	c := newCable(t)
	p := listen(t, c.a, "udp4", "0.0.0.0:0")
	wantErrno(t, "SetBPF", p.SetBPF([]bpf.RawInstruction{{}}), syscall.ENOPROTOOPT)
	_, err := p.ReadBatch(make([]ipv4.Message, 1), 2)
	wantErrno(t, "ReadBatch with flags", err, syscall.EOPNOTSUPP)
	_, err = p.WriteBatch(make([]ipv4.Message, 1), 4)
	wantErrno(t, "WriteBatch with flags", err, syscall.EOPNOTSUPP)
	_, err = ipv4.NewRawConn(p.PacketConn)
	wantErrno(t, "RawConn of UDP", err, syscall.ENOPROTOOPT)
	k := ipv4.NewPacketConn(must(net.ListenPacket("udp4", "127.0.0.1:0"))(t))
	wantErrno(t, "the kernel's filter", k.SetSourceFilter(c.aIf, ip(group), ipv4.Exclude, nil), syscall.ENOPROTOOPT)
	_, _, err = k.SourceFilter(c.aIf, ip(group))
	wantErrno(t, "the kernel's filter", err, syscall.ENOPROTOOPT)
	k.Close()
}
