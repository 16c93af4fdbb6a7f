package icmp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

var (
	us   = netip.MustParseAddr("192.0.2.1")
	peer = netip.MustParseAddr("192.0.2.2")
)

// packet builds an IPv4 packet.
func packet(src, dst string, proto uint8, payload []byte, change func(*wire.IPv4Header)) wire.IPv4 {
	h := wire.IPv4Header{TTL: 64, Proto: proto, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)}
	if change != nil {
		change(&h)
	}
	b := make([]byte, h.Len()+len(payload))
	copy(b[wire.PutIPv4(b, &h, len(payload)):], payload)
	return b
}

// message builds an ICMP message.
func message(typ, code uint8, rest uint32, payload []byte) wire.ICMP4 {
	b := make([]byte, wire.ICMP4Len+len(payload))
	copy(b[wire.ICMP4Len:], payload)
	wire.PutICMP4(b, typ, code, rest, len(payload))
	return b
}

// quote is the beginning of a TCP segment of 1,500 bytes that we sent.
func quote() []byte {
	return packet("192.0.2.1", "198.51.100.7", wire.ProtoTCP, append([]byte{0x12, 0x34, 0, 80, 1, 2, 3, 4}, make([]byte, 1472)...), nil)[:28]
}

// TestRFC1122_3_2_2_NoError: what must never cause an error.
func TestRFC1122_3_2_2_NoError(t *testing.T) {
	icmp := func(typ uint8) []byte { return message(typ, 0, 0, make([]byte, 28)) }
	for _, c := range []struct {
		name     string
		src, dst string
		proto    uint8
		payload  []byte
		change   func(*wire.IPv4Header)
		to, from bool
		want     Suppressed
	}{
		{name: "plain", want: NotSuppressed},
		{name: "first fragment", change: func(h *wire.IPv4Header) { h.MF = true }, want: NotSuppressed},
		{name: "later fragment", change: func(h *wire.IPv4Header) { h.FragOffset = 8 }, want: SuppressedFragment},
		{name: "echo", proto: wire.ProtoICMP, payload: icmp(wire.ICMP4Echo), want: NotSuppressed},
		{name: "unreachable", proto: wire.ProtoICMP, payload: icmp(wire.ICMP4Unreachable), want: SuppressedError},
		{name: "redirect", proto: wire.ProtoICMP, payload: icmp(wire.ICMP4Redirect), want: SuppressedError},
		{name: "quench", proto: wire.ProtoICMP, payload: icmp(wire.ICMP4SourceQuench), want: SuppressedError},
		{name: "time exceeded", proto: wire.ProtoICMP, payload: icmp(wire.ICMP4TimeExceeded), want: SuppressedError},
		{name: "parameter problem", proto: wire.ProtoICMP, payload: icmp(wire.ICMP4ParamProblem), want: SuppressedError},
		{name: "unknown icmp", proto: wire.ProtoICMP, payload: icmp(99), want: SuppressedError},
		{name: "empty icmp", proto: wire.ProtoICMP, payload: []byte{}, want: SuppressedError},
		{name: "to a group", dst: "224.0.0.5", want: SuppressedToMany},
		{name: "to everybody", dst: "255.255.255.255", want: SuppressedToMany},
		{name: "to the subnet or by link broadcast", to: true, want: SuppressedToMany},
		{name: "from zero", src: "0.0.0.0", want: SuppressedSource},
		{name: "from net zero", src: "0.1.2.3", want: SuppressedSource},
		{name: "from loopback", src: "127.0.0.1", want: SuppressedSource},
		{name: "within loopback", src: "127.0.0.1", dst: "127.0.0.1", want: NotSuppressed},
		{name: "from a group", src: "239.1.2.3", want: SuppressedSource},
		{name: "from class E", src: "240.0.0.1", want: SuppressedSource},
		{name: "from everybody", src: "255.255.255.255", want: SuppressedSource},
		{name: "from the subnet's broadcast", from: true, want: SuppressedSource},
	} {
		if c.src == "" {
			c.src = "192.0.2.2"
		}
		if c.dst == "" {
			c.dst = "192.0.2.1"
		}
		if c.payload == nil {
			c.proto, c.payload = wire.ProtoUDP, make([]byte, 16)
		}
		e, _, stats := engine()
		cause := Cause{Kind: HostUnreachable, Packet: wire.Packet4(packet(c.src, c.dst, c.proto, c.payload, c.change)), ToMany: c.to, FromMany: c.from}
		n, why := e.Error(0, &cause)
		sent := uint64(0)
		if why == NotSuppressed {
			sent = 1
		}
		if why != c.want || (n > 0) != (why == NotSuppressed) || stats.OutUnreachable != sent || stats.Suppressed+stats.OldICMP != 1-sent {
			t.Errorf("%s: %d bytes, %s, want %s; %+v", c.name, n, why, c.want, *stats)
		}
	}
}

// TestRFC1812_4_3_2_3_Length: as much as fits 576 bytes, never less than header
// and eight bytes, never more than there is.
func TestRFC1812_4_3_2_3_Length(t *testing.T) {
	options := func(h *wire.IPv4Header) { h.Options = make([]byte, 40) }
	for _, c := range []struct {
		payload, quotelen, want int
		change                  func(*wire.IPv4Header)
	}{
		{0, 548, 20, nil}, {4, 548, 24, nil}, {528, 548, 548, nil}, {529, 548, 548, nil}, {1480, 548, 548, nil},
		{1480, 28, 28, nil}, {1480, 28, 68, options}, {4, 28, 64, options}, {1480, 65507, 1500, nil},
	} {
		e, tun, _ := engine()
		tun.QuoteLen = int32(c.quotelen)
		n, why := e.Error(0, &Cause{Kind: PortUnreachable, Packet: wire.Packet4(packet("192.0.2.2", "192.0.2.1", wire.ProtoUDP, make([]byte, c.payload), c.change))})
		if n != 8+c.want || why != NotSuppressed {
			t.Errorf("%+v: quoted %d, %s", c, n-8, why)
		}
	}
}

// TestKinds sends an error of every kind and hears it again.
func TestKinds(t *testing.T) {
	sent := packet("192.0.2.2", "198.51.100.7", wire.ProtoUDP, []byte{0x12, 0x34, 0, 53, 0, 8, 0, 0}, nil)
	for _, c := range []struct {
		kind  Kind
		errno syscall.Errno
		hard  bool
	}{
		{NetUnreachable, syscall.EHOSTUNREACH, false},
		{HostUnreachable, syscall.EHOSTUNREACH, false},
		{ProtoUnreachable, syscall.ECONNREFUSED, true},
		{PortUnreachable, syscall.ECONNREFUSED, true},
		{PacketTooBig, syscall.EMSGSIZE, true},
		{SourceRouteFailed, syscall.EHOSTUNREACH, false},
		{Prohibited, syscall.ECONNREFUSED, false},
		{TTLExceeded, syscall.EHOSTUNREACH, false},
		{ReassemblyExceeded, 0, false},
		{ParamProblem, syscall.ENOPROTOOPT, false},
	} {
		cause := Cause{Kind: c.kind, Packet: wire.Packet4(packet("192.0.2.2", "198.51.100.7", wire.ProtoUDP, make([]byte, 100), nil)), MTU: 100, Pointer: 9}
		copy(cause.Packet.Bytes()[20:], sent[20:])
		e, _, stats := engine()
		n, _ := e.Error(0, &cause)
		b := make([]byte, n)
		cause.Put(b)
		a := e.Input(0, &Received{Src: us, Dst: peer, Message: b, Verify: true})
		r := a.Report
		if a.Action != Tell || r.Kind != c.kind || r.Src != peer || r.DstPort != 53 || r.SrcPort != 0x1234 || !r.Ports || r.Proto != wire.ProtoUDP {
			t.Errorf("%s: %+v", c.kind, a)
		}
		if r.Kind.Errno() != c.errno || r.Kind.Hard() != c.hard || r.Kind.String() == "" {
			t.Errorf("%s: errno %v, hard %v", c.kind, r.Kind.Errno(), r.Kind.Hard())
		}
		if (r.MTU == 100) != (c.kind == PacketTooBig) || (r.Pointer == 9) != (c.kind == ParamProblem) {
			t.Errorf("%s: mtu %d, pointer %d", c.kind, r.MTU, r.Pointer)
		}
		if stats.OutUnreachable+stats.OutTimeExceeded+stats.OutParamProblem != 1 || stats.InUnreachable+stats.InTimeExceeded+stats.InParamProblem != 1 {
			t.Errorf("%s: %+v", c.kind, *stats)
		}
	}
}

// TestInput: everything that Input can say of a message.
func TestInput(t *testing.T) {
	stamp := make([]byte, 12)
	gateway := uint32(192)<<24 | 2<<8 | 254
	group := packet("192.0.2.1", "239.1.1.1", wire.ProtoUDP, make([]byte, 8), nil)
	later := packet("192.0.2.1", "198.51.100.7", wire.ProtoUDP, make([]byte, 8), func(h *wire.IPv4Header) { h.FragOffset = 8 })
	for _, c := range []struct {
		name     string
		m        wire.ICMP4
		src      string
		to, from bool
		set      func(*Tunables)
		want     Action
		drop     Drop
		raw      bool
	}{
		{name: "echo", m: message(8, 0, 1, stamp), want: Reply},
		{name: "echo to many", m: message(8, 0, 1, nil), to: true, drop: DropToMany},
		{name: "echo to many, wanted", m: message(8, 0, 1, nil), to: true, set: func(t *Tunables) { t.BroadcastEcho = 1 }, want: Reply},
		{name: "echo from a group", m: message(8, 0, 1, nil), src: "224.0.0.1", drop: DropSource},
		{name: "echo from nobody", m: message(8, 0, 1, nil), src: "0.0.0.0", drop: DropSource},
		{name: "echo from the subnet", m: message(8, 0, 1, nil), from: true, drop: DropSource},
		{name: "echo reply", m: message(0, 0, 1, nil), raw: true},
		{name: "time stamp", m: message(13, 0, 1, stamp), want: Reply},
		{name: "time stamp, short", m: message(13, 0, 1, stamp[:11]), drop: DropLength},
		{name: "time stamp to many", m: message(13, 0, 1, stamp), to: true, drop: DropToMany},
		{name: "time stamp, not wanted", m: message(13, 0, 1, stamp), set: func(t *Tunables) { t.TimestampReply = 0 }, drop: DropDisabled},
		{name: "time stamp reply", m: message(14, 0, 1, stamp), raw: true},
		{name: "unknown type", m: message(77, 0, 1, stamp), raw: true},
		{name: "router advertisement", m: message(9, 0, 1, stamp), raw: true},
		{name: "source quench", m: message(4, 0, 0, quote()), drop: DropQuench, raw: true},
		{name: "unreachable", m: message(3, 15, 0, quote()), want: Tell, raw: true},
		{name: "unreachable, later fragment", m: message(3, 1, 0, later), want: Tell, raw: true},
		{name: "unreachable, unknown code", m: message(3, 16, 0, quote()), drop: DropCode, raw: true},
		{name: "unreachable, short quote", m: message(3, 1, 0, quote()[:19]), drop: DropLength, raw: true},
		{name: "unreachable, group quoted", m: message(3, 1, 0, group), drop: DropQuote, raw: true},
		{name: "unreachable to many", m: message(3, 1, 0, quote()), to: true, drop: DropQuote, raw: true},
		{name: "time exceeded, unknown code", m: message(11, 2, 0, quote()), drop: DropCode, raw: true},
		{name: "option missing", m: message(12, 1, 0, quote()), want: Tell, raw: true},
		{name: "parameter problem, unknown code", m: message(12, 3, 0, quote()), drop: DropCode, raw: true},
		{name: "too big", m: message(3, 4, 1400, quote()), want: Tell, raw: true},
		{name: "too big, as big as the packet", m: message(3, 4, 1500, quote()), drop: DropMTU, raw: true},
		{name: "too big, too small", m: message(3, 4, 67, quote()), drop: DropMTU, raw: true},
		{name: "redirect", m: message(5, 1, gateway, quote()), want: Redirect, raw: true},
		{name: "redirect, off", m: message(5, 1, gateway, quote()), set: func(t *Tunables) { t.DropRedirect = 1 }, drop: DropRedirect, raw: true},
		{name: "redirect, unknown code", m: message(5, 4, gateway, quote()), drop: DropCode, raw: true},
		{name: "redirect to a group", m: message(5, 1, 224<<24|1, quote()), drop: DropSource, raw: true},
		{name: "redirect without quote", m: message(5, 1, gateway, nil), drop: DropLength, raw: true},
	} {
		e, tun, stats := engine()
		if c.set != nil {
			c.set(tun)
		}
		src := peer
		if c.src != "" {
			src = netip.MustParseAddr(c.src)
		}
		a := e.Input(0, &Received{Src: src, Dst: us, Message: c.m, Verify: true, ToMany: c.to, FromMany: c.from})
		if a.Action != c.want || a.Drop != c.drop || a.Raw != c.raw || stats.Received != 1 {
			t.Errorf("%s: %+v, dropped for %q", c.name, a, a.Drop)
		}
		if a.Action == Redirect && a.Report.Gateway != netip.MustParseAddr("192.0.2.254") {
			t.Errorf("gateway %s", a.Report.Gateway)
		}
		c.m[len(c.m)-1] ^= 1
		if a := e.Input(0, &Received{Src: src, Dst: us, Message: c.m, Verify: true}); a.Drop != DropChecksum || a.Raw {
			t.Errorf("%s, damaged: %+v", c.name, a)
		}
	}
}

// TestRFC1122_3_2_2_8_Timestamp: the reply carries the time twice and keeps the
// originate time and the checksum right.
func TestRFC1122_3_2_2_8_Timestamp(t *testing.T) {
	e, _, _ := engine()
	m := message(wire.ICMP4Timestamp, 0, 0x12340001, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	a := e.Input(0, &Received{Src: peer, Dst: us, Message: m})
	a.Put(m, 43_200_000)
	u := func(at int) uint32 { return binary.BigEndian.Uint32(m[at:]) }
	if m.Type() != wire.ICMP4TimestampReply || !m.ChecksumOK() || u(8) != 0x01020304 || u(12) != 43_200_000 || u(16) != 43_200_000 {
		t.Errorf("%x", []byte(m))
	}
}

// TestLimit: so many per second and class, and as many again the second after.
func TestLimit(t *testing.T) {
	e, tun, stats := engine()
	tun.Limit = 3
	now := clock.Time(time.Hour)
	send := func() (n int) {
		for range 10 {
			if _, why := e.Error(now, &Cause{Kind: PortUnreachable, Packet: wire.Packet4(packet("192.0.2.2", "192.0.2.1", wire.ProtoUDP, make([]byte, 8), nil))}); why == NotSuppressed {
				n++
			} else if why != SuppressedLimit {
				t.Fatal(why)
			}
		}
		return n
	}
	echo := func() Drop {
		return e.Input(now, &Received{Src: peer, Dst: us, Message: message(8, 0, 1, nil)}).Drop
	}
	if n := send(); n != 3 {
		t.Errorf("%d in the first second", n)
	}
	now = now.Add(999 * time.Millisecond)
	if n := send(); n != 0 {
		t.Errorf("%d more", n)
	}
	if d := echo(); d != NotDropped {
		t.Errorf("another class: %s", d)
	}
	now = now.Add(time.Millisecond)
	if n := send(); n != 3 {
		t.Errorf("%d in the next second", n)
	}
	for range 3 {
		echo()
	}
	if d := echo(); d != DropLimit {
		t.Errorf("echo: %s", d)
	}
	if tun.Limit = 0; send() != 10 || !e.Allow(now, ClassResetClosed) {
		t.Error("limited without limit")
	}
	// The echo second began with the first echo and is not over yet.
	if stats.Limited != 7+10+7+2 {
		t.Errorf("%d limited", stats.Limited)
	}
}

// TestRFC1191_7_Plateau: what to try when a router does not tell.
func TestRFC1191_7_Plateau(t *testing.T) {
	for _, c := range [][2]int{{65536, 65535}, {65535, 32000}, {1500, 1492}, {1492, 1006}, {1006, 508}, {300, 296}, {296, 68}, {68, 68}, {0, 68}} {
		if got := Plateau(c[0]); got != c[1] {
			t.Errorf("below %d: %d, want %d", c[0], got, c[1])
		}
	}
	e, _, stats := engine()
	if a := e.Input(0, &Received{Src: peer, Dst: us, Message: message(3, 4, 0, quote())}); a.Report.MTU != 1492 {
		t.Errorf("an old router's message means %d", a.Report.MTU)
	}
	tiny := packet("192.0.2.1", "198.51.100.7", wire.ProtoUDP, make([]byte, 48), nil)
	if a := e.Input(0, &Received{Src: peer, Dst: us, Message: message(3, 4, 0, tiny)}); a.Drop != DropMTU || stats.BadMTU != 1 {
		t.Errorf("a packet of 68 bytes is too big: %+v", a)
	}
}

// TestRFC5927_4_1_Sequence: the number by which TCP tells a forgery.
func TestRFC5927_4_1_Sequence(t *testing.T) {
	e, _, _ := engine()
	r := e.Input(0, &Received{Src: peer, Dst: us, Message: message(3, 3, 0, quote())}).Report
	if seq, ok := r.TCPSeq(); seq != 0x01020304 || !ok {
		t.Errorf("%#x %v", seq, ok)
	}
	r = e.Input(0, &Received{Src: peer, Dst: us, Message: message(3, 3, 0, quote()[:27])}).Report
	if _, ok := r.TCPSeq(); ok || !r.Ports {
		t.Error("a number from a short quote")
	}
}

// TestFamilies: the room's judgement of addresses knows both.
func TestFamilies(t *testing.T) {
	for a, want := range map[string]bool{"2001:db8::1": true, "fe80::1": true, "::": false, "ff02::1": false, "::1": false, "192.0.2.1": true} {
		if isHost(netip.MustParseAddr(a), peer) != want {
			t.Error(a)
		}
	}
	if !isHost(netip.IPv6Loopback(), netip.IPv6Loopback()) {
		t.Error("loopback within the host")
	}
}

func TestNames(t *testing.T) {
	for d := NotDropped; d <= DropQuench; d++ {
		if d.String() == "" {
			t.Error(d)
		}
	}
	for s := NotSuppressed; s <= SuppressedLimit; s++ {
		if strings.TrimSpace(s.String()) == "" {
			t.Error(s)
		}
	}
}

// FuzzInput: no message does harm, an answered one becomes a right reply, and
// an error is never answered with an error.
func FuzzInput(f *testing.F) {
	f.Add([]byte(message(8, 0, 1, []byte("hello"))), byte(0))
	f.Add([]byte(message(13, 0, 1, make([]byte, 12))), byte(0))
	f.Add([]byte(message(3, 4, 1400, quote())), byte(4))
	f.Add([]byte(message(5, 1, 0xc00002fe, quote())), byte(5))
	f.Add([]byte(message(8, 0, 0, nil)), byte(0))
	f.Fuzz(func(t *testing.T, given []byte, k byte) {
		b := bytes.Clone(given)
		m, fault := wire.ParseICMP4(b)
		if fault != wire.OK || len(b) > 1480 {
			return
		}
		wire.PutICMP4(b, m.Type(), m.Code(), m.Rest(), len(b)-wire.ICMP4Len)
		e, _, _ := engine()
		isError := m.IsError()
		a := e.Input(0, &Received{Src: peer, Dst: us, Message: m, Verify: true})
		switch {
		case a.Drop == DropChecksum:
			t.Fatal("checksum")
		case a.Action == Reply:
			if a.Put(m, 7); !m.ChecksumOK() || a.Raw || isError {
				t.Fatalf("reply %x", b)
			}
		case a.Action == Tell || a.Action == Redirect:
			a.Report.TCPSeq()
			if !isError || a.Report.Kind == PacketTooBig && a.Report.MTU < MinMTU {
				t.Fatalf("%+v", a)
			}
		}
		c := Cause{Kind: Kind(k) % kinds, Packet: wire.Packet4(packet("192.0.2.2", "192.0.2.1", wire.ProtoICMP, b, nil))}
		n, why := e.Error(0, &c)
		if isError != (why == SuppressedError) && isQuery(b) {
			t.Fatalf("an error about %x: %s", b, why)
		}
		if why == NotSuppressed {
			out := make([]byte, n)
			if c.Put(out); !wire.ICMP4(out).ChecksumOK() || n > 556 {
				t.Fatalf("%x", out)
			}
		}
	})
}

func TestNoAllocation(t *testing.T) {
	e, tun, _ := engine()
	tun.Limit = 0
	m, b := message(8, 0, 1, make([]byte, 56)), make([]byte, 576)
	echo := Received{Src: peer, Dst: us, Message: m, Verify: true}
	cause := Cause{Kind: PortUnreachable, Packet: wire.Packet4(packet("192.0.2.2", "192.0.2.1", wire.ProtoUDP, make([]byte, 100), nil))}
	if n := testing.AllocsPerRun(100, func() {
		m[0] = wire.ICMP4Echo
		wire.PutICMP4(m, 8, 0, 1, 56)
		a := e.Input(0, &echo)
		a.Put(m, 0)
		n, _ := e.Error(0, &cause)
		cause.Put(b[:n])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEcho(b *testing.B) {
	e, tun, _ := engine()
	tun.Limit = 0
	m := message(8, 0, 1, make([]byte, 56))
	r := Received{Src: peer, Dst: us, Message: m}
	b.ReportAllocs()
	for range b.N {
		m[0] = wire.ICMP4Echo
		a := e.Input(0, &r)
		a.Put(m, 0)
	}
}
