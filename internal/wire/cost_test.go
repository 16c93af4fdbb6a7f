package wire

import (
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What runs several times for every packet must be inlined by the compiler: a
// change that makes one of these too complex shows here.
func TestInlining(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command on this machine to ask for the compiler's decisions:", err)
	}
	out, err := exec.Command(tool, "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	inlined := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m): can inline (\S+)$`).FindAllStringSubmatch(string(out), -1) {
		inlined[strings.NewReplacer("(", "", ")", "", "*", "").Replace(m[1])] = true
	}
	const want = `
		ParseEther Ether.Dst Ether.Src Ether.Type Ether.Payload PutEther
		ParseVLAN VLAN.ID VLAN.PCP VLAN.DEI VLAN.Type VLAN.Payload PutVLAN
		MAC.IsMulticast MAC.IsBroadcast MAC.IsZero BroadcastMAC
		ParseARP ARP.Op ARP.SenderMAC ARP.SenderIP ARP.TargetMAC ARP.TargetIP
		ParseIPv4 IPv4.HeaderLen IPv4.TOS IPv4.TotalLen IPv4.ID IPv4.DF IPv4.MF IPv4.FragOffset IPv4.IsFragment
		IPv4.TTL IPv4.Proto IPv4.Checksum IPv4.Src IPv4.Dst IPv4.Src4 IPv4.Dst4 IPv4.Options IPv4.Payload IPv4.DecTTL
		ParseIPv4Options IPv4Options.Next IPv4Option.Type IPv4Option.Copied IPv4Option.Data IPv4Header.Len
		ParseUDP UDP.SrcPort UDP.DstPort UDP.Checksum UDP.Payload PutUDP
		ParseTCP TCP.SrcPort TCP.DstPort TCP.Flags TCP.Seq TCP.Ack TCP.HeaderLen TCP.Options TCP.Payload TCPFlags.Has TCPFlags.Any
		Seq.Add Seq.Sub Seq.Less Seq.AtMost Seq.In MaxSeq MinSeq
		ParseICMP4 ICMP4.Type ICMP4.Code ICMP4.Rest ICMP4.ID ICMP4.Seq ICMP4.MTU ICMP4.Pointer ICMP4.Payload ICMP4.IsError
		ParseIGMP IGMP.Type IGMP.MaxRespCode IGMP.Group IGMP.QueryVersion IGMPDecode IGMPEncode
		ParseIGMPv3Query IGMPv3Query.Group IGMPv3Query.S IGMPv3Query.QRV IGMPv3Query.NumSources IGMPv3Query.Source
		IGMPv3Report.NumRecords IGMPv3Report.Records IGMPv3Records.Next
		IGMPv3Record.Type IGMPv3Record.Group IGMPv3Record.NumSources IGMPv3Record.Source IGMPv3Record.Aux
		ParseIPv6 IPv6.TrafficClass IPv6.FlowLabel IPv6.PayloadLen IPv6.NextHeader IPv6.HopLimit IPv6.Src IPv6.Dst
		IPv6.Src16 IPv6.Dst16 IPv6.Payload IPv6.SetHopLimit SolicitedNode
		ParseFragment6 Fragment6.NextHeader Fragment6.Offset Fragment6.More Fragment6.ID Fragment6.Payload PutFragment6
		Packet4 Packet6 Packet.IsValid Packet.Is6 Packet.IsFragment Packet.Bytes Packet.Len Packet.HeaderLen Packet.Payload
		Packet.Proto Packet.TTL Packet.TOS Packet.Src Packet.Dst Packet.V4 Packet.V6
		ParseICMP6 ICMP6.Type ICMP6.Code ICMP6.Rest ICMP6.ID ICMP6.Seq ICMP6.MTU ICMP6.Pointer ICMP6.Payload ICMP6.IsError
		NeighborSolicit.Target NeighborAdvert.Target NDOptions.Next NDOption.LinkAddr NDServers.Next
		ParseMLD MLD.Group MLD.QueryVersion MLDDecode MLDEncode ParseMLDv2Query MLDv2Query.Source MLDv2Records.Next
		Fold UpdateChecksum UpdateChecksum32
	`
	for _, name := range strings.Fields(want) {
		if !inlined[name] {
			t.Errorf("%s is not inlined", name)
		}
	}
}

// The frames are built and read whole, without an allocation.
func TestAllocations(t *testing.T) {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("232.1.1.1")
	sources := addrs("10.0.0.1", "10.0.0.2")
	src6, sources6 := netip.MustParseAddr("2001:db8::1"), addrs("2001:db8::2", "2001:db8::3")
	alert := RouterAlert()
	h := IPv4Header{TTL: 1, Proto: ProtoIGMP, Src: src, Dst: dst, Options: alert[:]}
	buf := make([]byte, 200)
	tests := []struct {
		name string
		run  func() bool
	}{
		{"arp", func() bool {
			PutEther(buf, BroadcastMAC(), MAC{2}, EtherTypeARP)
			PutARP(buf[EtherLen:], ARPRequest, MAC{2}, src, MAC{}, src)
			e, _ := ParseEther(buf)
			a, f := ParseARP(e.Payload())
			return f == OK && a.SenderIP() == a.TargetIP() && a.SenderMAC() == e.Src()
		}},
		{"udp", func() bool {
			n := PutIPv4(buf, &h, 30)
			PutUDP(buf[n:], 1, 2, 22)
			UDP(buf[n:n+30]).SetChecksum(src, dst)
			p, _ := ParseIPv4(buf)
			p.DecTTL()
			p.SetSrc(dst)
			u, f := ParseUDP(p.Payload())
			return f == OK && p.ChecksumOK() && p.HasRouterAlert() && u.ChecksumOK(src, p.Dst())
		}},
		{"icmp", func() bool {
			n := PutIPv4(buf[8:], &h, 30)
			PutICMP4(buf, ICMP4Unreachable, ICMP4CodePort, 0, n+30)
			m, _ := ParseICMP4(buf[:8+n+30])
			q, f := m.Quoted()
			_, _, ok := q.Ports()
			return f == OK && ok && m.ChecksumOK() && q.Header().Src == src
		}},
		{"igmp", func() bool {
			n := PutIGMPv3Query(buf, &IGMPv3QueryHeader{Group: dst, QRV: 2}, sources)
			q, f := ParseIGMPv3Query(buf[:n])
			if f != OK || q.Source(1) != sources[1] {
				return false
			}
			n = PutIGMPv3Record(buf[8:], IGMPAllow, dst, sources)
			PutIGMPv3Report(buf[:8+n], 1)
			m, f := ParseIGMPv3Report(buf[:8+n])
			list := m.Records()
			r, ok := list.Next()
			return f == OK && ok && m.ChecksumOK() && r.Source(1) == sources[1] && r.Group() == dst
		}},
		{"nd", func() bool {
			b := AppendNDLinkAddr(AppendNS(buf[:IPv6Len], src6), NDSourceLinkAddr, MAC{2})
			PutIPv6(b, &IPv6Header{NextHeader: ProtoICMPv6, HopLimit: 255, Src: src6, Dst: SolicitedNode(src6)}, len(b)-IPv6Len)
			if !CompleteIPv6(b) {
				return false
			}
			p, _ := ParseIPv6(b)
			x := p.Walk(&ExtLimits{}, WalkDest)
			k := Packet6(p, &x)
			m, f := ParseNeighborSolicit(k.Payload())
			mac, ok := m.Options().LinkAddr(NDSourceLinkAddr)
			return f == OK && ok && mac == MAC{2} && m.Target() == k.Src() && ICMP6(m).ChecksumOK(k.Src(), k.Dst())
		}},
		{"mld", func() bool {
			alert := RouterAlert6(ProtoICMPv6, 0)
			msg := buf[IPv6Len+copy(buf[IPv6Len:], alert[:]):]
			n := PutMLDv2Record(msg[8:], IGMPAllow, src6, sources6)
			PutMLDv2Report(msg, 1)
			PutIPv6(buf, &IPv6Header{NextHeader: ProtoHopByHop, HopLimit: 1, Src: src6, Dst: src6}, 16+n)
			p, _ := ParseIPv6(buf)
			x := p.Walk(&ExtLimits{Headers: 8, Options: 8, OptionLen: 64, Padding: 7}, WalkDest)
			k := Packet6(p, &x)
			m, f := ParseMLDv2Report(k.Payload())
			list := m.Records()
			r, ok := list.Next()
			return f == OK && ok && CompletePacket(k) && x.RouterAlert && r.Source(1) == sources6[1] && FlowHashIP(p) == 0
		}},
	}
	for _, tc := range tests {
		right := true
		if n := testing.AllocsPerRun(100, func() { right = right && tc.run() }); n != 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
		if !right {
			t.Errorf("%s: read something else than was written", tc.name)
		}
	}
}

func BenchmarkParseUDPPacket(b *testing.B) {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	frame := make([]byte, EtherLen+IPv4Len+UDPLen+64)
	PutEther(frame, MAC{2}, MAC{4}, EtherTypeIPv4)
	PutIPv4(frame[EtherLen:], &IPv4Header{TTL: 64, Proto: ProtoUDP, Src: src, Dst: dst}, UDPLen+64)
	PutUDP(frame[EtherLen+IPv4Len:], 1, 2, 64)
	for b.Loop() {
		e, f := ParseEther(frame)
		if f != OK || e.Type() != EtherTypeIPv4 {
			b.Fatal(f)
		}
		p, f := ParseIPv4(e.Payload())
		if f != OK || !p.ChecksumOK() || p.IsFragment() || p.Dst() != dst {
			b.Fatal(f)
		}
		if u, f := ParseUDP(p.Payload()); f != OK || u.DstPort() != 2 {
			b.Fatal(f)
		}
	}
}

func BenchmarkPutIPv4(b *testing.B) {
	buf := make([]byte, 64)
	h := IPv4Header{TTL: 64, Proto: ProtoUDP, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2")}
	for b.Loop() {
		PutIPv4(buf, &h, 40)
	}
}

func BenchmarkParseUDPPacket6(b *testing.B) {
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	packet := make([]byte, IPv6Len+UDPLen+64)
	PutIPv6(packet, &IPv6Header{HopLimit: 64, NextHeader: ProtoUDP, Src: src, Dst: dst}, UDPLen+64)
	PutUDP(packet[IPv6Len:], 1, 2, 64)
	for b.Loop() {
		p, f := ParseIPv6(packet)
		if f != OK {
			b.Fatal(f)
		}
		x := p.Walk(&ExtLimits{Headers: 8}, WalkDest)
		if k := Packet6(p, &x); x.Problem != ExtOK || k.IsFragment() || k.Dst() != dst {
			b.Fatal(x)
		}
	}
}

func BenchmarkPseudoSum6(b *testing.B) {
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for b.Loop() {
		PseudoSum(src, dst, ProtoUDP, 64)
	}
}
