package addrsel

import (
	"net/netip"
	"strings"
	"testing"
)

// candidates reads addresses, each perhaps with words for its flags, its
// prefix length and its interface: "fe80::2/64@1 deprecated, …".
func candidates(t testing.TB, text string) (list []Candidate) {
	t.Helper()
	for part := range strings.SplitSeq(text, ",") {
		f := strings.Fields(part)
		a, at, _ := strings.Cut(f[0], "@")
		c := Candidate{IfIndex: 1}
		if at != "" {
			c.IfIndex = uint32(at[0] - '0')
		}
		if p, err := netip.ParsePrefix(a); err == nil {
			c.Addr, c.Bits = p.Addr(), uint8(p.Bits())
		} else {
			c.Addr = netip.MustParseAddr(a)
		}
		for _, w := range f[1:] {
			flag, ok := map[string]Flags{"deprecated": Deprecated, "temporary": Temporary, "home": Home, "care-of": CareOf, "next-hop": NextHop}[w]
			if !ok {
				t.Fatal(w)
			}
			c.Flags |= flag
		}
		list = append(list, c)
	}
	return list
}

// TestRFC6724_10_1_Source is the table of §10.1, and what it leaves out.
func TestRFC6724_10_1_Source(t *testing.T) {
	for _, c := range []struct {
		name, dst, from string
		prefs           Prefs
		want            string
	}{
		{"appropriate scope", "2001:db8:1::1", "2001:db8:3::1, fe80::1", 0, "2001:db8:3::1"},
		{"appropriate scope, group", "ff05::1", "2001:db8:3::1, fe80::1", 0, "2001:db8:3::1"},
		{"same address", "2001:db8:1::1", "2001:db8:1::1 deprecated, 2001:db8:2::1", 0, "2001:db8:1::1"},
		{"appropriate scope, deprecated", "fe80::1", "fe80::2 deprecated, 2001:db8:1::1", 0, "fe80::2"},
		{"longest prefix", "2001:db8:1::1", "2001:db8:1::2, 2001:db8:3::2", 0, "2001:db8:1::2"},
		{"home", "2001:db8:1::1", "2001:db8:1::2 care-of, 2001:db8:3::2 home", 0, "2001:db8:3::2"},
		{"label", "2002:c633:6401::1", "2002:c633:6401:0:d5e3:7953:13eb:22e8 temporary, 2001:db8:1::2", 0, "2002:c633:6401:0:d5e3:7953:13eb:22e8"},
		{"temporary", "2001:db8:1::d5e3:0:0:1", "2001:db8:1::2, 2001:db8:1:0:d5e3:7953:13eb:22e8 temporary", PreferTemporary, "2001:db8:1:0:d5e3:7953:13eb:22e8"},

		{"public", "2001:db8:1::d5e3:0:0:1", "2001:db8:1:0:d5e3:7953:13eb:22e8 temporary, 2001:db8:1::2", 0, "2001:db8:1::2"},
		{"care-of by wish", "2001:db8:1::1", "2001:db8:1::2 care-of, 2001:db8:3::2 home", PreferCareOf, "2001:db8:1::2"},
		{"home and care-of", "2001:db8:1::1", "2001:db8:1::2 home, 2001:db8:3::2 home care-of", 0, "2001:db8:3::2"},
		{"deprecated", "2001:db8:1::1", "2001:db8:1::2 deprecated, 2001:db8:3::2", 0, "2001:db8:3::2"},
		{"only deprecated", "2001:db8:1::1", "2001:db8:1::2 deprecated, fe80::2", 0, "2001:db8:1::2"},
		{"outgoing interface", "2001:db8:1::1", "2001:db8:1::2@2, 2001:db8:3::2", 0, "2001:db8:3::2"},
		{"next hop", "2001:db8:1::1", "2001:db8:1::2, 2001:db8:3::2 next-hop", 0, "2001:db8:3::2"},
		{"next hop before label", "2002::1", "2002::2, 2001:db8::2 next-hop", 0, "2001:db8::2"},
		{"unique local", "fd00::1", "2001:db8::2, fd00:1::2", 0, "fd00:1::2"},
		{"no further than the prefix", "2001:db8::ff", "2001:db8::a, 2001:db8::fe", 0, "2001:db8::a"},
		{"a host prefix", "2001:db8::ff", "2001:db8::a/128, 2001:db8::fe/128", 0, "2001:db8::a"},
		{"a longer prefix", "2001:db8::ff", "2001:db8::1:a/112, 2001:db8::a/112", 0, "2001:db8::a"},
		{"another link's address", "2001:db8::1", "fe80::2@2", 0, "none"},
		{"another link's address, to the link", "fe80::1", "fe80::2@2, 2001:db8::2@2", 0, "none"},
		{"global to the link", "fe80::1", "2001:db8::2@2, 2001:db8::3", 0, "2001:db8::3"},
		{"group by its link", "ff0e::1", "2001:db8::2@2, 2001:db8::3 deprecated", 0, "2001:db8::3"},
		{"loopback leaves no node", "2001:db8::1", "::1", 0, "none"},
		{"loopback", "::1", "2001:db8::1, ::1@2", 0, "::1"},
		{"own address of another link", "fe80::1", "fe80::1@2, fe80::2", 0, "fe80::1"},
		{"other family", "2001:db8::1", "192.0.2.1", 0, "none"},
		{"nobody", "2001:db8::1", "ff02::1, ::", 0, "none"},

		{"v4 subnet", "192.0.2.7", "198.51.100.1/24, 192.0.2.1/24", 0, "192.0.2.1"},
		{"v4 mapped", "::ffff:192.0.2.7", "198.51.100.1/24, 192.0.2.1/24, ::1", 0, "192.0.2.1"},
		{"v4 scope", "192.0.2.7", "169.254.1.1/16, 10.0.0.1/8", 0, "10.0.0.1"},
		{"v4 to the link", "169.254.1.7", "169.254.1.1/16, 10.0.0.1/8", 0, "169.254.1.1"},
		{"v4 loopback", "127.0.0.1", "192.0.2.1, 127.0.0.1@2", 0, "127.0.0.1"},
		{"v4 loopback leaves no node", "192.0.2.7", "127.0.0.1", 0, "none"},
		{"v4, first of equals", "8.8.8.8", "192.0.2.1/24, 192.0.2.2/24", 0, "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p *Policy
			list := candidates(t, c.from)
			got := "none"
			if i := p.Source(netip.MustParseAddr(c.dst), 1, c.prefs, list); i >= 0 {
				got = list[i].Addr.String()
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestRFC6724_10_Destinations is the tables of §10.2 to §10.4: each destination
// gets the source that the first algorithm chooses, and both orders of the list
// give the same.
func TestRFC6724_10_Destinations(t *testing.T) {
	table := func(change string) *Policy {
		p, err := ParsePolicy(strings.ReplaceAll((*Policy)(nil).String(), "::ffff:0.0.0.0/96 ", "#") + "\n" + change)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	v4 := table("::ffff:0:0/96 100 4")
	global := table("::ffff:0:0/96 35 4\nfe80::/10 33 1")
	local := table("::ffff:0:0/96 35 4\nfd11:1111:1111::/48 45 14")
	for _, c := range []struct {
		name     string
		p        *Policy
		from, to string
		want     string
	}{
		{"matching scope", nil, "2001:db8:1::2, fe80::1, 169.254.13.78", "2001:db8:1::1, 198.51.100.121", "2001:db8:1::1<2001:db8:1::2 198.51.100.121<169.254.13.78"},
		{"matching scope, v4", nil, "fe80::1, 198.51.100.117", "2001:db8:1::1, 198.51.100.121", "198.51.100.121<198.51.100.117 2001:db8:1::1<fe80::1"},
		{"higher precedence", nil, "2001:db8:1::2, fe80::1, 10.1.2.4", "2001:db8:1::1, 10.1.2.3", "2001:db8:1::1<2001:db8:1::2 10.1.2.3<10.1.2.4"},
		{"smaller scope", nil, "2001:db8:1::2, fe80::2", "2001:db8:1::1, fe80::1", "fe80::1<fe80::2 2001:db8:1::1<2001:db8:1::2"},
		{"home", nil, "2001:db8:1::2 care-of, 2001:db8:3::1 home, fe80::2 care-of", "2001:db8:1::1, fe80::1", "2001:db8:1::1<2001:db8:3::1 fe80::1<fe80::2"},
		{"deprecated", nil, "2001:db8:1::2, fe80::2 deprecated", "2001:db8:1::1, fe80::1", "2001:db8:1::1<2001:db8:1::2 fe80::1<fe80::2"},
		{"longest prefix", nil, "2001:db8:1::2, 2001:db8:3f44::2, fe80::2", "2001:db8:1::1, 2001:db8:3ffe::1", "2001:db8:1::1<2001:db8:1::2 2001:db8:3ffe::1<2001:db8:3f44::2"},
		{"matching label", nil, "2002:c633:6401::2, fe80::2", "2002:c633:6401::1, 2001:db8:1::1", "2002:c633:6401::1<2002:c633:6401::2 2001:db8:1::1<2002:c633:6401::2"},
		{"precedence after label", nil, "2002:c633:6401::2, 2001:db8:1::2, fe80::2", "2002:c633:6401::1, 2001:db8:1::1", "2001:db8:1::1<2001:db8:1::2 2002:c633:6401::1<2002:c633:6401::2"},

		{"10.3 matching scope", v4, "2001:db8::2, fe80::1, 169.254.13.78", "2001:db8::1, 198.51.100.121", "2001:db8::1<2001:db8::2 198.51.100.121<169.254.13.78"},
		{"10.3 matching scope, v4", v4, "fe80::1, 198.51.100.117", "2001:db8::1, 198.51.100.121", "198.51.100.121<198.51.100.117 2001:db8::1<fe80::1"},
		{"10.3 higher precedence", v4, "2001:db8::2, fe80::1, 10.1.2.4", "2001:db8::1, 10.1.2.3", "10.1.2.3<10.1.2.4 2001:db8::1<2001:db8::2"},
		{"10.4 global before link", global, "2001:db8::2, fe80::2", "2001:db8::1, fe80::1", "2001:db8::1<2001:db8::2 fe80::1<fe80::2"},
		{"unique local, as it is", nil, "fd11:1111:1111:1::1, 2001:db8::2", "fd11:1111:1111:2::1, 2001:db8:9::1", "2001:db8:9::1<2001:db8::2 fd11:1111:1111:2::1<fd11:1111:1111:1::1"},
		{"10.6 unique local, preferred", local, "fd11:1111:1111:1::1, 2001:db8::2", "fd11:1111:1111:2::1, 2001:db8:9::1", "fd11:1111:1111:2::1<fd11:1111:1111:1::1 2001:db8:9::1<2001:db8::2"},
		{"no source", nil, "2001:db8::2", "192.0.2.1, 2001:db8::1", "2001:db8::1<2001:db8::2 192.0.2.1<invalid IP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := candidates(t, c.from), candidates(t, c.to)
			for range 2 {
				var list []Destination
				for _, d := range to {
					e := Destination{Addr: d.Addr}
					if i := c.p.Source(d.Addr, 1, 0, from); i >= 0 {
						e.Source = from[i]
					}
					list = append(list, e)
				}
				c.p.Order(list)
				var got []string
				for _, e := range list {
					got = append(got, e.Addr.String()+"<"+e.Source.Addr.String())
				}
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("%s, want %s", s, c.want)
				}
				to[0], to[1] = to[1], to[0]
			}
		})
	}
}

// TestRFC6724_6_Rules: what the examples do not show.
func TestRFC6724_6_Rules(t *testing.T) {
	d := func(a string) Destination {
		return Destination{Addr: netip.MustParseAddr(a), Source: candidates(t, "2001:db8::2")[0]}
	}
	far, near, tunnel := d("2001:db8::1"), d("2001:db8::1"), d("2001:db8::1")
	far.Unreachable, tunnel.Flags = true, Tunnel
	list := []Destination{far, tunnel, near}
	if (*Policy)(nil).Order(list); list[0].Flags != 0 || list[0].Unreachable || list[1].Flags != Tunnel || !list[2].Unreachable {
		t.Errorf("rules 1 and 7: %+v", list)
	}
	// Rule 10: nothing decides.
	list = []Destination{d("2a00::1"), d("2b00::1"), d("2a00::2")}
	list[0].Source.Bits, list[1].Source.Bits, list[2].Source.Bits = 3, 3, 3
	if (*Policy)(nil).Order(list); list[0].Addr != netip.MustParseAddr("2a00::1") || list[2].Addr != netip.MustParseAddr("2a00::2") {
		t.Errorf("rule 10: %+v", list)
	}
	// Rule 9 within families of one precedence, which keep their places.
	p, err := NewPolicy([]Entry{{netip.MustParsePrefix("::/0"), 40, 1}})
	if err != nil {
		t.Fatal(err)
	}
	v4 := candidates(t, "192.0.2.9/24")[0]
	list = []Destination{d("2001:db9::1"), {Addr: netip.MustParseAddr("198.51.100.1"), Source: v4}, d("2001:db8::1"), {Addr: netip.MustParseAddr("192.0.2.1"), Source: v4}}
	p.Order(list)
	for i, want := range []string{"2001:db8::1", "192.0.2.1", "2001:db9::1", "198.51.100.1"} {
		if list[i].Addr != netip.MustParseAddr(want) {
			t.Errorf("rule 9 in place %d: %s, want %s", i, list[i].Addr, want)
		}
	}
}

// TestScopes: RFC 6724 §3.1 and §3.2, RFC 7346, RFC 2365.
func TestScopes(t *testing.T) {
	for a, want := range map[string]Scope{
		"fe80::1": ScopeLink, "febf::1": ScopeLink, "fec0::1": ScopeSite, "feff::1": ScopeSite, "fe7f::1": ScopeGlobal,
		"::1": ScopeLink, "::": ScopeGlobal, "fd00::1": ScopeGlobal, "2001:db8::1": ScopeGlobal,
		"ff01::1": ScopeInterface, "ff02::1": ScopeLink, "ff13::1": ScopeRealm, "ff04::1": ScopeAdmin, "ff05::2": ScopeSite, "ff08::1": ScopeOrg,
		"ff3e::8000:1": ScopeGlobal, "ff00::1": 0, "ff0f::1": 15, "ff06::1": 6,
		"127.0.0.1": ScopeLink, "169.254.0.1": ScopeLink, "10.0.0.1": ScopeGlobal, "192.168.1.1": ScopeGlobal, "100.64.0.1": ScopeGlobal,
		"::ffff:169.254.0.1": ScopeLink, "224.0.0.5": ScopeLink, "224.0.1.1": ScopeGlobal, "232.1.1.1": ScopeGlobal, "239.255.1.1": ScopeRealm, "239.192.1.1": ScopeOrg,
	} {
		if got := ScopeOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %d, want %d", a, got, want)
		}
	}
	if ScopeOf(netip.Addr{}) != ScopeNone {
		t.Error("no address")
	}
}

func TestNoAllocation(t *testing.T) {
	var p *Policy
	list := candidates(t, "2001:db8:1::2, fe80::2, 2001:db8:3::9 temporary")
	dst := netip.MustParseAddr("2001:db8:3::1")
	to := []Destination{{Addr: dst, Source: list[0]}, {Addr: netip.MustParseAddr("fe80::1"), Source: list[1]}, {Addr: netip.MustParseAddr("192.0.2.1")}}
	if n := testing.AllocsPerRun(100, func() {
		p.Source(dst, 1, 0, list)
		p.Order(to)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSource(b *testing.B) {
	var p *Policy
	for _, c := range []struct{ name, dst, from string }{
		{"v4", "198.51.100.7", "192.0.2.1/24"},
		{"v6", "2001:db8:3::1", "fe80::2, 2001:db8:1::2/64"},
		{"v6-3", "2001:db8:3::1", "fe80::2, 2001:db8:1::2/64, 2001:db8:1::3/64 temporary"},
	} {
		b.Run(c.name, func(b *testing.B) {
			list, dst := candidates(b, c.from), netip.MustParseAddr(c.dst)
			b.ReportAllocs()
			for b.Loop() {
				p.Source(dst, 1, 0, list)
			}
		})
	}
}
