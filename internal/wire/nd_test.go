package wire

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var ndMessages = []struct {
	name  string
	typ   uint8
	size  int
	parse func(b []byte) Fault
}{
	{"rs", ICMP6RouterSolicit, RouterSolicitLen, func(b []byte) Fault { _, f := ParseRouterSolicit(b); return f }},
	{"ra", ICMP6RouterAdvert, RouterAdvertLen, func(b []byte) Fault { _, f := ParseRouterAdvert(b); return f }},
	{"ns", ICMP6NeighborSolicit, NeighborSolicitLen, func(b []byte) Fault { _, f := ParseNeighborSolicit(b); return f }},
	{"na", ICMP6NeighborAdvert, NeighborAdvertLen, func(b []byte) Fault { _, f := ParseNeighborAdvert(b); return f }},
	{"redirect", ICMP6Redirect, RedirectLen, func(b []byte) Fault { _, f := ParseRedirect(b); return f }},
}

// RFC 4861 §6.1.1, §6.1.2, §7.1.1, §7.1.2, §8.1: length, code, option lengths.
func TestParseND(t *testing.T) {
	for _, tc := range ndMessages {
		good := make([]byte, tc.size)
		good[0] = tc.typ
		with := func(at int, v byte) []byte {
			b := slices.Clone(good)
			b[at] = v
			return b
		}
		opts := func(o ...byte) []byte { return append(slices.Clone(good), o...) }
		for name, c := range map[string]struct {
			b    []byte
			want Fault
		}{
			"whole": {good, OK}, "cut": {good[:tc.size-1], Short}, "empty": {nil, Short},
			"type": {with(0, 1), BadType}, "code": {with(1, 1), BadType},
			"option":            {opts(200, 1, 0, 0, 0, 0, 0, 0), OK},
			"two options":       {opts(1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0), OK},
			"length 0":          {opts(1, 0, 0, 0, 0, 0, 0, 0), BadOption},
			"length 0 later":    {opts(1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), BadOption},
			"beyond":            {opts(1, 2, 0, 0, 0, 0, 0, 0), BadOption},
			"type without more": {opts(1), BadOption},
			"7 bytes":           {opts(1, 1, 0, 0, 0, 0, 0), BadOption},
		} {
			if f := tc.parse(c.b); f != c.want {
				t.Errorf("%s, %s: %s, want %s", tc.name, name, f, c.want)
			}
		}
	}
}

func TestNDMessages(t *testing.T) {
	a, d := addr("2001:db8::1"), addr("fe80::2")
	prefix := []byte{1, 2, 3}
	ns, f := ParseNeighborSolicit(AppendNS(prefix, a)[3:])
	if f != OK || ns.Target() != a || len(ns.Options()) != 0 {
		t.Errorf("ns %s %x", f, []byte(ns))
	}
	for _, flags := range []uint8{0, NARouter, NASolicited, NAOverride, NARouter | NASolicited | NAOverride} {
		na, f := ParseNeighborAdvert(AppendNA(prefix, flags, a)[3:])
		if f != OK || na.Target() != a || na.Flags() != flags || na.Router() != (flags&NARouter != 0) ||
			na.Solicited() != (flags&NASolicited != 0) || na.Override() != (flags&NAOverride != 0) || len(na.Options()) != 0 {
			t.Errorf("na %s %x", f, []byte(na))
		}
	}
	if rs, f := ParseRouterSolicit(AppendRS(prefix)[3:]); f != OK || len(rs.Options()) != 0 {
		t.Errorf("rs %s %x", f, []byte(rs))
	}
	for _, h := range []RAHeader{{}, {HopLimit: 64, Managed: true, Preference: 1, Lifetime: 1800, Reachable: 30000, Retrans: 1000}, {Other: true, Preference: -1, Lifetime: 65535}} {
		ra, f := ParseRouterAdvert(AppendRA(prefix, &h)[3:])
		if f != OK || ra.Header() != h || len(ra.Options()) != 0 {
			t.Errorf("ra %s %+v, want %+v", f, ra.Header(), h)
		}
		ra[5] = ra[5]&^0x18 | 0x10 // the reserved preference (RFC 4191 §2.2)
		if ra.Header().Preference != 0 {
			t.Error("reserved preference")
		}
	}
	rd, f := ParseRedirect(AppendRedirect(prefix, a, d)[3:])
	if f != OK || rd.Target() != a || rd.Dst() != d || len(rd.Options()) != 0 {
		t.Errorf("redirect %s %x", f, []byte(rd))
	}
}

// one returns the only option of a list.
func one(t *testing.T, b []byte) NDOption {
	t.Helper()
	m, f := ParseRouterSolicit(append(AppendRS(nil), b...))
	opts := m.Options()
	o, ok := opts.Next()
	if _, more := opts.Next(); f != OK || !ok || more || len(o) != len(b) {
		t.Fatalf("%s: %x is no option", f, b)
	}
	return o
}

func TestNDLinkAddr(t *testing.T) {
	mac := MAC{2, 0, 0, 0, 0, 7}
	for _, typ := range []uint8{NDSourceLinkAddr, NDTargetLinkAddr} {
		b := AppendNDLinkAddr(nil, typ, mac)
		if got, ok := one(t, b).LinkAddr(); !ok || got != mac || b[0] != typ {
			t.Errorf("%d: %s %t", typ, got, ok)
		}
		b = AppendNDMTU(b, 1500)
		b = AppendNDLinkAddr(b, typ, MAC{9})
		if got, ok := NDOptions(b).LinkAddr(typ); !ok || got != mac {
			t.Errorf("the first of two: %s %t", got, ok)
		}
		if _, ok := NDOptions(b).LinkAddr(3 - typ); ok {
			t.Error("another type")
		}
	}
	long := append([]byte{NDSourceLinkAddr, 2}, make([]byte, 14)...) // no Ethernet address (RFC 2464 §6)
	if _, ok := one(t, long).LinkAddr(); ok {
		t.Error("14 bytes")
	}
	if o, ok := NDOptions(AppendNDMTU(long, 1280)).Find(NDMTU); !ok || o.Type() != NDMTU {
		t.Error("Find")
	}
}

func TestNDPrefixAndRoute(t *testing.T) {
	for _, s := range []string{"2001:db8:1:2::/64", "::/0", "2001:db8::1/128", "fe80::/10", "2001:db8::/65"} {
		p := NDPrefix{Prefix: netip.MustParsePrefix(s).Masked(), OnLink: true, Valid: NDInfinity, Preferred: 7}
		if got, ok := one(t, AppendNDPrefix(nil, &p)).Prefix(); !ok || got != p {
			t.Errorf("%+v, want %+v", got, p)
		}
		r := NDRoute{Prefix: p.Prefix, Preference: -1, Lifetime: 1800}
		b := AppendNDRouteInfo(nil, &r)
		if want := 8 * (1 + (r.Prefix.Bits()+63)/64); len(b) != want { // RFC 4191 §2.3
			t.Errorf("%s takes %d bytes, want %d", s, len(b), want)
		}
		if got, ok := one(t, b).RouteInfo(); !ok || got != r {
			t.Errorf("%+v, want %+v", got, r)
		}
	}
	// What lies behind the prefix length is to be ignored (RFC 4861 §4.6.2).
	p := NDPrefix{Prefix: netip.MustParsePrefix("2001:db8::/64"), Autonomous: true}
	b := AppendNDPrefix(nil, &p)
	b[31], b[3], b[13] = 9, b[3]|0x3f, 9
	if got, ok := one(t, b).Prefix(); !ok || got != p {
		t.Errorf("%+v, want %+v", got, p)
	}
	b[2] = 129
	if _, ok := one(t, b).Prefix(); ok {
		t.Error("prefix of 129 bits")
	}
	b[1] = 3
	if _, ok := one(t, b[:24]).Prefix(); ok {
		t.Error("prefix option of 24 bytes")
	}
	for name, b := range map[string][]byte{
		"reserved preference":   {NDRouteInfo, 1, 0, 0x10, 0, 0, 0, 1},
		"1 bit in 0 bytes":      {NDRouteInfo, 1, 1, 0, 0, 0, 0, 1},
		"65 bits in 8 bytes":    append([]byte{NDRouteInfo, 2, 65, 0}, make([]byte, 12)...),
		"129 bits":              append([]byte{NDRouteInfo, 3, 129, 0}, make([]byte, 20)...),
		"4 units":               append([]byte{NDRouteInfo, 4, 0, 0}, make([]byte, 28)...),
		"prefix, not route":     AppendNDPrefix(nil, &p),
		"MTU of the wrong type": AppendNDMTU(nil, 1),
	} {
		if r, ok := one(t, b).RouteInfo(); ok {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if mtu, ok := one(t, AppendNDMTU(nil, 1<<20)).MTU(); !ok || mtu != 1<<20 {
		t.Error("MTU", mtu)
	}
}

// RFC 8106 §5.1.
func TestNDRDNSS(t *testing.T) {
	want := addrs("2001:db8::53", "fe80::53", "::1")
	life, list, ok := one(t, AppendNDRDNSS(nil, 600, want)).RDNSS()
	if !ok || life != 600 || list.Len() != 3 {
		t.Fatal(life, list.Len(), ok)
	}
	var got []netip.Addr
	for a, ok := list.Next(); ok; a, ok = list.Next() {
		got = append(got, a)
	}
	if !slices.Equal(got, want) {
		t.Error(got)
	}
	for _, units := range []byte{1, 2, 4} { // too short, or no whole address
		b := append([]byte{NDRDNSS, units}, make([]byte, 8*int(units)-2)...)
		if _, _, ok := one(t, b).RDNSS(); ok {
			t.Errorf("%d units", units)
		}
	}
	mustPanic(t, "no server", func() { AppendNDRDNSS(nil, 1, nil) })
	mustPanic(t, "128 servers", func() { AppendNDRDNSS(nil, 1, make([]netip.Addr, 128)) })
}

// RFC 8106 §5.2.
func TestNDDNSSL(t *testing.T) {
	b, ok := AppendNDDNSSL([]byte{7}, 60, []string{"example.net", "a.b.c.", "x-1_y"})
	if !ok || len(b)%8 != 1 {
		t.Fatal(len(b), ok)
	}
	life, list, ok := one(t, b[1:]).DNSSL()
	var got []string
	for d, ok := list.Next(); ok; d, ok = list.Next() {
		got = append(got, d.String())
	}
	if !ok || life != 60 || strings.Join(got, " ") != "example.net a.b.c x-1_y" {
		t.Error(life, got, ok)
	}
	label := strings.Repeat("a", 63)
	longest := strings.Join([]string{label, label, label, label[:61]}, ".")
	if b, ok := AppendNDDNSSL(nil, 1, []string{longest}); !ok {
		t.Error("a name of 253 characters is refused")
	} else if _, list, ok := one(t, b).DNSSL(); !ok || nameLen(list) != 255 {
		t.Error("a name of 255 bytes is refused")
	}
	for _, bad := range [][]string{nil, {""}, {"."}, {"a..b"}, {".a"}, {label + "a"}, {longest + "a"}, slices.Repeat([]string{longest}, 8)} {
		if b, ok := AppendNDDNSSL([]byte{7}, 1, bad); ok || !bytes.Equal(b, []byte{7}) {
			t.Errorf("%.80q: %t", bad, ok)
		}
	}
	head := []byte{NDDNSSL, 2, 0, 0, 0, 0, 0, 1}
	for name, tail := range map[string][]byte{
		"padding only": make([]byte, 8), "unended": {1, 'a', 1, 'a', 1, 'a', 1, 'a'}, "beyond": {6, 'a', 'a', 'a', 'a', 'a', 'a', 'a'},
		"pointer": {1, 'a', 0xc0, 8, 0, 0, 0, 0}, "second malformed": {1, 'a', 0, 9, 'b', 'b', 'b', 'b'},
	} {
		if _, list, ok := one(t, append(slices.Clone(head), tail...)).DNSSL(); ok {
			t.Errorf("%s: %x", name, []byte(list))
		}
	}
	if got := NDName("\x03a.b\x02\x00\xff\x00").String(); got != `a\046b.\000\255` {
		t.Error(got)
	}
}

func TestNDNonceAndRedirected(t *testing.T) {
	for _, n := range []int{6, 14} {
		want := bytes.Repeat([]byte{7}, n)
		if got := one(t, AppendNDNonce(nil, want)).Nonce(); !bytes.Equal(got, want) {
			t.Errorf("%x", got)
		}
	}
	if got := one(t, AppendNDNonce(nil, []byte{1, 2, 3, 4, 5, 6, 7})).Nonce(); !bytes.Equal(got, []byte{1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("%x", got)
	}
	p := chainOf(ProtoUDP, udp8, []byte{1, 2, 3})
	got := one(t, AppendNDRedirected(nil, p)).Redirected()
	if q, f := ParseQuotedIPv6(got); f != OK || !bytes.Equal(q, p) || len(got) != 56 {
		t.Errorf("%s %x", f, got)
	}
	if len(AppendNDRedirected(nil, make([]byte, 2032))) != 2040 {
		t.Error("the longest option")
	}
	mustPanic(t, "redirected header of 2033 bytes", func() { AppendNDRedirected(nil, make([]byte, 2033)) })
	// Each reader knows its own type only.
	other := NDOption(append([]byte{200, 4}, make([]byte, 30)...))
	_, link := other.LinkAddr()
	_, prefix := other.Prefix()
	_, mtu := other.MTU()
	_, route := other.RouteInfo()
	_, _, rdnss := other.RDNSS()
	_, _, dnssl := other.DNSSL()
	if link || prefix || mtu || route || rdnss || dnssl || other.Nonce() != nil || other.Redirected() != nil || len(other.Data()) != 30 {
		t.Error("an unknown option has a meaning")
	}
}
