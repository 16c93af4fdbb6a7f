package vnet_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
)

// frags6 is a datagram in fragments, in frames: those parts of its bytes that the
// pairs name, behind the headers ext, of which the first has the number next.
func (tp *tap) frags6(from, to string, data []byte, id uint32, next uint8, ext []byte, parts ...[2]int) (all [][]byte) {
	a, b := addrPort(from), addrPort(to)
	u := udpPayload(a, b, data)
	for _, p := range parts {
		end := min(p[1], len(u))
		all = append(all, tp.frame6(a.Addr(), b.Addr(), 64, next, ext, fragHeader(wire.ProtoUDP, p[0], end < len(u), id), u[p[0]:end]))
	}
	return all
}

// TestRFC8200Section4_5: fragments are put together in any order, hop-by-hop
// headers or not.
func TestRFC8200Section4_5(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		s := listen(t, st, "[::]:7")
		data := pattern(2000)
		from, to := "["+peer6+"]:9", "["+self6+"]:7"
		hop := optHeader(wire.ProtoFragment)
		for i, f := range [][][]byte{
			tp.frags6(from, to, data, 1, wire.ProtoFragment, nil, [2]int{0, 1000}, [2]int{1000, 9999}),
			tp.frags6(from, to, data, 2, wire.ProtoFragment, nil, [2]int{1000, 9999}, [2]int{0, 504}, [2]int{504, 1000}),
			tp.frags6(from, to, data, 3, wire.ProtoHopByHop, hop, [2]int{1000, 9999}, [2]int{0, 1000}),
			tp.frags6(from, to, data, 4, wire.ProtoFragment, nil, [2]int{0, 9999}), // RFC 6946: atomic
		} {
			tp.inject(f...)
			expect(t, s, string(data))
			if t.Failed() {
				t.Fatal(i)
			}
		}
		run(c, time.Minute)
		tp.nothing6(t)
		empty(t, w)
	})
}

// TestRFC6946Section4: an atomic fragment has nothing to do with fragments of the
// same identification.
func TestRFC6946Section4(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, _, st, tp := newHost6(t, shards, self6+"/64")
		s := listen(t, st, "[::]:7")
		from, to := "["+peer6+"]:9", "["+self6+"]:7"
		tp.inject(tp.frags6(from, to, pattern(2000), 1, wire.ProtoFragment, nil, [2]int{0, 1000})...)
		tp.inject(tp.frags6(from, to, []byte("atom"), 1, wire.ProtoFragment, nil, [2]int{0, 9999})...)
		expect(t, s, "atom")
		tp.inject(tp.frags6(from, to, pattern(2000), 1, wire.ProtoFragment, nil, [2]int{1000, 9999})...)
		expect(t, s, string(pattern(2000)))
		empty(t, w)
	})
}

// TestRFC5722Section4: overlapping fragments are all lost, silently.
func TestRFC5722Section4(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		s := listen(t, st, "[::]:7")
		from, to := "["+peer6+"]:9", "["+self6+"]:7"
		tp.inject(tp.frags6(from, to, pattern(2000), 1, wire.ProtoFragment, nil, [2]int{0, 1000}, [2]int{800, 1200}, [2]int{1000, 9999})...)
		expectNone(t, s)
		run(c, 2*time.Minute)
		tp.nothing6(t)
		empty(t, w)
	})
}

// TestRFC8200Section4_5Time: time exceeded, code 1, of what has not come within
// 60 seconds, if the first fragment has.
func TestRFC8200Section4_5Time(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		listen(t, st, "[::]:7")
		from, to := "["+peer6+"]:9", "["+self6+"]:7"
		first := tp.frags6(from, to, pattern(2000), 1, wire.ProtoFragment, nil, [2]int{0, 1000})
		tp.inject(first...)
		tp.inject(tp.frags6(from, to, pattern(2000), 2, wire.ProtoFragment, nil, [2]int{1000, 9999})...)
		run(c, 59*time.Second)
		tp.nothing6(t)
		run(c, 2*time.Second)
		ip := tp.wantICMP6(t, wire.ICMP6TimeExceeded, wire.ICMP6CodeReassembly, 0)
		if q := wire.ICMP6(ip.Payload()).Payload(); string(q) != string(first[0][wire.EtherLen:]) {
			t.Errorf("quoted % x", q[:48])
		}
		if ip.Src() != addr(self6) {
			t.Errorf("from %v", ip.Src())
		}
		empty(t, w)
	})
}

// TestRFC8200Section4_5Bad: fragments that cannot be.
func TestRFC8200Section4_5Bad(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, _, _, tp := newHost6(t, shards, self6+"/64")
		a, b := addr(peer6), addr(self6)
		frag := func(off int, more bool, n int) {
			tp.inject(tp.frame6(a, b, 64, wire.ProtoFragment, fragHeader(wire.ProtoUDP, off, more, 9), make([]byte, n)))
		}
		frag(8, true, 12)
		tp.wantICMP6(t, wire.ICMP6ParamProblem, wire.ICMP6CodeHeader, 4)
		frag(65528, false, 16)
		tp.wantICMP6(t, wire.ICMP6ParamProblem, wire.ICMP6CodeHeader, 42)
		frag(0, true, 0)
		tp.wantICMP6(t, wire.ICMP6ParamProblem, wire.ICMP6CodeFirstFragment, 0) // RFC 7112 §5
		empty(t, w)
	})
}

// TestRFC6980Section5: neighbour discovery in fragments is ignored, atomic ones
// too; behind destination options it is not.
func TestRFC6980Section5(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		a, b := addr(peer6), addr(self6)
		ns := wire.AppendNDLinkAddr(wire.AppendNS(nil, b), wire.NDSourceLinkAddr, tp.mac)
		ns = append(ns, make([]byte, 8)...)
		ns[len(ns)-8], ns[len(ns)-7] = 200, 1 // an option of no meaning, to have enough to cut
		wire.ICMP6(ns).SetChecksum(a, b)
		answers := func() (n int) {
			run(c, time.Second)
			for _, f := range tp.take() {
				if e, _ := wire.ParseEther(f); e.Type() == wire.EtherTypeIPv6 && e.Payload()[wire.IPv6Len] == wire.ICMP6NeighborAdvert {
					n++
				}
			}
			return n
		}
		run(c, 3*time.Second)
		answers()
		tp.inject(tp.frame6(a, b, 255, wire.ProtoFragment, fragHeader(wire.ProtoICMPv6, 0, false, 1), ns))
		if n := answers(); n != 0 {
			t.Error("an atomic fragment is answered")
		}
		tp.inject(
			tp.frame6(a, b, 255, wire.ProtoFragment, fragHeader(wire.ProtoICMPv6, 0, true, 2), ns[:24]),
			tp.frame6(a, b, 255, wire.ProtoFragment, fragHeader(wire.ProtoICMPv6, 24, false, 2), ns[24:]))
		if n := answers(); n != 0 {
			t.Error("fragments are answered")
		}
		count(t, st, map[string]uint64{"drop.bad neighbour discovery": 2})
		tp.inject(tp.frame6(a, b, 255, wire.ProtoDestOpts, optHeader(wire.ProtoICMPv6), ns))
		if n := answers(); n != 1 {
			t.Errorf("%d answers to what is behind options", n)
		}
		tp.inject(tp.frame6(a, b, 255, wire.ProtoICMPv6, ns))
		if n := answers(); n != 1 {
			t.Errorf("%d answers", n)
		}
		empty(t, w)
	})
}

// TestFragmentsOut: a datagram that is too long leaves in fragments that another
// stack puts together, each no longer than the link's MTU.
func TestFragmentsOut(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, _, st, tp := newHost6(t, shards, self6+"/64")
		s := listen(t, st, "[::]:9")
		data := pattern(5000)
		if _, err := s.WriteTo(data, addrPort("["+peer6+"]:7"), nil); err != nil {
			t.Fatal(err)
		}
		got := tp.take6(t)
		if len(got) != 4 {
			t.Fatalf("%d fragments", len(got))
		}
		u, id := []byte(nil), uint32(0)
		for i, ip := range got {
			f := wire.Fragment6(ip.Payload())
			if ip.NextHeader() != wire.ProtoFragment || f.Offset() != len(u) || f.More() != (i < 3) || i > 0 && f.ID() != id || len(ip) > 1500 || f.NextHeader() != wire.ProtoUDP {
				t.Errorf("fragment %d: % x", i, ip[:48])
			}
			id = f.ID()
			u = append(u, f.Payload()...)
		}
		if string(u[wire.UDPLen:]) != string(data) || !wire.UDP(u).ChecksumOK(addr(self6), addr(peer6)) {
			t.Error("the fragments are not the datagram")
		}
		s.SetDontFrag(true)
		if _, err := s.WriteTo(data, addrPort("["+peer6+"]:7"), nil); err == nil {
			t.Error("longer than the MTU, and not to be cut")
		}
		tp.nothing6(t)
		empty(t, w)
	})
}

// TestEchoInFragments: a long echo request is answered in fragments.
func TestEchoInFragments(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, a, b := pair6(t, shards)
		s, e := usrreq.ListenRaw(a, wire.ProtoICMPv6, netip.IPv6Unspecified(), 0)
		must(t, e)
		var allow [8]uint32
		allow[wire.ICMP6EchoReply/32] = 1 << (wire.ICMP6EchoReply % 32)
		s.SetICMPFilter(allow)
		if _, err := s.WriteTo(echo6(4000), netip.AddrPortFrom(addr("2001:db8::2"), 0), nil); err != nil {
			t.Fatal(err)
		}
		run(c, time.Second)
		buf := make([]byte, 5000)
		n, err := s.ReadFrom(buf, nil, false)
		if err != nil || n != 4008 || buf[0] != wire.ICMP6EchoReply || string(buf[8:n]) != string(pattern(4000)) {
			t.Errorf("%d bytes, %v", n, err)
		}
		count(t, b, map[string]uint64{"icmp6.out.echoreply": 1})
		empty(t, w)
	})
}
