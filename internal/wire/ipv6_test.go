package wire

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
)

func TestParseIPv6(t *testing.T) {
	good := make([]byte, IPv6Len+8)
	PutIPv6(good, &IPv6Header{NextHeader: ProtoUDP, HopLimit: 64, Src: addr("fe80::1"), Dst: addr("ff02::1")}, 8)
	with := func(at int, v byte) []byte {
		b := slices.Clone(good)
		b[at] = v
		return b
	}
	jumbo := with(5, 0)
	jumbo[6] = ProtoHopByHop
	for _, tc := range []struct {
		name string
		b    []byte
		want Fault
		n    int
	}{
		{"whole", good, OK, IPv6Len + 8},
		{"padded", append(slices.Clone(good), 1, 2, 3), OK, IPv6Len + 8},
		{"no payload", with(5, 0), OK, IPv6Len},
		{"empty", nil, Short, 0},
		{"39 bytes", good[:39], Short, 0},
		{"version 4", with(0, 0x45), BadVersion, 0},
		{"cut", good[:IPv6Len+7], BadLength, 0},
		{"longer than there is", with(4, 1), BadLength, 0},
		{"jumbogram", jumbo, BadLength, 0}, // RFC 2675 §2
	} {
		if p, f := ParseIPv6(tc.b); f != tc.want || len(p) != tc.n {
			t.Errorf("%s: %s, %d bytes; want %s, %d", tc.name, f, len(p), tc.want, tc.n)
		}
	}
}

func TestIPv6Fields(t *testing.T) {
	h := IPv6Header{TrafficClass: 0xa5, FlowLabel: 0x9beef, HopLimit: 3, NextHeader: ProtoTCP, Src: addr("2001:db8::1"), Dst: addr("::ffff:1.2.3.4")}
	b := bytes.Repeat([]byte{0xff}, IPv6Len+5)
	if n := PutIPv6(b, &h, 5); n != IPv6Len {
		t.Fatal(n)
	}
	p, f := ParseIPv6(b)
	if f != OK || p.Header() != h || p.PayloadLen() != 5 || len(p.Payload()) != 5 {
		t.Fatalf("%s %+v, want %+v", f, p.Header(), h)
	}
	if p.Src16() != h.Src.As16() || p.Dst16() != h.Dst.As16() || !p.Dst().Is4In6() {
		t.Error("addresses")
	}
	p.SetHopLimit(9)
	p.SetTrafficClass(0x1e)
	h.HopLimit, h.TrafficClass = 9, 0x1e
	if p.Header() != h {
		t.Errorf("%+v, want %+v", p.Header(), h)
	}
	PutIPv6(b, &IPv6Header{FlowLabel: 0xfff00001, Src: addr("fe80::1%eth0"), Dst: h.Dst}, 5)
	if p.FlowLabel() != 1 || p.TrafficClass() != 0 || p.Src() != addr("fe80::1") {
		t.Error("what does not fit a field changes others")
	}
	mustPanic(t, "PutIPv6 of 65536 bytes", func() { PutIPv6(b, &h, 65536) })
}

// RFC 4291 §2.7.1 gives the first as its example.
func TestSolicitedNode(t *testing.T) {
	for a, want := range map[string]string{"4037::01:800:200e:8c6c": "ff02::1:ff0e:8c6c", "::": "ff02::1:ff00:0", "fe80::ff:feff:ffff": "ff02::1:ffff:ffff"} {
		if got := SolicitedNode(addr(a)); got != addr(want) {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
	if got := MulticastMAC(SolicitedNode(addr("fe80::12:3456"))).String(); got != "33:33:ff:12:34:56" { // RFC 2464 §7
		t.Error(got)
	}
}

func TestPacket(t *testing.T) {
	b := make([]byte, 100, 200)
	h := IPv4Header{TTL: 7, TOS: 0x1c, Proto: ProtoUDP, Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Options: []byte{1, 1, 1, 1}}
	PutIPv4(b, &h, 30)
	p4, _ := ParseIPv4(b)
	check := func(k Packet, v6 bool, n, upper int, proto uint8, src, dst netip.Addr) {
		t.Helper()
		if !k.IsValid() || k.Is6() != v6 || k.Len() != n || len(k.Bytes()) != n || k.HeaderLen() != upper || k.Proto() != proto || k.IsFragment() {
			t.Errorf("%+v", k)
		}
		if k.TTL() != 7 || k.TOS() != 0x1c || k.Src() != src || k.Dst() != dst || len(k.Payload()) != n-upper {
			t.Errorf("ttl %d tos %#02x %s > %s %d", k.TTL(), k.TOS(), k.Src(), k.Dst(), len(k.Payload()))
		}
		if cap(k.Bytes()) != cap(b) {
			t.Error("the place in the buffer is lost")
		}
	}
	check(Packet4(p4), false, 54, 24, ProtoUDP, h.Src, h.Dst)
	if !bytes.Equal(Packet4(p4).V4(), p4) {
		t.Error("V4")
	}
	h.MF = true
	PutIPv4(b, &h, 30)
	if !Packet4(p4).IsFragment() {
		t.Error("no fragment")
	}

	h6 := IPv6Header{HopLimit: 7, TrafficClass: 0x1c, NextHeader: ProtoHopByHop, Src: addr("::ffff:1.2.3.4"), Dst: addr("ff02::2")}
	PutIPv6(b, &h6, 20)
	alert := RouterAlert6(ProtoICMPv6, 0)
	copy(b[IPv6Len:], alert[:])
	p6, _ := ParseIPv6(b)
	x := p6.Walk(&ExtLimits{}, WalkDest)
	check(Packet6(p6, &x), true, 60, 48, ProtoICMPv6, h6.Src, h6.Dst)
	if !bytes.Equal(Packet6(p6, &x).V6(), p6) {
		t.Error("V6")
	}
	b[IPv6Len] = ProtoFragment
	PutFragment6(b[48:], ProtoUDP, 8, false, 1)
	x = p6.Walk(&ExtLimits{}, WalkDest)
	if k := Packet6(p6, &x); !k.IsFragment() || k.Proto() != ProtoUDP || k.HeaderLen() != 48 {
		t.Errorf("%+v", k)
	}
	if (Packet{}).IsValid() {
		t.Error("the zero Packet is one")
	}
}

// No checksum is wrong over IPv6 (RFC 8200 §8.1), and a sum that comes out as
// zero is sent as all ones.
func TestUDPChecksumIPv6(t *testing.T) {
	src, dst := addr("2001:db8::1"), addr("2001:db8::2")
	u := UDP(make([]byte, UDPLen+2))
	PutUDP(u, 1, 2, 2)
	if u.ChecksumOK(src, dst) {
		t.Error("no checksum is right")
	}
	zero := false
	for v := range 65536 {
		u[8], u[9] = byte(v>>8), byte(v)
		u.SetChecksum(src, dst)
		zero = zero || u.Checksum() == 0xffff
		if u.Checksum() == 0 || !u.ChecksumOK(src, dst) {
			t.Fatalf("%x", u)
		}
		if v%0x1111 == 0 && u.ChecksumOK(src, addr("2001:db8::3")) {
			t.Fatal("the addresses do not count")
		}
	}
	if !zero {
		t.Error("no sum came out as zero")
	}
	b := make(TCP, TCPLen)
	PutTCP(b, &TCPHeader{SrcPort: 1, DstPort: 2, Flags: SYN})
	if !complete(b, ProtoTCP, src, dst) || !b.ChecksumOK(src, dst) || b.ChecksumOK(src, addr("2001:db8::3")) {
		t.Errorf("%x", b)
	}
}

func TestPseudoSum6(t *testing.T) {
	for _, a := range addrs("::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::fffe", "::ffff:1.2.3.4") {
		for _, b := range addrs("::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "8000::") {
			for _, n := range []int{0, 8, 65535, 0x12345} {
				s, d := a.As16(), b.As16()
				head := append(append(append([]byte{}, s[:]...), d[:]...), byte(n>>24), byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, ProtoTCP) // RFC 8200 §8.1
				if got, want := Fold(PseudoSum(a, b, ProtoTCP, n)), slowFold(slowSum(head, 0)); got != want {
					t.Errorf("%s %s %d: %#04x, want %#04x", a, b, n, got, want)
				}
			}
		}
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", name)
		}
	}()
	f()
}
