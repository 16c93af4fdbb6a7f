package icmp

import (
	"bytes"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

var (
	us6   = netip.MustParseAddr("2001:db8::1")
	peer6 = netip.MustParseAddr("2001:db8::2")
	far6  = netip.MustParseAddr("2001:db8:1::7")
)

// packet6 builds an IPv6 packet; payload begins with the extension headers.
func packet6(src, dst string, next uint8, payload []byte) wire.IPv6 {
	h := wire.IPv6Header{HopLimit: 64, NextHeader: next, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)}
	b := make([]byte, wire.IPv6Len+len(payload))
	copy(b[wire.PutIPv6(b, &h, len(payload)):], payload)
	return b
}

// icmp6 builds an ICMPv6 message without a checksum.
func icmp6(typ, code uint8, rest uint32, payload []byte) wire.ICMP6 {
	b := make([]byte, wire.ICMP6Len+len(payload))
	wire.PutICMP6(b, typ, code, rest)
	copy(b[wire.ICMP6Len:], payload)
	return b
}

// tcp6 is the beginning of a TCP segment.
func tcp6() []byte { return append([]byte{0x12, 0x34, 0, 80, 1, 2, 3, 4}, make([]byte, 1432)...) }

// quote6 is a TCP segment of ours, 1,500 bytes with its header, as far as an
// error quotes it.
func quote6() []byte {
	return packet6("2001:db8::1", "2001:db8:1::7", wire.ProtoTCP, append(tcp6(), make([]byte, 20)...))[:1232]
}

// destOpts is a destination options header with one option, by default padding.
func destOpts(next uint8, typ uint8) []byte { return []byte{next, 0, typ, 4, 0, 0, 0, 0} }

func frag6(next uint8, off int, more bool) []byte {
	b := make([]byte, wire.FragmentLen)
	wire.PutFragment6(b, next, off, more, 7)
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// TestRFC4443_2_4_e_NoError: what must never cause an error.
func TestRFC4443_2_4_e_NoError(t *testing.T) {
	const group, option = "ff02::1", 0x9e // an option whose type asks to be told even of groups
	for _, c := range []struct {
		name     string
		src, dst string
		next     uint8
		payload  []byte
		cause    Cause
		want     Suppressed
	}{
		{name: "plain", want: NotSuppressed},
		{name: "echo", next: wire.ProtoICMPv6, payload: icmp6(128, 0, 0, nil), want: NotSuppressed},
		{name: "unknown information", next: wire.ProtoICMPv6, payload: icmp6(200, 0, 0, nil), want: NotSuppressed},
		{name: "unreachable (e.1)", next: wire.ProtoICMPv6, payload: icmp6(1, 0, 0, nil), want: SuppressedError},
		{name: "unknown error", next: wire.ProtoICMPv6, payload: icmp6(127, 0, 0, nil), want: SuppressedError},
		{name: "redirect (e.2)", next: wire.ProtoICMPv6, payload: icmp6(137, 0, 0, nil), want: SuppressedError},
		{name: "empty icmp", next: wire.ProtoICMPv6, payload: []byte{}, want: SuppressedError},
		{name: "error behind options", next: wire.ProtoDestOpts, payload: join(destOpts(wire.ProtoICMPv6, 1), icmp6(3, 0, 0, nil)), want: SuppressedError},
		{name: "error in a first fragment", next: wire.ProtoFragment, payload: join(frag6(wire.ProtoICMPv6, 0, true), icmp6(3, 0, 0, nil)), want: SuppressedError},
		{name: "later fragment", next: wire.ProtoFragment, payload: join(frag6(wire.ProtoUDP, 8, true), make([]byte, 8)), want: NotSuppressed},
		{name: "to a group (e.3)", dst: group, want: SuppressedToMany},
		{name: "by link to many (e.4)", cause: Cause{ToMany: true}, want: SuppressedToMany},
		{name: "too big, group", dst: group, cause: Cause{Kind: PacketTooBig}, want: NotSuppressed},
		{name: "too big, by link to many", cause: Cause{Kind: PacketTooBig, ToMany: true}, want: NotSuppressed},
		{name: "option, group", dst: group, next: wire.ProtoDestOpts, payload: destOpts(59, option), cause: Cause{Kind: ParamProblem, Code: 2, Pointer: 42}, want: NotSuppressed},
		{name: "option that asks not to, group", dst: group, next: wire.ProtoDestOpts, payload: destOpts(59, 0xde), cause: Cause{Kind: ParamProblem, Code: 2, Pointer: 42}, want: SuppressedToMany},
		{name: "option beyond the packet, group", dst: group, cause: Cause{Kind: ParamProblem, Code: 2, Pointer: 1 << 31}, want: SuppressedToMany},
		{name: "header field, group", dst: group, cause: Cause{Kind: ParamProblem, Code: 0, Pointer: 42}, want: SuppressedToMany},
		{name: "protocol, group", dst: group, cause: Cause{Kind: ProtoUnreachable, Pointer: 6}, want: SuppressedToMany},
		{name: "from nobody (e.6)", src: "::", want: SuppressedSource},
		{name: "from a group", src: "ff02::5", want: SuppressedSource},
		{name: "from loopback", src: "::1", want: SuppressedSource},
		{name: "within loopback", src: "::1", dst: "::1", want: NotSuppressed},
		{name: "from anycast", cause: Cause{FromMany: true}, want: SuppressedSource},
		{name: "too big, from nobody", src: "::", dst: group, cause: Cause{Kind: PacketTooBig}, want: SuppressedSource},
		{name: "link-local source", src: "fe80::1", want: NotSuppressed},
	} {
		if c.src == "" {
			c.src = "2001:db8::2"
		}
		if c.dst == "" {
			c.dst = "2001:db8::1"
		}
		if c.payload == nil {
			c.next, c.payload = wire.ProtoUDP, make([]byte, 16)
		}
		p := packet6(c.src, c.dst, c.next, c.payload)
		// A router that looks at no header and a host that looks at all suppress the same.
		transit := p.Walk(&wire.ExtLimits{}, wire.WalkTransit)
		for _, k := range []wire.Packet{walked(p), wire.Packet6(p, &transit)} {
			e, _, stats := engine6()
			c.cause.Packet = k
			n, why := e.Error(0, &c.cause)
			sent := uint64(0)
			if why == NotSuppressed {
				sent = 1
			}
			if why != c.want || (n > 0) != (why == NotSuppressed) || stats.Suppressed+stats.OldICMP != 1-sent ||
				stats.OutUnreachable+stats.OutTooBig+stats.OutParamProblem != sent {
				t.Errorf("%s: %d bytes, %s, want %s; %+v", c.name, n, why, c.want, *stats)
			}
		}
	}
}

// TestRFC4443_2_4_c_Length: as much as fits the least MTU, never more than
// there is.
func TestRFC4443_2_4_c_Length(t *testing.T) {
	for _, c := range [][2]int{{0, 40}, {100, 140}, {1192, 1232}, {1193, 1232}, {1460, 1232}, {65535, 1232}} {
		e, _, _ := engine6()
		n, why := e.Error(0, &Cause{Kind: PortUnreachable, Packet: walked(packet6("2001:db8::2", "2001:db8::1", wire.ProtoUDP, make([]byte, c[0])))})
		if n != wire.ICMP6Len+c[1] || why != NotSuppressed {
			t.Errorf("of %d: quoted %d, %s", c[0], n-wire.ICMP6Len, why)
		}
	}
}

// TestKinds6 sends an error of every kind and hears it again.
func TestKinds6(t *testing.T) {
	udp := append([]byte{0x12, 0x34, 0, 53, 0, 8, 0, 0}, make([]byte, 1452)...)
	for _, c := range []struct {
		kind      Kind
		typ, code uint8
		heard     Kind
		errno     syscall.Errno
		hard      bool
	}{
		{NetUnreachable, 1, 0, NoRoute, syscall.EHOSTUNREACH, false},
		{HostUnreachable, 1, 3, HostUnreachable, syscall.EHOSTUNREACH, false},
		{ProtoUnreachable, 4, 1, ProtoUnreachable, syscall.ECONNREFUSED, false},
		{PortUnreachable, 1, 4, PortUnreachable, syscall.ECONNREFUSED, true},
		{PacketTooBig, 2, 0, PacketTooBig, syscall.EMSGSIZE, false},
		{SourceRouteFailed, 1, 7, SourceRouteFailed, syscall.EHOSTUNREACH, false},
		{Prohibited, 1, 1, Prohibited, syscall.ECONNREFUSED, true},
		{TTLExceeded, 3, 0, TTLExceeded, syscall.EHOSTUNREACH, false},
		{ReassemblyExceeded, 3, 1, ReassemblyExceeded, 0, false},
		{ParamProblem, 4, 10, ParamProblem, syscall.ENOPROTOOPT, false},
		{NoRoute, 1, 0, NoRoute, syscall.EHOSTUNREACH, false},
		{BeyondScope, 1, 2, BeyondScope, syscall.ENOPROTOOPT, false},
		{SourcePolicy, 1, 5, SourcePolicy, syscall.ECONNREFUSED, true},
		{RejectRoute, 1, 6, RejectRoute, syscall.ECONNREFUSED, true},
		{HeadersTooLong, 1, 8, HeadersTooLong, syscall.EHOSTUNREACH, false},
		{Unknown, 1, 3, HostUnreachable, syscall.EHOSTUNREACH, false},
	} {
		cause := Cause{Kind: c.kind, Packet: walked(packet6("2001:db8::2", "2001:db8:1::7", wire.ProtoUDP, udp)), MTU: 1400, Pointer: 1 << 20, Code: 10}
		e, _, stats := engine6()
		n, _ := e.Error(0, &cause)
		b := make(wire.ICMP6, n)
		cause.Put(b)
		b.SetChecksum(us6, peer6)
		a := e.Input(0, &Received6{Src: us6, Dst: peer6, Message: b, Verify: true})
		r := a.Report
		if b.Type() != c.typ || b.Code() != c.code || a.Action != Tell || r.Kind != c.heard || r.Src != peer6 || r.Dst != far6 || r.DstPort != 53 || r.SrcPort != 0x1234 || !r.Ports || r.Proto != wire.ProtoUDP || r.Code != c.code {
			t.Errorf("%s: type %d code %d, %+v", c.kind, b.Type(), b.Code(), a)
		}
		if r.Kind.Errno() != c.errno || r.Hard() != c.hard || r.Kind.String() == "" {
			t.Errorf("%s: errno %v, hard %v", c.kind, r.Kind.Errno(), r.Hard())
		}
		if (r.MTU == 1400) != (c.kind == PacketTooBig) || (r.Pointer == 1<<20) != (c.typ == 4) {
			t.Errorf("%s: mtu %d, pointer %d", c.kind, r.MTU, r.Pointer)
		}
		if stats.OutUnreachable+stats.OutTooBig+stats.OutTimeExceeded+stats.OutParamProblem != 1 || stats.InUnreachable+stats.InTooBig+stats.InTimeExceeded+stats.InParamProblem != 1 {
			t.Errorf("%s: %+v", c.kind, *stats)
		}
	}
}

// TestKindsOfTheOther: a kind that only ICMPv6 has takes an ICMPv4 form too.
func TestKindsOfTheOther(t *testing.T) {
	for k, want := range map[Kind]Kind{NoRoute: HostUnreachable, BeyondScope: HostUnreachable, SourcePolicy: Prohibited, RejectRoute: HostUnreachable, HeadersTooLong: HostUnreachable, Unknown: HostUnreachable} {
		e, _, _ := engine()
		cause := Cause{Kind: k, Packet: wire.Packet4(packet("192.0.2.2", "198.51.100.7", wire.ProtoUDP, make([]byte, 8), nil))}
		n, _ := e.Error(0, &cause)
		b := make([]byte, n)
		cause.Put(b)
		if a := e.Input(0, &Received{Src: us, Dst: peer, Message: b, Verify: true}); a.Report.Kind != want || a.Report.Hard() {
			t.Errorf("%s is heard as %+v", k, a)
		}
	}
	if r := (Report{Kind: ProtoUnreachable, Dst: peer}); !r.Hard() {
		t.Error("RFC 1122 §4.2.3.9: protocol unreachable is hard")
	}
}

// TestInput6: everything that Input can say of a message.
func TestInput6(t *testing.T) {
	with := func(next uint8, payload ...[]byte) []byte {
		return packet6("2001:db8::1", "2001:db8:1::7", next, join(payload...))
	}
	group := packet6("2001:db8::1", "ff0e::5", wire.ProtoUDP, append([]byte{0, 1, 0, 2}, make([]byte, 1496)...))[:1232]
	behind := with(wire.ProtoHopByHop, destOpts(wire.ProtoDestOpts, 5), destOpts(wire.ProtoTCP, 0x9e), tcp6())
	for _, c := range []struct {
		name     string
		m        wire.ICMP6
		src, dst string
		want     Action
		drop     Drop
		kind     Kind
		proto    uint8
	}{
		{name: "echo", m: icmp6(128, 0, 1, make([]byte, 9)), want: Reply},
		{name: "echo to a group", m: icmp6(128, 0, 1, nil), dst: "ff02::1", want: Reply},
		{name: "echo from a group", m: icmp6(128, 0, 1, nil), src: "ff02::1", drop: DropSource},
		{name: "echo from nobody", m: icmp6(128, 0, 1, nil), src: "::", drop: DropSource},
		{name: "echo of another code", m: icmp6(128, 1, 1, nil), drop: DropCode},
		{name: "echo reply", m: icmp6(129, 0, 1, nil)},
		{name: "unknown information", m: icmp6(200, 3, 1, nil)},
		{name: "node information", m: icmp6(139, 0, 1, nil)},
		{name: "unreachable", m: icmp6(1, 0, 0, quote6()), want: Tell, kind: NoRoute, proto: wire.ProtoTCP},
		{name: "unreachable, unknown code", m: icmp6(1, 9, 0, quote6()), drop: DropCode},
		{name: "unreachable, no quote", m: icmp6(1, 0, 0, quote6()[:39]), drop: DropLength},
		{name: "unreachable, quoted behind options", m: icmp6(1, 4, 0, behind), want: Tell, kind: PortUnreachable, proto: wire.ProtoTCP},
		{name: "unreachable, first fragment quoted", m: icmp6(1, 4, 0, with(wire.ProtoFragment, frag6(wire.ProtoTCP, 0, true), tcp6())), want: Tell, kind: PortUnreachable, proto: wire.ProtoTCP},
		{name: "unreachable, later fragment quoted (d)", m: icmp6(1, 4, 0, with(wire.ProtoFragment, frag6(wire.ProtoTCP, 8, true), tcp6())), drop: DropQuote},
		{name: "unreachable, quote ends in headers (d)", m: icmp6(1, 4, 0, behind[:50]), drop: DropQuote},
		{name: "unreachable, group quoted", m: icmp6(1, 0, 0, group), drop: DropQuote},
		{name: "unreachable to a group", m: icmp6(1, 0, 0, quote6()), dst: "ff02::1", drop: DropQuote},
		{name: "unreachable about echo", m: icmp6(1, 3, 0, with(wire.ProtoICMPv6, icmp6(128, 0, 5, nil))), want: Tell, kind: HostUnreachable, proto: wire.ProtoICMPv6},
		{name: "time exceeded, unknown code", m: icmp6(3, 2, 0, quote6()), drop: DropCode},
		{name: "option, group quoted", m: icmp6(4, 2, 42, group), want: Tell, kind: ParamProblem, proto: wire.ProtoUDP},
		{name: "header, group quoted", m: icmp6(4, 0, 42, group), drop: DropQuote},
		{name: "parameter problem, unknown code", m: icmp6(4, 11, 0, quote6()), drop: DropCode},
		{name: "too big", m: icmp6(2, 0, 1400, quote6()), want: Tell, kind: PacketTooBig, proto: wire.ProtoTCP},
		{name: "too big, the code is ignored", m: icmp6(2, 77, 1400, quote6()), want: Tell, kind: PacketTooBig, proto: wire.ProtoTCP},
		{name: "too big, least", m: icmp6(2, 0, 1280, quote6()), want: Tell, kind: PacketTooBig, proto: wire.ProtoTCP},
		{name: "too big, below the least", m: icmp6(2, 0, 1279, quote6()), drop: DropMTU},
		{name: "too big, as big as the packet", m: icmp6(2, 0, 1500, quote6()), drop: DropMTU},
		{name: "too big, huge", m: icmp6(2, 0, 1<<31|1400, quote6()), drop: DropMTU},
		{name: "too big, group quoted", m: icmp6(2, 0, 1400, group), want: Tell, kind: PacketTooBig, proto: wire.ProtoUDP},
		{name: "too big, later fragment quoted", m: icmp6(2, 0, 1300, with(wire.ProtoFragment, frag6(wire.ProtoTCP, 8, true), tcp6())), want: Tell, kind: PacketTooBig, proto: wire.ProtoNoNext},
		{name: "unknown error (a)", m: icmp6(100, 9, 0, quote6()), want: Tell, kind: Unknown, proto: wire.ProtoTCP},
		{name: "type 0", m: icmp6(0, 0, 0, quote6()), want: Tell, kind: Unknown, proto: wire.ProtoTCP},
		{name: "unknown error without quote", m: icmp6(127, 0, 0, nil), drop: DropLength},
	} {
		e, _, stats := engine6()
		r := Received6{Src: peer6, Dst: us6, Message: c.m, Verify: true}
		if c.src != "" {
			r.Src = netip.MustParseAddr(c.src)
		}
		if c.dst != "" {
			r.Dst = netip.MustParseAddr(c.dst)
		}
		c.m.SetChecksum(r.Src, r.Dst)
		a := e.Input(0, &r)
		p := a.Report
		if a.Action != c.want || a.Drop != c.drop || !a.Raw || stats.Received != 1 || p.Kind != c.kind || p.Proto != c.proto {
			t.Errorf("%s: %+v, dropped for %q", c.name, a, a.Drop)
		}
		seq, ok := p.TCPSeq()
		if tcp := c.proto == wire.ProtoTCP; ok != tcp || tcp && (seq != 0x01020304 || !p.Ports || p.SrcPort != 0x1234 || p.DstPort != 80 || p.Src != us6 || p.Dst != far6) {
			t.Errorf("%s: %+v", c.name, p)
		}
		if c.proto == wire.ProtoNoNext && (p.Ports || p.MTU != 1300) {
			t.Errorf("%s: %+v", c.name, p)
		}
		c.m[len(c.m)-1] ^= 1
		if a := e.Input(0, &r); a.Drop != DropChecksum || a.Raw || stats.Checksum != 1 {
			t.Errorf("%s, damaged: %+v", c.name, a)
		}
	}
}

// TestRFC4443_4_2_EchoReply: the reply's checksum is right between the same two
// addresses.
func TestRFC4443_4_2_EchoReply(t *testing.T) {
	e, _, _ := engine6()
	m := icmp6(128, 0, 0x12340001, []byte("data"))
	m.SetChecksum(peer6, us6)
	a := e.Input(0, &Received6{Src: peer6, Dst: us6, Message: m, Verify: true})
	if a.Put6(m); m.Type() != wire.ICMP6EchoReply || m.Rest() != 0x12340001 || string(m.Payload()) != "data" || !m.ChecksumOK(us6, peer6) {
		t.Errorf("%x", []byte(m))
	}
}

// TestRFC4443_2_4_f_Bucket: a bucket for each class, filled in a second.
func TestRFC4443_2_4_f_Bucket(t *testing.T) {
	e, tun, stats := engine6()
	now := clock.Time(time.Hour)
	p := walked(packet6("2001:db8::2", "2001:db8::1", wire.ProtoUDP, make([]byte, 8)))
	send := func(tries int) (n int) {
		for range tries {
			if _, why := e.Error(now, &Cause{Kind: PortUnreachable, Packet: p}); why == NotSuppressed {
				n++
			} else if why != SuppressedLimit {
				t.Fatal(why)
			}
		}
		return n
	}
	if n := send(150); n != 100 {
		t.Errorf("%d at once", n)
	}
	if d := e.Input(now, &Received6{Src: peer6, Dst: us6, Message: icmp6(128, 0, 1, nil)}).Drop; d != NotDropped {
		t.Errorf("another class: %s", d)
	}
	now = now.Add(9 * time.Millisecond)
	if n := send(1); n != 0 {
		t.Error("one after 9 ms")
	}
	now = now.Add(time.Millisecond)
	if n := send(9); n != 1 {
		t.Errorf("%d after 10 ms", n)
	}
	now = now.Add(500 * time.Millisecond)
	if n := send(99); n != 50 {
		t.Errorf("%d after half a second", n)
	}
	now = now.Add(time.Hour)
	if n := send(150); n != 100 {
		t.Errorf("%d after an hour", n)
	}
	if stats.Limited != 50+1+8+49+50 {
		t.Errorf("%d limited", stats.Limited)
	}
	if tun.ErrorLimit = -1; send(500) != 500 || !e.Allow(now, ClassResetOpen) {
		t.Error("limited without limit")
	}
	if tun.ErrorLimit = 0; send(5) != 0 {
		t.Error("not limited to none")
	}
	if tun.ErrorLimit = 1<<31 - 1; send(500) != 500 {
		t.Error("limited to nearly none")
	}
	now = now.Add(2 * time.Second)
	if tun.ErrorLimit = 1; send(5) != 1 {
		t.Error("not limited to one")
	}
}

// FuzzInput6: no message does harm, an answered one becomes a right reply, and
// an error is never answered with an error.
func FuzzInput6(f *testing.F) {
	f.Add([]byte(icmp6(128, 0, 1, []byte("hello"))), byte(0))
	f.Add([]byte(icmp6(1, 4, 0, quote6())), byte(3))
	f.Add([]byte(icmp6(2, 0, 1400, quote6())), byte(4))
	f.Add([]byte(icmp6(100, 0, 0, quote6())), byte(9))
	f.Fuzz(func(t *testing.T, given []byte, k byte) {
		b := bytes.Clone(given)
		m, fault := wire.ParseICMP6(b)
		if fault != wire.OK || len(b) > 1460 {
			return
		}
		m.SetChecksum(peer6, us6)
		e, _, _ := engine6()
		isError := m.IsError()
		a := e.Input(0, &Received6{Src: peer6, Dst: us6, Message: m, Verify: true})
		switch {
		case a.Drop == DropChecksum:
			t.Fatal("checksum")
		case a.Action == Reply:
			if a.Put6(m); !m.ChecksumOK(us6, peer6) || isError {
				t.Fatalf("reply %x", b)
			}
		case a.Action == Tell:
			a.Report.TCPSeq()
			if !isError || a.Report.Kind == PacketTooBig && a.Report.MTU < MinMTU6 {
				t.Fatalf("%+v", a)
			}
		}
		c := Cause{Kind: Kind(k) % kinds, Packet: walked(packet6("2001:db8::2", "2001:db8::1", wire.ProtoICMPv6, b))}
		n, why := e.Error(0, &c)
		if (isError || b[0] == wire.ICMP6Redirect) != (why == SuppressedError) {
			t.Fatalf("an error about %x: %s", b, why)
		}
		if why == NotSuppressed {
			out := make(wire.ICMP6, n)
			if c.Put(out); n > MinMTU6-wire.IPv6Len || out[2]|out[3] != 0 {
				t.Fatalf("%x", out)
			}
		}
	})
}

func TestNoAllocation6(t *testing.T) {
	e, tun, _ := engine6()
	tun.ErrorLimit = -1
	m, b := icmp6(128, 0, 1, make([]byte, 56)), make([]byte, 1280)
	echo := Received6{Src: peer6, Dst: us6, Message: m, Verify: true}
	heard := Received6{Src: peer6, Dst: us6, Message: icmp6(2, 0, 1400, quote6())}
	cause := Cause{Kind: PortUnreachable, Packet: walked(packet6("2001:db8::2", "2001:db8::1", wire.ProtoUDP, make([]byte, 100)))}
	if n := testing.AllocsPerRun(100, func() {
		wire.PutICMP6(m, 128, 0, 1)
		m.SetChecksum(peer6, us6)
		a := e.Input(0, &echo)
		a.Put6(m)
		e.Input(0, &heard)
		n, _ := e.Error(0, &cause)
		cause.Put(b[:n])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEcho6(b *testing.B) {
	e, tun, _ := engine6()
	tun.ErrorLimit = -1
	m := icmp6(128, 0, 1, make([]byte, 56))
	r := Received6{Src: peer6, Dst: us6, Message: m}
	b.ReportAllocs()
	for b.Loop() {
		m[0] = wire.ICMP6EchoRequest
		a := e.Input(0, &r)
		a.Put6(m)
	}
}
