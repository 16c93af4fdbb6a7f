package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// slowSum is the sum as RFC 1071 §4.1 tells it: one 16-bit word after another.
func slowSum(b []byte, acc uint64) uint64 {
	for len(b) > 1 {
		acc += uint64(b[0])<<8 | uint64(b[1])
		b = b[2:]
	}
	if len(b) > 0 {
		acc += uint64(b[0]) << 8
	}
	return acc
}

func slowFold(acc uint64) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return ^uint16(acc)
}

func TestChecksumRFC1071Section3(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := ^Checksum(b); got != 0xddf2 {
		t.Errorf("sum %#04x, want 0xddf2", got)
	}
	if got := Checksum(nil); got != 0xffff {
		t.Errorf("checksum of nothing %#04x, want 0xffff", got)
	}
}

// Every length, alignment and filling must agree with the slow model; all ones
// make every addition carry.
func TestChecksumAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random, ones := make([]byte, 2100), make([]byte, 2100)
	for i := range random {
		random[i], ones[i] = byte(rnd.Uint32()), 0xff
	}
	for _, buf := range [][]byte{random, ones, make([]byte, 2100)} {
		for n := 0; n <= 2048; n++ {
			at := rnd.IntN(16)
			b := buf[at : at+n]
			acc := rnd.Uint32()
			if n%7 == 0 {
				acc = 0xffffffff
			}
			if got, want := Fold(Sum(b, acc)), slowFold(slowSum(b, uint64(acc))); got != want {
				t.Fatalf("Sum(%d bytes, %#x): %#04x, want %#04x", n, acc, got, want)
			}
			if got, want := Checksum(b), slowFold(slowSum(b, 0)); got != want {
				t.Fatalf("Checksum(%d bytes): %#04x, want %#04x", n, got, want)
			}
		}
	}
}

func TestSumInParts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, 300)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	for range 1000 {
		n := rnd.IntN(len(b) + 1)
		cut := rnd.IntN(n+1) &^ 1
		if got, want := Fold(Sum(b[cut:n], Sum(b[:cut], 0))), Checksum(b[:n]); got != want {
			t.Fatalf("%d bytes cut at %d: %#04x, want %#04x", n, cut, got, want)
		}
	}
}

func TestPseudoSum(t *testing.T) {
	tests := []struct {
		src, dst string
		proto    uint8
		n        int
	}{
		{"192.0.2.1", "198.51.100.2", ProtoUDP, 8},
		{"255.255.255.255", "255.255.255.255", 255, 65535},
		{"0.0.0.0", "255.255.255.255", ProtoUDP, 308},
		{"fe80::1", "ff02::16", ProtoICMPv6, 28},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 255, 0x7fffffff},
	}
	for _, tc := range tests {
		src, dst := netip.MustParseAddr(tc.src), netip.MustParseAddr(tc.dst)
		// The pseudo header of RFC 8200 §8.1; with four-byte addresses its sum is
		// that of RFC 768's.
		h := append(src.AsSlice(), dst.AsSlice()...)
		h = binary.BigEndian.AppendUint32(h, uint32(tc.n))
		h = append(h, 0, 0, 0, tc.proto)
		if got, want := Fold(PseudoSum(src, dst, tc.proto, tc.n)), Checksum(h); got != want {
			t.Errorf("%s > %s proto %d length %d: %#04x, want %#04x", src, dst, tc.proto, tc.n, got, want)
		}
	}
}

// RFC 1624 §4's own example, in which the equation of RFC 1071 went wrong.
func TestUpdateChecksumRFC1624Section4(t *testing.T) {
	if got := UpdateChecksum(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("got %#04x, want 0", got)
	}
}

func TestUpdateChecksumAgainstSum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	b := make([]byte, 40)
	for i := range 20000 {
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		if i%4 == 0 { // sums of zero and of its other form
			clear(b[2:])
		}
		b[0] |= 0x40 // never all zero, as no header is
		sum := Checksum(b)
		at, is := 2+2*rnd.IntN(17), rnd.Uint32()>>(rnd.Uint32()&32)
		was := binary.BigEndian.Uint32(b[at:])
		binary.BigEndian.PutUint16(b[at:], uint16(is>>16))
		if got, want := UpdateChecksum(sum, uint16(was>>16), uint16(is>>16)), Checksum(b); got != want {
			t.Fatalf("UpdateChecksum: %#04x, want %#04x", got, want)
		}
		binary.BigEndian.PutUint32(b[at:], is)
		if got, want := UpdateChecksum32(sum, was, is), Checksum(b); got != want {
			t.Fatalf("UpdateChecksum32: %#04x, want %#04x", got, want)
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	buf := make([]byte, 65160)
	for i := range buf {
		buf[i] = byte(i)
	}
	for _, bc := range []struct {
		name string
		n    int
	}{{"20", 20}, {"40", 40}, {"576", 576}, {"1500", 1500}, {"65160", 65160}} {
		b.Run(bc.name, func(b *testing.B) {
			b.SetBytes(int64(bc.n))
			for b.Loop() {
				Checksum(buf[:bc.n])
			}
		})
	}
}

func BenchmarkIPv4ChecksumOK(b *testing.B) {
	p := make(IPv4, 20)
	PutIPv4(p, &IPv4Header{Src: netip.IPv4Unspecified(), Dst: netip.IPv4Unspecified()}, 0)
	for b.Loop() {
		if !p.ChecksumOK() {
			b.Fatal("wrong checksum")
		}
	}
}
