package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestUDP(t *testing.T) {
	b := bytes.Repeat([]byte{0xa5}, 20)
	PutUDP(b, 0x1234, 53, 4)
	copy(b[8:], "ping")
	if want := []byte{0x12, 0x34, 0, 53, 0, 12, 0, 0, 'p', 'i', 'n', 'g', 0xa5}; !bytes.Equal(b[:13], want) {
		t.Fatalf("PutUDP: %x, want %x", b[:13], want)
	}
	u, f := ParseUDP(b)
	if f != OK || u.SrcPort() != 0x1234 || u.DstPort() != 53 || u.Checksum() != 0 || string(u.Payload()) != "ping" {
		t.Errorf("%s: %d > %d %q", f, u.SrcPort(), u.DstPort(), u.Payload())
	}
}

func TestParseUDPFaults(t *testing.T) {
	tests := []struct {
		name   string
		length uint16
		n      int
		want   Fault
		keep   int
	}{
		{"nothing", 0, 0, Short, 0},
		{"7 bytes", 8, 7, Short, 0},
		{"no payload", 8, 8, OK, 8},
		{"length 7", 7, 8, BadLength, 0},
		{"length 0", 0, 8, BadLength, 0},
		{"longer than the packet", 10, 9, BadLength, 0},
		{"shorter than the packet", 9, 20, OK, 9},
		{"largest", 65535, 65535, OK, 65535},
	}
	for _, tc := range tests {
		b := make([]byte, max(tc.n, 8))
		b[4], b[5] = byte(tc.length>>8), byte(tc.length)
		if u, f := ParseUDP(b[:tc.n]); f != tc.want || len(u) != tc.keep {
			t.Errorf("%s: %s and %d bytes, want %s and %d", tc.name, f, len(u), tc.want, tc.keep)
		}
	}
}

func TestUDPChecksum(t *testing.T) {
	tests := []struct{ src, dst string }{
		{"192.0.2.1", "192.0.2.2"},
		{"2001:db8::1", "ff3e::1234"},
	}
	for _, tc := range tests {
		src, dst := netip.MustParseAddr(tc.src), netip.MustParseAddr(tc.dst)
		for n := range 9 { // odd and even lengths
			u := make(UDP, UDPLen+n)
			PutUDP(u, 1, 2, n)
			copy(u[UDPLen:], "\xff\x00\xff\x01\x02\x03\x04\x05\x06")
			u.SetChecksum(src, dst)
			if u.Checksum() == 0 || !u.ChecksumOK(src, dst) {
				t.Errorf("%s, %d bytes: wrong checksum %#04x", src, n, u.Checksum())
			}
			for i := range u {
				u[i] ^= 1
				if i != 6 && i != 7 && u.ChecksumOK(src, dst) {
					t.Errorf("%s, %d bytes: change of byte %d is not seen", src, n, i)
				}
				u[i] ^= 1
			}
			if u.ChecksumOK(src, dst.Next()) {
				t.Errorf("%s: another destination is not seen", src)
			}
		}
	}
}

// RFC 768: a checksum of zero is sent as all ones, zero says that there is
// none; RFC 8200 §8.1 forbids none.
func TestUDPChecksumZero(t *testing.T) {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	u := make(UDP, UDPLen+2)
	PutUDP(u, 1, 2, 2)
	u.SetChecksum(src, dst)
	copy(u[8:], u[6:8]) // the payload that makes the sum come out as zero
	u.SetChecksum(src, dst)
	if u.Checksum() != 0xffff || !u.ChecksumOK(src, dst) {
		t.Errorf("checksum %#04x, right: %t", u.Checksum(), u.ChecksumOK(src, dst))
	}
	u[6], u[7], u[8] = 0, 0, u[8]+1
	if !u.ChecksumOK(src, dst) {
		t.Error("IPv4: no checksum must be right")
	}
	if u.ChecksumOK(netip.IPv6Loopback(), netip.IPv6Loopback()) {
		t.Error("IPv6: no checksum must be wrong")
	}
}

func TestPutUDPPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a payload of 65528 bytes was accepted")
		}
	}()
	PutUDP(make([]byte, 8), 1, 2, 65528)
}
