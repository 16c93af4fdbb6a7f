package bridge

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func hostMAC(n int) wire.MAC { return wire.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)} }

// frameOf puts a payload into an IPv4 datagram and that into a frame.
func frameOf(from wire.MAC, src, dst netip.Addr, proto, ttl uint8, payload []byte) wire.Ether {
	h := wire.IPv4Header{TTL: ttl, Proto: proto, Src: src, Dst: dst}
	b := make([]byte, wire.EtherLen+h.Len()+len(payload))
	to := wire.BroadcastMAC()
	if dst.IsMulticast() {
		to = wire.MulticastMAC(dst)
	}
	wire.PutEther(b, to, from, wire.EtherTypeIPv4)
	n := wire.PutIPv4(b[wire.EtherLen:], &h, len(payload))
	copy(b[wire.EtherLen+n:], payload)
	return b
}

func tagged(f wire.Ether, id uint16) wire.Ether {
	b := slices.Insert(slices.Clone([]byte(f)), 12, 0, 0, 0, 0)
	wire.PutEther(b, f.Dst(), f.Src(), wire.EtherTypeVLAN)
	wire.PutVLAN(b[wire.EtherLen:], id, 0, false, wire.EtherTypeIPv4)
	return b
}

func tagged6(f wire.Ether) wire.Ether {
	b := tagged(f, 5)
	wire.PutVLAN(b[wire.EtherLen:], 5, 0, false, wire.EtherTypeIPv6)
	return b
}

func udp(n int, src, dst string) wire.Ether {
	return frameOf(hostMAC(n), ip(src), ip(dst), wire.ProtoUDP, 1, make([]byte, 20))
}

func addrs(s string) []netip.Addr {
	var list []netip.Addr
	for _, w := range strings.Fields(s) {
		list = append(list, ip(w))
	}
	return list
}

var types = map[string]uint8{"IS_IN": 1, "IS_EX": 2, "TO_IN": 3, "TO_EX": 4, "ALLOW": 5, "BLOCK": 6}

// reportOf makes a version 3 report with one record.
func reportOf(n int, typ, group, sources string) wire.Ether {
	b := make([]byte, 2048)
	end := wire.IGMPv3ReportLen + wire.PutIGMPv3Record(b[wire.IGMPv3ReportLen:], types[typ], ip(group), addrs(sources))
	wire.PutIGMPv3Report(b[:end], 1)
	return frameOf(hostMAC(n), netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), ip("224.0.0.22"), wire.ProtoIGMP, 1, b[:end])
}

func v2Of(n int, typ uint8, group, dst string) wire.Ether {
	b := make([]byte, wire.IGMPLen)
	wire.PutIGMP(b, typ, 0, ip(group))
	return frameOf(hostMAC(n), ip("10.0.0.1"), ip(dst), wire.ProtoIGMP, 1, b)
}

func queryOf(n int, src, group, sources string, s bool) wire.Ether {
	b := make([]byte, 2048)
	h := wire.IGMPv3QueryHeader{MaxRespCode: 10, Group: ip(group), QRV: 2, QQIC: 125, S: s}
	dst := h.Group
	if h.Group.IsUnspecified() {
		h.MaxRespCode, dst = 100, ip("224.0.0.1")
	}
	end := wire.PutIGMPv3Query(b, &h, addrs(sources))
	return frameOf(hostMAC(n), ip(src), dst, wire.ProtoIGMP, 1, b[:end])
}

// frame6 puts the rest of a packet, whose first header is of type next, behind an
// IPv6 header and that into a frame.
func frame6(from wire.MAC, src, dst netip.Addr, next, hops uint8, rest []byte) wire.Ether {
	h := wire.IPv6Header{HopLimit: hops, NextHeader: next, Src: src, Dst: dst}
	b := make([]byte, wire.EtherLen+wire.IPv6Len+len(rest))
	to := hostMAC(99)
	if dst.IsMulticast() {
		to = wire.MulticastMAC(dst)
	}
	wire.PutEther(b, to, from, wire.EtherTypeIPv6)
	wire.PutIPv6(b[wire.EtherLen:], &h, len(rest))
	copy(b[wire.EtherLen+wire.IPv6Len:], rest)
	return b
}

// linkLocal is the address of station n.
func linkLocal(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 14: byte(n >> 8), 15: byte(n)})
}

// mldFrame puts an MLD message into a frame, as its sender must.
func mldFrame(n int, src, dst netip.Addr, message []byte) wire.Ether {
	wire.ICMP6(message).SetChecksum(src, dst)
	alert := wire.RouterAlert6(wire.ProtoICMPv6, 0)
	return frame6(hostMAC(n), src, dst, wire.ProtoHopByHop, mld.HopLimit, append(alert[:], message...))
}

// report6 makes a version 2 report with one record.
func report6(n int, src netip.Addr, typ, group, sources string) wire.Ether {
	b := make([]byte, 2048)
	end := wire.MLDv2ReportLen + wire.PutMLDv2Record(b[wire.MLDv2ReportLen:], types[typ], ip(group), addrs(sources))
	wire.PutMLDv2Report(b[:end], 1)
	return mldFrame(n, src, ip("ff02::16"), b[:end])
}

func v1Of6(n int, typ uint8, group, dst string) wire.Ether {
	b := make([]byte, wire.MLDLen)
	wire.PutMLD(b, typ, 1000, ip(group))
	return mldFrame(n, linkLocal(n), ip(dst), b)
}

func query6(n int, src netip.Addr, group, sources string) wire.Ether {
	b := make([]byte, 2048)
	h := wire.MLDv2QueryHeader{MaxRespCode: 1000, Group: ip(group), QRV: 2, QQIC: 125}
	dst := h.Group
	if h.Group.IsUnspecified() {
		h.MaxRespCode, dst = 10000, ip("ff02::1")
	}
	return mldFrame(n, src, dst, b[:wire.PutMLDv2Query(b, &h, addrs(sources))])
}

func udp6(n int, src, dst string) wire.Ether {
	return frame6(hostMAC(n), ip(src), ip(dst), wire.ProtoUDP, 1, make([]byte, 20))
}

// solicit is a neighbour solicitation for an address.
func solicit(n int, target netip.Addr) wire.Ether {
	m := wire.AppendNS(nil, target)
	group := wire.SolicitedNode(target)
	wire.ICMP6(m).SetChecksum(linkLocal(n), group)
	return frame6(hostMAC(n), linkLocal(n), group, wire.ProtoICMPv6, 255, m)
}

// targets returns the ports of a decision, sorted, the arrival port left out, and
// fails if a port is named twice or the count is wrong.
func targets(t testing.TB, d *Decision) []int32 {
	t.Helper()
	var list []int32
	for _, ports := range d.Ports {
		for _, n := range ports {
			if n != d.In {
				list = append(list, n)
			}
		}
	}
	slices.Sort(list)
	if n := len(list); n != len(slices.Compact(slices.Clone(list))) {
		t.Fatalf("%v: a port twice in %v", d.Verdict, list)
	} else if n != d.Copies {
		t.Fatalf("%v: %d copies counted, ports %v", d.Verdict, d.Copies, list)
	}
	return list
}

// checkLists compares every list with the database it was made from.
func checkLists(t testing.TB, b *Bridge) {
	t.Helper()
	checkSide(t, b.all, &b.v4)
	checkSide(t, b.all, &b.v6)
}

func checkSide[A gmp.Address](t testing.TB, all []int32, b *side[A]) {
	t.Helper()
	refs := map[A]int32{}
	listed := map[A]int{}
	for _, n := range all {
		for m := b.db.First(n); m != nil; m = m.Next() {
			at := m.At()
			g := b.group(at)
			if g == nil {
				t.Fatalf("no lists for %v", at)
			}
			if b.isRouter(n) && m.Handle != 0 {
				t.Fatal("a router port is listed")
			}
			if m.Any() {
				refs[at]++
			}
			m.Sources(func(src A, h *int32) {
				refs[at]++
				if !b.isRouter(n) {
					listed[at]++
					if g.from(src)[*h] != n {
						t.Fatal("a source's handle is wrong")
					}
				}
			})
			switch h := m.Handle; {
			case b.isRouter(n) || !m.Any():
			case m.Blocked() > 0 && (h >= 0 || g.partial[-h-1] != m), m.Blocked() == 0 && (h <= 0 || g.any[h-1] != n):
				t.Fatalf("handle %d is wrong", h)
			default:
				listed[at]++
			}
		}
	}
	count := 0
	for g := range b.groups.All() {
		count++
		n := len(g.any) + len(g.partial)
		for _, s := range g.sources {
			n += len(s.ports)
			if len(s.ports) == 0 {
				t.Fatal("an empty list")
			}
		}
		if g.refs != refs[g.at] || n != listed[g.at] {
			t.Fatalf("%v: %d references, want %d; %d listed, want %d", g.at, g.refs, refs[g.at], n, listed[g.at])
		}
	}
	if count != len(refs) {
		t.Fatalf("%d groups, want %d", count, len(refs))
	}
}

// sum is the state of a port, for messages.
func sum(list []gmp.GroupState) (s string) {
	for _, g := range list {
		s += g.Group.String() + " " + g.Mode.String()
		for _, src := range g.Sources {
			s += " " + src.Source.String()
			if src.Left == 0 {
				s += "(blocked)"
			}
		}
		s += "; "
	}
	return s
}
