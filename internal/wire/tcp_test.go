package wire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// TestTCPOptions reads options from bytes, and writes them again where the
// layout is the one that PutTCP uses.
func TestTCPOptions(t *testing.T) {
	for _, test := range []struct {
		name, bytes string
		want        TCPOptions
		fault       Fault
		canonical   bool
	}{
		{"none", "", TCPOptions{}, OK, true},
		{"MSS", "020405b4", TCPOptions{MSS: 1460}, OK, true},
		{"MSS too short", "02030501", TCPOptions{}, BadOption, false},
		{"scale", "01030307", TCPOptions{HasScale: true, Scale: 7}, OK, true},
		{"scale 255 is for the reader to judge", "010303ff", TCPOptions{HasScale: true, Scale: 255}, OK, true},
		{"scale too long", "03040707", TCPOptions{}, BadOption, false},
		{"SACK permitted", "01010402", TCPOptions{SACKOK: true}, OK, true},
		{"SACK permitted too long", "04030001", TCPOptions{}, BadOption, false},
		{"timestamps (RFC 7323 appendix A)", "0101080a0000000100000002", TCPOptions{HasTime: true, TSVal: 1, TSEcr: 2}, OK, true},
		{"timestamps behind", "080a00000001000000020101", TCPOptions{HasTime: true, TSVal: 1, TSEcr: 2}, OK, false},
		{"timestamps too short", "01010809000000010000000000", TCPOptions{}, BadOption, false},
		{"timestamps in the usual place that run out", "0101080a00000001", TCPOptions{}, BadOption, false},
		{"SACK", "0101050a0000000100000002", TCPOptions{NSACK: 1, SACK: [4]SACKBlock{{1, 2}}}, OK, true},
		{"SACK of 4", "01010522" + strings.Repeat("0000000100000002", 4),
			TCPOptions{NSACK: 4, SACK: [4]SACKBlock{{1, 2}, {1, 2}, {1, 2}, {1, 2}}}, OK, true},
		{"SACK of none", "01010502", TCPOptions{}, BadOption, false},
		{"SACK of a half", "01010506000000010000", TCPOptions{}, BadOption, false},
		{"Fast Open request", "22020101", TCPOptions{HasFastOpen: true}, OK, true},
		{"Fast Open cookie", "220a01020304050607080101", TCPOptions{HasFastOpen: true, Cookie: 8, FastOpen: [16]byte{1, 2, 3, 4, 5, 6, 7, 8}}, OK, true},
		{"Fast Open cookie of 2 (RFC 7413 §4.1.1)", "22040102", TCPOptions{}, BadOption, false},
		{"Fast Open cookie of 5", "22070102030405", TCPOptions{}, BadOption, false},
		{"unknown (RFC 9293 MUST-6)", "fd04aaaa020405b4", TCPOptions{MSS: 1460}, OK, false},
		{"length 0 (RFC 9293 MUST-7)", "020405b4fd000000", TCPOptions{MSS: 1460}, BadOption, false},
		{"length 1", "fd010101", TCPOptions{}, BadOption, false},
		{"runs out", "fd050101", TCPOptions{}, BadOption, false},
		{"kind alone at the end", "010101fd", TCPOptions{}, BadOption, false},
		{"after the end", "000405b4", TCPOptions{}, OK, false},
		{"SYN of Linux", "020405b40402080a000000050000000001030307",
			TCPOptions{MSS: 1460, SACKOK: true, HasTime: true, TSVal: 5, HasScale: true, Scale: 7}, OK, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := hex.DecodeString(test.bytes)
			if err != nil {
				t.Fatal(err)
			}
			got := TCPOptions{MSS: 9, Scale: 9, NSACK: 4, Cookie: 9, HasScale: true, SACKOK: true, HasTime: true, HasFastOpen: true}
			f := ParseTCPOptions(b, &got)
			if f != test.fault || got != test.want {
				t.Fatalf("%v, %+v", f, got)
			}
			out := bytes.Repeat([]byte{0xa5}, got.Len())
			putTCPOptions(out, &got)
			if bytes.Equal(out, b) != test.canonical {
				t.Errorf("written %x", out)
			}
		})
	}
}

// TestTCPOptionsTooMany: blocks that have no room are left out, and the length
// is what can be said.
func TestTCPOptionsTooMany(t *testing.T) {
	full := TCPOptions{MSS: 1, HasScale: true, HasTime: true, HasFastOpen: true, Cookie: 16}
	for _, test := range []struct {
		o      TCPOptions
		blocks uint8
	}{
		{TCPOptions{HasTime: true}, 3}, {TCPOptions{}, 4}, {TCPOptions{HasTime: true, MSS: 1}, 2}, {TCPOptions{SACKOK: true}, 4}, {full, 0},
	} {
		h := TCPHeader{Options: test.o}
		h.Options.NSACK = 4
		for i := range h.Options.SACK {
			h.Options.SACK[i] = SACKBlock{Seq(i), Seq(i + 1)}
		}
		b := make([]byte, 100)
		n := PutTCP(b, &h)
		v, f := ParseTCP(b[:n])
		var got TCPHeader
		if f != OK || v.Header(&got) != OK || n != h.Len() || n > TCPMaxLen {
			t.Fatalf("%+v: %v, %d bytes, %d announced", test.o, f, n, h.Len())
		}
		if got.Options.NSACK != test.blocks || test.blocks > 0 && got.Options.SACK[test.blocks-1] != h.Options.SACK[test.blocks-1] {
			t.Errorf("%+v: %d blocks", test.o, got.Options.NSACK)
		}
	}
}

func TestParseTCPFaults(t *testing.T) {
	b := make([]byte, 24)
	for _, test := range []struct {
		n    int
		off  byte
		want Fault
	}{
		{19, 5, Short}, {0, 5, Short}, {20, 5, OK}, {20, 4, BadHdrLen}, {20, 0, BadHdrLen}, {20, 6, BadHdrLen}, {24, 6, OK}, {24, 15, BadHdrLen},
	} {
		b[12] = test.off << 4
		v, f := ParseTCP(b[:test.n])
		if f != test.want || (v == nil) != (f != OK) {
			t.Errorf("%d bytes, offset %d: %v", test.n, test.off, f)
		}
	}
}

func TestTCPFlagsString(t *testing.T) {
	for f, want := range map[TCPFlags]string{0: "none", SYN | ACK: "SYN|ACK", 255: "FIN|SYN|RST|PSH|ACK|URG|ECE|CWR"} {
		if f.String() != want {
			t.Errorf("%#x is %s", uint8(f), f)
		}
	}
	if (SYN | ACK).Has(SYN|FIN) || !(SYN | ACK).Any(SYN|FIN) || !SYN.Has(0) || SYN.Any(0) {
		t.Error("Has or Any")
	}
}

// TestSeqOfRFC9293Section34 compares on both sides of the wrap.
func TestSeqOfRFC9293Section34(t *testing.T) {
	for _, base := range []Seq{0, 1, 1 << 31, 1<<32 - 1, 1<<32 - 500} {
		for _, d := range []int{0, 1, 499, 500, 65535, 1<<31 - 1} {
			a, b := base, base.Add(d)
			if b.Sub(a) != d || a.Sub(b) != -d || b.Add(-d) != a || a.Less(b) != (d > 0) || b.Less(a) || !a.AtMost(b) || b.AtMost(a) != (d == 0) {
				t.Errorf("%d and %d", a, b)
			}
			if MaxSeq(a, b) != b || MaxSeq(b, a) != b || MinSeq(a, b) != a || MinSeq(b, a) != a {
				t.Errorf("the later of %d and %d", a, b)
			}
			if b.In(a, d) || !b.In(a, d+1) || a.In(b, 0) || a.In(a, -1) || b.In(a, -1<<31) || a.In(a.Add(1), 1000) {
				t.Errorf("%d in a window from %d", b, a)
			}
		}
	}
}

// FuzzTCP: what a header says is said again by the one that is written from it.
func FuzzTCP(f *testing.F) {
	seed := func(h TCPHeader) {
		b := make([]byte, TCPMaxLen)
		f.Add(b[:PutTCP(b, &h)])
	}
	seed(TCPHeader{SrcPort: 1, DstPort: 2, Seq: 3, Ack: 4, Flags: ACK | URG, Window: 5, Urgent: 6})
	seed(TCPHeader{Flags: SYN, Options: TCPOptions{MSS: 1460, SACKOK: true, HasTime: true, TSVal: 5, HasScale: true, Scale: 7}})
	seed(TCPHeader{Flags: ACK, Options: TCPOptions{HasTime: true, TSVal: 5, NSACK: 3}})
	seed(TCPHeader{Flags: SYN, Options: TCPOptions{HasFastOpen: true, Cookie: 8}})
	f.Add([]byte("\x00\x01\x00\x02aaaabbbb\x60\x02\x00\x00\x00\x00\x00\x00\xfd\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, fault := ParseTCP(b)
		if fault != OK {
			return
		}
		var h, again TCPHeader
		fault = v.Header(&h)
		var quoted TCPOptions
		if ParseTCPOptions(v.Options(), &quoted) != fault || quoted != h.Options {
			t.Error("Header and ParseTCPOptions differ")
		}
		out := make([]byte, TCPMaxLen)
		n := PutTCP(out, &h)
		w, f := ParseTCP(out[:n])
		if f != OK || w.Header(&again) != OK || n != h.Len() || n != w.HeaderLen() || len(v.Payload()) != len(b)-v.HeaderLen() {
			t.Fatalf("written %x", out[:n])
		}
		// Options that stand twice are written once, in one order; there may be
		// less room then. All that is written must be what was read.
		h.Options.NSACK = again.Options.NSACK
		clear(h.Options.SACK[h.Options.NSACK:])
		clear(h.Options.FastOpen[h.Options.Cookie:])
		if again != h && fault == OK {
			t.Errorf("read    %+v\nwritten %+v", h, again)
		}
	})
}

func TestTCPAllocations(t *testing.T) {
	b := make([]byte, 100)
	h := TCPHeader{Flags: ACK, Options: TCPOptions{HasTime: true, NSACK: 3}}
	var got TCPHeader
	if n := testing.AllocsPerRun(100, func() {
		v, _ := ParseTCP(b[:PutTCP(b, &h)])
		v.Header(&got)
	}); n != 0 || got != h {
		t.Errorf("%v allocations, %+v", n, got)
	}
}

// tcpKinds are the headers of nearly all segments.
var tcpKinds = [...]struct {
	name string
	h    TCPHeader
}{
	{"plain", TCPHeader{Flags: ACK}},
	{"time", TCPHeader{Flags: ACK, Options: TCPOptions{HasTime: true, TSVal: 1}}},
	{"sack", TCPHeader{Flags: ACK, Options: TCPOptions{HasTime: true, TSVal: 1, NSACK: 3}}},
	{"syn", TCPHeader{Flags: SYN, Options: TCPOptions{MSS: 1460, SACKOK: true, HasTime: true, HasScale: true, Scale: 7}}},
}

func BenchmarkTCPHeader(b *testing.B) {
	for _, k := range tcpKinds {
		b.Run(k.name, func(b *testing.B) {
			buf := make([]byte, TCPMaxLen)
			h := k.h
			n := PutTCP(buf, &h)
			for b.Loop() {
				v, f := ParseTCP(buf[:n])
				if f != OK || v.Header(&h) != OK {
					b.Fatal(f)
				}
			}
		})
	}
}

func BenchmarkPutTCP(b *testing.B) {
	for _, k := range tcpKinds {
		b.Run(k.name, func(b *testing.B) {
			buf := make([]byte, TCPMaxLen)
			h := k.h
			for b.Loop() {
				PutTCP(buf, &h)
			}
		})
	}
}

// TestTCPChecksum holds ChecksumOK against the sum over the whole, done slowly.
func TestTCPChecksum(t *testing.T) {
	for _, ends := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}} {
		src, dst := netip.MustParseAddr(ends[0]), netip.MustParseAddr(ends[1])
		for n := range 9 {
			b := make([]byte, TCPLen+n)
			PutTCP(b, &TCPHeader{SrcPort: 1, DstPort: 2, Seq: 0xfffefdfc, Flags: ACK})
			for i := range b[TCPLen:] {
				b[TCPLen+i] = byte(200 + i)
			}
			complete(b, ProtoTCP, src, dst)
			if !TCP(b).ChecksumOK(src, dst) {
				t.Errorf("%d bytes: not right", n)
			}
			for i := range b {
				b[i] ^= 4
				if TCP(b).ChecksumOK(src, dst) {
					t.Errorf("%d bytes: byte %d does not matter", n, i)
				}
				b[i] ^= 4
			}
		}
	}
}
