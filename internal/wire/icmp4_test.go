package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestICMP4Echo(t *testing.T) {
	b := bytes.Repeat([]byte{0xa5}, 12)
	copy(b[8:], "abc")
	PutICMP4(b, ICMP4Echo, 0, 0x1234_0007, 3)
	want := []byte{8, 0, 0x21, 0x62, 0x12, 0x34, 0, 7, 'a', 'b', 'c', 0xa5}
	if !bytes.Equal(b, want) {
		t.Fatalf("PutICMP4: %x, want %x", b, want)
	}
	m, f := ParseICMP4(b[:11])
	if f != OK || m.Type() != ICMP4Echo || m.Code() != 0 || m.ID() != 0x1234 || m.Seq() != 7 || m.Rest() != 0x12340007 || string(m.Payload()) != "abc" {
		t.Errorf("%s: %d/%d id %#x seq %d %q", f, m.Type(), m.Code(), m.ID(), m.Seq(), m.Payload())
	}
	if m.Checksum() != 0x2162 || !m.ChecksumOK() {
		t.Errorf("checksum %#04x, right: %t", m.Checksum(), m.ChecksumOK())
	}
	if m[10]++; m.ChecksumOK() {
		t.Error("a changed payload is not seen")
	}
	if _, f := ParseICMP4(b[:7]); f != Short {
		t.Errorf("7 bytes: %s", f)
	}
	if _, f := m.Quoted(); f != BadType {
		t.Errorf("an echo quotes: %s", f)
	}
}

func TestICMP4Rest(t *testing.T) {
	m := make(ICMP4, 8)
	if PutICMP4(m, ICMP4Unreachable, ICMP4CodeFragNeeded, 1300, 0); m.MTU() != 1300 || m.Pointer() != 0 {
		t.Errorf("RFC 1191 §4: MTU %d", m.MTU())
	}
	if PutICMP4(m, ICMP4ParamProblem, ICMP4CodePointer, 20<<24, 0); m.Pointer() != 20 {
		t.Errorf("pointer %d", m.Pointer())
	}
	if PutICMP4(m, ICMP4Redirect, 1, 0xc0000201, 0); m.Gateway() != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("gateway %s", m.Gateway())
	}
}

// quote returns the first n bytes of an IPv4 packet with ports 7 and 9 and 500
// bytes of payload.
func quote(n int, h *IPv4Header) []byte {
	h.Proto, h.Src, h.Dst = ProtoUDP, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	b := make([]byte, h.Len()+500)
	PutUDP(b[PutIPv4(b, h, 500):], 7, 9, 492)
	return b[:n]
}

func TestICMP4Quoted(t *testing.T) {
	options := IPv4Header{Options: []byte{148, 4, 0, 0}}
	tests := []struct {
		name  string
		quote []byte
		want  Fault
		n     int
		ports bool
	}{
		{"header and eight bytes", quote(28, &IPv4Header{}), OK, 28, true},
		{"whole packet", quote(520, &IPv4Header{}), OK, 520, true},
		{"more than the packet", append(quote(520, &IPv4Header{}), 1, 2, 3), OK, 520, true},
		{"header alone", quote(20, &IPv4Header{}), OK, 20, false},
		{"half of the ports", quote(23, &IPv4Header{}), OK, 23, false},
		{"with options", quote(32, &options), OK, 32, true},
		{"first fragment", quote(28, &IPv4Header{MF: true}), OK, 28, true},
		{"later fragment", quote(28, &IPv4Header{FragOffset: 8}), OK, 28, false},
		{"19 bytes", quote(19, &IPv4Header{}), Short, 0, false},
		{"nothing", nil, Short, 0, false},
		{"half of the options", quote(22, &options), BadHdrLen, 0, false},
		{"version 6", append([]byte{0x65}, quote(28, &IPv4Header{})[1:]...), BadVersion, 0, false},
		{"header of 16 bytes", append([]byte{0x44}, quote(28, &IPv4Header{})[1:]...), BadHdrLen, 0, false},
		{"total length in the options", append([]byte{0x46, 0, 0, 23}, quote(28, &IPv4Header{})[4:]...), BadLength, 0, false},
		{"total length below the header", append([]byte{0x45, 0, 0, 19}, quote(28, &IPv4Header{})[4:]...), BadLength, 0, false},
	}
	for _, typ := range []uint8{ICMP4Unreachable, ICMP4SourceQuench, ICMP4Redirect, ICMP4TimeExceeded, ICMP4ParamProblem} {
		for _, tc := range tests {
			m := make(ICMP4, 8+len(tc.quote))
			copy(m[8:], tc.quote)
			PutICMP4(m, typ, 0, 0, len(tc.quote))
			q, f := m.Quoted()
			if f != tc.want || len(q) != tc.n {
				t.Errorf("type %d, %s: %s and %d bytes, want %s and %d", typ, tc.name, f, len(q), tc.want, tc.n)
				continue
			}
			if f != OK {
				continue
			}
			if q.TotalLen() != q.HeaderLen()+500 || q.Proto() != ProtoUDP || q.Src() != netip.MustParseAddr("192.0.2.1") || q.Dst() != netip.MustParseAddr("192.0.2.2") || len(q.Payload()) != len(q)-q.HeaderLen() {
				t.Errorf("%s: %s > %s proto %d total %d", tc.name, q.Src(), q.Dst(), q.Proto(), q.TotalLen())
			}
			src, dst, ok := q.Ports()
			if ok != tc.ports || ok && (src != 7 || dst != 9) {
				t.Errorf("%s: ports %d %d %t", tc.name, src, dst, ok)
			}
		}
	}
}

// RFC 4884 §4: byte 5 tells where the quote ends and extensions begin; a quote
// with extensions has at least 128 bytes, and a redirect's byte 5 is part of an
// address.
func TestICMP4QuotedRFC4884Section4(t *testing.T) {
	tests := []struct {
		typ   uint8
		words uint32
		want  int
	}{
		{ICMP4TimeExceeded, 0, 208},
		{ICMP4TimeExceeded, 32, 128},
		{ICMP4Unreachable, 33, 132},
		{ICMP4ParamProblem, 32, 128},
		{ICMP4TimeExceeded, 31, 208},
		{ICMP4TimeExceeded, 255, 208},
		{ICMP4Redirect, 32, 208},
		{ICMP4SourceQuench, 32, 208},
	}
	for _, tc := range tests {
		m := make(ICMP4, 8+208)
		copy(m[8:], quote(208, &IPv4Header{}))
		PutICMP4(m, tc.typ, 0, tc.words<<16, 208)
		if q, f := m.Quoted(); f != OK || len(q) != tc.want {
			t.Errorf("type %d length %d: %s, %d bytes, want %d", tc.typ, tc.words, f, len(q), tc.want)
		}
	}
}

func TestICMP4IsError(t *testing.T) {
	for typ := range 256 {
		want := typ == 3 || typ == 4 || typ == 5 || typ == 11 || typ == 12
		if got := (ICMP4{uint8(typ), 0, 0, 0, 0, 0, 0, 0}).IsError(); got != want {
			t.Errorf("type %d: %t", typ, got)
		}
	}
}
