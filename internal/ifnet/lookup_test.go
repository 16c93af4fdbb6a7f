package ifnet

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// row is an address as the slow model has it: all of a stack's are one flat list.
type row struct {
	index, place int // of the interface; in its list
	fib          uint32
	flags        Flags
	ip           netip.Addr
	bits         int
	peer, bcast  netip.Addr
	usable       bool
}

// pick returns the best of the rows that suit, by rank (the more the better), then in
// order of interface and place. It is the slow model of every lookup.
func pick(rows []row, rank func(r *row) int) *row {
	var all []*row
	for i := range rows {
		if rank(&rows[i]) > 0 {
			all = append(all, &rows[i])
		}
	}
	if len(all) == 0 {
		return nil
	}
	return slices.MinFunc(all, func(a, b *row) int {
		return cmp.Or(rank(b)-rank(a), a.index-b.index, a.place-b.place)
	})
}

func is(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (r *row) covers(a netip.Addr) bool { return netip.PrefixFrom(r.ip, r.bits).Contains(a) }

func (r *row) in(table int) bool { return table == AnyFIB || int(r.fib) == table }

func (r *row) ptp() bool { return r.flags&PointToPoint != 0 }

// model is the lookups as behaviour 3.2 has them.
type model []row

// limited is to whoever is on the link, and nobody's.
var limited = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (m model) withAddr(a netip.Addr) *row {
	return pick(m, func(r *row) int {
		return is(r.usable && (r.ip == a || r.flags&Broadcast != 0 && r.bcast == a && a != limited))
	})
}

func (m model) withBroadcast(a netip.Addr, table int) *row {
	return pick(m, func(r *row) int {
		return is(r.usable && r.in(table) && r.flags&Broadcast != 0 && r.bcast.IsValid() && r.bcast == a)
	})
}

func (m model) withPeer(a netip.Addr, table int) *row {
	return pick(m, func(r *row) int { return is(r.in(table) && r.ptp() && r.peer.IsValid() && r.peer == a) })
}

func (m model) withNet(a netip.Addr, ignorePeers bool, table int) *row {
	return pick(m, func(r *row) int {
		switch {
		case !r.usable || !r.in(table) || r.ip.Is4() != a.Is4():
			return 0
		case r.ptp() && a.Is4() && !ignorePeers:
			return 1000 * is(r.peer == a)
		}
		return is(r.covers(a)) * (1 + r.bits)
	})
}

func (m model) forAddr(a netip.Addr, index int) *row {
	return pick(m, func(r *row) int {
		switch {
		case r.index != index || r.ip.Is4() != a.Is4():
			return 0
		case r.ip == a:
			return 3000
		case r.peer == a:
			return 2000
		case !r.peer.IsValid() && r.covers(a):
			return 2 + r.bits
		}
		return 1
	})
}

func (m model) withRoute(q *RouteRequest, table int) (a *row) {
	if q.Direct {
		if q.Host {
			a = m.withPeer(q.Dst, table)
		}
		if a == nil {
			a = m.withAddr(q.Gateway)
		}
	} else {
		a = m.withPeer(q.Gateway, table)
	}
	if a == nil {
		a = m.withNet(q.Gateway, false, table)
	}
	if a == nil {
		return nil // the tables of the test lead nowhere else
	}
	if a.ip.Is4() != q.Dst.Is4() {
		if same := m.forAddr(q.Dst, a.index); same != nil {
			return same
		}
	}
	return a
}

func (m model) forRequest(q *RouteRequest, table int) (a *row) {
	near := q.Dst
	if q.Gateway.IsValid() {
		near = q.Gateway
	}
	if q.Source.IsValid() {
		near = q.Source
		a = m.withAddr(q.Source)
	}
	switch {
	case a != nil:
		return a
	case q.Index != 0:
		return m.forAddr(near, int(q.Index))
	case q.Gateway.IsValid():
		return m.withRoute(q, table)
	}
	return m.withRoute(&RouteRequest{Dst: near, Gateway: near, Direct: true, Host: q.Host}, table)
}

// someAddr is one of few addresses, so that they meet.
func someAddr(rnd *rand.Rand) netip.Addr {
	x, y := byte(rnd.IntN(3)), byte(rnd.IntN(8))
	if rnd.IntN(16) == 0 {
		y = 255
	}
	if rnd.IntN(3) == 0 {
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 14: x, 15: 1 + y})
	}
	return netip.AddrFrom4([4]byte{10, 0, x, y})
}

// someAddrOn returns an address for an interface as package control lets it have one.
func someAddrOn(rnd *rand.Rand, flags Flags) ifaddr.Addr {
	ip := someAddr(rnd)
	bits := ip.BitLen() - []int{0, 1, 2, 3, 8, 8, 8, 16}[rnd.IntN(8)]
	a := ifaddr.Addr{Prefix: netip.PrefixFrom(ip, bits)}
	switch {
	case ip.Is4() && flags&PointToPoint != 0, ip.Is6() && flags&PointToPoint != 0 && bits == 128:
		peer := someAddr(rnd)
		for peer.Is4() != ip.Is4() {
			peer = someAddr(rnd)
		}
		a = a.WithPeer(peer)
	case ip.Is4() && rnd.IntN(6) == 0:
		a = a.WithBroadcast(netip.AddrFrom4([4]byte{10, 0, byte(rnd.IntN(3)), 0}))
	case ip.Is6() && rnd.IntN(4) == 0:
		a.Flags = ifaddr.Tentative
	}
	return a
}

// someView makes a view with random interfaces, and the model of it.
func someView(rnd *rand.Rand, fibs *fib.Set[*Neighbor], tun *vars.Tunables) (*View, model) {
	v := &View{FIBs: fibs, Rules: new(Rules)}
	v.SetV(tun)
	var m model
	wires := link.NewEpair(0)
	for index := uint32(1); index <= uint32(1+rnd.IntN(6)); index++ {
		c := &Conf{Iface: &Iface{Index: index, Port: wires.A()}, Flags: Up, FIB: uint32(rnd.IntN(3)), MAC: wire.MAC{2, byte(index)}}
		switch rnd.IntN(4) {
		case 0:
			c.Flags |= PointToPoint
		case 1: // neither: a loopback
		default:
			c.Flags |= Broadcast
		}
		for range rnd.IntN(7) {
			a := someAddrOn(rnd, c.Flags)
			if c.Addrs.Find(a.Addr()) != nil {
				continue
			}
			m = append(m, row{
				index: int(index), place: len(c.Addrs), fib: c.FIB, flags: c.Flags, ip: a.Addr(), bits: a.Bits(), peer: a.Peer(), bcast: a.Broadcast(), usable: a.Usable(),
			})
			c.Addrs = append(c.Addrs, a)
		}
		v.SetConf(index, c, nil)
	}
	return v, m
}

// TestLookupsAgainstModel compares every lookup of behaviour 3.2 with the slow model,
// on random interfaces, addresses and tables.
func TestLookupsAgainstModel(t *testing.T) {
	var fibs fib.Set[*Neighbor]
	if err := fibs.Grow(3); err != nil {
		t.Fatal(err)
	}
	tun := vars.Defaults()
	hits := map[string]int{}
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		v, m := someView(rnd, &fibs, &tun)
		check := func(what string, got IfAddr, want *row) {
			t.Helper()
			switch {
			case got.OK() != (want != nil):
				t.Fatalf("seed %d, %s: %v, want %+v", seed, what, got.IP(), want)
			case want == nil:
				return
			case got.IP() != want.ip || int(got.On.Index) != want.index || got.Bits() != want.bits:
				t.Fatalf("seed %d, %s: %v on %d, want %v/%d on %d", seed, what, got.Prefix, got.On.Index, want.ip, want.bits, want.index)
			}
			hits[what]++
		}
		for range 100 {
			a, table := someAddr(rnd), rnd.IntN(4)-1
			check("ifwithaddr", v.IfWithAddr(a, 0), m.withAddr(a))
			if v.HasAddr(a, 0) != (m.withAddr(a) != nil) {
				t.Fatal("ifwithaddr_check differs from ifwithaddr for", a)
			}
			check("ifwithbroadaddr", v.IfWithBroadcast(a, table), m.withBroadcast(a, table))
			check("ifwithdstaddr", v.IfWithPeer(a, table), m.withPeer(a, table))
			check("ifwithnet", v.IfWithNet(a, false, table), m.withNet(a, false, table))
			check("ifwithnet, ignore_ptp", v.IfWithNet(a, true, table), m.withNet(a, true, table))
			c := v.Ifs[rnd.IntN(len(v.Ifs))]
			check("ifaof_ifpforaddr", c.AddrFor(a), m.forAddr(a, int(c.Index)))
			check("in6ifa_ifpwithaddr", c.WithAddr(a), pick(m, func(r *row) int { return is(r.index == int(c.Index) && r.ip == a) }))
			check("IFP_TO_IA", c.First(), pick(m, func(r *row) int { return is(r.index == int(c.Index) && r.ip.Is4()) }))
			q := RouteRequest{Dst: someAddr(rnd), Gateway: a, Direct: rnd.IntN(2) == 0, Host: rnd.IntN(2) == 0}
			check("ifwithroute", v.IfWithRoute(&q, table), m.withRoute(&q, table))
			if rnd.IntN(3) == 0 {
				q.Gateway = netip.Addr{}
			}
			if rnd.IntN(3) == 0 {
				q.Source = someAddr(rnd)
			}
			if rnd.IntN(3) == 0 {
				q.Index = c.Index
			}
			got, e := v.IfForRequest(&q, table)
			if (e == syscall.ENETUNREACH) == got.OK() || e != 0 && e != syscall.ENETUNREACH {
				t.Fatal("rt_getifa:", e)
			}
			if want := m.forRequest(&q, table); want != nil && q.Index != 0 && want.index != int(q.Index) {
				if got.On.Index != q.Index || got.IP() != want.ip {
					t.Fatalf("seed %d: the interface that was said is not taken: %v", seed, got)
				}
			} else {
				check("rt_getifa", got, want)
			}
		}
	}
	for _, what := range []string{
		"ifwithaddr", "ifwithbroadaddr", "ifwithdstaddr", "ifwithnet", "ifwithnet, ignore_ptp", "ifaof_ifpforaddr", "in6ifa_ifpwithaddr", "IFP_TO_IA", "ifwithroute", "rt_getifa",
	} {
		if hits[what] < 100 {
			t.Errorf("%s found something %d times: it was not tested", what, hits[what])
		}
	}
}

func at(t testing.TB, s string) netip.Addr {
	t.Helper()
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// station is a view with lo0, two Ethernets in tables 0 and 1, and a point-to-point
// link, with routes.
func station(t testing.TB) *View {
	t.Helper()
	var fibs fib.Set[*Neighbor]
	if err := fibs.Grow(2); err != nil {
		t.Fatal(err)
	}
	tun := vars.Defaults()
	v := &View{FIBs: &fibs, Rules: new(Rules)}
	v.SetV(&tun)
	wires := link.NewEpair(0)
	list := func(all ...string) (l ifaddr.List) {
		for _, s := range all {
			l = append(l, ifaddr.Addr{Prefix: netip.MustParsePrefix(s)})
		}
		return l
	}
	lo := &Conf{Iface: &Iface{Index: 1}, Name: "lo0", Flags: Up | Loopback | Multicast, MTU: 16384, Addrs: list("127.0.0.1/8", "::1/128")}
	e0 := &Conf{Iface: &Iface{Index: 2, Port: wires.A()}, Name: "e0", Flags: Up | Broadcast, MTU: 1500, MAC: wire.MAC{2, 2},
		Addrs: list("10.0.0.1/24", "10.0.0.2/24", "fe80::2/64", "2001:db8::2/64", "fc00::2/64")}
	e1 := &Conf{Iface: &Iface{Index: 3, Port: wires.A()}, Name: "e1", Flags: Up | Broadcast, MTU: 1500, MAC: wire.MAC{2, 3}, FIB: 1,
		Addrs: list("10.0.1.1/24", "fe80::2/64", "fe80::3/64")}
	e1.Addrs[1].Flags = ifaddr.Duplicate
	p0 := &Conf{Iface: &Iface{Index: 4, Port: wires.A()}, Name: "p0", Flags: Up | PointToPoint, MTU: 1500,
		Addrs: ifaddr.List{list("10.0.2.1/24")[0].WithPeer(at(t, "192.0.2.9"))}}
	for i, c := range []*Conf{lo, e0, e1, p0} {
		v.SetConf(uint32(i+1), c, nil)
	}
	for _, r := range []struct {
		table  int
		dst    string
		gw     string
		index  uint32
		source string
		flags  fib.Flags
	}{
		{0, "10.0.0.0/24", "", 2, "10.0.0.1", fib.Pinned}, {0, "2001:db8::/64", "", 2, "", fib.Pinned}, {0, "192.0.2.9/32", "", 4, "10.0.2.1", fib.Pinned | fib.Host},
		{0, "0.0.0.0/0", "10.0.0.9", 2, "", fib.Gateway}, {0, "198.51.100.0/24", "", 2, "", fib.Static}, {0, "203.0.113.0/24", "", 2, "", fib.Reject},
		{0, "::/0", "fe80::9", 2, "", fib.Gateway}, {1, "10.0.1.0/24", "", 3, "10.0.1.1", fib.Pinned},
	} {
		tab, err := fibs.Writable(r.table)
		if err == nil {
			err = tab.Insert(fib.Route[*Neighbor]{
				Prefix: netip.MustParsePrefix(r.dst), Gateway: at(t, r.gw), IfIndex: r.index, Src: at(t, r.source), Flags: fib.Up | r.flags,
			})
		}
		if err != nil {
			t.Fatal(r, err)
		}
	}
	return v
}

// TestLookups: each routine that behaviour 3.1 names, on a station.
func TestLookups(t *testing.T) {
	v := station(t)
	e0, e1 := v.Conf(2), v.Conf(3)
	for _, c := range []struct {
		routine string
		got     IfAddr
		want    string // address and interface
	}{
		{"ifwithaddr", v.IfWithAddr(at(t, "10.0.0.2"), 0), "10.0.0.2 e0"},
		{"ifwithaddr, broadcast", v.IfWithAddr(at(t, "10.0.0.255"), 0), "10.0.0.1 e0"},
		{"ifwithaddr, nobody's", v.IfWithAddr(at(t, "10.0.0.3"), 0), ""},
		{"ifwithaddr, link-local", v.IfWithAddr(at(t, "fe80::3"), 3), "fe80::3 e1"},
		{"ifwithaddr, on another link", v.IfWithAddr(at(t, "fe80::3"), 2), ""},
		{"ifwithaddr, a duplicate", v.IfWithAddr(at(t, "fe80::2"), 3), ""},
		{"ifwithbroadaddr", v.IfWithBroadcast(at(t, "10.0.1.255"), 1), "10.0.1.1 e1"},
		{"ifwithbroadaddr, other table", v.IfWithBroadcast(at(t, "10.0.1.255"), 0), ""},
		{"ifwithdstaddr", v.IfWithPeer(at(t, "192.0.2.9"), 0), "10.0.2.1 p0"},
		{"ifwithdstaddr, other table", v.IfWithPeer(at(t, "192.0.2.9"), 1), ""},
		{"ifwithnet", v.IfWithNet(at(t, "10.0.0.77"), false, AnyFIB), "10.0.0.1 e0"},
		{"ifwithnet, peer", v.IfWithNet(at(t, "192.0.2.9"), false, 0), "10.0.2.1 p0"},
		{"ifwithnet, peer's subnet", v.IfWithNet(at(t, "10.0.2.7"), false, 0), ""},
		{"ifwithnet, ignore_ptp", v.IfWithNet(at(t, "10.0.2.7"), true, 0), "10.0.2.1 p0"},
		{"ifaof_ifpforaddr, may be", e0.AddrFor(at(t, "192.0.2.1")), "10.0.0.1 e0"},
		{"ifaof_ifpforaddr, no such family", v.Conf(4).AddrFor(at(t, "2001:db8::1")), ""},
		{"ifwithroute, by the default route", v.IfWithRoute(&RouteRequest{Dst: at(t, "192.0.2.0"), Gateway: at(t, "192.0.2.1")}, 0), ""},
		{"ifwithroute, by a route on the link", v.IfWithRoute(&RouteRequest{Dst: at(t, "192.0.2.0"), Gateway: at(t, "198.51.100.1")}, 0), "10.0.0.1 e0"},
		{"ifwithroute, other table", v.IfWithRoute(&RouteRequest{Dst: at(t, "192.0.2.0"), Gateway: at(t, "198.51.100.1")}, 1), ""},
		{"ifwithroute, other family", v.IfWithRoute(&RouteRequest{Dst: at(t, "2001:db8::77"), Gateway: at(t, "10.0.0.9")}, 0), "2001:db8::2 e0"},
		{"IFP_TO_IA", e1.First(), "10.0.1.1 e1"},
		{"ip_rtaddr", v.AddrTo(0, at(t, "8.8.8.8")), "10.0.0.1 e0"},
		{"ip_rtaddr, peer", v.AddrTo(0, at(t, "192.0.2.9")), "10.0.2.1 p0"},
		{"ip_rtaddr, no route", v.AddrTo(1, at(t, "8.8.8.8")), ""},
		{"ip_rtaddr, reject", v.AddrTo(0, at(t, "203.0.113.1")), ""},
		{"ip_rtaddr, IPv6", v.AddrTo(0, at(t, "2001:db8:9::9")), "2001:db8::2 e0"},
		{"in6_ifawithifp, global", v.SourceOn(e0, at(t, "2001:db8:9::9")), "2001:db8::2 e0"},
		{"in6_ifawithifp, unique local", v.SourceOn(e0, at(t, "fc00::9")), "fc00::2 e0"},
		{"in6_ifawithifp, link-local", v.SourceOn(e1, at(t, "fe80::9")), "fe80::3 e1"},
		{"in6_ifawithifp, none", v.SourceOn(v.Conf(4), at(t, "fe80::9")), ""},
		{"in6ifa_ifpforlinklocal", e1.LinkLocal(ifaddr.Tentative | ifaddr.Duplicate), "fe80::3 e1"},
		{"in6ifa_ifpforlinklocal, any", e1.LinkLocal(0), "fe80::2 e1"},
		{"in6ifa_ifpwithaddr", e1.WithAddr(at(t, "fe80::2")), "fe80::2 e1"},
		{"ip6_getdstifaddr", v.Destination(at(t, "fe80::2"), 2), "fe80::2 e0"},
		{"ip6_getdstifaddr, by another interface", v.Destination(at(t, "2001:db8::2"), 3), "2001:db8::2 e0"},
	} {
		got := ""
		if c.got.OK() {
			got = c.got.IP().String() + " " + c.got.On.Name
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.routine, got, c.want)
		}
	}
	if mac, ok := v.LinkAddr(2); !ok || mac != e0.MAC {
		t.Error("ifaddr_byindex:", mac, ok)
	}
	for _, none := range []uint32{0, 1, 9} {
		if _, ok := v.LinkAddr(none); ok {
			t.Error("ifaddr_byindex finds a hardware address of", none)
		}
	}
	if !v.HasAddr(at(t, "fe80::2"), 2) || v.HasAddr(at(t, "fe80::2"), 3) || !v.HasAddr(at(t, "10.0.0.1"), 0) {
		t.Error("ifwithaddr_check")
	}
}

// TestLookupAllocs: what is looked up belongs to the view already.
func TestLookupAllocs(t *testing.T) {
	v := station(t)
	a, far, six := at(t, "10.0.0.2"), at(t, "8.8.8.8"), at(t, "2001:db8:9::9")
	if n := testing.AllocsPerRun(100, func() {
		if !v.IfWithAddr(a, 0).OK() || !v.IfWithNet(a, false, AnyFIB).OK() || !v.AddrTo(0, far).OK() || !v.AddrTo(0, six).OK() {
			t.Error("not found")
		}
	}); n != 0 {
		t.Error("allocations:", n)
	}
}
