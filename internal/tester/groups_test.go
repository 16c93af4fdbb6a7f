//go:build !novimage

package tester

import (
	"net/netip"
	"testing"
)

func TestParseGroups(t *testing.T) {
	for _, c := range []struct {
		text, last string
		n          int
	}{
		{"232.1.1.1", "232.1.1.1", 1},
		{"232.1.1.1+4", "232.1.1.4", 4},
		{"232.1.1.255+2", "232.1.2.0", 2},
		{"ff3e::1+65536", "ff3e::1:0", 65536},
		{"ff1e::8000:0+1000000", "ff1e::800f:423f", 1000000},
	} {
		g, err := ParseGroups(c.text)
		if err != nil || g.Count != c.n || g.At(c.n-1).String() != c.last || g.String() != c.text {
			t.Errorf("%s: %v, the last %v, %v", c.text, g, g.At(g.Count-1), err)
		}
	}
	for _, text := range []string{"", "x", "+4", "10.0.0.1", "::1", "232.1.1.1+", "232.1.1.1+0", "232.1.1.1+-1", "232.1.1.1+1000001",
		"224.0.0.251", "239.255.255.255+2", "ff01::1", "ff02::1%eth0", "::ffff:232.1.1.1", "ff1e::ffff:ffff:ffff:ffff+2", "223.255.255.255+2"} {
		if g, err := ParseGroups(text); err == nil {
			t.Errorf("%q is taken for %v", text, g)
		}
	}
}

func TestIndexIsTheOppositeOfAt(t *testing.T) {
	for _, text := range []string{"232.1.1.250+20", "ff3e::fffa+20"} {
		g := MustGroups(text)
		for i := range g.Count {
			if got := g.Index(g.At(i)); got != i {
				t.Errorf("%s: group %d is found as %d", text, i, got)
			}
		}
		for _, a := range []netip.Addr{g.First.Prev(), g.At(g.Count), netip.MustParseAddr("ff3f::fffa"), netip.MustParseAddr("232.2.1.250"), {}} {
			if a.IsValid() && g.Index(a) != -1 {
				t.Errorf("%s: %v is found as %d", text, a, g.Index(a))
			}
		}
	}
}

// FuzzParseGroups: what is taken is read back as it was written.
func FuzzParseGroups(f *testing.F) {
	for _, s := range []string{"232.1.1.1", "232.1.1.1+4", "ff3e::1+1000", "ff02::1%3", "+", "239.255.255.255+2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGroups(text)
		if err != nil {
			return
		}
		again, err := ParseGroups(g.String())
		if err != nil || again != g {
			t.Fatalf("%q is %v, and that is %v, %v", text, g, again, err)
		}
		if !g.At(g.Count-1).IsMulticast() || g.Index(g.At(g.Count-1)) != g.Count-1 {
			t.Fatalf("%q: the last is %v", text, g.At(g.Count-1))
		}
	})
}
