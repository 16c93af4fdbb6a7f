package mld

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

// long is how many sources of a record are written out.
const long = 60

// text describes a message in one line.
func text(b []byte) string {
	if !IsMLD(b) {
		return "not mld"
	}
	if b[0] == wire.ICMP6MLDv2Report {
		r, fault := wire.ParseMLDv2Report(b)
		if fault != wire.OK {
			return fault.String()
		}
		return recordsText(r)
	}
	m, fault := wire.ParseMLD(b)
	switch {
	case fault != wire.OK:
		return fault.String()
	case m.Type() == wire.ICMP6MLDv1Report:
		return "v1 report " + m.Group().String()
	case m.Type() == wire.ICMP6MLDDone:
		return "done " + m.Group().String()
	}
	return queryText(m)
}

func recordsText(r wire.MLDv2Report) string {
	var words []string
	l := r.Records()
	for rec, ok := l.Next(); ok; rec, ok = l.Next() {
		var sources []netip.Addr
		for i := range rec.NumSources() {
			sources = append(sources, rec.Source(i))
		}
		words = append(words, gmptest.RecordName(rec.Type())+" "+rec.Group().String()+" "+gmptest.Set(sources, long))
	}
	return strings.Join(words, ", ")
}

func queryText(m wire.MLD) string {
	q, fault := wire.ParseMLDv2Query(m)
	s := "query"
	if fault != wire.OK {
		s = fmt.Sprintf("v%d query", m.QueryVersion())
	}
	if !m.Group().IsUnspecified() {
		s += " " + m.Group().String()
	}
	if fault != wire.OK {
		return s + fmt.Sprintf(" max=%v", time.Duration(m.MaxRespCode())*time.Millisecond)
	}
	var sources []netip.Addr
	for i := range q.NumSources() {
		sources = append(sources, q.Source(i))
	}
	if sources != nil {
		s += " " + gmptest.Set(sources, long)
	}
	s += fmt.Sprintf(" max=%v", time.Duration(q.MaxResp())*time.Millisecond)
	if q.S() {
		s += " S"
	}
	return s + fmt.Sprintf(" qrv=%d qqi=%d", q.QRV(), q.QQI())
}

// captured is the host whose captures are in testdata/kernel.
func captured() netip.Addr { return gmptest.IP("fe80::ff:fe00:11") }

// packets reads the MLD messages of a capture.
func packets(t testing.TB, file string, visit func(at time.Duration, p *Packet)) {
	start := time.Duration(0)
	gmptest.Capture(t, file, func(at time.Duration, eth []byte) {
		p, fault := wire.ParseIPv6(eth[wire.EtherLen:])
		if wire.Ether(eth).Type() != wire.EtherTypeIPv6 || fault != wire.OK {
			return
		}
		x := p.Walk(&wire.ExtLimits{}, wire.WalkDest)
		if x.Proto != wire.ProtoICMPv6 || !IsMLD(p[x.Off:]) {
			return
		}
		if start == 0 {
			start = at
		}
		visit(at-start, &Packet{Src: p.Src(), Dst: p.Dst(), HopLimit: p.HopLimit(), RouterAlert: x.RouterAlert, Payload: p[x.Off:]})
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
