package wire

import (
	"slices"
	"testing"
)

func TestMLDParse(t *testing.T) {
	v1 := make([]byte, MLDLen)
	PutMLD(v1, ICMP6MLDQuery, 10000, addr("ff02::1"))
	query := make([]byte, MLDv2QueryLen+32)
	PutMLDv2Query(query, &MLDv2QueryHeader{Group: addr("ff35::1")}, addrs("fd09::1", "fd09::2"))
	report := make([]byte, MLDv2ReportLen+MLDv2RecordLen+16)
	PutMLDv2Record(report[8:], IGMPAllow, addr("ff35::1"), addrs("fd09::1"))
	PutMLDv2Report(report, 1)
	with := func(b []byte, at int, v byte) []byte {
		b = slices.Clone(b)
		b[at] = v
		return b
	}
	mld := func(b []byte) Fault { _, f := ParseMLD(b); return f }
	q := func(b []byte) Fault { _, f := ParseMLDv2Query(b); return f }
	r := func(b []byte) Fault { _, f := ParseMLDv2Report(b); return f }
	for _, tc := range []struct {
		name      string
		got, want Fault
	}{
		{"v1", mld(v1), OK}, {"v1 short", mld(v1[:23]), Short}, {"v2 as v1", mld(query), OK}, {"report as v1", mld(report), BadType}, {"echo as v1", mld(with(v1, 0, 129)), BadType},
		{"query", q(query), OK}, {"query short", q(query[:27]), Short}, {"query cut", q(query[:59]), BadLength}, {"query of another type", q(with(query, 0, 131)), BadType},
		{"query with more", q(append(slices.Clone(query), 1)), OK}, {"query declares more", q(with(query, 27, 3)), BadLength}, {"query declares many", q(with(query, 26, 255)), BadLength},
		{"report", r(report), OK}, {"report short", r(report[:7]), Short}, {"report cut", r(report[:43]), BadLength}, {"report of another type", r(with(report, 0, 131)), BadType},
		{"report with more", r(append(slices.Clone(report), 1)), OK}, {"record missing", r(with(report, 7, 2)), BadLength},
		{"sources beyond", r(with(report, 11, 2)), BadLength}, {"auxiliary data beyond", r(with(report, 9, 1)), BadLength},
		{"auxiliary data", r(append(with(report, 9, 1), 1, 2, 3, 4)), OK},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, tc.got, tc.want)
		}
	}
	// RFC 3810 §8.1.
	for n, want := range map[int]int{24: 1, 25: 0, 26: 0, 27: 0, 28: 2, 60: 2} {
		if got := MLD(query[:n]).QueryVersion(); got != want {
			t.Errorf("query of %d bytes: version %d, want %d", n, got, want)
		}
	}
}

func TestMLDFields(t *testing.T) {
	src, dst := addr("fe80::1"), addr("ff02::16")
	m := MLD{9, 9, 9, 9, 9, 9, 9, 9, 23: 9}
	PutMLD(m, ICMP6MLDDone, 1000, addr("ff15::1"))
	ICMP6(m).SetChecksum(src, dst)
	if m.Type() != ICMP6MLDDone || m.MaxRespCode() != 1000 || m.Group() != addr("ff15::1") || !m.ChecksumOK(src, dst) || m.ChecksumOK(src, src) || m[1]|m[6]|m[7] != 0 {
		t.Errorf("%x", []byte(m))
	}
	sources := addrs("fd09::1", "fd09::2")
	h := MLDv2QueryHeader{MaxRespCode: 0x8001, Group: addr("ff35::1"), S: true, QRV: 7, QQIC: 0x90}
	b := make([]byte, MLDv2QueryLen+32)
	if n := PutMLDv2Query(b, &h, sources); n != len(b) {
		t.Error(n)
	}
	q, _ := ParseMLDv2Query(b)
	if q.MaxResp() != 0x1001<<3 || q.Group() != h.Group || !q.S() || q.QRV() != 7 || q.QQIC() != 0x90 || q.QQI() != 0x10<<4 ||
		q.NumSources() != 2 || q.Source(0) != sources[0] || q.Source(1) != sources[1] {
		t.Errorf("%x", b)
	}
	PutMLDv2Query(b, &MLDv2QueryHeader{Group: h.Group, QRV: 8}, sources)
	if q.QRV() != 0 || q.S() { // RFC 3810 §5.1.8
		t.Error("robustness 8")
	}

	b = make([]byte, 200)
	n := MLDv2ReportLen
	n += PutMLDv2Record(b[n:], IGMPAllow, addr("ff35::1"), sources)
	n += PutMLDv2Record(b[n:], IGMPToEx, addr("ff02::2"), nil)
	PutMLDv2Report(b, 2)
	r, f := ParseMLDv2Report(b[:n])
	if f != OK || r.NumRecords() != 2 {
		t.Fatal(f)
	}
	list := r.Records()
	first, _ := list.Next()
	second, _ := list.Next()
	if _, ok := list.Next(); ok || first.Type() != IGMPAllow || first.Group() != addr("ff35::1") || first.NumSources() != 2 || first.Source(1) != sources[1] || len(first.Aux()) != 0 {
		t.Errorf("%x", []byte(first))
	}
	if second.Type() != IGMPToEx || second.Group() != addr("ff02::2") || second.NumSources() != 0 {
		t.Errorf("%x", []byte(second))
	}
	mustPanic(t, "65536 records", func() { PutMLDv2Report(b, 65536) })
}

// RFC 3810 §5.1.3: decoding is checked against the formula, encoding against
// decoding, for all codes.
func TestMLDCodes(t *testing.T) {
	last := -1
	for code := range 65536 {
		v := MLDDecode(uint16(code))
		if want := code; code < 32768 && v != want {
			t.Fatalf("%#04x is %d", code, v)
		}
		if want := (code&0xfff | 0x1000) << (code>>12&7 + 3); code >= 32768 && v != want {
			t.Fatalf("%#04x is %d, want %d", code, v, want)
		}
		if v <= last {
			t.Fatalf("%#04x is %d, not above %d", code, v, last)
		}
		if MLDEncode(v) != uint16(code) || code > 0 && MLDEncode(v-1) != uint16(code-1) {
			t.Fatalf("%d is %#04x, want %#04x", v, MLDEncode(v), code)
		}
		last = v
	}
	if last != MLDMaxValue || MLDEncode(last+1) != 0xffff || MLDEncode(-1) != 0 {
		t.Error("ends", last)
	}
}
