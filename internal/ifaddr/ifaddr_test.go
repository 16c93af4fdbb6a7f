package ifaddr

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func list(all ...string) (l List) {
	for _, s := range all {
		l = append(l, Addr{Prefix: netip.MustParsePrefix(s)})
	}
	return l
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct{ subnet, want string }{
		{"10.0.0.1/24", "10.0.0.255"}, {"10.0.0.1/8", "10.255.255.255"}, {"10.0.5.1/22", "10.0.7.255"}, {"10.0.0.5/30", "10.0.0.7"},
		{"10.0.0.5/31", ""}, {"10.0.0.5/32", ""}, {"0.0.0.0/0", "255.255.255.255"}, {"2001:db8::1/64", ""},
	} {
		if got := Broadcast(netip.MustParsePrefix(c.subnet)); got != addr(c.want) {
			t.Errorf("of %s: %v, want %q", c.subnet, got, c.want)
		}
	}
}

// TestSourceFor: the subnet's, else the first.
func TestSourceFor(t *testing.T) {
	l := list("10.0.0.1/24", "10.0.1.1/24", "2001:db8::1/64")
	for dst, want := range map[string]string{
		"10.0.1.9": "10.0.1.1", "10.0.0.9": "10.0.0.1", "192.0.2.1": "10.0.0.1",
	} {
		if got := l.SourceFor(addr(dst)); got != addr(want) {
			t.Errorf("to %s: %v, want %s", dst, got, want)
		}
		if got := l.Covers(addr(dst)); got != (dst != "192.0.2.1") {
			t.Errorf("%s is covered: %v", dst, got)
		}
	}
	if List(nil).First().IsValid() || List(nil).SourceFor(addr("10.0.0.1")).IsValid() {
		t.Error("an interface without addresses has one")
	}
	if !l.Broadcasts(addr("10.0.1.255")) || l.Broadcasts(addr("10.0.2.255")) || l.Broadcasts(addr("10.0.1.1")) {
		t.Error("broadcast addresses are mistaken")
	}
}

// TestFind: few and many are found alike, the first of those that are the same.
func TestFind(t *testing.T) {
	for n := range 12 {
		var l Locals
		for i := n; i > 0; i-- {
			l = l.Add(list(fmt.Sprintf("10.0.%d.1/24", i)), uint32(i), i%2 == 0)
		}
		l = l.Add(list("10.0.1.1/16"), 99, true).Sort()
		if !slices.IsSortedFunc(l, func(a, b Local) int { return a.Addr.Compare(b.Addr) }) {
			t.Fatal("not sorted", l)
		}
		for i := 1; i <= n; i++ {
			own, all := l.Find(addr(fmt.Sprintf("10.0.%d.1", i))), l.Find(addr(fmt.Sprintf("10.0.%d.255", i)))
			if own == nil || own.Index != uint32(i) || own.Broadcast {
				t.Errorf("of %d: %d is %v", n, i, own)
			}
			if (all != nil) != (i%2 == 0) || all != nil && !all.Broadcast {
				t.Errorf("of %d: the broadcast address of %d is %v", n, i, all)
			}
		}
		if o := l.Find(addr("10.0.255.255")); o == nil || o.Index != 99 {
			t.Errorf("of %d: the broadcast address of the last is %v", n, o)
		}
		if l.Find(addr("192.0.2.1")) != nil {
			t.Error("an address of nobody is found")
		}
	}
}
