package mld

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

// signed puts the checksum into a packet's message.
func signed(p Packet) Packet {
	p.Payload[2], p.Payload[3] = 0, 0
	wire.ICMP6(p.Payload).SetChecksum(p.Src, p.Dst)
	return p
}

// query makes a version 2 query of the words: group, {sources}, S, max=, code=,
// qrv=, qqi=, qqic=.
func query(t testing.TB, list []string, o map[string]string) Packet {
	h := wire.MLDv2QueryHeader{Group: netip.IPv6Unspecified(), QRV: 2, MaxRespCode: 10000}
	p := Packet{Src: gmptest.IP("fe80::fe"), Dst: gmptest.IP("ff02::1"), HopLimit: 1, RouterAlert: true}
	b := make([]byte, 8192)
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
		h.MaxRespCode = wire.MLDEncode(int(gmptest.Duration(t, v) / time.Millisecond))
	}
	fmt.Sscanf(o["code"], "%v", &h.MaxRespCode)
	fmt.Sscan(o["qrv"], &h.QRV)
	n := 125
	fmt.Sscan(o["qqi"], &n)
	h.QQIC = wire.IGMPEncode(n)
	fmt.Sscanf(o["qqic"], "%v", &h.QQIC)
	p.Payload = b[:wire.PutMLDv2Query(b, &h, sources)]
	return signed(p)
}

// older makes a version 1 message.
func older(typ uint8, max time.Duration, group, dst string) Packet {
	b := make([]byte, wire.MLDLen)
	wire.PutMLD(b, typ, uint16(max/time.Millisecond), gmptest.IP(group))
	return signed(Packet{Src: gmptest.IP("fe80::9"), Dst: gmptest.IP(dst), HopLimit: 1, RouterAlert: true, Payload: b})
}

// report makes a version 2 report of the words TYPE group {sources}, repeated.
func report(list []string) Packet {
	b := make([]byte, 4096)
	n, records := wire.MLDv2ReportLen, 0
	for i := 0; i < len(list); i += 3 {
		n += wire.PutMLDv2Record(b[n:], gmptest.RecordType(list[i]), gmptest.IP(list[i+1]), gmptest.Addrs(list[i+2]))
		records++
	}
	wire.PutMLDv2Report(b[:n], records)
	return signed(Packet{Src: gmptest.IP("fe80::5"), Dst: gmptest.IP("ff02::16"), HopLimit: 1, RouterAlert: true, Payload: b[:n]})
}

// received makes any message. All take src=, dst=, hops=, own=1, alert=0.
func received(t testing.TB, list []string, o map[string]string) (p Packet) {
	group := "::"
	if len(list) > 1 {
		group = list[1]
	}
	switch list[0] {
	case "query":
		p = query(t, list[1:], o)
	case "v1query":
		limit, dst := 10*time.Second, "ff02::1"
		if len(list) > 1 {
			limit, dst = time.Second, group
		}
		if v := o["max"]; v != "" {
			limit = gmptest.Duration(t, v)
		}
		p = older(wire.ICMP6MLDQuery, limit, group, dst)
	case "v1report":
		p = older(wire.ICMP6MLDv1Report, 0, group, group)
	case "done":
		p = older(wire.ICMP6MLDDone, 0, group, "ff02::2")
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
	fmt.Sscan(o["hops"], &p.HopLimit)
	p.Own, p.RouterAlert = o["own"] != "", o["alert"] != "0"
	return signed(p)
}

// testHost is a Host and what it borrows.
type testHost struct {
	t     testing.TB
	tun   Tunables
	stats Stats
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

func (s *testHost) env() Env                           { return Env{&s.tun, &s.stats} }
func (s *testHost) Announce(now clock.Time)            { s.h.Announce(now, s.env()) }
func (s *testHost) Deadline() clock.Time               { return s.h.Deadline() }
func (s *testHost) State(now clock.Time) gmp.HostState { return s.h.State(now, &s.tun) }
func (s *testHost) Tunables() any                      { return &s.tun }
func (s *testHost) Stats() any                         { return s.stats }

func (s *testHost) Reset(silent bool, mtu int) {
	if mtu > 0 {
		s.out.Buf = make([]byte, mtu-48)
	}
	s.h = NewHost(&s.tun, s.seed, silent)
}

func (s *testHost) Change(now clock.Time, group netip.Addr, f mcast.Filter, delay time.Duration) {
	s.h.Change(now, s.env(), group, f, delay)
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
	checkDst(s.t, &s.out)
	return text(s.out.Buf[:s.out.N]), true
}

// checkDst: RFC 3810 §5.1.15, §5.2.14; RFC 2710 §5.
func checkDst(t testing.TB, out *Out) {
	t.Helper()
	m := out.Buf[:out.N]
	want := gmptest.IP("ff02::16")
	switch m[0] {
	case wire.ICMP6MLDv1Report:
		want = wire.MLD(m).Group()
	case wire.ICMP6MLDDone:
		want = gmptest.IP("ff02::2")
	case wire.ICMP6MLDQuery:
		if want = wire.MLD(m).Group(); want.IsUnspecified() {
			want = gmptest.IP("ff02::1")
		}
	}
	if out.Dst != want {
		t.Errorf("%s to %v", text(m), out.Dst)
	}
}

// hostScript drives a testHost.
type hostScript struct {
	gmptest.HostScript
	*testHost
}

func newHostScript(t testing.TB) *hostScript {
	h := newTestHost(t, 2, 1)
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
	checkDst(s.t, &s.out)
	return text(s.out.Buf[:s.out.N]), true
}

func (s *testRouter) NextEvent() (what string, group, source netip.Addr, ok bool) {
	var e Event
	ok = s.r.NextEvent(&e)
	return e.What.String(), netip.AddrFrom16(e.Group), netip.AddrFrom16(e.Source), ok
}

// routerScript drives a testRouter.
type routerScript struct {
	gmptest.RouterScript
	*testRouter
}

func newRouterScript(t testing.TB) *routerScript {
	r := &testRouter{t: t, tun: RouterDefaults(), out: Out{Buf: make([]byte, 1452)}}
	r.Reset(0, gmptest.IP("fe80::2"))
	return &routerScript{gmptest.RouterScript{T: t, R: r}, r}
}

func TestRouterTranscripts(t *testing.T) {
	gmptest.Transcripts(t, "testdata/router/*.txt", func(t *testing.T) func(string) string { return newRouterScript(t).Do })
}
