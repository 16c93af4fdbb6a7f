package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestPutIPv4(t *testing.T) {
	h := IPv4Header{
		TOS: 0xb8, ID: 0x1234, DF: true, TTL: 64, Proto: ProtoUDP,
		Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("198.51.100.2"),
	}
	b := bytes.Repeat([]byte{0xa5}, 30)
	if n := PutIPv4(b, &h, 8); n != 20 {
		t.Fatalf("header of %d bytes", n)
	}
	want := []byte{
		0x45, 0xb8, 0x00, 0x1c, 0x12, 0x34, 0x40, 0x00, 64, 17, 0x3b, 0xae,
		192, 0, 2, 1, 198, 51, 100, 2, 0xa5,
	}
	if sum := slowFold(slowSum(want[:10], 0) + slowSum(want[12:20], 0)); sum != 0x3bae {
		t.Fatalf("the expected checksum itself is wrong: %#04x", sum)
	}
	if !bytes.Equal(b[:21], want) {
		t.Errorf("PutIPv4:\n%x, want\n%x", b[:21], want)
	}
	p, f := ParseIPv4(b)
	if f != OK || len(p) != 28 || p.TotalLen() != 28 || !p.ChecksumOK() || p.Checksum() != 0x3bae {
		t.Fatalf("%s: %d bytes, total %d, checksum %t", f, len(p), p.TotalLen(), p.ChecksumOK())
	}
	if p.Src() != h.Src || p.Dst() != h.Dst || p.Src4() != h.Src.As4() || p.Dst4() != h.Dst.As4() {
		t.Errorf("%s > %s", p.Src(), p.Dst())
	}
	if p.TOS() != 0xb8 || p.ID() != 0x1234 || p.TTL() != 64 || p.Proto() != ProtoUDP || p.HeaderLen() != 20 || len(p.Options()) != 0 || len(p.Payload()) != 8 {
		t.Errorf("tos %#x id %#x ttl %d proto %d header %d", p.TOS(), p.ID(), p.TTL(), p.Proto(), p.HeaderLen())
	}
}

func TestIPv4Fragments(t *testing.T) {
	tests := []struct {
		df, mf   bool
		offset   int
		bits     [2]byte
		fragment bool
	}{
		{false, false, 0, [2]byte{0x00, 0x00}, false},
		{true, false, 0, [2]byte{0x40, 0x00}, false},
		{false, true, 0, [2]byte{0x20, 0x00}, true},
		{false, false, 8, [2]byte{0x00, 0x01}, true},
		{false, true, 1480, [2]byte{0x20, 0xb9}, true},
		{true, true, 65528, [2]byte{0x7f, 0xff}, true},
	}
	for _, tc := range tests {
		h := IPv4Header{DF: tc.df, MF: tc.mf, FragOffset: tc.offset, Src: netip.IPv4Unspecified(), Dst: netip.IPv4Unspecified()}
		p := make(IPv4, 20)
		PutIPv4(p, &h, 0)
		if [2]byte(p[6:8]) != tc.bits {
			t.Errorf("%+v: wrote %x", tc, p[6:8])
		}
		if p.DF() != tc.df || p.MF() != tc.mf || p.FragOffset() != tc.offset || p.IsFragment() != tc.fragment {
			t.Errorf("%+v: read df %t mf %t offset %d fragment %t", tc, p.DF(), p.MF(), p.FragOffset(), p.IsFragment())
		}
	}
}

func TestParseIPv4Faults(t *testing.T) {
	packet := func(first byte, total uint16, n int) []byte {
		b := make([]byte, n)
		for i, c := range []byte{first, 0, byte(total >> 8), byte(total)} {
			if i < n {
				b[i] = c
			}
		}
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want Fault
		n    int
	}{
		{"nothing", nil, Short, 0},
		{"19 bytes", packet(0x45, 19, 19), Short, 0},
		{"header alone", packet(0x45, 20, 20), OK, 20},
		{"padding is cut off", packet(0x45, 28, 46), OK, 28},
		{"largest", packet(0x45, 65535, 65535), OK, 65535},
		{"version 6", packet(0x65, 20, 20), BadVersion, 0},
		{"version 0", packet(0x05, 20, 20), BadVersion, 0},
		{"header of 16 bytes", packet(0x44, 20, 20), BadHdrLen, 0},
		{"header of 0 bytes", packet(0x40, 20, 20), BadHdrLen, 0},
		{"header of 60 bytes", packet(0x4f, 60, 60), OK, 60},
		{"header beyond the bytes", packet(0x4f, 60, 59), BadHdrLen, 0},
		{"total length beyond the bytes", packet(0x45, 21, 20), BadLength, 0},
		{"total length below the header", packet(0x46, 23, 24), BadLength, 0},
		{"total length 0", packet(0x45, 0, 20), BadLength, 0},
	}
	for _, tc := range tests {
		p, f := ParseIPv4(tc.b)
		if f != tc.want || len(p) != tc.n {
			t.Errorf("%s: %s and %d bytes, want %s and %d", tc.name, f, len(p), tc.want, tc.n)
		}
	}
}

// Every way to change a header must leave the checksum that a new sum gives.
func TestIPv4MendsChecksum(t *testing.T) {
	for i := range 65536 {
		h := IPv4Header{ID: uint16(i), TTL: uint8(i>>8) | 1, Proto: uint8(i), Src: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Dst: netip.IPv4Unspecified()}
		p := make(IPv4, 20)
		PutIPv4(p, &h, 0)
		same := func(what string) {
			t.Helper()
			got := p.Checksum()
			if p.SetChecksum(); !p.ChecksumOK() || got != p.Checksum() {
				t.Fatalf("%s of %+v: checksum %#04x, want %#04x", what, h, got, p.Checksum())
			}
		}
		p.DecTTL()
		same("DecTTL")
		p.UndoTTL()
		same("UndoTTL")
		p.DecTTL()
		p.SetTOS(uint8(i >> 4))
		same("SetTOS")
		p.SetSrc(netip.AddrFrom4([4]byte{byte(i), 255, 255, byte(i >> 8)}))
		same("SetSrc")
		p.SetDst(netip.AddrFrom4([4]byte{byte(i >> 8), 0, byte(i), 255}))
		same("SetDst")
		if p.TTL() != h.TTL-1 || p.TOS() != uint8(i>>4) || p.Src4() != [4]byte{byte(i), 255, 255, byte(i >> 8)} || p.Dst4() != [4]byte{byte(i >> 8), 0, byte(i), 255} {
			t.Fatalf("fields of %x", []byte(p))
		}
	}
}

func TestIPv4ChecksumCoversHeaderOnly(t *testing.T) {
	h := IPv4Header{Src: netip.IPv4Unspecified(), Dst: netip.IPv4Unspecified(), Options: []byte{IPv4OptNop}}
	p := make(IPv4, 32)
	PutIPv4(p, &h, 8)
	for i := range p {
		p[i] ^= 0x10
		if p.HeaderLen() <= len(p) && p.ChecksumOK() != (i >= 24) {
			t.Errorf("byte %d changed: checksum %t", i, p.ChecksumOK())
		}
		p[i] ^= 0x10
	}
}

func TestPutIPv4Panics(t *testing.T) {
	zero := netip.IPv4Unspecified()
	tests := []struct {
		name    string
		n       int
		options int
		payload int
		want    bool
	}{
		{"largest packet", 20, 0, 65515, false},
		{"packet too long", 20, 0, 65516, true},
		{"40 bytes of options", 60, 40, 0, false},
		{"41 bytes of options", 80, 41, 0, true},
		{"slice too short", 19, 0, 0, true},
		{"slice too short for the padding", 21, 1, 0, true},
	}
	for _, tc := range tests {
		func() {
			defer func() {
				if got := recover() != nil; got != tc.want {
					t.Errorf("%s: panicked %t", tc.name, got)
				}
			}()
			PutIPv4(make([]byte, tc.n), &IPv4Header{Src: zero, Dst: zero, Options: make([]byte, tc.options)}, tc.payload)
		}()
	}
}
