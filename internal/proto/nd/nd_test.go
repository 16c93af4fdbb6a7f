package nd

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// host returns a table that is up at 02:00:00:00:00:<n>.
func host(seed uint64, n byte) *Table[int] {
	tun, h := Defaults(), New[int](seed)
	h.Bind(&tun, new(Stats))
	h.SetLink(0, Link{MAC: wire.MAC{2, 0, 0, 0, 0, n}, Up: true})
	return h
}

// received turns a message into what its receiver sees, by way of its bytes.
func received(t testing.TB, m *Message, from wire.MAC) *Received {
	t.Helper()
	b := make([]byte, MaxMessageLen)[:m.Len()]
	m.Put(b)
	return parse(t, b, from)
}

func parse(t testing.TB, b []byte, from wire.MAC) *Received {
	t.Helper()
	p, f := wire.ParseIPv6(b)
	if f != wire.OK || p.NextHeader() != wire.ProtoICMPv6 {
		t.Fatalf("not an ICMPv6 packet: %v %x", f, b)
	}
	icmp, f := wire.ParseICMP6(p.Payload())
	if f != wire.OK {
		t.Fatal(f)
	}
	return &Received{
		ICMP: icmp, Src: p.Src(), Dst: p.Dst(), SrcMAC: from, HopLimit: p.HopLimit(), SumOK: true,
	}
}

// settle pulls everything and forgets it.
func settle[P any](h *Table[P], now clock.Time) {
	var o Out[P]
	for h.Next(now, &o) {
	}
}

// TestIdleTableIsSmall: two addresses and no neighbour after detection, as on
// each of ten thousand receivers: no timer, no index, under 300 bytes and what
// the slice of addresses holds.
func TestIdleTableIsSmall(t *testing.T) {
	h := host(1, 1)
	h.AddAddress(0, addr("fe80::1"), 0)
	h.AddAddress(0, addr("2001:db8::1"), Delayed)
	for at := h.Deadline(); at != clock.Never; at = h.Deadline() {
		settle(h, at)
	}
	for _, ip := range []string{"fe80::1", "2001:db8::1"} {
		if s, ok := h.Address(addr(ip)); !ok || s != Preferred {
			t.Fatalf("%s is %v", ip, s)
		}
	}
	size := reflect.TypeOf(h).Elem().Size()
	each := reflect.TypeOf(h.locals[0]).Size()
	t.Logf("table %d bytes, addresses %d × %d", size, cap(h.locals), each)
	if size >= 300 || cap(h.locals) > 2 || each > 40 {
		t.Errorf("table %d bytes, addresses %d × %d", size, cap(h.locals), each)
	}
	if h.timers != nil || h.head != nil || h.index.Len() != 0 || h.locals[0].job != nil || h.locals[1].job != nil {
		t.Error("something is still kept")
	}
}

// TestPathAllocatesNothing: sending to a neighbour that is known, probing it and
// being probed by it.
func TestPathAllocatesNothing(t *testing.T) {
	h, now := host(1, 1), clock.Time(0)
	ours, theirs, mac := addr("fe80::1"), addr("fe80::2"), wire.MAC{2, 0, 0, 0, 0, 2}
	h.AddAddress(now, ours, NoDAD)
	h.Set(theirs, mac, false, now.Add(time.Second))
	settle(h, now)
	ask := received(t, &Message{Src: theirs, Dst: ours, Target: ours, LinkAddr: mac}, mac)
	reply := received(t, &Message{Advert: true, Src: theirs, Dst: ours, Target: theirs, Flags: wire.NASolicited}, mac)
	if n := testing.AllocsPerRun(100, func() {
		if r := h.Resolve(now, theirs, ours, 1, false); r.Verdict != Send {
			t.Fatal("held")
		}
		if a := h.Input(now, ask); !a.Reply {
			t.Fatal("no answer")
		}
		settle(h, now)
		now = now.Add(45 * time.Second)
		settle(h, now) // stale
		h.Resolve(now, theirs, ours, 1, false)
		now = now.Add(5 * time.Second)
		settle(h, now) // probed
		if a := h.Input(now, reply); a.Drop != NotDropped {
			t.Fatal(a.Drop)
		}
		settle(h, now)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSettle: a table made late announces nothing, now or later.
func TestSettle(t *testing.T) {
	tun, h := Defaults(), New[int](1)
	tun.Grand = 3
	h.Bind(&tun, new(Stats))
	h.SetLink(0, Link{MAC: wire.MAC{2, 0, 0, 0, 0, 1}, Up: true})
	h.AddAddress(0, addr("fe80::1"), NoDAD)
	h.AddAddress(0, addr("2001:db8::1"), NoDAD)
	h.Settle()
	var o Out[int]
	if h.Next(0, &o) || h.Deadline() != clock.Never {
		t.Errorf("%v, deadline %v", o.Kind, h.Deadline())
	}
}

// TestTakenAwayBeforeTold: what Next has not told of an address is not told when
// the address has gone, or has come back in another state.
func TestTakenAwayBeforeTold(t *testing.T) {
	h, ip := host(1, 1), addr("2001:db8::1")
	h.AddAddress(0, ip, NoDAD)
	h.DelAddress(ip)
	var o Out[int]
	if h.Next(0, &o) {
		t.Errorf("%v of an address that is gone", o.Kind)
	}
	h.AddAddress(0, ip, NoDAD)
	h.DelAddress(ip)
	h.AddAddress(0, ip, 0)
	for h.Next(0, &o) {
		if o.Kind == AddressReady || o.Message.Advert {
			t.Errorf("%v of an address that is tentative", o.Kind)
		}
	}
}

// TestNilTable: the verbs that only look.
func TestNilTable(t *testing.T) {
	var h *Table[int]
	var o Out[int]
	if _, ok := h.Lookup(addr("fe80::1")); ok || h.Next(0, &o) || h.Deadline() != clock.Never || h.Len() != 0 ||
		h.AppendEntries(nil) != nil {
		t.Error("there is something")
	}
	h.Confirm(0, addr("fe80::1"))
	if h.Delete(addr("fe80::1")) == 0 {
		t.Error("deleted")
	}
}

// TestRedirectFits1280 (RFC 4861 §4.6.3): with every length of the packet it is
// about, with and without the link address, and read back.
func TestRedirectFits1280(t *testing.T) {
	src, target, mac := addr("fe80::1"), addr("fe80::2"), wire.MAC{2, 0, 0, 0, 0, 2}
	b := make([]byte, MaxRedirectLen)
	longest := 0
	for n := range 1460 {
		p := make([]byte, wire.IPv6Len+n)
		wire.PutIPv6(p, &wire.IPv6Header{HopLimit: 64, NextHeader: wire.ProtoUDP, Src: addr("2001:db8::a"), Dst: addr("2001:db8:9::9")}, n)
		for i := range n {
			p[wire.IPv6Len+i] = byte(i + 1)
		}
		for _, with := range []wire.MAC{{}, mac} {
			size := PutRedirect(b, src, target, with, p)
			longest = max(longest, size)
			r := parse(t, b[:size], wire.MAC{2, 0, 0, 0, 0, 1})
			m, f := wire.ParseRedirect(r.ICMP)
			if f != wire.OK || m.Target() != target || m.Dst() != addr("2001:db8:9::9") || r.Dst != addr("2001:db8::a") || r.HopLimit != 255 {
				t.Fatalf("%d: %v %v %v to %v", n, f, m.Target(), m.Dst(), r.Dst)
			}
			if got, _ := m.Options().LinkAddr(wire.NDTargetLinkAddr); got != with {
				t.Fatalf("%d: link address %v", n, got)
			}
			o, _ := m.Options().Find(wire.NDRedirectedHdr)
			q := o.Redirected()
			quoted := min(len(q), len(p))
			if string(q[:quoted]) != string(p[:quoted]) || quoted < len(p) && size < MaxRedirectLen-8 {
				t.Fatalf("%d: %d of %d bytes quoted in %d", n, quoted, len(p), size)
			}
		}
	}
	if longest != MaxRedirectLen {
		t.Errorf("longest is %d", longest)
	}
}

// TestReachableTimeIsSpread (RFC 4861 §6.3.2): between half and one and a half
// of the base, drawn anew after two hours.
func TestReachableTimeIsSpread(t *testing.T) {
	h := New[int](1)
	lo, hi := time.Hour, time.Duration(0)
	for i := range 1000 {
		now := clock.Time(0).Add(time.Duration(i) * renewReachable)
		d := h.lifetime(now)
		if again := h.lifetime(now.Add(renewReachable - 1)); again != d {
			t.Fatal("drawn too early")
		}
		lo, hi = min(lo, d), max(hi, d)
	}
	if lo < 15*time.Second || lo > 16*time.Second || hi > 45*time.Second || hi < 44*time.Second {
		t.Errorf("from %v to %v", lo, hi)
	}
}

// TestSource: RFC 4861 §7.2.2, RFC 4429 §3.2.
func TestSource(t *testing.T) {
	h := host(1, 1)
	for ip, f := range map[string]AddrFlags{
		"fe80::1": NoDAD, "2001:db8:1::1": NoDAD, "2001:db8:2::1": NoDAD, "2001:db8:2::ac": Anycast,
		"2001:db8:3::1": OptimisticDAD, "2001:db8:4::1": 0,
	} {
		h.AddAddress(0, addr(ip), f)
	}
	for _, c := range []struct{ src, ip, want string }{
		{"2001:db8:1::1", "2001:db8:2::9", "2001:db8:1::1"},
		{"::", "2001:db8:2::9", "2001:db8:2::1"},
		{"2001:db8:2::ac", "2001:db8:2::9", "2001:db8:2::1"},
		{"2001:db8:3::1", "fe80::9", "fe80::1"},
		{"2001:db8:4::1", "2001:db8:1::9", "2001:db8:1::1"},
		{"2001:db8:9::1", "fe80::9", "fe80::1"},
	} {
		if got := h.source(addr(c.src), addr(c.ip)); got != addr(c.want) {
			t.Errorf("%s asks %s from %v, want %s", c.src, c.ip, got, c.want)
		}
	}
	if got := host(1, 1).source(netip.Addr{}, addr("fe80::1")); got.IsValid() {
		t.Errorf("without addresses: %v", got)
	}
}

// TestRouterLostBeforeRemoval: that a neighbour is no router any more is told
// even if its entry goes before Next is called.
func TestRouterLostBeforeRemoval(t *testing.T) {
	h, ip := host(1, 1), addr("fe80::2")
	h.Heard(0, ip, wire.MAC{2, 0, 0, 0, 0, 2}, RouterRole)
	settle(h, 0)
	h.Heard(0, ip, wire.MAC{}, HostRole)
	h.Delete(ip)
	var kinds []OutKind
	var o Out[int]
	for h.Next(0, &o) {
		kinds = append(kinds, o.Kind)
	}
	if len(kinds) != 2 || kinds[0] != RouterLost || kinds[1] != Changed {
		t.Errorf("%v", kinds)
	}
}

// TestRFC4862Section5_4_5: who has an address that turned out to be a duplicate
// is a neighbour like any other.
func TestRFC4862Section5_4_5(t *testing.T) {
	h, owner := host(1, 1), host(2, 2)
	ours, theirs := addr("fe80::1"), addr("fe80::2")
	h.AddAddress(0, ours, NoDAD)
	owner.AddAddress(0, theirs, NoDAD)
	h.AddAddress(0, theirs, 0)
	advert := Message{Advert: true, Src: theirs, Dst: netip.IPv6LinkLocalAllNodes(), Target: theirs, LinkAddr: owner.link.MAC, Flags: wire.NAOverride}
	h.Input(0, received(t, &advert, owner.link.MAC))
	if s, _ := h.Address(theirs); s != Duplicate {
		t.Fatalf("the address is %v", s)
	}
	settle(h, 0)
	if r := h.Resolve(0, theirs, ours, 1, false); r.Verdict != Held {
		t.Errorf("a packet to the owner: %v to %v", r.Verdict, r.MAC)
	}
	advert.Dst, advert.Flags = ours, wire.NASolicited|wire.NAOverride
	h.Input(0, received(t, &advert, owner.link.MAC))
	if e, _ := h.Lookup(theirs); e.State != Reachable || e.MAC != owner.link.MAC {
		t.Errorf("what the owner answers makes %+v", e)
	}
	ask := Message{Src: theirs, Dst: wire.SolicitedNode(ours), Target: ours, LinkAddr: owner.link.MAC}
	if a := h.Input(0, received(t, &ask, owner.link.MAC)); !a.Reply {
		t.Errorf("the owner asks, and gets no answer: %v", a.Drop)
	}
}
