package pcb

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/table"
)

type sock struct {
	Block
	name string
}

func (s *sock) PCB() *Block { return &s.Block }

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var seed = table.NewSeed(1)

// TestConflicts has one case per rule of in_pcbbind.
func TestConflicts(t *testing.T) {
	const ra, rp = ReuseAddr, ReusePort
	for _, c := range []struct {
		first, second string
		r1, r2        Reuse
		want          syscall.Errno
	}{
		{"10.0.0.1:5", "10.0.0.2:5", 0, 0, 0},
		{"10.0.0.1:5", "10.0.0.1:6", 0, 0, 0},
		{"10.0.0.1:5", "10.0.0.1:5", 0, 0, syscall.EADDRINUSE},
		{"0.0.0.0:5", "10.0.0.1:5", 0, 0, syscall.EADDRINUSE},
		{"10.0.0.1:5", "0.0.0.0:5", 0, 0, syscall.EADDRINUSE},
		{"0.0.0.0:5", "10.0.0.1:5", 0, ra, 0},
		{"0.0.0.0:5", "10.0.0.1:5", ra, 0, syscall.EADDRINUSE},
		{"10.0.0.1:5", "10.0.0.1:5", ra, ra, syscall.EADDRINUSE},
		{"10.0.0.1:5", "10.0.0.1:5", rp, rp, 0},
		{"10.0.0.1:5", "10.0.0.1:5", rp, ra, syscall.EADDRINUSE},
		{"232.1.1.1:5", "232.1.1.1:5", ra, ra, 0},
		{"232.1.1.1:5", "232.1.1.1:5", rp, ra, 0},
		{"232.1.1.1:5", "232.1.1.1:5", 0, ra, syscall.EADDRINUSE},
		{"0.0.0.0:5", "0.0.0.0:5", ra, ra, syscall.EADDRINUSE},
		{"[2001:db8::1]:5", "[::]:5", 0, 0, syscall.EADDRINUSE},
	} {
		var tab Table[sock, *sock]
		a, b := &sock{Block: Block{Reuse: c.r1}}, &sock{Block: Block{Reuse: c.r2}}
		if errno := tab.Bind(seed, a, ap(c.first)); errno != 0 {
			t.Fatal(errno)
		}
		if got := tab.Bind(seed, b, ap(c.second)); got != c.want {
			t.Errorf("%s %v, then %s %v: %v, want %v", c.first, c.r1, c.second, c.r2, got, c.want)
		}
	}
}

func TestLookupPrefersTheMoreSpecific(t *testing.T) {
	var tab Table[sock, *sock]
	mk := func(name, local, remote string) *sock {
		s := &sock{name: name, Block: Block{Reuse: ReuseAddr}}
		if errno := tab.Bind(seed, s, ap(local)); errno != 0 {
			t.Fatal(name, errno)
		}
		if remote != "" {
			if errno := tab.Connect(seed, s, ap(local).Addr(), ap(remote), 0); errno != 0 {
				t.Fatal(name, errno)
			}
		}
		return s
	}
	mk("wild", "0.0.0.0:53", "")
	conn := mk("conn", "10.0.0.1:53", "10.0.0.9:1000")
	conn.Reuse |= ReusePort
	s := &sock{name: "bound", Block: Block{Reuse: ReuseAddr | ReusePort}}
	if errno := tab.Bind(seed, s, ap("10.0.0.1:53")); errno != 0 {
		t.Fatal(errno)
	}
	check := func(local, remote, want string) {
		t.Helper()
		got := "none"
		if s := tab.Lookup(seed, ap(local), ap(remote), 0); s != nil {
			got = s.name
		}
		if got != want {
			t.Errorf("%s from %s: %s, want %s", local, remote, got, want)
		}
	}
	check("10.0.0.1:53", "10.0.0.9:1000", "conn")
	check("10.0.0.1:53", "10.0.0.9:1001", "bound")
	check("10.0.0.2:53", "10.0.0.9:1000", "wild")
	check("10.0.0.2:54", "10.0.0.9:1000", "none")
	check("[::1]:53", "[::2]:9", "none")
	if errno := tab.Connect(seed, s, ap("10.0.0.1:53").Addr(), ap("10.0.0.9:1000"), 0); errno != syscall.EADDRINUSE {
		t.Errorf("a second such connection: %v", errno)
	}
	tab.Delete(seed, conn)
	check("10.0.0.1:53", "10.0.0.9:1000", "bound")
	tab.Delete(seed, s)
	check("10.0.0.1:53", "10.0.0.9:1000", "wild")
}

// TestEphemeralPorts exhausts a small range.
func TestEphemeralPorts(t *testing.T) {
	var tab Table[sock, *sock]
	rng := rand.New(rand.NewPCG(1, 1))
	seen := map[uint16]bool{}
	any4 := netip.IPv4Unspecified()
	for range 100 {
		s := new(sock)
		if errno := tab.BindAny(seed, s, any4, 1099, 1000, rng.Uint32()); errno != 0 {
			t.Fatal(errno)
		}
		p := s.Local.Port()
		if p < 1000 || p > 1099 || seen[p] {
			t.Fatalf("port %d given", p)
		}
		seen[p] = true
	}
	if errno := tab.BindAny(seed, new(sock), any4, 1000, 1099, 7); errno != syscall.EADDRNOTAVAIL {
		t.Fatalf("101st of 100 ports: %v", errno)
	}
}

// TestReadersDuringChanges looks one socket up while others on its port come,
// connect and go.
func TestReadersDuringChanges(t *testing.T) {
	var tab Table[sock, *sock]
	stay := &sock{Block: Block{Reuse: ReusePort}}
	local := ap("10.0.0.1:9")
	tab.Bind(seed, stay, local)
	done := make(chan error)
	stop := make(chan struct{})
	for range 2 {
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if tab.Lookup(seed, local, ap("1.2.3.4:5"), 0) == nil {
					done <- fmt.Errorf("a bound socket was not found")
					return
				}
			}
		}()
	}
	for i := range 3000 {
		s := &sock{Block: Block{Reuse: ReusePort}}
		tab.Bind(seed, s, local)
		if i%2 == 0 {
			tab.Connect(seed, s, local.Addr(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, 9}), uint16(i+1)), 0)
		}
		tab.Delete(seed, s)
	}
	close(stop)
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
