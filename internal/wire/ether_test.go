package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestMAC(t *testing.T) {
	tests := []struct {
		mac                        MAC
		text                       string
		multicast, broadcast, zero bool
	}{
		{MAC{}, "00:00:00:00:00:00", false, false, true},
		{MAC{2, 0, 0, 0, 0, 1}, "02:00:00:00:00:01", false, false, false},
		{MAC{1, 0, 0x5e, 0x7f, 0xab, 0xcd}, "01:00:5e:7f:ab:cd", true, false, false},
		{BroadcastMAC(), "ff:ff:ff:ff:ff:ff", true, true, false},
		{MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, "ff:ff:ff:ff:ff:fe", true, false, false},
	}
	for _, tc := range tests {
		if got := tc.mac.String(); got != tc.text {
			t.Errorf("String: %s, want %s", got, tc.text)
		}
		if tc.mac.IsMulticast() != tc.multicast || tc.mac.IsBroadcast() != tc.broadcast || tc.mac.IsZero() != tc.zero {
			t.Errorf("%s: multicast %t broadcast %t zero %t", tc.mac, tc.mac.IsMulticast(), tc.mac.IsBroadcast(), tc.mac.IsZero())
		}
	}
}

// RFC 1112 §6.4 (32 groups share an address) and RFC 2464 §7.
func TestMulticastMAC(t *testing.T) {
	tests := []struct{ group, mac string }{
		{"224.0.0.1", "01:00:5e:00:00:01"},
		{"239.255.255.255", "01:00:5e:7f:ff:ff"},
		{"232.129.2.3", "01:00:5e:01:02:03"},
		{"232.1.2.3", "01:00:5e:01:02:03"},
		{"ff02::1:ff12:3456", "33:33:ff:12:34:56"},
		{"ff3e::8000:1", "33:33:80:00:00:01"},
	}
	for _, tc := range tests {
		if got := MulticastMAC(netip.MustParseAddr(tc.group)); got.String() != tc.mac {
			t.Errorf("%s: %s, want %s", tc.group, got, tc.mac)
		}
	}
}

func TestEther(t *testing.T) {
	dst, src := MAC{1, 2, 3, 4, 5, 6}, MAC{7, 8, 9, 10, 11, 12}
	want := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x06, 0xa5}
	b := bytes.Repeat([]byte{0xa5}, 15)
	PutEther(b, dst, src, EtherTypeARP)
	if !bytes.Equal(b, want) {
		t.Fatalf("PutEther: %x, want %x", b, want)
	}
	e, f := ParseEther(b)
	if f != OK || e.Dst() != dst || e.Src() != src || e.Type() != EtherTypeARP || !bytes.Equal(e.Payload(), []byte{0xa5}) {
		t.Errorf("%s: %s > %s %#x %x", f, e.Src(), e.Dst(), e.Type(), e.Payload())
	}
	if e, f := ParseEther(b[:14]); f != OK || len(e.Payload()) != 0 {
		t.Errorf("header alone: %s", f)
	}
	if _, f := ParseEther(b[:13]); f != Short {
		t.Errorf("13 bytes: %s", f)
	}
}

func TestVLAN(t *testing.T) {
	tests := []struct {
		id   uint16
		pcp  uint8
		dei  bool
		want []byte
	}{
		{0, 0, false, []byte{0x00, 0x00, 0x08, 0x00}},
		{0xfff, 0, false, []byte{0x0f, 0xff, 0x08, 0x00}},
		{100, 7, false, []byte{0xe0, 0x64, 0x08, 0x00}},
		{1, 5, true, []byte{0xb0, 0x01, 0x08, 0x00}},
	}
	for _, tc := range tests {
		b := []byte{0xa5, 0xa5, 0xa5, 0xa5, 0x45}
		PutVLAN(b, tc.id, tc.pcp, tc.dei, EtherTypeIPv4)
		if !bytes.Equal(b[:4], tc.want) {
			t.Errorf("PutVLAN(%d, %d, %t): %x, want %x", tc.id, tc.pcp, tc.dei, b[:4], tc.want)
		}
		v, f := ParseVLAN(b)
		if f != OK || v.ID() != tc.id || v.PCP() != tc.pcp || v.DEI() != tc.dei || v.Type() != EtherTypeIPv4 || !bytes.Equal(v.Payload(), []byte{0x45}) {
			t.Errorf("%s: id %d prio %d dei %t type %#x payload %x", f, v.ID(), v.PCP(), v.DEI(), v.Type(), v.Payload())
		}
	}
	b := make([]byte, 4)
	if PutVLAN(b, 0xf001, 9, false, 0); !bytes.Equal(b, []byte{0x20, 0x01, 0, 0}) {
		t.Errorf("bits beyond the fields were written: %x", b)
	}
	if _, f := ParseVLAN(b[:3]); f != Short {
		t.Errorf("3 bytes: %s", f)
	}
}
