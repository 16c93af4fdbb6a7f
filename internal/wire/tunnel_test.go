package wire

import (
	"bytes"
	"testing"
)

func TestGRE(t *testing.T) {
	for _, tc := range []struct {
		name string
		h    GREHeader
		want string
	}{
		{"plain", GREHeader{Type: EtherTypeIPv4}, "\x00\x00\x08\x00"},
		{"key", GREHeader{Type: EtherTypeIPv6, HasKey: true, Key: 0x01020304}, "\x20\x00\x86\xdd\x01\x02\x03\x04"},
		{"sequence", GREHeader{Type: EtherTypeTEB, Sequence: true, Seq: 7}, "\x10\x00\x65\x58\x00\x00\x00\x07"},
		{"checksum", GREHeader{Type: EtherTypeIPv4, Checksum: true}, "\x80\x00\x08\x00\x67\x92\x00\x00"},
		{"all", GREHeader{Type: EtherTypeIPv4, Checksum: true, HasKey: true, Key: 1, Sequence: true, Seq: 2}, "\xb0\x00\x08\x00\x37\x8f\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02"},
	} {
		b := bytes.Repeat([]byte{0xa5}, tc.h.Len()+4)
		copy(b[tc.h.Len():], "\x10\x6d\x00\x00")
		if tc.h.Len() != len(tc.want) {
			t.Fatalf("%s: length %d", tc.name, tc.h.Len())
		}
		PutGRE(b, &tc.h)
		if got := string(b[:len(tc.want)]); got != tc.want {
			t.Errorf("%s: %x, want %x", tc.name, got, tc.want)
		}
		g, f := ParseGRE(b)
		if f != OK || g.HeaderLen() != tc.h.Len() || g.Type() != tc.h.Type || !g.ChecksumOK() || len(g.Payload()) != 4 {
			t.Errorf("%s: %s", tc.name, f)
		}
		if key, ok := g.Key(); ok != tc.h.HasKey || key != tc.h.Key {
			t.Errorf("%s: key %d", tc.name, key)
		}
		if seq, ok := g.Sequence(); ok != tc.h.Sequence || seq != tc.h.Seq {
			t.Errorf("%s: sequence %d", tc.name, seq)
		}
		if b[len(b)-1] ^= 1; g.ChecksumOK() == tc.h.Checksum {
			t.Errorf("%s: a wrong checksum is not seen", tc.name)
		}
	}
}

// RFC 2784 §2.3: a receiver must discard a packet with one of the bits 1 to 5, but
// for those that RFC 2890 gave a meaning; RFC 2784 §2.3.1: version 0.
func TestGREFaults(t *testing.T) {
	for _, tc := range []struct {
		b    string
		want Fault
	}{
		{"", Short}, {"\x00\x00\x08", Short}, {"\x00\x01\x08\x00", BadVersion},
		{"\x40\x00\x08\x00", BadOption}, {"\x08\x00\x08\x00", BadOption}, {"\x04\x00\x08\x00", BadOption},
		{"\x03\xf8\x08\x00", OK}, // reserved bits 6 to 12 are ignored
		{"\x20\x00\x08\x00\x00\x00\x00", BadHdrLen}, {"\xb0\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", BadHdrLen},
	} {
		if _, f := ParseGRE([]byte(tc.b)); f != tc.want {
			t.Errorf("%x: %s, want %s", tc.b, f, tc.want)
		}
	}
}

func TestVXLAN(t *testing.T) {
	b := []byte("........frame")
	PutVXLAN(b, 0x123456)
	if want := "\x08\x00\x00\x00\x12\x34\x56\x00frame"; string(b) != want {
		t.Fatalf("%x, want %x", b, want)
	}
	v, f := ParseVXLAN(b)
	if f != OK || v.VNI() != 0x123456 || string(v.Payload()) != "frame" {
		t.Errorf("%s: VNI %#x, %q", f, v.VNI(), v.Payload())
	}
	for _, tc := range []struct {
		b    string
		want Fault
	}{{"\x08\x00\x00\x00\x12\x34\x56", Short}, {"\xf7\x00\x00\x00\x12\x34\x56\x00", BadType}, {"\xff\xff\xff\xff\x12\x34\x56\xff", OK}} {
		if _, f := ParseVXLAN([]byte(tc.b)); f != tc.want {
			t.Errorf("%x: %s, want %s", tc.b, f, tc.want)
		}
	}
}

func FuzzGRE(f *testing.F) {
	for _, s := range []string{"\x00\x00\x08\x00", "\xb0\x00\x08\x00\x37\x8f\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02E"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, fault := ParseGRE(b)
		if fault != OK {
			return
		}
		h := GREHeader{Type: g.Type(), Checksum: g.HasChecksum()}
		h.Key, h.HasKey = g.Key()
		h.Seq, h.Sequence = g.Sequence()
		out := make([]byte, len(b))
		copy(out[h.Len():], g.Payload())
		PutGRE(out, &h)
		back, fault := ParseGRE(out)
		if fault != OK || !back.ChecksumOK() || !bytes.Equal(back.Payload(), g.Payload()) {
			t.Errorf("read    %x\nwritten %x", b, out)
		}
	})
}
