package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func addrs(s ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func TestIGMPv3Query(t *testing.T) {
	h := IGMPv3QueryHeader{MaxRespCode: 0x8a, Group: netip.MustParseAddr("232.1.1.1"), S: true, QRV: 2, QQIC: 125}
	b := bytes.Repeat([]byte{0xa5}, 24)
	n := PutIGMPv3Query(b, &h, addrs("10.0.0.1", "10.0.0.2"))
	want := []byte{0x11, 0x8a, 0xf1, 0xf1, 232, 1, 1, 1, 0x0a, 125, 0, 2, 10, 0, 0, 1, 10, 0, 0, 2, 0xa5}
	want[2], want[3] = 0, 0
	sum := slowFold(slowSum(want[:20], 0))
	want[2], want[3] = byte(sum>>8), byte(sum)
	if n != 20 || !bytes.Equal(b[:21], want) {
		t.Fatalf("PutIGMPv3Query: %d bytes\n%x, want\n%x", n, b[:21], want)
	}
	q, f := ParseIGMPv3Query(b[:20])
	if f != OK || !q.ChecksumOK() || q.Group() != h.Group || !q.S() || q.QRV() != 2 || q.QQIC() != 125 || q.QQI() != 125 {
		t.Errorf("%s: group %s s %t qrv %d qqi %d", f, q.Group(), q.S(), q.QRV(), q.QQI())
	}
	if q.MaxResp() != 26<<3 {
		t.Errorf("max resp code 0x8a is %d", q.MaxResp())
	}
	if q.NumSources() != 2 || q.Source(0) != netip.MustParseAddr("10.0.0.1") || q.Source(1) != netip.MustParseAddr("10.0.0.2") {
		t.Errorf("%d sources %s %s", q.NumSources(), q.Source(0), q.Source(1))
	}
	if IGMP(q).QueryVersion() != 3 {
		t.Error("not a version 3 query")
	}
}

func TestIGMPv3QueryQRVRFC3376Section4_1_6(t *testing.T) {
	for qrv := range 10 {
		q := make(IGMPv3Query, 12)
		PutIGMPv3Query(q, &IGMPv3QueryHeader{Group: netip.IPv4Unspecified(), QRV: uint8(qrv)}, nil)
		if want := uint8(qrv % 8 * (1 - qrv/8)); q.QRV() != want || q.S() {
			t.Errorf("robustness %d: QRV %d, want %d; S %t", qrv, q.QRV(), want, q.S())
		}
	}
}

func TestParseIGMPv3QueryFaults(t *testing.T) {
	tests := []struct {
		name    string
		typ     uint8
		sources int
		n       int
		want    Fault
	}{
		{"7 bytes", IGMPTypeQuery, 0, 7, Short},
		{"version 2", IGMPTypeQuery, 0, 8, Short},
		{"11 bytes", IGMPTypeQuery, 0, 11, Short},
		{"general", IGMPTypeQuery, 0, 12, OK},
		{"additional data", IGMPTypeQuery, 0, 15, OK},
		{"one source", IGMPTypeQuery, 1, 16, OK},
		{"three quarters of a source", IGMPTypeQuery, 1, 15, BadLength},
		{"65535 sources", IGMPTypeQuery, 65535, 12 + 4*65535, OK},
		{"one less", IGMPTypeQuery, 65535, 12 + 4*65534, BadLength},
		{"report", IGMPTypeV3Report, 0, 12, BadType},
	}
	for _, tc := range tests {
		b := make([]byte, max(tc.n, 12))
		b[0], b[10], b[11] = tc.typ, byte(tc.sources>>8), byte(tc.sources)
		q, f := ParseIGMPv3Query(b[:tc.n])
		if f != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, f, tc.want)
		}
		if f == OK && q.NumSources() > 0 {
			q.Source(q.NumSources() - 1)
		}
	}
}

func recordsText(m IGMPv3Report) string {
	var s []string
	list := m.Records()
	for r, ok := list.Next(); ok; r, ok = list.Next() {
		text := fmt.Sprintf("%d %s", r.Type(), r.Group())
		for i := range r.NumSources() {
			text += " " + r.Source(i).String()
		}
		if len(r.Aux()) > 0 {
			text += fmt.Sprintf(" aux %x", r.Aux())
		}
		s = append(s, text)
	}
	return strings.Join(s, "; ")
}

func TestIGMPv3Report(t *testing.T) {
	b := bytes.Repeat([]byte{0xa5}, 40)
	n := IGMPv3ReportLen
	n += PutIGMPv3Record(b[n:], IGMPToEx, netip.MustParseAddr("239.1.1.1"), nil)
	n += PutIGMPv3Record(b[n:], IGMPAllow, netip.MustParseAddr("232.1.1.1"), addrs("10.0.0.1", "10.0.0.2"))
	PutIGMPv3Report(b[:n], 2)
	want := []byte{
		0x22, 0, 0, 0, 0, 0, 0, 2,
		4, 0, 0, 0, 239, 1, 1, 1,
		5, 0, 0, 2, 232, 1, 1, 1, 10, 0, 0, 1, 10, 0, 0, 2,
		0xa5,
	}
	sum := slowFold(slowSum(want[:32], 0))
	want[2], want[3] = byte(sum>>8), byte(sum)
	if n != 32 || !bytes.Equal(b[:33], want) {
		t.Fatalf("PutIGMPv3Report: %d bytes\n%x, want\n%x", n, b[:33], want)
	}
	m, f := ParseIGMPv3Report(b[:n])
	if f != OK || m.NumRecords() != 2 || !m.ChecksumOK() {
		t.Fatalf("%s: %d records", f, m.NumRecords())
	}
	if got, want := recordsText(m), "4 239.1.1.1; 5 232.1.1.1 10.0.0.1 10.0.0.2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestParseIGMPv3ReportFaults(t *testing.T) {
	head := func(n int, records ...byte) []byte {
		return append([]byte{0x22, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)}, records...)
	}
	isIn := []byte{1, 0, 0, 1, 232, 1, 1, 1, 10, 0, 0, 1}
	aux := []byte{9, 2, 0, 0, 232, 1, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8}
	tests := []struct {
		name string
		b    []byte
		want Fault
		text string
	}{
		{"7 bytes", head(0)[:7], Short, ""},
		{"no records", head(0), OK, ""},
		{"query", []byte{0x11, 0, 0, 0, 0, 0, 0, 0}, BadType, ""},
		{"one record", head(1, isIn...), OK, "1 232.1.1.1 10.0.0.1"},
		{"additional data", head(1, append(isIn, 99, 99)...), OK, "1 232.1.1.1 10.0.0.1"},
		{"unknown type, auxiliary data", head(1, aux...), OK, "9 232.1.1.2 aux 0102030405060708"},
		{"record after auxiliary data", head(2, append(aux, isIn...)...), OK, "9 232.1.1.2 aux 0102030405060708; 1 232.1.1.1 10.0.0.1"},
		{"record missing", head(2, isIn...), BadLength, ""},
		{"7 bytes of a record", head(1, isIn[:7]...), BadLength, ""},
		{"source cut", head(1, isIn[:11]...), BadLength, ""},
		{"auxiliary data cut", head(1, aux[:15]...), BadLength, ""},
		{"65535 records", head(65535, isIn...), BadLength, ""},
		{"65535 sources", head(1, 1, 0, 0xff, 0xff, 232, 1, 1, 1), BadLength, ""},
		{"255 auxiliary words", head(1, 1, 0xff, 0, 0, 232, 1, 1, 1), BadLength, ""},
	}
	for _, tc := range tests {
		m, f := ParseIGMPv3Report(tc.b)
		if f != tc.want || (f != OK) != (m == nil) {
			t.Errorf("%s: %s, want %s", tc.name, f, tc.want)
		}
		if f == OK && recordsText(m) != tc.text {
			t.Errorf("%s: %s, want %s", tc.name, recordsText(m), tc.text)
		}
	}
}

func TestPutIGMPv3Panics(t *testing.T) {
	tests := []struct {
		name string
		put  func()
	}{
		{"sources", func() {
			PutIGMPv3Record(make([]byte, 8+4*65536), IGMPIsIn, netip.IPv4Unspecified(), slices.Repeat(addrs("10.0.0.1"), 65536))
		}},
		{"records", func() { PutIGMPv3Report(make([]byte, 8), 65536) }},
		{"slice", func() { PutIGMPv3Record(make([]byte, 11), IGMPIsIn, netip.IPv4Unspecified(), addrs("10.0.0.1")) }},
	}
	for _, tc := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: too many were accepted", tc.name)
				}
			}()
			tc.put()
		}()
	}
}
