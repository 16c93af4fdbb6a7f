package wire

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

// The targets for IPv6, by the rules of fuzz_test.go; the seeds are packets of
// the captures and chains of headers.

func seed6(f *testing.F, add func(p IPv6)) {
	for _, file := range []string{
		"ndp_ra_radvd_slaac.pcap", "ndp_dad_conflict.pcap", "mld1_querier_compat.pcap", "mld2_querier_general_and_group_source.pcap",
		"frag6_udp_4000.pcap", "frag_timeout_icmp_time_exceeded.pcap", "icmp_ttl_exceeded_traceroute.pcap", "tcp6_handshake_data_close.pcap",
	} {
		all, err := frames6(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, p := range all {
			add(p)
		}
	}
}

func FuzzIPv6(f *testing.F) {
	seed6(f, func(p IPv6) { f.Add([]byte(p), uint8(0), uint8(0), uint8(0), uint8(0)) })
	f.Add([]byte(chainOf(0, options(60), options(43), routing(60, 0, 0), options(17, 0x1e, 1, 0), udp8)), uint8(4), uint8(2), uint8(9), uint8(7))
	f.Add([]byte(chainOf(44, fragmentOf(60, 0, false, 0), options(17, 0xc3, 0), udp8)), uint8(1), uint8(1), uint8(1), uint8(1))
	f.Add([]byte(chainOf(44, fragmentOf(60, 0, true, 0), options(17), udp8)), uint8(0), uint8(0), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, headers, opts, optLen, padding uint8) {
		FlowHashIP(b)
		q, quoted := ParseQuotedIPv6(b)
		if quoted == OK {
			checkQuoted6(t, b, q)
		}
		p, fault := ParseIPv6(b)
		if fault != OK {
			if p != nil || quoted != fault && (fault != BadLength || q.TotalLen() <= len(b)) {
				t.Errorf("%s, but quoted %s", fault, quoted)
			}
			return
		}
		if len(p) != IPv6Len+p.PayloadLen() || !bytes.Equal(p, q) || cap(p) != cap(b) {
			t.Fatalf("lengths %d %d %d", len(p), p.PayloadLen(), len(q))
		}
		out := make([]byte, len(p))
		h := p.Header()
		copy(out[PutIPv6(out, &h, p.PayloadLen()):], p.Payload())
		if !bytes.Equal(out, p) {
			t.Errorf("read    %x\nwritten %x", p, out)
		}
		lim := ExtLimits{int(headers), int(opts), int(optLen), int(padding)}
		for _, how := range []WalkHow{WalkTransit, WalkDest} {
			checkWalk(t, p, p.Walk(&lim, how), how)
			free := p.Walk(&ExtLimits{}, how)
			checkWalk(t, p, free, how)
			if limited := p.Walk(&lim, how); limited.Problem == ExtOK && limited != free {
				t.Errorf("limits that hold change %+v to %+v", free, limited)
			}
		}
	})
}

func checkWalk(t *testing.T, p IPv6, x Ext, how WalkHow) {
	if x.Off < IPv6Len || x.Off > len(p) || x.NextOff >= x.Off || x.Pointer > len(p) {
		t.Fatalf("%+v in %d bytes", x, len(p))
	}
	if !x.Fragment && p[x.NextOff] != x.Proto || x.Fragment && (p[x.NextOff] != ProtoFragment || p[x.Off] != x.Proto) {
		t.Fatalf("%+v: NextOff", x)
	}
	if x.Problem != ExtOK {
		return
	}
	if x.Fragment {
		if f, fault := ParseFragment6(p[x.Off:]); how != WalkDest || fault != OK || f.IsAtomic() {
			t.Fatalf("%+v: fragment", x)
		}
	} else if how == WalkDest && isExtension(x.Proto) {
		t.Fatalf("%+v: the walk ends too early", x)
	}
	k := Packet6(p, &x)
	if k.Src() != p.Src() || k.Dst() != p.Dst() || k.TTL() != p.HopLimit() || k.TOS() != p.TrafficClass() || k.IsFragment() != x.Fragment {
		t.Error("the packet differs from its view")
	}
	if how == WalkTransit {
		return
	}
	one, two := IPv6(bytes.Clone(p)), IPv6(bytes.Clone(p))
	a, b := CompletePacket(Packet6(one, &x)), CompleteIPv6(two)
	if !x.Atomic && (a != b || !bytes.Equal(one, two)) { // CompleteIPv6 leaves atomic fragments alone
		t.Errorf("completed %t %t:\n%x\n%x", a, b, one, two)
	}
}

func checkQuoted6(t *testing.T, b []byte, q QuotedIPv6) {
	if len(q) > q.TotalLen() || !bytes.HasPrefix(b, q) {
		t.Errorf("%d bytes quoted of %d", len(q), q.TotalLen())
	}
	proto, upper, ok := q.Upper()
	if ok && (isExtension(proto) || len(upper) > len(q)-IPv6Len) {
		t.Errorf("proto %d of %d bytes", proto, len(upper))
	}
	if _, _, _, ports := q.Ports(); ports != (ok && len(upper) >= 4) {
		t.Errorf("ports: %t", ports)
	}
}

func FuzzICMP6(f *testing.F) {
	seed6(f, func(p IPv6) {
		if x := p.Walk(&ExtLimits{}, WalkDest); x.Proto == ProtoICMPv6 && !x.Fragment {
			f.Add([]byte(p[x.Off:]))
		}
	})
	src, dst := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2")
	f.Fuzz(func(t *testing.T, b []byte) {
		m, fault := ParseICMP6(b)
		if fault != OK {
			return
		}
		out := make(ICMP6, len(m))
		copy(out[ICMP6Len:], m.Payload())
		PutICMP6(out, m.Type(), m.Code(), m.Rest())
		out.SetChecksum(src, dst)
		if !out.ChecksumOK(src, dst) {
			t.Error("wrong checksum written")
		}
		copy(out[2:4], m[2:4])
		if !bytes.Equal(out, m) {
			t.Errorf("read    %x\nwritten %x", m, out)
		}
		if q, fault := m.Quoted(); fault == OK {
			checkQuoted6(t, m.Payload(), q)
		}
		rewriteND(t, m)
		rewriteMLD(t, m)
	})
}

// rewriteND writes a message by the Append functions, reads that and writes it
// again: both readings and both writings are the same. What the formats ignore
// is gone after the first.
func rewriteND(t *testing.T, m ICMP6) {
	ok := false
	for _, tc := range ndMessages {
		ok = ok || tc.typ == m.Type() && tc.parse(m) == OK
	}
	if !ok {
		return
	}
	var first, second strings.Builder
	once := coder{&first}.nd(m)
	for _, tc := range ndMessages {
		if tc.typ == m.Type() && tc.parse(once) != OK {
			t.Fatalf("read %x\nwritten %x: %s", m, once, tc.parse(once))
		}
	}
	if twice := (coder{&second}).nd(once); !bytes.Equal(once, twice) || first.String() != second.String() {
		t.Errorf("read    %x %s\nwritten %x %s", once, first.String(), twice, second.String())
	}
}

func rewriteMLD(t *testing.T, b []byte) {
	if m, fault := ParseMLD(b); fault == OK {
		out := make([]byte, MLDLen)
		PutMLD(out, m.Type(), m.MaxRespCode(), m.Group())
		copy(out[1:4], m[1:4])
		copy(out[6:8], m[6:8]) // reserved
		if !bytes.Equal(out, m[:MLDLen]) {
			t.Errorf("read    %x\nwritten %x", m[:MLDLen], out)
		}
	}
	if q, fault := ParseMLDv2Query(b); fault == OK {
		if v := MLD(b).QueryVersion(); v != 2 {
			t.Errorf("version %d", v)
		}
		var sources []netip.Addr
		for i := range q.NumSources() {
			sources = append(sources, q.Source(i))
		}
		h := MLDv2QueryHeader{MaxRespCode: MLDEncode(q.MaxResp()), Group: q.Group(), S: q.S(), QRV: q.QRV(), QQIC: IGMPEncode(q.QQI())}
		out := make([]byte, len(q))
		n := PutMLDv2Query(out, &h, sources)
		copy(out[n:], q[n:]) // additional data
		copy(out[1:4], q[1:4])
		copy(out[6:8], q[6:8])
		out[24] |= q[24] & 0xf0
		if !bytes.Equal(out, q) {
			t.Errorf("read    %x\nwritten %x", q, out)
		}
	}
	if r, fault := ParseMLDv2Report(b); fault == OK {
		rewriteMLDReport(t, r)
	}
}

func rewriteMLDReport(t *testing.T, m MLDv2Report) {
	out := make([]byte, len(m))
	n, count, list := MLDv2ReportLen, 0, m.Records()
	for r, ok := list.Next(); ok; r, ok = list.Next() {
		var sources []netip.Addr
		for i := range r.NumSources() {
			sources = append(sources, r.Source(i))
		}
		at := n
		n += PutMLDv2Record(out[n:], r.Type(), r.Group(), sources)
		n += copy(out[n:], r.Aux())
		out[at+1] = uint8(len(r.Aux()) / 4)
		count++
	}
	if count != m.NumRecords() {
		t.Errorf("%d records, %d declared", count, m.NumRecords())
	}
	PutMLDv2Report(out, count)
	copy(out[n:], m[n:]) // additional data
	copy(out[1:6], m[1:6])
	if !bytes.Equal(out, m) {
		t.Errorf("read    %x\nwritten %x", m, out)
	}
}
