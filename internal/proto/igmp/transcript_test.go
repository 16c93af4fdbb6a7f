package igmp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/gmp/gmptest"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// query makes a version 3 query of the words: group, {sources}, S, max=, code=,
// qrv=, qqi=, dst=.
func query(t testing.TB, list []string, o map[string]string) Packet {
	h := wire.IGMPv3QueryHeader{Group: netip.IPv4Unspecified(), QRV: 2, QQIC: 125, MaxRespCode: 100}
	p := Packet{Src: gmptest.IP("10.0.0.254"), Dst: allSystems(), TTL: 1, RouterAlert: true}
	b := make([]byte, 4096)
	var sources []netip.Addr
	for _, w := range list {
		switch {
		case w == "S":
			h.S = true
		case w[0] == '{':
			sources = gmptest.Addrs(w)
		default:
			h.Group = gmptest.IP(w)
			p.Dst = h.Group
		}
	}
	if v := o["max"]; v != "" {
		h.MaxRespCode = wire.IGMPEncode(int(gmptest.Duration(t, v) / (100 * time.Millisecond)))
	}
	fmt.Sscanf(o["code"], "%v", &h.MaxRespCode)
	fmt.Sscan(o["qrv"], &h.QRV)
	n := 125
	fmt.Sscan(o["qqi"], &n)
	h.QQIC = wire.IGMPEncode(n)
	fmt.Sscanf(o["qqic"], "%v", &h.QQIC)
	p.Payload = b[:wire.PutIGMPv3Query(b, &h, sources)]
	return p
}

// older makes a version 1 or 2 message.
func older(typ uint8, code uint8, group, dst string) Packet {
	b := make([]byte, wire.IGMPLen)
	wire.PutIGMP(b, typ, code, gmptest.IP(group))
	return Packet{Src: gmptest.IP("10.0.0.9"), Dst: gmptest.IP(dst), TTL: 1, RouterAlert: typ != wire.IGMPTypeV1Report, Payload: b}
}

// report makes a version 3 report of the words TYPE group {sources}, repeated.
func report(list []string) Packet {
	b := make([]byte, 4096)
	n, records := wire.IGMPv3ReportLen, 0
	for i := 0; i < len(list); i += 3 {
		n += wire.PutIGMPv3Record(b[n:], gmptest.RecordType(list[i]), gmptest.IP(list[i+1]), gmptest.Addrs(list[i+2]))
		records++
	}
	wire.PutIGMPv3Report(b[:n], records)
	return Packet{Src: gmptest.IP("10.0.0.5"), Dst: gmptest.IP("224.0.0.22"), TTL: 1, RouterAlert: true, Payload: b[:n]}
}

// received makes any message. All take src=, dst=, ttl=, own=1, alert=0.
func received(t testing.TB, list []string, o map[string]string) (p Packet) {
	group := "0.0.0.0"
	if len(list) > 1 {
		group = list[1]
	}
	switch list[0] {
	case "query":
		p = query(t, list[1:], o)
	case "v1query":
		p = older(wire.IGMPTypeQuery, 0, group, "224.0.0.1")
	case "v2query":
		code, dst := 100, "224.0.0.1"
		if len(list) > 1 {
			code, dst = 10, group
		}
		if v := o["max"]; v != "" {
			code = int(gmptest.Duration(t, v) / (100 * time.Millisecond))
		}
		p = older(wire.IGMPTypeQuery, uint8(code), group, dst)
	case "v1report":
		p = older(wire.IGMPTypeV1Report, 0, group, group)
	case "v2report":
		p = older(wire.IGMPTypeV2Report, 0, group, group)
	case "leave":
		p = older(wire.IGMPTypeV2Leave, 0, group, "224.0.0.2")
	case "report":
		p = report(list[1:])
	default:
		t.Fatalf("unknown command %q", list)
	}
	for key, to := range map[string]*netip.Addr{"src": &p.Src, "dst": &p.Dst} {
		if v := o[key]; v != "" {
			*to = gmptest.IP(v)
		}
	}
	fmt.Sscan(o["ttl"], &p.TTL)
	p.Own, p.RouterAlert = o["own"] != "", p.RouterAlert && o["alert"] != "0"
	return p
}

// testHost is a Host and what it borrows.
type testHost struct {
	t     testing.TB
	tun   Tunables
	stats Stats
	sent  Sent
	h     Host
	out   Out
	seed  uint64
}

func newTestHost(t testing.TB, version int32, seed uint64) *testHost {
	s := &testHost{t: t, tun: Defaults(), seed: seed}
	s.tun.DefaultVersion = version
	s.Reset(false, 1500)
	return s
}

func (s *testHost) env() Env                           { return Env{&s.tun, &s.stats, &s.sent} }
func (s *testHost) Announce(now clock.Time)            { s.h.Announce(now, s.env()) }
func (s *testHost) Deadline() clock.Time               { return s.h.Deadline() }
func (s *testHost) State(now clock.Time) gmp.HostState { return s.h.State(now, &s.tun) }
func (s *testHost) Tunables() any                      { return &s.tun }
func (s *testHost) Stats() any {
	return struct {
		Stats
		Sent
	}{s.stats, s.sent}
}

func (s *testHost) Reset(silent bool, mtu int) {
	if mtu > 0 {
		s.out.Buf = make([]byte, mtu-24)
	}
	s.h = NewHost(&s.tun, s.seed, silent)
}

func (s *testHost) Change(now clock.Time, group netip.Addr, f mcast.Filter, _ time.Duration) {
	s.h.Change(now, s.env(), group, f)
}

func (s *testHost) Input(now clock.Time, list []string, o map[string]string) (string, bool) {
	p := received(s.t, list, o)
	v := s.h.Input(now, s.env(), &p)
	return v.String(), v == Accepted
}

func (s *testHost) Next(now clock.Time) (string, bool) {
	if !s.h.Next(now, s.env(), &s.out) {
		return "", false
	}
	checkEnvelope(s.t, &s.out, s.tun.RouterAlert != 0)
	return text(s.out.Buf[:s.out.N]), true
}

// checkEnvelope: RFC 3376 §4, §4.1.12, §4.2.14; RFC 2236 §2, §3, §9.
func checkEnvelope(t testing.TB, out *Out, alert bool) {
	t.Helper()
	m := wire.IGMP(out.Buf[:out.N])
	want := Out{Dst: gmptest.IP("224.0.0.22"), TOS: 0xc0, RouterAlert: alert}
	switch m.Type() {
	case wire.IGMPTypeV1Report:
		want = Out{Dst: m.Group()}
	case wire.IGMPTypeV2Report:
		want = Out{Dst: m.Group(), RouterAlert: alert}
	case wire.IGMPTypeV2Leave:
		want = Out{Dst: gmptest.IP("224.0.0.2"), RouterAlert: alert}
	case wire.IGMPTypeQuery:
		want = Out{Dst: m.Group(), TOS: 0xc0, RouterAlert: alert}
		if m.QueryVersion() < 3 {
			want.TOS, want.RouterAlert = 0, alert && m.QueryVersion() == 2
		}
		if want.Dst.IsUnspecified() {
			want.Dst = gmptest.IP("224.0.0.1")
		}
	}
	if out.Dst != want.Dst || out.TOS != want.TOS || out.RouterAlert != want.RouterAlert {
		t.Errorf("%s to %v, TOS %#x, Router Alert %v", text(m), out.Dst, out.TOS, out.RouterAlert)
	}
}

// hostScript drives a testHost.
type hostScript struct {
	gmptest.HostScript
	*testHost
}

func newHostScript(t testing.TB) *hostScript {
	h := newTestHost(t, 3, 1)
	return &hostScript{gmptest.HostScript{T: t, H: h}, h}
}

func TestHostTranscripts(t *testing.T) {
	gmptest.Transcripts(t, "testdata/host/*.txt", func(t *testing.T) func(string) string { return newHostScript(t).Do })
}

// testRouter is a Router and what it borrows.
type testRouter struct {
	t     testing.TB
	tun   RouterTunables
	stats RouterStats
	r     *Router
	out   Out
}

func (s *testRouter) env() RouterEnv                        { return RouterEnv{&s.tun, &s.stats} }
func (s *testRouter) Deadline() clock.Time                  { return s.r.Deadline() }
func (s *testRouter) QuerierAddr(now clock.Time) netip.Addr { return s.r.QuerierAddr(now) }
func (s *testRouter) State(now clock.Time) []gmp.GroupState { return s.r.State(now) }
func (s *testRouter) Tunables() any                         { return &s.tun }
func (s *testRouter) Stats() any                            { return s.stats }
func (s *testRouter) Reset(now clock.Time, self netip.Addr) { s.r = NewRouter(now, &s.tun, self, true) }

func (s *testRouter) Input(now clock.Time, list []string, o map[string]string) (string, bool) {
	p := received(s.t, list, o)
	v := s.r.Input(now, s.env(), &p)
	return v.String(), v == Accepted
}

func (s *testRouter) Next(now clock.Time) (string, bool) {
	if !s.r.Next(now, s.env(), &s.out) {
		return "", false
	}
	checkEnvelope(s.t, &s.out, true)
	return text(s.out.Buf[:s.out.N]), true
}

func (s *testRouter) NextEvent() (what string, group, source netip.Addr, ok bool) {
	var e Event
	ok = s.r.NextEvent(&e)
	return e.What.String(), netip.AddrFrom4(e.Group), netip.AddrFrom4(e.Source), ok
}

// routerScript drives a testRouter.
type routerScript struct {
	gmptest.RouterScript
	*testRouter
}

func newRouterScript(t testing.TB) *routerScript {
	r := &testRouter{t: t, tun: RouterDefaults(), out: Out{Buf: make([]byte, 1476)}}
	r.Reset(0, gmptest.IP("10.0.0.2"))
	return &routerScript{gmptest.RouterScript{T: t, R: r}, r}
}

func TestRouterTranscripts(t *testing.T) {
	gmptest.Transcripts(t, "testdata/router/*.txt", func(t *testing.T) func(string) string { return newRouterScript(t).Do })
}
