package wire

import (
	"bytes"
	"net/netip"
	"testing"
)

// Each target parses, reads everything that the view offers, and writes it
// again: what comes out must be what went in, but for what the format says is
// ignored. The seeds are in testdata/fuzz.

func FuzzEther(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		e, fault := ParseEther(b)
		if fault != OK {
			return
		}
		out := make([]byte, len(e))
		PutEther(out, e.Dst(), e.Src(), e.Type())
		payload := out[EtherLen:]
		if v, fault := ParseVLAN(e.Payload()); e.Type() == EtherTypeVLAN && fault == OK {
			PutVLAN(payload, v.ID(), v.PCP(), v.DEI(), v.Type())
			copy(payload[VLANLen:], v.Payload())
		} else {
			copy(payload, e.Payload())
		}
		if !bytes.Equal(out, b) {
			t.Errorf("read    %x\nwritten %x", b, out)
		}
	})
}

func FuzzARP(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		a, fault := ParseARP(b)
		if fault != OK {
			return
		}
		out := make([]byte, ARPLen)
		PutARP(out, a.Op(), a.SenderMAC(), a.SenderIP(), a.TargetMAC(), a.TargetIP())
		if !bytes.Equal(out, b[:ARPLen]) {
			t.Errorf("read    %x\nwritten %x", b[:ARPLen], out)
		}
	})
}

func FuzzIPv4(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		p, fault := ParseIPv4(b)
		q, quoted := ParseQuotedIPv4(b)
		if fault != OK {
			if p != nil {
				t.Errorf("a view in spite of %s", fault)
			}
			// A quote may be cut; in all else the two agree.
			if quoted != fault && (fault != BadLength || q.TotalLen() <= len(b)) {
				t.Errorf("%s, but quoted %s", fault, quoted)
			}
			return
		}
		if quoted != OK || !bytes.Equal(p, q) {
			t.Errorf("quoted: %s", quoted)
		}
		if len(p) != p.TotalLen() || p.HeaderLen()+len(p.Payload()) != len(p) || IPv4Len+len(p.Options()) != p.HeaderLen() {
			t.Fatalf("lengths %d %d %d", len(p), p.TotalLen(), p.HeaderLen())
		}
		opts, fault := ParseIPv4Options(p.Options())
		checkOptions(t, p.Options(), opts, fault)
		if p.HasRouterAlert() && !bytes.Contains(p.Options(), []byte{0x94, 4, 0, 0}) {
			t.Errorf("no router alert in %x", p.Options())
		}
		was := bytes.Clone(p)
		was[6] &= 0x7f // a bit that the format reserves and the header does not keep
		IPv4(was).SetChecksum()
		out := make([]byte, len(p))
		h := p.Header()
		copy(out[PutIPv4(out, &h, len(p.Payload())):], p.Payload())
		if !bytes.Equal(out, was) {
			t.Errorf("read    %x\nwritten %x", was, out)
		}
		if !IPv4(out).ChecksumOK() {
			t.Error("wrong checksum written")
		}
	})
}

// checkOptions goes over the octets that the list has been cut from.
func checkOptions(t *testing.T, all []byte, opts IPv4Options, fault Fault) {
	end := len(opts)
	if fault == OK && end < len(all) && all[end] != IPv4OptEnd {
		t.Errorf("list %x was cut at %d", all, end)
	}
	if fault == BadOption && end == len(all) {
		t.Errorf("no octet of %x is bad", all)
	}
	at := 0
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		for all[at] == IPv4OptNop {
			at++
		}
		if o.Type() != all[at] || len(o.Data())+2 != int(all[at+1]) {
			t.Fatalf("option %x at %d of %x", []byte(o), at, all)
		}
		at += len(o)
	}
	for ; at < end; at++ {
		if all[at] != IPv4OptNop {
			t.Fatalf("%x at %d was left out", all, at)
		}
	}
}

func FuzzUDP(f *testing.F) {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	f.Fuzz(func(t *testing.T, b []byte) {
		u, fault := ParseUDP(b)
		if fault != OK {
			return
		}
		out := make(UDP, len(u))
		PutUDP(out, u.SrcPort(), u.DstPort(), len(u.Payload()))
		copy(out[UDPLen:], u.Payload())
		out.SetChecksum(src, dst)
		if !out.ChecksumOK(src, dst) || out.Checksum() == 0 {
			t.Errorf("wrong checksum %#04x written", out.Checksum())
		}
		copy(out[6:8], u[6:8])
		if !bytes.Equal(out, u) || !bytes.Equal(out, b[:len(u)]) {
			t.Errorf("read    %x\nwritten %x", u, out)
		}
	})
}

func FuzzICMP4(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m, fault := ParseICMP4(b)
		if fault != OK {
			return
		}
		if rest := uint32(m.ID())<<16 | uint32(m.Seq()); rest != m.Rest() || int(m.Seq()) != m.MTU() || m.Pointer() != uint8(rest>>24) || m.Gateway().As4() != [4]byte(m[4:8]) {
			t.Error("bytes 4 to 7 read differently")
		}
		if q, fault := m.Quoted(); fault == OK {
			if !m.IsError() || q.HeaderLen() > len(q) || len(q) > q.TotalLen() || !bytes.HasPrefix(m.Payload(), q) {
				t.Errorf("type %d quotes %d bytes, header %d, total %d", m.Type(), len(q), q.HeaderLen(), q.TotalLen())
			}
			if _, _, ok := q.Ports(); ok != (q.FragOffset() == 0 && len(q.Payload()) >= 4) {
				t.Errorf("ports: %t", ok)
			}
		}
		out := make(ICMP4, len(m))
		copy(out[ICMP4Len:], m.Payload())
		PutICMP4(out, m.Type(), m.Code(), m.Rest(), len(m.Payload()))
		if !out.ChecksumOK() && !bytes.Equal(out, make([]byte, len(out))) {
			t.Error("wrong checksum written")
		}
		if m.ChecksumOK() && out.Checksum()%0xffff != m.Checksum()%0xffff { // 0 and 0xffff are one number
			t.Errorf("checksum %#04x, want %#04x", out.Checksum(), m.Checksum())
		}
		copy(out[2:4], m[2:4])
		if !bytes.Equal(out, m) {
			t.Errorf("read    %x\nwritten %x", m, out)
		}
	})
}

func FuzzIGMP(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m, fault := ParseIGMP(b)
		if fault != OK {
			return
		}
		out := make([]byte, IGMPLen)
		PutIGMP(out, m.Type(), m.MaxRespCode(), m.Group())
		copy(out[2:4], m[2:4])
		if !bytes.Equal(out, m[:IGMPLen]) {
			t.Errorf("read    %x\nwritten %x", m[:IGMPLen], out)
		}
		if q, fault := ParseIGMPv3Query(b); fault == OK {
			if m.QueryVersion() != 3 {
				t.Errorf("version %d", m.QueryVersion())
			}
			rewriteQuery(t, q)
		}
		if r, fault := ParseIGMPv3Report(b); fault == OK {
			rewriteReport(t, r)
		}
	})
}

func rewriteQuery(t *testing.T, q IGMPv3Query) {
	var sources []netip.Addr
	for i := range q.NumSources() {
		sources = append(sources, q.Source(i))
	}
	h := IGMPv3QueryHeader{MaxRespCode: q[1], Group: q.Group(), S: q.S(), QRV: q.QRV(), QQIC: q.QQIC()}
	out := make(IGMPv3Query, len(q))
	n := PutIGMPv3Query(out, &h, sources)
	if !out.ChecksumOK() {
		t.Error("wrong checksum written")
	}
	copy(out[n:], q[n:]) // additional data
	copy(out[2:4], q[2:4])
	out[8] |= q[8] & 0xf0 // reserved
	if !bytes.Equal(out, q) {
		t.Errorf("read    %x\nwritten %x", q, out)
	}
	if IGMPEncode(q.MaxResp()) != q[1] || IGMPEncode(q.QQI()) != q.QQIC() {
		t.Errorf("codes %#02x %#02x", q[1], q.QQIC())
	}
}

func rewriteReport(t *testing.T, m IGMPv3Report) {
	out := make(IGMPv3Report, len(m))
	n, count, list := IGMPv3ReportLen, 0, m.Records()
	for r, ok := list.Next(); ok; r, ok = list.Next() {
		var sources []netip.Addr
		for i := range r.NumSources() {
			sources = append(sources, r.Source(i))
		}
		at := n
		n += PutIGMPv3Record(out[n:], r.Type(), r.Group(), sources)
		n += copy(out[n:], r.Aux())
		out[at+1] = uint8(len(r.Aux()) / 4)
		count++
	}
	if count != m.NumRecords() {
		t.Errorf("%d records, %d declared", count, m.NumRecords())
	}
	PutIGMPv3Report(out, count)
	if !out.ChecksumOK() {
		t.Error("wrong checksum written")
	}
	copy(out[n:], m[n:]) // additional data
	copy(out[1:6], m[1:6])
	if !bytes.Equal(out, m) {
		t.Errorf("read    %x\nwritten %x", m, out)
	}
}

func FuzzChecksum(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, acc uint32, cut uint16) {
		if got, want := Fold(Sum(b, acc)), slowFold(slowSum(b, uint64(acc))); got != want {
			t.Errorf("%#04x, want %#04x", got, want)
		}
		at := min(int(cut), len(b)) &^ 1
		if got, want := Fold(Sum(b[at:], Sum(b[:at], acc))), slowFold(slowSum(b, uint64(acc))); got != want {
			t.Errorf("cut at %d: %#04x, want %#04x", at, got, want)
		}
	})
}
