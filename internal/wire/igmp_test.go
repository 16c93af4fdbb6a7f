package wire

import (
	"bytes"
	"math"
	"net/netip"
	"testing"
)

func TestIGMP(t *testing.T) {
	group := netip.MustParseAddr("239.1.2.3")
	b := bytes.Repeat([]byte{0xa5}, 9)
	PutIGMP(b, IGMPTypeV2Report, 0, group)
	if want := []byte{0x16, 0, 0xf8, 0xfa, 239, 1, 2, 3, 0xa5}; !bytes.Equal(b, want) {
		t.Fatalf("PutIGMP: %x, want %x", b, want)
	}
	m, f := ParseIGMP(b[:8])
	if f != OK || m.Type() != IGMPTypeV2Report || m.MaxRespCode() != 0 || m.Group() != group || m.Checksum() != 0xf8fa || !m.ChecksumOK() {
		t.Errorf("%s: type %#x code %d group %s checksum %#x", f, m.Type(), m.MaxRespCode(), m.Group(), m.Checksum())
	}
	if _, f := ParseIGMP(b[:7]); f != Short {
		t.Errorf("7 bytes: %s", f)
	}
}

func TestIGMPQueryVersionRFC3376Section7_1(t *testing.T) {
	for n := IGMPLen; n <= 40; n++ {
		for _, code := range []uint8{0, 1, 100, 255} {
			want := 3
			switch {
			case n == 8 && code == 0:
				want = 1
			case n == 8:
				want = 2
			case n < 12:
				want = 0
			}
			m := make(IGMP, n)
			m[0], m[1] = IGMPTypeQuery, code
			if got := m.QueryVersion(); got != want {
				t.Errorf("%d bytes, code %d: version %d, want %d", n, code, got, want)
			}
		}
	}
}

// RFC 3376 §4.1.1: every code stands for the number that its bits spell, and
// that number's code is the code again.
func TestIGMPCodeRFC3376Section4_1_1(t *testing.T) {
	last := -1
	for code := range 256 {
		want := code
		if code >= 128 {
			want = (16 + code%16) << (code/16%8 + 3)
		}
		got := IGMPDecode(uint8(code))
		if got != want || got <= last {
			t.Errorf("code %#02x: %d, want %d, more than %d", code, got, want, last)
		}
		if back := IGMPEncode(got); int(back) != code {
			t.Errorf("number %d: code %#02x, want %#02x", got, back, code)
		}
		last = got
	}
	if last != 31744 || IGMPMaxValue != 31744 {
		t.Errorf("largest number %d", last)
	}
}

func TestIGMPEncodeRoundsDown(t *testing.T) {
	code := 0
	for v := range IGMPMaxValue + 1 {
		for code < 255 && IGMPDecode(uint8(code+1)) <= v {
			code++
		}
		if got := IGMPEncode(v); int(got) != code {
			t.Fatalf("%d: code %#02x, want %#02x", v, got, code)
		}
	}
	if IGMPEncode(-1) != 0 || IGMPEncode(IGMPMaxValue+1) != 255 || IGMPEncode(math.MaxInt) != 255 {
		t.Error("numbers out of range are not clamped")
	}
}
