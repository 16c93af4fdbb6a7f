package igmp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp/gmptest"
	"github.com/seed88948545/vimage/internal/wire"
)

// text describes a message in one line.
func text(b []byte) string {
	m, fault := wire.ParseIGMP(b)
	if fault != wire.OK {
		return fault.String()
	}
	if !m.ChecksumOK() {
		return "bad checksum"
	}
	switch m.Type() {
	case wire.IGMPTypeV1Report:
		return "v1 report " + m.Group().String()
	case wire.IGMPTypeV2Report:
		return "v2 report " + m.Group().String()
	case wire.IGMPTypeV2Leave:
		return "leave " + m.Group().String()
	case wire.IGMPTypeQuery:
		return queryText(m)
	}
	r, fault := wire.ParseIGMPv3Report(b)
	if fault != wire.OK {
		return fault.String()
	}
	var words []string
	l := r.Records()
	for rec, ok := l.Next(); ok; rec, ok = l.Next() {
		var sources []netip.Addr
		for i := range rec.NumSources() {
			sources = append(sources, rec.Source(i))
		}
		words = append(words, gmptest.RecordName(rec.Type())+" "+rec.Group().String()+" "+gmptest.Set(sources, 10))
	}
	return strings.Join(words, ", ")
}

func queryText(m wire.IGMP) string {
	if v := m.QueryVersion(); v < 3 {
		s := fmt.Sprintf("v%d query", v)
		if !m.Group().IsUnspecified() {
			s += " " + m.Group().String()
		}
		return s + fmt.Sprintf(" max=%v", time.Duration(m.MaxRespCode())*100*time.Millisecond)
	}
	q, fault := wire.ParseIGMPv3Query(m)
	if fault != wire.OK {
		return fault.String()
	}
	s := "query"
	if !q.Group().IsUnspecified() {
		s += " " + q.Group().String()
	}
	var sources []netip.Addr
	for i := range q.NumSources() {
		sources = append(sources, q.Source(i))
	}
	if sources != nil {
		s += " " + gmptest.Set(sources, 10)
	}
	s += fmt.Sprintf(" max=%v", time.Duration(q.MaxResp())*100*time.Millisecond)
	if q.S() {
		s += " S"
	}
	return s + fmt.Sprintf(" qrv=%d qqi=%d", q.QRV(), q.QQI())
}

// captured is the host whose captures are in testdata/kernel.
func captured() netip.Addr { return netip.AddrFrom4([4]byte{10, 9, 0, 11}) }

// packets reads the IGMP messages of a capture.
func packets(t testing.TB, file string, visit func(at time.Duration, p *Packet)) {
	start := time.Duration(0)
	gmptest.Capture(t, file, func(at time.Duration, eth []byte) {
		p, fault := wire.ParseIPv4(eth[wire.EtherLen:])
		if wire.Ether(eth).Type() != wire.EtherTypeIPv4 || fault != wire.OK || p.Proto() != wire.ProtoIGMP {
			return
		}
		if start == 0 {
			start = at
		}
		visit(at-start, &Packet{Src: p.Src(), Dst: p.Dst(), TTL: p.TTL(), RouterAlert: p.HasRouterAlert(), Payload: p.Payload()})
	})
}

func frames(t testing.TB, file string) (list []gmptest.Frame) {
	packets(t, file, func(at time.Duration, p *Packet) {
		list = append(list, gmptest.Frame{At: at, Mine: p.Src == captured(), Text: text(p.Payload),
			Hear: func(now clock.Time, h gmptest.Host) { h.(*testHost).h.Input(now, h.(*testHost).env(), p) },
			Note: func(now clock.Time, r gmptest.Router) { r.(*testRouter).r.Input(now, r.(*testRouter).env(), p) }})
	})
	return list
}
