package wire

import (
	"testing"
)

// chainOf builds a packet whose first header has the number next and whose
// payload is the bytes.
func chainOf(next uint8, parts ...[]byte) IPv6 {
	b := make([]byte, IPv6Len)
	for _, p := range parts {
		b = append(b, p...)
	}
	PutIPv6(b, &IPv6Header{NextHeader: next, HopLimit: 1, Src: addr("fe80::1"), Dst: addr("fe80::2")}, len(b)-IPv6Len)
	return b
}

// options returns an options header, padded with Pad1.
func options(next uint8, opts ...byte) []byte {
	b := append([]byte{next, 0}, opts...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	b[1] = uint8(len(b)/8 - 1)
	return b
}

func routing(next, typ, left uint8) []byte {
	return append([]byte{next, 2, typ, left, 0, 0, 0, 0}, make([]byte, 16)...)
}

func fragmentOf(next uint8, off int, more bool, payload int) []byte {
	b := make([]byte, FragmentLen+payload)
	PutFragment6(b, next, off, more, 0x1234)
	return b
}

var udp8 = []byte{0, 1, 0, 2, 0, 8, 0, 0}

func TestWalk(t *testing.T) {
	alert := RouterAlert6(ProtoICMPv6, 0)
	rsvp := RouterAlert6(ProtoICMPv6, 1)
	first := func(next uint8, payload ...byte) []byte {
		return append(fragmentOf(next, 0, true, 0), payload...)
	}
	for _, tc := range []struct {
		name string
		p    IPv6
		how  WalkHow
		want Ext
	}{
		{"none", chainOf(ProtoUDP, udp8), WalkDest, Ext{Proto: ProtoUDP, Off: 40, NextOff: 6}},
		{"no payload", chainOf(ProtoTCP), WalkDest, Ext{Proto: ProtoTCP, Off: 40, NextOff: 6}},
		{"no next header", chainOf(ProtoNoNext, udp8), WalkDest, Ext{Proto: ProtoNoNext, Off: 40, NextOff: 6}},
		{"esp ends it", chainOf(ProtoESP, udp8), WalkDest, Ext{Proto: ProtoESP, Off: 40, NextOff: 6}},
		{"router alert", chainOf(ProtoHopByHop, alert[:], udp8), WalkDest, Ext{Proto: ProtoICMPv6, Off: 48, NextOff: 40, RouterAlert: true}},
		{"router alert in transit", chainOf(ProtoHopByHop, alert[:], udp8), WalkTransit, Ext{Proto: ProtoICMPv6, Off: 48, NextOff: 40, RouterAlert: true}},
		{"router alert of another value", chainOf(ProtoHopByHop, rsvp[:]), WalkDest, Ext{Proto: ProtoICMPv6, Off: 48, NextOff: 40}},
		{"router alert for the destination", chainOf(ProtoDestOpts, alert[:]), WalkDest, Ext{Proto: ProtoICMPv6, Off: 48, NextOff: 40}},
		{"router alert of 3 bytes", chainOf(ProtoHopByHop, options(59, 5, 3, 0, 0, 0)), WalkTransit,
			Ext{Proto: 0, Off: 40, NextOff: 6, Problem: ExtTellUnicast, Code: 0, Pointer: 43}},
		{"all", chainOf(ProtoHopByHop, options(ProtoDestOpts), options(ProtoRouting), routing(ProtoDestOpts, 0, 0), options(ProtoUDP), udp8), WalkDest,
			Ext{Proto: ProtoUDP, Off: 88, NextOff: 80}},
		{"all in transit", chainOf(ProtoHopByHop, options(ProtoDestOpts), options(ProtoRouting)), WalkTransit, Ext{Proto: ProtoDestOpts, Off: 48, NextOff: 40}},
		{"transit looks no further", chainOf(ProtoDestOpts, options(17, 0xc3, 0)), WalkTransit, Ext{Proto: ProtoDestOpts, Off: 40, NextOff: 6}},
		{"transit does not reassemble", chainOf(ProtoFragment, fragmentOf(17, 0, true, 3)), WalkTransit, Ext{Proto: ProtoFragment, Off: 40, NextOff: 6}},

		// RFC 8200 §4: only behind the first 40 bytes.
		{"hop-by-hop twice", chainOf(ProtoHopByHop, options(0), options(17)), WalkDest,
			Ext{Proto: 0, Off: 48, NextOff: 40, Problem: ExtTellUnicast, Code: 1, Pointer: 40}},
		{"hop-by-hop twice in transit", chainOf(ProtoHopByHop, options(0), options(17)), WalkTransit, Ext{Proto: 0, Off: 48, NextOff: 40}},
		{"hop-by-hop second", chainOf(ProtoDestOpts, options(0), options(17)), WalkDest,
			Ext{Proto: 0, Off: 48, NextOff: 40, Problem: ExtTellUnicast, Code: 1, Pointer: 40}},

		// RFC 8200 §4.2.
		{"unknown option 00", chainOf(ProtoDestOpts, options(17, 0x1e, 1, 9)), WalkDest, Ext{Proto: 17, Off: 48, NextOff: 40}},
		{"unknown option 01", chainOf(ProtoDestOpts, options(17, 0x5e, 0)), WalkDest, Ext{Proto: 60, Off: 40, NextOff: 6, Problem: ExtDrop}},
		{"unknown option 10", chainOf(ProtoDestOpts, options(17, 0, 0x9e, 0)), WalkDest,
			Ext{Proto: 60, Off: 40, NextOff: 6, Problem: ExtTell, Code: 2, Pointer: 43}},
		{"unknown option 11", chainOf(ProtoHopByHop, options(17, 1, 1, 0, 0xde, 0)), WalkTransit,
			Ext{Proto: 0, Off: 40, NextOff: 6, Problem: ExtTellUnicast, Code: 2, Pointer: 45}},
		{"jumbo payload", chainOf(ProtoHopByHop, options(59, 0xc2, 4, 0, 1, 0, 0)), WalkDest,
			Ext{Proto: 0, Off: 40, NextOff: 6, Problem: ExtTellUnicast, Code: 2, Pointer: 42}},
		{"option beyond its header", chainOf(ProtoDestOpts, options(17, 0x1e, 5, 0, 0, 0, 0), udp8), WalkDest,
			Ext{Proto: 60, Off: 40, NextOff: 6, Problem: ExtTellUnicast, Code: 0, Pointer: 43}},
		{"option without length", chainOf(ProtoDestOpts, options(17, 1, 3, 0, 0, 0, 0x1e), udp8), WalkDest,
			Ext{Proto: 60, Off: 40, NextOff: 6, Problem: ExtTellUnicast, Code: 0, Pointer: 47}},

		// RFC 8200 §4.4, RFC 5095 §3.
		{"routing type 0", chainOf(ProtoRouting, routing(17, 0, 1)), WalkDest,
			Ext{Proto: 43, Off: 40, NextOff: 6, Problem: ExtTellUnicast, Code: 0, Pointer: 42}},
		{"routing type unknown", chainOf(ProtoDestOpts, options(43), routing(17, 200, 1)), WalkDest,
			Ext{Proto: 43, Off: 48, NextOff: 40, Problem: ExtTellUnicast, Code: 0, Pointer: 50}},
		{"routing done", chainOf(ProtoRouting, routing(17, 200, 0)), WalkDest, Ext{Proto: 17, Off: 64, NextOff: 40}},

		{"header cut", chainOf(ProtoDestOpts, make([]byte, 7)), WalkDest, Ext{Proto: 60, Off: 40, NextOff: 6, Problem: ExtDrop}},
		{"header longer than the packet", chainOf(ProtoDestOpts, []byte{17, 1, 0, 0, 0, 0, 0, 0}), WalkDest,
			Ext{Proto: 60, Off: 40, NextOff: 6, Problem: ExtTellUnicast, Code: 0, Pointer: 41}},

		// RFC 8200 §4.5, RFC 6946.
		{"first fragment", chainOf(ProtoFragment, first(ProtoUDP, udp8...)), WalkDest, Ext{Proto: 17, Off: 40, NextOff: 6, Fragment: true}},
		{"later fragment", chainOf(ProtoHopByHop, options(44), fragmentOf(60, 8, false, 3)), WalkDest,
			Ext{Proto: 60, Off: 48, NextOff: 40, Fragment: true}},
		{"atomic fragment", chainOf(ProtoFragment, fragmentOf(60, 0, false, 0), options(17), udp8), WalkDest, Ext{Proto: 17, Off: 56, NextOff: 48, Atomic: true}},
		{"atomic fragment of bad options", chainOf(ProtoFragment, fragmentOf(60, 0, false, 0), options(17, 0x80, 0), udp8), WalkDest,
			Ext{Proto: 60, Off: 48, NextOff: 40, Atomic: true, Problem: ExtTell, Code: 2, Pointer: 50}},
		{"fragment header cut", chainOf(ProtoFragment, make([]byte, 7)), WalkDest, Ext{Proto: 44, Off: 40, NextOff: 6, Problem: ExtDrop}},
		{"fragment of odd length", chainOf(ProtoFragment, fragmentOf(17, 0, true, 9)), WalkDest,
			Ext{Proto: 17, Off: 40, NextOff: 6, Fragment: true, Problem: ExtTellUnicast, Code: 0, Pointer: 4}},
		{"fragment up to the end", chainOf(ProtoFragment, fragmentOf(17, 65528, false, 7)), WalkDest, Ext{Proto: 17, Off: 40, NextOff: 6, Fragment: true}},
		{"fragment beyond it", chainOf(ProtoFragment, fragmentOf(17, 65528, false, 8)), WalkDest,
			Ext{Proto: 17, Off: 40, NextOff: 6, Fragment: true, Problem: ExtTellUnicast, Code: 0, Pointer: 42}},
		{"first fragment without its headers", chainOf(ProtoFragment, first(ProtoTCP, make([]byte, 16)...)), WalkDest,
			Ext{Proto: 6, Off: 40, NextOff: 6, Fragment: true, Problem: ExtTellUnicast, Code: 3, Pointer: 0}},
		{"first fragment of headers only", chainOf(ProtoFragment, first(ProtoDestOpts, options(17)...)), WalkDest,
			Ext{Proto: 60, Off: 40, NextOff: 6, Fragment: true, Problem: ExtTellUnicast, Code: 3, Pointer: 0}},
		{"first fragment with options", chainOf(ProtoFragment, first(ProtoDestOpts, append(options(17), udp8...)...)), WalkDest,
			Ext{Proto: 60, Off: 40, NextOff: 6, Fragment: true}},
	} {
		if got := tc.p.Walk(&ExtLimits{}, tc.how); got != tc.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tc.name, got, tc.want)
		}
	}
}

// The limits are those of RFC 8504 §5.3, what the sender is told is in RFC 8883.
func TestWalkLimits(t *testing.T) {
	two := chainOf(ProtoHopByHop, options(60), options(17), udp8)
	opts := chainOf(ProtoDestOpts, options(17, 0x1e, 0, 1, 0, 0x1e, 0), udp8)
	long := chainOf(ProtoDestOpts, options(17, 0, 0x1e, 3, 0, 0, 0), udp8)
	padding := chainOf(ProtoDestOpts, options(17, 1, 2, 0, 0, 0, 0), udp8) // 4 and 2 bytes in a row
	for _, tc := range []struct {
		name    string
		p       IPv6
		lim     ExtLimits
		code    uint8
		pointer int
	}{
		{"headers", two, ExtLimits{Headers: 2}, 0, 0},
		{"too many headers", two, ExtLimits{Headers: 1}, ICMP6CodeTooManyHeaders, 48},
		{"options", opts, ExtLimits{Options: 2, Padding: 2}, 0, 0},
		{"too many options", opts, ExtLimits{Options: 1}, ICMP6CodeTooManyOptions, 46},
		{"option length", long, ExtLimits{OptionLen: 3}, 0, 0},
		{"option too big", long, ExtLimits{OptionLen: 2}, ICMP6CodeOptionTooBig, 43},
		{"padding", padding, ExtLimits{Padding: 6, OptionLen: 1}, 0, 0},
		{"too much padding", padding, ExtLimits{Padding: 5}, ICMP6CodeOptionTooBig, 47},
	} {
		x := tc.p.Walk(&tc.lim, WalkDest)
		if tc.code == 0 && (x.Problem != ExtOK || x.Proto != ProtoUDP) {
			t.Errorf("%s: %+v", tc.name, x)
		}
		if tc.code != 0 && (x.Problem != ExtTellUnicast || x.Code != tc.code || x.Pointer != tc.pointer) {
			t.Errorf("%s: %+v, want code %d pointer %d", tc.name, x, tc.code, tc.pointer)
		}
	}
}

func TestFragment6(t *testing.T) {
	if _, f := ParseFragment6(make([]byte, 7)); f != Short {
		t.Error(f)
	}
	for _, off := range []int{0, 8, 1448, 65528} {
		for _, more := range []bool{false, true} {
			b := []byte{9, 9, 9, 9, 9, 9, 9, 9, 9}
			PutFragment6(b, 17, off, more, 0xdeadbeef)
			f, fault := ParseFragment6(b)
			if fault != OK || f.NextHeader() != 17 || f.Offset() != off || f.More() != more || f.ID() != 0xdeadbeef || len(f.Payload()) != 1 || b[1] != 0 {
				t.Errorf("%d %t: %x", off, more, b)
			}
			if f.IsAtomic() != (off == 0 && !more) {
				t.Errorf("%d %t: atomic %t", off, more, f.IsAtomic())
			}
		}
	}
	// The two reserved bits do not make it a fragment.
	if !Fragment6([]byte{17, 0, 0, 6, 0, 0, 0, 0}).IsAtomic() {
		t.Error("reserved bits count")
	}
}
