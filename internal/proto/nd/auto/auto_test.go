package auto

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// pull takes everything Next has to say at this moment.
func pull(h *Host, now clock.Time) {
	var o Out
	for h.Next(now, &o) {
	}
}

// settled returns a host with one router, one prefix and one address, all of
// them for ever but the router, which cannot be.
func settled(t testing.TB, tun *Tunables, stats *Stats, linkLocal bool) (*Host, *Message) {
	m := advert(t, []string{"fe80::1", "life=0", "ll=b", "prefix=2001:db8:1::/64,LA,inf,inf", "route=::/0,medium,inf"})
	h := NewHost(1)
	h.Bind(tun, stats)
	h.Start(0, Link{MAC: mac("a"), AcceptRA: true, LinkLocal: linkLocal, MTU: 1500, Transmits: 1})
	pull(&h, clock.Time(time.Second))
	if v := h.Input(clock.Time(time.Second), m); v != Accepted {
		t.Fatal(v)
	}
	pull(&h, clock.Time(time.Second))
	return &h, m
}

// TestMemory holds an idle host to its budget.
func TestMemory(t *testing.T) {
	tun, stats := Defaults(), Stats{}
	h, _ := settled(t, &tun, &stats, false)
	n := int(unsafe.Sizeof(*h)) + cap(h.routers)*int(unsafe.Sizeof(router{})) + cap(h.prefixes)*int(unsafe.Sizeof(prefix{})) +
		cap(h.addrs)*int(unsafe.Sizeof(address{})) + cap(h.routes)*int(unsafe.Sizeof(route{}))
	t.Logf("Host %d, router %d, prefix %d, address %d, route %d: %d bytes", unsafe.Sizeof(*h), unsafe.Sizeof(router{}),
		unsafe.Sizeof(prefix{}), unsafe.Sizeof(address{}), unsafe.Sizeof(route{}), n)
	if len(h.routers) != 1 || len(h.prefixes) != 1 || len(h.addrs) != 1 || n >= 400 {
		t.Errorf("%d bytes with %d routers, %d prefixes, %d addresses", n, len(h.routers), len(h.prefixes), len(h.addrs))
	}
	if h.Deadline() != clock.Never {
		t.Errorf("a timer at rest, at %v", h.Deadline())
	}
	h.Stop(clock.Time(time.Hour))
	pull(h, clock.Time(time.Hour))
	if h.addrs != nil || h.prefixes != nil || h.routers != nil || h.Deadline() != clock.Never {
		t.Errorf("left after Stop: %+v", h)
	}
}

// TestAllocations: an advertisement that says nothing new allocates nothing and
// is no event.
func TestAllocations(t *testing.T) {
	tun, stats := Defaults(), Stats{}
	h, _ := settled(t, &tun, &stats, true)
	m := advert(t, []string{"fe80::1", "ll=b", "prefix=2001:db8:1::/64,LA,7200,7200", "rdnss=600,2001:db8::53", "dnssl=600,example.net", "route=2001:db8:7::/48,low,600"})
	now := clock.Time(time.Minute)
	h.Input(now, m)
	pull(h, now)
	var o Out
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		h.Input(now, m)
		if h.Next(now, &o) {
			t.Errorf("an event: %v", o.Kind)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNilHost(t *testing.T) {
	var h *Host
	var o Out
	if h.Next(0, &o) || h.Deadline() != clock.Never || h.Input(0, &Message{}) != Ignored || h.AppendAddresses(nil) != nil ||
		h.AppendRouters(nil) != nil || h.AppendRoutes(nil) != nil || h.AppendServers(nil) != nil || h.AppendDomains(nil) != nil ||
		h.Announced(netip.IPv6Unspecified(), netip.IPv6Unspecified()) {
		t.Error("a nil host knows something")
	}
	h.Ready(0, netip.IPv6Unspecified())
	h.Duplicate(0, netip.IPv6Unspecified())
	h.RouterLost(0, netip.IPv6Unspecified())
}

// TestRFC7559Section2Forever: solicitations stay at the longest interval, however
// many there were.
func TestRFC7559Section2Forever(t *testing.T) {
	tun, stats := Defaults(), Stats{}
	h := NewHost(1)
	h.Bind(&tun, &stats)
	h.Start(0, Link{AcceptRA: true})
	pull(&h, 0)
	for range 70_000 {
		now := h.Deadline()
		pull(&h, now)
		if wait := h.Deadline().Sub(now); stats.Solicits > 12 && (wait < 54*time.Minute || wait > 66*time.Minute) {
			t.Fatalf("%v after solicitation %d", wait, stats.Solicits)
		}
	}
}

// TestLifetimesSaturate: RFC 4861 §4.6.2.
func TestLifetimesSaturate(t *testing.T) {
	late := clock.Never - 1
	if lifetime(0, wire.NDInfinity) != clock.Never || lifetime(late, 10) != clock.Never || lifetime(0, wire.NDInfinity-1) == clock.Never {
		t.Error("lifetimes do not saturate")
	}
}

// flood returns an advertisement of random contents by a random router.
func flood(r *rand.Rand, src netip.Addr) *Message {
	life := []uint32{0, 1, 600, 7200, 86400, wire.NDInfinity}
	pick := func() uint32 { return life[r.IntN(len(life))] }
	some := func(bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 4: byte(r.IntN(4)), 7: byte(r.IntN(16))}), bits).Masked()
	}
	b := wire.AppendRA(nil, &wire.RAHeader{Lifetime: uint16(pick()), Preference: int8(r.IntN(3) - 1), HopLimit: uint8(r.Uint32()), Retrans: r.Uint32N(5000)})
	for range r.IntN(8) {
		switch r.IntN(5) {
		case 0, 1:
			b = wire.AppendNDPrefix(b, &wire.NDPrefix{Prefix: some(64 - 4*r.IntN(2)), OnLink: r.IntN(2) == 0, Autonomous: r.IntN(2) == 0, Valid: pick(), Preferred: pick()})
		case 2:
			b = wire.AppendNDRouteInfo(b, &wire.NDRoute{Prefix: some(64 * r.IntN(2)), Preference: int8(r.IntN(3) - 1), Lifetime: pick()})
		case 3:
			b = wire.AppendNDRDNSS(b, pick(), []netip.Addr{some(128).Addr()})
		case 4:
			b, _ = wire.AppendNDDNSSL(b, pick(), []string{string(rune('a' + r.IntN(20)))})
		}
	}
	if r.IntN(2) == 0 {
		b = wire.AppendNDLinkAddr(b, wire.NDSourceLinkAddr, wire.MAC{2})
	}
	return &Message{RA: b, Src: src, HopLimit: 255}
}

// TestFlood hears thousands of advertisements of a thousand routers and
// does what else can be done to a host. What a stack was told must be consistent
// at all times, and nothing may grow past its limit.
func TestFlood(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tun, stats := Defaults(), Stats{}
	tun.UseTemp, tun.MaxRoutes, tun.MaxAddresses = 1, 4, 12
	h := NewHost(1)
	h.Bind(&tun, &stats)
	link := Link{MAC: mac("a"), AcceptRA: true, LinkLocal: true, Stable: true, Secret: new([32]byte), MTU: 1500, Transmits: 1}
	h.Start(0, link)
	told := newTold(t, &tun)
	now := clock.Time(0)
	for range 30_000 {
		src := netip.AddrFrom16([16]byte{0xfe, 0x80, 14: byte(r.IntN(4)), 15: byte(r.IntN(250))})
		if v := h.Input(now, flood(r, src)); v != Accepted {
			t.Fatal(v)
		}
		switch r.IntN(40) {
		case 0:
			h.RouterLost(now, src)
		case 1:
			h.RouterFound(now, src)
		case 2:
			h.RouterResigned(now, src)
		case 3:
			if len(h.addrs) > 0 {
				h.Duplicate(now, netip.AddrFrom16(h.addrs[r.IntN(len(h.addrs))].ip))
			}
		case 4:
			if r.IntN(100) == 0 {
				h.Start(now, link)
			}
		}
		told.pull(&h, now)
		for d := h.Deadline(); r.IntN(3) == 0 && d != clock.Never; d = h.Deadline() {
			if d <= now {
				t.Fatalf("deadline %d at %d", d, now)
			}
			now = d
			told.pull(&h, now)
		}
		now = now.Add(time.Duration(r.Int64N(int64(time.Minute))))
		told.pull(&h, now)
	}
	if stats.RoutersFull == 0 || stats.PrefixesFull == 0 || stats.RoutesFull == 0 || stats.AddressesFull == 0 || stats.NamesFull == 0 {
		t.Errorf("a limit that was never reached: %+v", stats)
	}
	h.Stop(now)
	told.pull(&h, now)
	if len(told.addrs)+len(told.routes) > 0 {
		t.Errorf("left after Stop: %v %v", told.addrs, told.routes)
	}
}

// BenchmarkInput hears the usual advertisement of a quiet link.
func BenchmarkInput(b *testing.B) {
	tun, stats := Defaults(), Stats{}
	h, m := settled(b, &tun, &stats, true)
	now := clock.Time(time.Minute)
	var o Out
	b.ReportAllocs()
	for b.Loop() {
		now++
		h.Input(now, m)
		h.Next(now, &o)
	}
}

// BenchmarkNextIdle asks a host that has nothing to say.
func BenchmarkNextIdle(b *testing.B) {
	tun, stats := Defaults(), Stats{}
	h, _ := settled(b, &tun, &stats, true)
	var o Out
	for b.Loop() {
		h.Next(clock.Time(time.Minute), &o)
	}
}
