package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

var arpReply = [...]byte{
	0, 1, 8, 0, 6, 4, 0, 2,
	2, 0, 0, 0, 0, 1, 192, 0, 2, 1,
	2, 0, 0, 0, 0, 2, 192, 0, 2, 2,
}

func TestARP(t *testing.T) {
	smac, tmac := MAC{2, 0, 0, 0, 0, 1}, MAC{2, 0, 0, 0, 0, 2}
	sip, tip := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	b := bytes.Repeat([]byte{0xa5}, 46) // as short frames are padded
	PutARP(b, ARPReply, smac, sip, tmac, tip)
	if !bytes.Equal(b[:28], arpReply[:]) || b[28] != 0xa5 {
		t.Fatalf("PutARP: %x", b)
	}
	a, f := ParseARP(b)
	if f != OK || len(a) != ARPLen {
		t.Fatalf("ParseARP: %s, %d bytes", f, len(a))
	}
	if a.Op() != ARPReply || a.SenderMAC() != smac || a.SenderIP() != sip || a.TargetMAC() != tmac || a.TargetIP() != tip {
		t.Errorf("op %d %s %s > %s %s", a.Op(), a.SenderMAC(), a.SenderIP(), a.TargetMAC(), a.TargetIP())
	}
}

func TestParseARPFaults(t *testing.T) {
	tests := []struct {
		name string
		at   int
		to   byte
		want Fault
	}{
		{"as it is", 0, 0, OK},
		{"IEEE 802 hardware", 1, 6, BadHardware},
		{"IPv6 protocol", 2, 0x86, BadHardware},
		{"hardware size", 4, 8, BadHardware},
		{"protocol size", 5, 16, BadHardware},
		{"unknown operation", 7, 99, OK},
		{"large operation", 6, 0xff, OK},
	}
	for _, tc := range tests {
		b := arpReply
		b[tc.at] = tc.to
		if _, f := ParseARP(b[:]); f != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, f, tc.want)
		}
	}
	for n := range ARPLen {
		if _, f := ParseARP(arpReply[:n]); f != Short {
			t.Errorf("%d bytes: %s", n, f)
		}
	}
}
