package radv

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// messages returns the ICMPv6 messages in the capture of a host with radvd.
func messages(t testing.TB) (list []wire.IPv6) {
	t.Helper()
	b, err := os.ReadFile("testdata/linux/ndp_ra_radvd_slaac.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		e, _ := wire.ParseEther(b[16 : 16+n])
		ip, fault := wire.ParseIPv6(e.Payload())
		if fault != wire.OK {
			t.Fatal(fault)
		}
		if ip.NextHeader() == wire.ProtoICMPv6 {
			list = append(list, ip)
		}
		b = b[16+n:]
	}
	return list
}

// radvd is the configuration that the capture's radvd had.
func radvd() *Config {
	c := DefaultConfig()
	c.MinInterval, c.MaxInterval, c.Lifetime, c.MTU = 3, 4, 12, 1400
	c.Prefixes = []wire.NDPrefix{{Prefix: netip.MustParsePrefix("fd0a::/64"), OnLink: true, Autonomous: true, Valid: 7200, Preferred: 3600}}
	c.Routes = []wire.NDRoute{{Prefix: netip.MustParsePrefix("fd0b::/48"), Lifetime: 12}}
	c.RDNSS = []Servers{{4, []netip.Addr{netip.MustParseAddr("fd0a::53")}}}
	c.DNSSL = []Domains{{4, []string{"example.net"}}}
	return &c
}

// lengthened writes routes at their full length, as radvd does; ours are as short
// as RFC 4191 §2.3 allows.
func lengthened(b []byte) []byte {
	out := append([]byte(nil), b[:wire.RouterAdvertLen]...)
	opts := wire.RouterAdvert(b).Options()
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		out = append(out, o...)
		if o.Type() == wire.NDRouteInfo {
			out[len(out)-len(o)+1] = 3
			out = append(out, make([]byte, 24-len(o))...)
		}
	}
	return out
}

// TestLinuxRadvd compares our messages with radvd's byte for byte but for the
// length of routes: unsolicited ones, an answer, and the last.
func TestLinuxRadvd(t *testing.T) {
	var stats Stats
	r := NewRouter(1)
	r.Bind(&stats)
	link := Link{MAC: wire.MAC{2, 0, 0, 0, 0, 0xa}, Addr: netip.MustParseAddr("fe80::ff:fe00:a")}
	if err := r.Start(0, radvd(), link); err != nil {
		t.Fatal(err)
	}
	var adverts []wire.IPv6
	now := clock.Time(0)
	compare := func(out *Out) {
		t.Helper()
		theirs := adverts[0]
		adverts = adverts[1:]
		b := lengthened(r.AppendAdvert(nil, out))
		wire.ICMP6(b).SetChecksum(out.Src, out.Dst)
		if out.Src != theirs.Src() || out.Dst != theirs.Dst() || !bytes.Equal(b, theirs.Payload()) {
			t.Errorf("%v > %v\n%x\nradvd's is %v > %v\n%x", out.Src, out.Dst, b, theirs.Src(), theirs.Dst(), theirs.Payload())
		}
	}
	var solicit wire.IPv6
	for _, m := range messages(t) {
		switch m.Payload()[0] {
		case wire.ICMP6RouterAdvert:
			adverts = append(adverts, m)
		case wire.ICMP6RouterSolicit:
			solicit = m
		}
	}
	if len(adverts) != 5 {
		t.Fatalf("%d advertisements", len(adverts))
	}
	var out Out
	next := func() {
		t.Helper()
		now = r.Deadline()
		if !r.Next(now, &out) {
			t.Fatal("nothing at the deadline")
		}
		compare(&out)
	}
	next()
	next()
	rs, fault := wire.ParseRouterSolicit(solicit.Payload())
	if fault != wire.OK {
		t.Fatal(fault)
	}
	m := &Message{RS: rs, Src: solicit.Src(), HopLimit: solicit.HopLimit()}
	if v := r.Input(now, m); v != Accepted || !m.HasLinkAddr || m.LinkAddr != (wire.MAC{2, 0, 0, 0, 0, 0xb}) {
		t.Fatalf("%v %v", v, m.LinkAddr)
	}
	next()
	next()
	r.Stop(now)
	if !r.Next(now, &out) || !out.Final {
		t.Fatal("no farewell")
	}
	compare(&out)
	if r.Next(now, &out) || r.Deadline() != clock.Never {
		t.Error("something after the farewell")
	}
}
