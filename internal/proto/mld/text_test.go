package mld

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// What the tests share: messages as text, and captures as messages.

var recordNames = map[uint8]string{1: "IS_IN", 2: "IS_EX", 3: "TO_IN", 4: "TO_EX", 5: "ALLOW", 6: "BLOCK"}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func at(d time.Duration) clock.Time { return clock.Time(0).Add(d) }

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
		words = append(words, recordNames[rec.Type()]+" "+rec.Group().String()+" "+set(sources))
	}
	return strings.Join(words, ", ")
}

func queryText(m wire.MLD) string {
	q, fault := wire.ParseMLDv2Query(m)
	if fault != wire.OK {
		return fmt.Sprintf("v%d query %v max=%v", m.QueryVersion(), m.Group(), time.Duration(m.MaxRespCode())*time.Millisecond)
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
		s += " " + set(sources)
	}
	s += fmt.Sprintf(" max=%v", time.Duration(q.MaxResp())*time.Millisecond)
	if q.S() {
		s += " S"
	}
	return s + fmt.Sprintf(" qrv=%d qqi=%d", q.QRV(), q.QQI())
}

func set(list []netip.Addr) string {
	var words []string
	for _, a := range mcast.Sorted(list) {
		words = append(words, a.String())
	}
	if len(words) > 60 {
		return fmt.Sprintf("{%d sources %s..%s}", len(words), words[0], words[len(words)-1])
	}
	return "{" + strings.Join(words, " ") + "}"
}

// filterOf reads "I{2001:db8::1 2001:db8::2}"; "2001:db8::1..2001:db8::90" stands for a
// range.
func filterOf(t testing.TB, s string) mcast.Filter {
	t.Helper()
	f := mcast.Filter{Mode: mcast.Include}
	switch {
	case s == "none":
		return mcast.Filter{}
	case strings.HasPrefix(s, "E{"):
		f.Mode = mcast.Exclude
	case !strings.HasPrefix(s, "I{"):
		t.Fatalf("bad filter %q", s)
	}
	f.Sources = mcast.Sorted(addrs(strings.Trim(s[1:], "{}")))
	return f
}

func addrs(s string) []netip.Addr {
	var list []netip.Addr
	for _, w := range strings.Fields(s) {
		from, to, ranged := strings.Cut(w, "..")
		a := ip(from)
		list = append(list, a)
		for ranged && a != ip(to) {
			a = a.Next()
			list = append(list, a)
		}
	}
	return list
}

// frame is one captured MLD message.
type frame struct {
	at  time.Duration
	pkt Packet
}

// capture reads the MLD messages of a capture file.
func capture(t testing.TB, name string) []frame {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if le.Uint32(b) != 0xa1b2c3d4 {
		t.Fatalf("%s: not a capture", name)
	}
	var frames []frame
	var start time.Duration
	for b = b[24:]; len(b) > 0; {
		ts := time.Duration(le.Uint32(b))*time.Second + time.Duration(le.Uint32(b[4:]))*time.Microsecond
		n := le.Uint32(b[8:])
		eth := b[16 : 16+n]
		b = b[16+n:]
		p, fault := wire.ParseIPv6(eth[wire.EtherLen:])
		if wire.Ether(eth).Type() != wire.EtherTypeIPv6 || fault != wire.OK {
			continue
		}
		x := p.Walk(&wire.ExtLimits{}, wire.WalkDest)
		if x.Proto != wire.ProtoICMPv6 || !IsMLD(p[x.Off:]) {
			continue
		}
		if start == 0 {
			start = ts
		}
		frames = append(frames, frame{ts - start, Packet{Src: p.Src(), Dst: p.Dst(), HopLimit: p.HopLimit(),
			RouterAlert: x.RouterAlert, Payload: p[x.Off:]}})
	}
	return frames
}
