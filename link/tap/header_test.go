package tap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net"
	"slices"
	"testing"

	"github.com/seed88948545/vimage/link"
)

// frameOf returns n bytes that look like Ethernet, IPv4 and, at 34, a TCP
// header of tcpLen bytes with the given flags.
func frameOf(n, tcpLen int, flags byte) []byte { return frameAt(n, typeIPv4, 34, tcpLen, flags) }

// frameAt is frameOf for another protocol and place of the TCP header.
func frameAt(n int, typ uint16, at, tcpLen int, flags byte) []byte {
	f := make([]byte, n)
	binary.BigEndian.PutUint16(f[12:], typ)
	if n > at+13 {
		f[at+12] = byte(tcpLen/4) << 4
		f[at+13] = flags
	}
	return f
}

// tagged puts an IEEE 802.1Q tag into a frame.
func tagged(f []byte) []byte {
	return slices.Insert(f, 12, 0x81, 0, 0, 5)
}

func TestHeader(t *testing.T) {
	plain := frameOf(60, 20, 0)
	super := frameOf(3000, 32, 0)
	cwr := frameOf(3000, 20, tcpFlagCWR)
	six := frameAt(3000, typeIPv6, 54, 32, 0)
	ext := frameAt(3000, typeIPv6, 54+8+16, 20, tcpFlagCWR)
	tag := tagged(frameAt(3000, typeIPv6, 54+8+16, 20, 0))
	for _, c := range []struct {
		name  string
		hdr   string // as written
		read  string // as the kernel may put it; empty: as written
		frame []byte
		meta  link.Meta
	}{
		{"plain", "000000000000000000000000", "", plain, link.Meta{Len: 60}},
		{"verified", "000000000000000000000000", "020000000000000000000000", plain, link.Meta{Len: 60, Sum: link.SumValid}},
		{"partial", "010000000000220006000000", "", plain, link.Meta{Len: 60, Sum: link.SumPartial, SumStart: 34, SumOffset: 6}},
		{"partial and verified", "010000000000220006000000", "030000000000220006000000", plain, link.Meta{Len: 60, Sum: link.SumPartial, SumStart: 34, SumOffset: 6}},
		{"tcp4", "01014200a805220010000000", "0101ff00a805220010000100", super,
			link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 34, SumOffset: 16, GSO: link.GSOTCP4, Size: 1448, HeaderLen: 66}},
		{"tcp4 with CWR", "01813600a805220010000000", "", cwr,
			link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 34, SumOffset: 16, GSO: link.GSOTCP4, Size: 1448, HeaderLen: 54}},
		{"tcp6", "01045600a805360010000000", "", six,
			link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 54, SumOffset: 16, GSO: link.GSOTCP6, Size: 1448, HeaderLen: 86}},
		{"tcp6 behind extension headers, with CWR", "01846200a8054e0010000000", "0184ff0fa8054e0010000000", ext,
			link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 78, SumOffset: 16, GSO: link.GSOTCP6, Size: 1448, HeaderLen: 98}},
		{"tcp6 behind a tag and extension headers", "01046600a805520010000000", "", tag,
			link.Meta{Len: 3004, Sum: link.SumPartial, SumStart: 82, SumOffset: 16, GSO: link.GSOTCP6, Size: 1448, HeaderLen: 102}},
		{"udp6", "01053e007805360006000000", "", six,
			link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 54, SumOffset: 6, GSO: link.GSOUDP, Size: 1400, HeaderLen: 62}},
		{"udp6 behind extension headers", "010556007805" + "4e0006000000", "", ext,
			link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 78, SumOffset: 6, GSO: link.GSOUDP, Size: 1400, HeaderLen: 86}},
		{"partial of ICMPv6", "010000000000360002000000", "", six, link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 54, SumOffset: 2}},
		{"udp", "01052a007805220006000000", "", super,
			link.Meta{Len: 3000, Sum: link.SumPartial, SumStart: 34, SumOffset: 6, GSO: link.GSOUDP, Size: 1400, HeaderLen: 42}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hdr [hdrLen]byte
			if !encode(&hdr, &c.meta, c.frame) {
				t.Fatal("encode refuses")
			}
			if got := hex.EncodeToString(hdr[:]); got != c.hdr {
				t.Errorf("encode gives\n%s, want\n%s", got, c.hdr)
			}
			if c.read != "" {
				hex.Decode(hdr[:], []byte(c.read))
			}
			if got, ok := decode(&hdr, c.frame); !ok || got != c.meta {
				t.Errorf("decode gives %+v %v, want %+v", got, ok, c.meta)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ name, hdr string }{
		{"sum beyond the frame", "0100000000003a0001000000"},
		{"sum starts in the Ethernet header", "0100000000000d0006000000"},
		{"gso without partial sum", "000100000100220010000000"},
		{"gso of size 0", "010100000000220010000000"},
		{"gso type UFO", "010300000100220006000000"},
		{"gso type 7", "010700000100220006000000"},
		{"tcp sum at the place of udp", "010100000100220006000000"},
		{"udp sum at the place of tcp", "010500000100220010000000"},
		{"tcp header cut off", "010100000100290010000000"},
		{"tcp4 in the IPv4 header", "010100000100210010000000"},
		{"tcp6 that is IPv4", "010400000100220010000000"},
	} {
		var hdr [hdrLen]byte
		hex.Decode(hdr[:], []byte(c.hdr))
		if m, ok := decode(&hdr, frameOf(60, 20, 0)); ok {
			t.Errorf("%s: accepted as %+v", c.name, m)
		}
	}
	for name, c := range map[string]struct {
		hdr   string
		frame []byte
	}{
		"tcp4 that is IPv6":       {"010100000100360010000000", frameAt(80, typeIPv6, 54, 20, 0)},
		"tcp6 in the IPv6 header": {"010400000100350010000000", frameAt(80, typeIPv6, 53, 20, 0)},
		"tcp6 under two tags":     {"0104000001003e0010000000", tagged(tagged(frameAt(80, typeIPv6, 54, 20, 0)))},
		"tcp4 that is ARP":        {"010100000100220010000000", frameAt(60, 0x0806, 34, 20, 0)},
		"udp that is ARP":         {"010500000100220006000000", frameAt(60, 0x0806, 34, 20, 0)},
	} {
		var hdr [hdrLen]byte
		hex.Decode(hdr[:], []byte(c.hdr))
		if m, ok := decode(&hdr, c.frame); ok {
			t.Errorf("%s: accepted as %+v", name, m)
		}
	}
	for _, n := range []int{0, 16, 28} {
		hdr := [hdrLen]byte{1, gsoTCP4, 0, 0, 100, 0, 34, 0, 16}
		if m, ok := decode(&hdr, frameOf(60, n, 0)); ok {
			t.Errorf("TCP header of %d bytes in 26: accepted as %+v", n, m)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	tcp := link.Meta{Len: 60, Sum: link.SumPartial, SumStart: 34, SumOffset: 16, GSO: link.GSOTCP4, Size: 1, HeaderLen: 54}
	var hdr [hdrLen]byte
	if !encode(&hdr, &tcp, frameOf(60, 20, 0)) {
		t.Fatal("the model is refused")
	}
	for name, spoil := range map[string]func(*link.Meta){
		"complete sum": func(m *link.Meta) { m.Sum = link.SumNone },
		"size 0":       func(m *link.Meta) { m.Size = 0 },
		"header":       func(m *link.Meta) { m.HeaderLen = 55 },
		"no header":    func(m *link.Meta) { m.HeaderLen = 0 },
		"kind":         func(m *link.Meta) { m.GSO = link.GSOUDP + 1 },
		"start":        func(m *link.Meta) { m.SumStart = 0xffff },
	} {
		m := tcp
		spoil(&m)
		if encode(&hdr, &m, frameOf(60, 20, 0)) {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzHeader checks that decoding never leaves the frame, and that what it
// accepts is encoded to a header that decodes to the same.
func FuzzHeader(f *testing.F) {
	f.Add([]byte{1, gsoTCP4 | gsoECN, 0, 0, 1, 0, 34, 0, 16, 0, 0, 0}, frameOf(80, 20, tcpFlagCWR))
	f.Add([]byte{1, gsoUDPL4, 0, 0, 1, 0, 34, 0, 6, 0, 0, 0}, frameOf(80, 20, 0))
	f.Add([]byte{1, gsoTCP6 | gsoECN, 0, 0, 1, 0, 62, 0, 16, 0, 0, 0}, frameAt(100, typeIPv6, 62, 20, tcpFlagCWR))
	f.Add([]byte{1, gsoUDPL4, 0, 0, 1, 0, 58, 0, 6, 0, 0, 0}, tagged(frameAt(100, typeIPv6, 54, 20, 0)))
	f.Add(make([]byte, hdrLen), frameOf(14, 0, 0))
	f.Fuzz(func(t *testing.T, h, frame []byte) {
		if len(h) < hdrLen {
			return
		}
		hdr := [hdrLen]byte(h)
		m, ok := decode(&hdr, frame)
		if !ok {
			return
		}
		if m.Sum == link.SumPartial && int(m.SumStart)+int(m.SumOffset)+2 > len(frame) || int(m.HeaderLen) > len(frame) {
			t.Fatalf("%+v leaves a frame of %d bytes", m, len(frame))
		}
		if !encode(&hdr, &m, frame) {
			t.Fatalf("%+v decoded and not encoded", m)
		}
		again, ok := decode(&hdr, frame)
		if m.Sum == link.SumValid {
			m.Sum = link.SumNone
		}
		if !ok || again != m {
			t.Fatalf("%+v comes back as %+v", m, again)
		}
	})
}

func TestSuggestMAC(t *testing.T) {
	for _, s := range []string{"32:df:57:df:6d:1d", "00:00:5e:00:01:01", "fe:54:00:00:00:01", "72:00:00:00:00:00"} {
		k, _ := net.ParseMAC(s)
		m := suggestMAC(k)
		if bytes.Equal(m, k) || m[0]&1 != 0 || m[0]&2 == 0 {
			t.Errorf("kernel %s, suggested %s", k, m)
		}
		if k.String() != s {
			t.Errorf("the kernel's address was written to")
		}
	}
	if suggestMAC(nil) != nil {
		t.Error("an interface without address gets one")
	}
}
