package usrreq_test

import (
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// merging is a sender with addresses a, b, c and d, and a receiver with sockets.
type merging struct {
	recv  *vnet.Stack
	from  usrreq.Sock
	group netip.Addr
	names map[netip.Addr]string
	addrs map[byte]netip.Addr
}

func newMerging(t *testing.T, is6 bool) *merging {
	w := newWorld()
	cable := link.NewEpair(0)
	send := newStack(t, w, "send")
	z := &merging{recv: newStack(t, w, "recv"), names: map[netip.Addr]string{}, addrs: map[byte]netip.Addr{}}
	text, any, here := []string{"10.0.0.11/24", "10.0.0.12/24", "10.0.0.13/24", "10.0.0.14/24"}, "0.0.0.0:0", "10.0.0.2/24"
	z.group = addr("232.1.1.1")
	if is6 {
		text, any, here = []string{"fd00::11/64", "fd00::12/64", "fd00::13/64", "fd00::14/64"}, "[::]:0", "fd00::2/64"
		z.group = addr("ff3e::8000:1")
	}
	plug(t, send, "e0", cable.A(), text...)
	plug(t, z.recv, "e0", cable.B(), here)
	for i, p := range text {
		z.addrs["abcd"[i]] = prefix(p).Addr()
		z.names[prefix(p).Addr()] = "abcd"[i : i+1]
	}
	z.from = listen(t, send, any)
	return z
}

// filter reads "E{a,b}".
func (z *merging) filter(text string) (mode mcast.Mode, list []netip.Addr) {
	mode = mcast.Include
	if text[0] == 'E' {
		mode = mcast.Exclude
	}
	for i := 2; i < len(text)-1; i += 2 {
		list = append(list, z.addrs[text[i]])
	}
	return mode, list
}

func (z *merging) text(f mcast.Filter) string {
	if f.Mode == mcast.Undefined {
		return "none"
	}
	var all []string
	for _, a := range f.Sources {
		all = append(all, z.names[a])
	}
	return f.Mode.String()[:1] + "{" + strings.Join(all, ",") + "}"
}

func (z *merging) merged(s usrreq.Sock) (f mcast.Filter) {
	s.Memberships(func(g *vnet.Groups, _ *vnet.Members) {
		if snap := g.Lookup(z.group, 2); snap != nil {
			f = snap.Merged()
		}
	})
	return f
}

// TestRFC3376Section3_2 is the truth table of behaviour 6.6, with real sockets: what
// the interface wants, and which socket hears whom, whatever the interface hears.
func TestRFC3376Section3_2(t *testing.T) {
	for _, is6 := range []bool{false, true} {
		for _, c := range []struct{ sockets, want string }{
			{"E{} I{a}", "E{}"},
			{"E{a,b} E{b,c}", "E{b}"},
			{"E{a,b} I{a}", "E{b}"},
			{"I{a} I{b}", "I{a,b}"},
			{"I{a} leave", "none"},
			{"E{a} I{a} leave", "E{a}"},
			{"I{a} E{a} leave", "I{a}"},
			{"I{} I{}", "I{}"},
			{"I{} I{a}", "I{a}"},
			{"E{a} E{b}", "E{}"},
			{"E{a,b,c} E{b,c,d} I{b}", "E{c}"},
			{"E{a,b,c} E{b,c,d} I{b} leave", "E{b,c}"},
			{"E{} E{a} E{a} leave", "E{}"},
			{"I{a,b} I{b,c} I{c,d} leave", "I{a,b,c}"},
		} {
			z := newMerging(t, is6)
			any := netip.AddrPortFrom(netip.IPv4Unspecified(), 5000)
			if is6 {
				any = netip.AddrPortFrom(netip.IPv6Unspecified(), 5000)
			}
			on := usrreq.McastIf{Index: 2}
			var socks []usrreq.Sock
			var filters []string
			for _, f := range strings.Fields(c.sockets) {
				n := len(socks) - 1
				if f == "leave" {
					must(t, socks[n].Mcast(usrreq.McastLeave, on, z.group, netip.Addr{}))
					filters[n] = f
					continue
				}
				socks, filters = append(socks, listen(t, z.recv, any.String())), append(filters, f)
				mode, list := z.filter(f)
				must(t, socks[n+1].Mcast(usrreq.McastJoin, on, z.group, netip.Addr{}))
				must(t, socks[n+1].SetSourceFilter(on, z.group, mode, list))
			}
			if got := z.text(z.merged(socks[0])); got != c.want {
				t.Errorf("%s: %s, want %s", c.sockets, got, c.want)
			}
			for name, a := range z.addrs {
				if _, err := z.from.WriteTo([]byte{name}, netip.AddrPortFrom(z.group, 5000), &socket.Send{Src: a, IfIndex: 2}); err != nil {
					t.Fatal(err)
				}
				for i, s := range socks {
					listed := strings.Contains(filters[i], string(name))
					want := filters[i] != "leave" && listed == (filters[i][0] == 'I')
					if _, err := s.ReadFrom(make([]byte, 1), nil, false); (err == nil) != want {
						t.Errorf("%s: socket %d hears %c: %t, want %t", c.sockets, i, name, err == nil, want)
					}
				}
			}
		}
	}
}

// TestInterfaceGoes: what sockets had to do with an interface that is destroyed
// (behaviour 3.5) is over; to leave is EADDRNOTAVAIL, to close is silent.
func TestInterfaceGoes(t *testing.T) {
	st := newStack(t, newWorld(), "a")
	for range 2 {
		index := plug(t, st, "e0", link.NewEpair(0).A(), "10.0.0.1/24", "fd00::1/64")
		on := usrreq.McastIf{Index: index}
		s := listen(t, st, "[::]:5000")
		g4, g6 := addr("239.1.1.1"), addr("ff0e::1")
		must(t, s.Mcast(usrreq.McastJoin, on, g4, netip.Addr{}))
		must(t, s.Mcast(usrreq.McastJoinSource, on, g6, addr("fd00::9")))
		must(t, s.SetMulticastIf(index))
		must(t, s.SetMulticastIf6(index))
		must(t, control.RemoveInterface(st, index))
		if s.MulticastIf() != 0 || s.MulticastIf6() != 0 {
			t.Errorf("multicast still leaves by %d, %d", s.MulticastIf(), s.MulticastIf6())
		}
		for _, q := range []struct {
			op     usrreq.McastOp
			at     usrreq.McastIf
			group  netip.Addr
			source netip.Addr
		}{
			{usrreq.McastLeave, on, g4, netip.Addr{}}, {usrreq.McastLeave, usrreq.McastIf{Any: true}, g4, netip.Addr{}},
			{usrreq.McastLeaveSource, on, g6, addr("fd00::9")}, {usrreq.McastBlock, on, g4, addr("10.0.0.9")}, {usrreq.McastJoin, on, g4, netip.Addr{}},
		} {
			if e := s.Mcast(q.op, q.at, q.group, q.source); e != syscall.EADDRNOTAVAIL {
				t.Errorf("op %d of %v: %v", q.op, q.group, e)
			}
		}
		if e := s.SetSourceFilter(on, g4, mcast.Include, nil); e != syscall.EADDRNOTAVAIL {
			t.Errorf("set filter: %v", e)
		}
		if e := s.Close(); e != nil {
			t.Error(e)
		}
		s.Memberships(func(g *vnet.Groups, m *vnet.Members) {
			if g.Len() != 0 || m.Len() != 0 {
				t.Errorf("%d groups are left, %d of the socket", g.Len(), m.Len())
			}
		})
	}
}

// TestInterfaceGoesMeanwhile destroys interfaces while other goroutines join, leave,
// change filters and choose them: nothing is left of one that is not there.
func TestInterfaceGoesMeanwhile(t *testing.T) {
	st := newStack(t, vnet.NewWorld(vnet.Config{Seed: 1}), "a")
	stop := make(chan struct{})
	var joined atomic.Uint64
	var wg sync.WaitGroup
	socks := make([]usrreq.Sock, 4)
	for i := range socks {
		s := listen(t, st, "[::]:5000")
		socks[i] = s
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				on, group, source := usrreq.McastIf{Index: 2}, nthGroup(n%7), addr("10.0.0.9")
				if n%2 == 1 {
					group, source = addr("ff0e::1"), addr("fd00::9")
				}
				switch n % 5 {
				case 0, 1:
					if s.Mcast(usrreq.McastJoin, on, group, netip.Addr{}) == 0 {
						joined.Add(1)
					}
				case 2:
					s.Mcast(usrreq.McastJoinSource, on, group, source)
					s.SetMulticastIf(2)
				case 3:
					s.SetSourceFilter(on, group, mcast.Include, []netip.Addr{source})
					s.SetMulticastIf6(2)
				case 4:
					s.Mcast(usrreq.McastLeave, on, group, netip.Addr{})
				}
			}
		})
	}
	rounds := 60
	if raceOn {
		rounds = 20
	}
	for range rounds {
		before := joined.Load()
		index := plug(t, st, "e0", link.NewEpair(0).A(), "10.0.0.1/24", "fd00::1/64")
		for joined.Load() < before+2 { // until they are at it
			runtime.Gosched()
		}
		must(t, control.RemoveInterface(st, index))
		for _, s := range socks {
			if i, i6 := s.MulticastIf(), s.MulticastIf6(); i != 0 || i6 != 0 {
				t.Fatalf("multicast leaves by %d, %d", i, i6)
			}
			s.Memberships(func(g *vnet.Groups, m *vnet.Members) {
				if g.Len() != 0 || m.Len() != 0 {
					t.Fatalf("%d groups are left, %d of a socket", g.Len(), m.Len())
				}
			})
		}
	}
	close(stop)
	wg.Wait()
	for _, s := range socks {
		s.Close()
	}
}
