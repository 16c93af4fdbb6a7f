package wire

import (
	"bytes"
	"testing"
)

func TestICMP6(t *testing.T) {
	if _, f := ParseICMP6(make([]byte, 7)); f != Short {
		t.Error(f)
	}
	src, dst := addr("fe80::1"), addr("ff02::1")
	b := []byte{9, 9, 9, 9, 9, 9, 9, 9, 'd', 'a', 't'}
	PutICMP6(b, ICMP6EchoRequest, 3, 0x12345678)
	m, _ := ParseICMP6(b)
	if m.ChecksumOK(src, dst) {
		t.Error("no checksum is right") // RFC 4443 §2.3 knows no exception
	}
	m.SetChecksum(src, dst)
	if !m.ChecksumOK(src, dst) || m.ChecksumOK(src, addr("ff02::2")) || m.Checksum() == 0 {
		t.Error("checksum")
	}
	if m.Type() != ICMP6EchoRequest || m.Code() != 3 || m.Rest() != 0x12345678 || m.ID() != 0x1234 || m.Seq() != 0x5678 ||
		m.MTU() != 0x12345678 || m.Pointer() != 0x12345678 || string(m.Payload()) != "dat" || m.IsError() {
		t.Errorf("%x", b)
	}
}

// errorAbout returns an error of this type that quotes the packet.
func errorAbout(typ uint8, rest uint32, quote []byte) ICMP6 {
	b := append(make([]byte, ICMP6Len), quote...)
	PutICMP6(b, typ, 0, rest)
	return b
}

func TestICMP6Quoted(t *testing.T) {
	alert := RouterAlert6(ProtoUDP, 0)
	plain := chainOf(ProtoUDP, udp8)
	frag := chainOf(ProtoHopByHop, options(44), fragmentOf(60, 0, true, 0), options(17), udp8)
	later := chainOf(ProtoFragment, fragmentOf(17, 8, false, 0), udp8)
	extended := append(bytes.Clone(chainOf(ProtoUDP, make([]byte, 88))), 0x20, 0, 0, 0) // RFC 4884: 128 bytes, then extensions
	for _, tc := range []struct {
		name  string
		m     ICMP6
		fault Fault
		n     int
		proto uint8
		ports bool
	}{
		{"plain", errorAbout(ICMP6Unreachable, 0, plain), OK, 48, ProtoUDP, true},
		{"too big", errorAbout(ICMP6TooBig, 1280, plain), OK, 48, ProtoUDP, true},
		{"pointer is no length", errorAbout(ICMP6ParamProblem, 0x10000000, extended), OK, 128, ProtoUDP, true},
		{"extensions", errorAbout(ICMP6TimeExceeded, 0x10000000, extended), OK, 128, ProtoUDP, true},
		{"cut", errorAbout(ICMP6Unreachable, 0, plain[:44]), OK, 44, ProtoUDP, true},
		{"cut in the ports", errorAbout(ICMP6Unreachable, 0, plain[:43]), OK, 43, ProtoUDP, false},
		{"hop-by-hop", errorAbout(ICMP6Unreachable, 0, chainOf(0, alert[:], udp8)), OK, 56, ProtoUDP, true},
		{"cut in the options", errorAbout(ICMP6Unreachable, 0, chainOf(0, alert[:], udp8)[:47]), OK, 47, 0, false},
		{"first fragment", errorAbout(ICMP6TimeExceeded, 0, frag), OK, 72, ProtoUDP, true},
		{"cut in the fragment header", errorAbout(ICMP6TimeExceeded, 0, frag[:55]), OK, 55, 0, false},
		{"cut behind the fragment header", errorAbout(ICMP6TimeExceeded, 0, frag[:56]), OK, 56, 0, false},
		{"later fragment", errorAbout(ICMP6Unreachable, 0, later), OK, 56, 0, false},
		{"no header", errorAbout(ICMP6Unreachable, 0, plain[:39]), Short, 0, 0, false},
		{"IPv4", errorAbout(ICMP6Unreachable, 0, append([]byte{0x45}, plain[1:]...)), BadVersion, 0, 0, false},
		{"echo", errorAbout(ICMP6EchoReply, 0, plain), BadType, 0, 0, false},
		{"unknown error", errorAbout(5, 0, plain), BadType, 0, 0, false},
	} {
		q, f := tc.m.Quoted()
		if f != tc.fault || len(q) != tc.n {
			t.Errorf("%s: %s, %d bytes", tc.name, f, len(q))
			continue
		}
		if f != OK {
			continue
		}
		proto, src, dst, ok := q.Ports()
		if ok != tc.ports || ok && (proto != tc.proto) {
			t.Errorf("%s: proto %d ports %t", tc.name, proto, ok)
		}
		if ok && tc.name != "extensions" && tc.name != "pointer is no length" && (src != 1 || dst != 2) {
			t.Errorf("%s: ports %d %d", tc.name, src, dst)
		}
		if q.Src() != addr("fe80::1") || q.Dst() != addr("fe80::2") || q.Header().HopLimit != 1 || q.TotalLen() < len(q) {
			t.Errorf("%s: header", tc.name)
		}
	}
}

// What the reference kernel's sockets and router sent is summed right, whatever
// headers lie before it.
func TestCompleteIPv6(t *testing.T) {
	n := 0
	for _, file := range []string{"ndp_ra_radvd_slaac.pcap", "mld2_asm_join_leave.pcap", "tcp6_handshake_data_close.pcap", "frag6_udp_4000.pcap"} {
		all, err := frames6(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range all {
			x := p.Walk(&ExtLimits{}, WalkDest)
			k := Packet6(p, &x)
			was := bytes.Clone(p)
			if x.Fragment {
				if CompleteIPv6(p) || CompletePacket(k) || !bytes.Equal(p, was) {
					t.Errorf("%s %d: a fragment was completed", file, i)
				}
				continue
			}
			n++
			at := x.Off + icmp6Sum
			if k.Proto() == ProtoTCP {
				at = x.Off + tcpSum
			}
			p[at], p[at+1] = 0xa5, 0xa5
			if !CompletePacket(k) || !bytes.Equal(p, was) {
				t.Errorf("%s %d: CompletePacket: %x, want %x", file, i, []byte(p), was)
			}
			p[at], p[at+1] = 0xa5, 0xa5
			frame := append(make([]byte, EtherLen), p...)
			PutEther(frame, MAC{2}, MAC{4}, EtherTypeIPv6)
			if !CompleteIPv6(p) || !bytes.Equal(p, was) {
				t.Errorf("%s %d: CompleteIPv6", file, i)
			}
			if !CompleteEther(frame) || !bytes.Equal(frame[EtherLen:], was) {
				t.Errorf("%s %d: CompleteEther", file, i)
			}
		}
	}
	if n < 30 {
		t.Error("only", n, "packets")
	}
}

func TestCompleteIPv6LeavesTheRestAlone(t *testing.T) {
	tcp := make([]byte, TCPLen)
	for name, p := range map[string]IPv6{
		"routing header not done": chainOf(ProtoRouting, routing(17, 0, 1), udp8),
		"cut header":              chainOf(ProtoDestOpts, []byte{17, 1, 0, 0, 0, 0, 0, 0}),
		"short tcp":               chainOf(ProtoTCP, tcp[:19]),
		"short icmpv6":            chainOf(ProtoICMPv6, tcp[:7]),
		"no next header":          chainOf(ProtoNoNext, udp8),
		"icmp":                    chainOf(ProtoICMP, udp8),
	} {
		was := bytes.Clone(p)
		if CompleteIPv6(p) || !bytes.Equal(p, was) {
			t.Errorf("%s: completed", name)
		}
	}
	// An option that a receiver would have to refuse is the sender's affair.
	if p := chainOf(ProtoDestOpts, options(17, 0xde, 0), udp8); !CompleteIPv6(p) || !UDP(p[48:]).ChecksumOK(p.Src(), p.Dst()) {
		t.Error("unknown option: not completed")
	}
	b := make([]byte, IPv4Len+ICMP6Len)
	PutIPv4(b, &IPv4Header{Proto: ProtoICMPv6, Src: addr("10.0.0.1"), Dst: addr("10.0.0.2")}, ICMP6Len)
	if CompleteIPv4(b) {
		t.Error("ICMPv6 over IPv4")
	}
}

func TestFlowHash6(t *testing.T) {
	packet := func(src, dst string, sport, dport uint16, next uint8) []byte {
		b := make([]byte, IPv6Len+UDPLen)
		PutIPv6(b, &IPv6Header{NextHeader: next, Src: addr(src), Dst: addr(dst)}, UDPLen)
		PutUDP(b[IPv6Len:], sport, dport, 0)
		return b
	}
	p := packet("2001:db8::1", "2001:db8::2", 7, 9000, ProtoUDP)
	h := FlowHash6(p)
	if h == 0 || h != FlowHash6(packet("2001:db8::2", "2001:db8::1", 9000, 7, ProtoUDP)) || h != FlowHashIP(p) {
		t.Error("the two directions of a flow hash differently, or to 0")
	}
	if h != FlowHashAddr(addr("2001:db8::1"), addr("2001:db8::2"), 7, 9000, ProtoUDP) {
		t.Error("a packet and its parts hash differently")
	}
	if h != FlowHash6(errorAbout6(p)) || h != FlowHash6(errorAbout6(p)[:IPv6Len+ICMP6Len+IPv6Len+4]) {
		t.Error("an error and what it is about hash differently")
	}
	for name, other := range map[string][]byte{
		"port": packet("2001:db8::1", "2001:db8::2", 7, 9001, ProtoUDP), "address": packet("2001:db8::1", "2001:db8::3", 7, 9000, ProtoUDP),
		"network": packet("2001:db9::1", "2001:db8::2", 7, 9000, ProtoUDP), "protocol": packet("2001:db8::1", "2001:db8::2", 7, 9000, ProtoTCP),
	} {
		if FlowHash6(other) == h {
			t.Errorf("another %s makes no difference", name)
		}
	}
	for name, none := range map[string][]byte{
		"fragment": packet("2001:db8::1", "2001:db8::2", 7, 9000, ProtoFragment), "icmp": packet("2001:db8::1", "2001:db8::2", 0x8000, 9000, ProtoICMPv6),
		"short": p[:IPv6Len+3], "empty": nil, "version": append([]byte{0x50}, p[1:]...), "short error": errorAbout6(p)[:IPv6Len+ICMP6Len+IPv6Len+3],
	} {
		if FlowHash6(none) != 0 || FlowHashIP(none) != 0 {
			t.Errorf("%s has a flow", name)
		}
	}
	want := FlowHash([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, 1, 2, ProtoTCP)
	if FlowHashAddr(addr("10.0.0.1"), addr("10.0.0.2"), 1, 2, ProtoTCP) != want || FlowHashAddr(addr("::ffff:10.0.0.1"), addr("10.0.0.2"), 1, 2, ProtoTCP) != want {
		t.Error("IPv4 addresses hash as something else")
	}
	var ports, hosts [8]int
	for i := range uint16(8000) {
		ports[FlowHashAddr(addr("fe80::1"), addr("fe80::2"), i, 80, ProtoUDP)%8]++
		a := addr("2001:db8::").As16()
		a[14], a[15] = byte(i>>8), byte(i)
		p := packet("2001:db8::", "2001:db8:1::1", 40000, 80, ProtoTCP)
		copy(p[8:24], a[:])
		hosts[FlowHash6(p)%8]++
	}
	for i := range ports {
		if ports[i] < 500 || hosts[i] < 500 {
			t.Fatalf("shards of 8 by port %v, by host %v", ports, hosts)
		}
	}
}

func errorAbout6(p []byte) []byte { return chainOf(ProtoICMPv6, errorAbout(ICMP6Unreachable, 0, p)) }
