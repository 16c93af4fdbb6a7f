package bridge

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"

	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

// igmpFrom is an IGMP message of station n from an address.
func igmpFrom(n int, src, dst string, ttl uint8, message []byte) wire.Ether {
	return frameOf(hostMAC(n), ip(src), ip(dst), wire.ProtoIGMP, ttl, message)
}

func sum4(b []byte) []byte {
	b[2], b[3] = 0, 0
	c := wire.Checksum(b)
	b[2], b[3] = byte(c>>8), byte(c)
	return b
}

// router4 is what routers send besides version 3 queries: "N WHAT …".
func router4(n int, w []string) wire.Ether {
	const me = "10.0.0.200"
	bad := byte(0)
	if w[len(w)-1] == "bad" {
		bad = 1
	}
	switch w[1] {
	case "dvmrp": // a report, a probe
		return igmpFrom(n, me, "224.0.0.4", 1, sum4([]byte{wire.IGMPTypeDVMRP, 2, 0, 0, 0, 0, 0, 0}))
	case "probe":
		b := sum4([]byte{wire.IGMPTypeDVMRP, 1, 0, 0, 0, 0, 0, 0})
		b[3] += bad
		return igmpFrom(n, me, "224.0.0.4", 1, b)
	case "advert": // of multicast router discovery
		b := sum4([]byte{igmpMRDAdvert, 20, 0, 0, 0, 125, 0, 2})
		b[3] += bad
		return igmpFrom(n, me, "224.0.0.106", 1, b)
	case "pim": // a hello
		b := sum4([]byte{0x20, 0, 0, 0, 0, 1, 0, 2, 0, 105})
		b[3] += bad
		return frameOf(hostMAC(n), ip(me), ip("224.0.0.13"), protoPIM, 1, b)
	case "pimjoin": // another PIM message
		return frameOf(hostMAC(n), ip(me), ip("224.0.0.13"), protoPIM, 1, sum4([]byte{0x23, 0, 0, 0}))
	case "v2query": // GROUP
		b := []byte{wire.IGMPTypeQuery, 10, 0, 0, 0, 0, 0, 0}
		g, dst := ip(w[2]).As4(), w[2]
		if copy(b[4:], g[:]); g == [4]byte{} {
			b[1], dst = 100, "224.0.0.1"
		}
		return igmpFrom(n, me, dst, 1, sum4(b))
	case "says": // QRV QQIC: a general query
		b := make([]byte, wire.IGMPv3QueryLen)
		h := wire.IGMPv3QueryHeader{MaxRespCode: 100, Group: netip.IPv4Unspecified(), QRV: uint8(number(w[2])), QQIC: uint8(number(w[3]))}
		wire.PutIGMPv3Query(b, &h, nil)
		return igmpFrom(n, me, "224.0.0.1", 1, b)
	}
	return nil
}

// odd4 is what a host may send, or send by mistake.
func odd4(n int, w []string) wire.Ether {
	switch w[1] {
	case "v1report":
		return v2Of(n, wire.IGMPTypeV1Report, w[2], w[2])
	case "from": // SRC TYPE GROUP: a report from an address
		b := make([]byte, wire.IGMPv3ReportLen+wire.IGMPv3RecordLen)
		wire.PutIGMPv3Record(b[wire.IGMPv3ReportLen:], types[w[3]], ip(w[4]), nil)
		wire.PutIGMPv3Report(b, 1)
		return igmpFrom(n, w[2], "224.0.0.22", 1, b)
	case "type": // TYPE DST TTL: IGMP of a type, with no right checksum
		typ, _ := strconv.ParseUint(w[2], 0, 8)
		return igmpFrom(n, "10.0.0.1", w[3], uint8(number(w[4])), []byte{byte(typ), 0, 0xba, 0xad})
	case "fragment": // of a report
		f := v2Of(n, wire.IGMPTypeV2Report, "239.1.1.1", "239.1.1.1")
		f[wire.EtherLen+6] = 0x20
		return header4(f)
	case "doubly": // SRC GROUP: data behind two tags
		f := tagged(tagged(udp(n, w[2], w[3]), 7), 5)
		wire.PutVLAN(f[wire.EtherLen:], 5, 0, false, wire.EtherTypeVLAN)
		return f
	case "mapped": // GROUP TYPE: no IP, to a group's address
		b := make([]byte, 60)
		typ, _ := strconv.ParseUint(w[3], 0, 16)
		wire.PutEther(b, wire.MulticastMAC(ip(w[2])), hostMAC(n), uint16(typ))
		return b
	case "damaged": // SRC GROUP: data with another header than was sent
		f := udp(n, w[2], w[3])
		f[wire.EtherLen+15]++
		return f
	case "bad":
		return badIGMP(n, w[2])
	}
	return nil
}

func header4(f wire.Ether) wire.Ether {
	p := f[wire.EtherLen:]
	p[10], p[11] = 0, 0
	c := wire.Checksum(p[:wire.IPv4Len])
	p[10], p[11] = byte(c>>8), byte(c)
	return f
}

// badIGMP spoils a good report of 239.99.99.99.
func badIGMP(n int, how string) wire.Ether {
	f := reportOf(n, "TO_EX", "239.99.99.99", "")
	m := wire.EtherLen + wire.IPv4Len
	switch how {
	case "header":
		f[wire.EtherLen+11]++
	case "version":
		f[wire.EtherLen]++
	case "length":
		f[wire.EtherLen+3]++
		return header4(f)
	case "checksum":
		f[m+3]++
	case "ttl":
		f[wire.EtherLen+8] = 2
		return header4(f)
	case "records":
		f[m+7]++
		sum4(f[m:])
	case "short":
		f = igmpFrom(n, "10.0.0.1", "224.0.0.22", 1, sum4(make([]byte, 4)))
		f[m] = wire.IGMPTypeV3Report
	case "empty":
		return igmpFrom(n, "10.0.0.1", "224.0.0.22", 1, nil)
	case "query": // of a length that no version has
		return igmpFrom(n, "10.0.0.1", "224.0.0.1", 1, sum4([]byte{wire.IGMPTypeQuery, 100, 0, 0, 0, 0, 0, 0, 0, 0}))
	case "group": // a report about no group
		return v2Of(n, wire.IGMPTypeV2Report, "10.0.0.7", "239.1.1.1")
	}
	return f
}

func pim6(n int, bad bool) wire.Ether {
	b := []byte{0x20, 0, 0, 0, 0, 1, 0, 2, 0, 105}
	dst := ip("ff02::d")
	c := wire.Fold(wire.Sum(b, wire.PseudoSum(linkLocal(n), dst, protoPIM, len(b))))
	b[2], b[3] = byte(c>>8), byte(c)
	if bad {
		b[9]++
	}
	return frame6(hostMAC(n), linkLocal(n), dst, protoPIM, 1, b)
}

// asked reads a query that the switch sent, as hosts would, but for its source.
func asked(t testing.TB, f wire.Ether) string {
	t.Helper()
	if f.Src() != hostMAC(0xaa) {
		t.Fatalf("a query from %v", f.Src())
	}
	if f.Type() == wire.EtherTypeIPv4 {
		p, fault := wire.ParseIPv4(f.Payload())
		m, v := igmp.Check(&igmp.Packet{Src: p.Src(), Dst: p.Dst(), TTL: p.TTL(), Payload: p.Payload()})
		if fault != wire.OK || v != igmp.Accepted || !p.ChecksumOK() || !p.HasRouterAlert() || f.Dst() != wire.MulticastMAC(p.Dst()) {
			t.Fatalf("a bad query: %v %v", fault, v)
		}
		q, v := igmp.ParseQuery(m)
		if v != igmp.Accepted {
			t.Fatal(v)
		}
		return queryText(p.Src(), p.Dst(), &q)
	}
	p, fault := wire.ParseIPv6(f.Payload())
	m := control6(p)
	src := m.Src
	if m.Src.IsUnspecified() { // not for hosts, but otherwise right
		m.Src, m.SumOK = linkLocal(1), true
		if !wire.ICMP6(m.Payload).ChecksumOK(src, m.Dst) {
			t.Fatal("a bad checksum")
		}
	}
	c, v := mld.Check(&m.Packet)
	if fault != wire.OK || v != mld.Accepted || f.Dst() != wire.MulticastMAC(p.Dst()) {
		t.Fatalf("a bad query: %v %v", fault, v)
	}
	q, v := mld.ParseQuery(&m.Packet, c)
	if v != mld.Accepted {
		t.Fatal(v)
	}
	return queryText(src, m.Dst, &q)
}

func queryText[A gmp.Address](src, dst netip.Addr, q *gmp.Query[A]) string {
	s := fmt.Sprintf("%v > %v about %v", src, dst, gmp.NetIP(q.Group))
	for i := range q.Sources.Len() {
		s += " " + gmp.NetIP(q.Sources.At(i)).String()
	}
	if q.Suppress {
		s += ", S"
	}
	return s + fmt.Sprintf(", within %v, %d × %v", q.MaxResp, q.Robustness, q.Interval)
}
