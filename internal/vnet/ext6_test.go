package vnet_test

import (
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestRFC8200Section4: what extension headers before a datagram do to it.
func TestRFC8200Section4(t *testing.T) {
	const hop, dest, route, none = wire.ProtoHopByHop, wire.ProtoDestOpts, wire.ProtoRouting, wire.ProtoNoNext
	udp := uint8(wire.ProtoUDP)
	routing := func(typ, left uint8) []byte {
		return append([]byte{udp, 2, typ, left, 0, 0, 0, 0}, make([]byte, 16)...)
	}
	many := func(n int) (b []byte) {
		for range n {
			b = append(b, 0x1e, 0)
		}
		return b
	}
	for _, c := range []struct {
		name    string
		next    uint8
		ext     [][]byte
		arrives bool
		code    int // of the parameter problem, -1 for silence
		pointer uint32
		toGroup bool // so too if sent to a group
	}{
		{"none", udp, nil, true, -1, 0, false},
		{"hop-by-hop", hop, [][]byte{optHeader(udp)}, true, -1, 0, false},
		{"destination options", dest, [][]byte{optHeader(udp)}, true, -1, 0, false},
		{"both", hop, [][]byte{optHeader(dest), optHeader(udp)}, true, -1, 0, false},
		{"skip an unknown option, 00", dest, [][]byte{optHeader(udp, 0x1e, 1, 0)}, true, -1, 0, false},
		{"discard, 01", dest, [][]byte{optHeader(udp, 0x5e, 0)}, false, -1, 0, false},
		{"discard and tell, 10", dest, [][]byte{optHeader(udp, 0x9e, 0)}, false, 2, 42, true},
		{"tell but of groups, 11", dest, [][]byte{optHeader(udp, 0xde, 0)}, false, 2, 42, false},
		{"hop-by-hop, 10", hop, [][]byte{optHeader(udp, 0x9e, 0)}, false, 2, 42, true},
		{"hop-by-hop, 11", hop, [][]byte{optHeader(udp, 0xde, 0)}, false, 2, 42, false},
		{"jumbogram", hop, [][]byte{optHeader(udp, 0xc2, 4, 0, 1, 0, 0)}, false, 2, 42, false},
		{"hop-by-hop second", dest, [][]byte{optHeader(hop), optHeader(udp)}, false, 1, 40, false},
		{"routing type 0 (RFC 5095)", route, [][]byte{routing(0, 1)}, false, 0, 42, false},
		{"routing, nothing left", route, [][]byte{routing(0, 0)}, true, -1, 0, false},
		{"unknown routing type", route, [][]byte{routing(77, 3)}, false, 0, 42, false},
		{"no next header", none, nil, false, -1, 0, false},
		{"unknown next header", 200, nil, false, 1, 6, false},
		{"unknown behind options", dest, [][]byte{optHeader(200)}, false, 1, 40, false},
		{"too many options (RFC 8883)", dest, [][]byte{optHeader(udp, many(20)...)}, false, 9, 58, false},
		{"header cut", dest, [][]byte{{udp, 30, 0, 0, 0, 0, 0, 0}}, false, 0, 41, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) {
				w, _, st, tp := newHost6(t, shards, self6+"/64")
				s := listen(t, st, "[::]:7")
				tp.inject(tp.udp6Frame("["+peer6+"]:9", "["+self6+"]:7", "x", c.next, c.ext...))
				if c.arrives {
					expect(t, s, "x")
				} else {
					expectNone(t, s)
				}
				if c.code < 0 {
					tp.nothing6(t)
				} else {
					tp.wantICMP6(t, wire.ICMP6ParamProblem, uint8(c.code), c.pointer)
				}
				if !c.arrives && c.code >= 0 {
					tp.inject(tp.udp6Frame("["+peer6+"]:9", "[ff02::1]:7", "x", c.next, c.ext...))
					if !c.toGroup {
						tp.nothing6(t)
					} else {
						tp.wantICMP6(t, wire.ICMP6ParamProblem, uint8(c.code), c.pointer)
					}
				}
				empty(t, w)
			})
		})
	}
}

// TestOptionsInTransit: a router looks at hop-by-hop options only.
func TestOptionsInTransit(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter6(t, shards)
		from, to := "[2001:db8:1::2]:9", "[2001:db8:3::2]:7"
		in, out := r.taps[1], r.taps[3]
		in.inject(in.udp6Frame(from, to, "x", wire.ProtoDestOpts, optHeader(wire.ProtoUDP, 0x9e, 0)))
		if got := out.take6(t); len(got) != 1 || got[0].HopLimit() != 63 {
			t.Fatalf("destination options: %x", got)
		}
		in.inject(in.udp6Frame(from, to, "x", wire.ProtoRouting, append([]byte{wire.ProtoUDP, 2, 0, 1, 0, 0, 0, 0}, make([]byte, 16)...)))
		if got := out.take6(t); len(got) != 1 {
			t.Fatalf("a routing header in transit: %x", got)
		}
		in.inject(in.udp6Frame(from, to, "x", wire.ProtoHopByHop, optHeader(wire.ProtoUDP, 0x1e, 0)))
		if got := out.take6(t); len(got) != 1 {
			t.Fatalf("hop-by-hop options: %x", got)
		}
		in.inject(in.udp6Frame(from, to, "x", wire.ProtoHopByHop, optHeader(wire.ProtoUDP, 0xde, 0)))
		out.nothing6(t)
		in.wantICMP6(t, wire.ICMP6ParamProblem, wire.ICMP6CodeOption, 42)
		empty(t, r.w)
	})
}

// TestErrorsBehindOptions: the shard that finds the flow answers.
func TestErrorsBehindOptions(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, _, st, tp := newHost6(t, shards, self6+"/64")
		for port := range 20 {
			from := addrPort("[" + peer6 + "]:9").Addr()
			u := udpPayload(addrPort("[2001:db8::2]:9"), addrPort("[2001:db8::1]:7"), []byte{byte(port)})
			tp.inject(tp.frame6(from, addr(self6), 64, wire.ProtoDestOpts, optHeader(wire.ProtoUDP), u))
			tp.wantICMP6(t, wire.ICMP6Unreachable, wire.ICMP6CodePort, 0)
		}
		_ = st
		empty(t, w)
	})
}
