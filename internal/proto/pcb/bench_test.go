package pcb

import (
	"net/netip"
	"testing"
)

// benchTable has a connected, a specific and a wildcard socket on port 53 of
// IPv4, and a connected one of IPv6.
func benchTable(b *testing.B) *Table[sock, *sock] {
	tab := new(Table[sock, *sock])
	for _, c := range []struct{ local, remote string }{
		{"0.0.0.0:53", ""}, {"10.0.0.1:53", ""}, {"10.0.0.2:53", "10.0.0.9:1000"}, {"[2001:db8::2]:53", "[2001:db8::9]:1000"},
	} {
		s := &sock{Block: Block{Reuse: ReuseAddr | ReusePort}}
		if errno := tab.Bind(seed, s, ap(c.local)); errno != 0 {
			b.Fatal(c.local, errno)
		}
		if c.remote != "" {
			if errno := tab.Connect(seed, s, ap(c.local).Addr(), ap(c.remote), 0); errno != 0 {
				b.Fatal(c.remote, errno)
			}
		}
	}
	return tab
}

func BenchmarkLookup(b *testing.B) {
	for _, c := range []struct{ name, local, remote string }{
		{"connected", "10.0.0.2:53", "10.0.0.9:1000"},
		{"specific", "10.0.0.1:53", "10.0.0.9:1000"},
		{"wildcard", "10.0.0.7:53", "10.0.0.9:1000"},
		{"none", "10.0.0.7:54", "10.0.0.9:1000"},
		{"connected6", "[2001:db8::2]:53", "[2001:db8::9]:1000"},
	} {
		b.Run(c.name, func(b *testing.B) {
			tab := benchTable(b)
			local, remote := ap(c.local), ap(c.remote)
			b.ReportAllocs()
			var found netip.AddrPort
			for b.Loop() {
				if s := tab.Lookup(seed, local, remote, 0); s != nil {
					found = s.Local
				}
			}
			if (c.name == "none") == found.IsValid() {
				b.Fatal(found)
			}
		})
	}
}
