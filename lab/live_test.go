//go:build !novimage

package lab_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/pcapng"
)

// cables are the ways in which two hosts a and b can be connected by perfect cables,
// one of which is l.
func cables(n *lab.Lab) map[string]func(a, b *lab.Node) (l *lab.Link) {
	return map[string]func(a, b *lab.Node) *lab.Link{
		"direct": func(a, b *lab.Node) *lab.Link { return n.Link(a, b) },
		"to a switch": func(a, b *lab.Node) *lab.Link {
			s := n.Switch("s")
			n.Link(b, s)
			return n.Link(a, s)
		},
		"from a switch": func(a, b *lab.Node) *lab.Link {
			s := n.Switch("s")
			n.Link(a, s)
			return n.Link(s, b)
		},
		"between switches": func(a, b *lab.Node) *lab.Link {
			s := n.Switch("s")
			s2 := n.Switch("s2", lab.SwitchConfig{Within: s})
			n.Link(a, s)
			n.Link(s2, b)
			return n.Link(s, s2)
		},
	}
}

// oneWay sends a datagram that needs no ARP and tells how long it took; false where it
// did not come.
func oneWay(t *testing.T, n *lab.Lab, a, b *lab.Node) (time.Duration, bool) {
	t.Helper()
	s, err := b.ListenPacket("udp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := a.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := n.World.Now()
	var came time.Time
	s.(*vimage.UDPConn).OnReadable(func() { came = n.World.Now() })
	c.(*vimage.UDPConn).WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(b.Addr(), 9))
	n.Run(time.Second)
	return came.Sub(began), !came.IsZero()
}

// TestLiveFaults: a link that was made as a perfect cable gets and loses faults while it
// is used, of whatever kind it is and recorded or not, each direction for itself.
func TestLiveFaults(t *testing.T) {
	for _, kind := range []string{"direct", "to a switch", "from a switch", "between switches"} {
		for _, recorded := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " recorded ", recorded), func(t *testing.T) {
				n := lab.NewConfig(t, lab.Config{Simulated: true})
				var file bytes.Buffer
				if recorded {
					n.CaptureAll(&file)
				}
				a, b := n.Host("a"), n.Host("b")
				l := cables(n)[kind](a, b)
				exchange(t, n, a, b, b.Addr().String())
				exchange(t, n, b, a, a.Addr().String()) // neighbours and switches know
				check := func(what string, x, y *lab.Node, want time.Duration, came bool) {
					t.Helper()
					if took, ok := oneWay(t, n, x, y); ok != came || ok && took != want {
						t.Errorf("%s, %s to %s: %v after %v, want %v after %v", what, x.Name(), y.Name(), ok, took, came, want)
					}
				}
				check("perfect", a, b, 0, true)
				if f := l.Faults(link.AtoB); f != (link.FaultConfig{}) || l.Fault() != nil {
					t.Errorf("a perfect cable has faults: %+v", f)
				}
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				must(l.SetFaults(link.AtoB, link.FaultConfig{Delay: 20 * time.Millisecond}))
				check("slow from a", a, b, 20*time.Millisecond, true)
				check("slow from a", b, a, 0, true)
				must(l.SetFaults(link.BtoA, link.FaultConfig{Loss: 1}))
				check("deaf to b", b, a, 0, false)
				must(l.Cut())
				check("cut", a, b, 0, false)
				must(l.Heal())
				check("healed", a, b, 20*time.Millisecond, true)
				check("healed", b, a, 0, false)
				if f := l.Faults(link.BtoA); f.Loss != 1 || f.Down {
					t.Errorf("b to a: %+v", f)
				}
				must(l.SetFaults(link.AtoB, link.FaultConfig{}))
				must(l.SetFaults(link.BtoA, link.FaultConfig{}))
				check("perfect again", a, b, 0, true)
				check("perfect again", b, a, 0, true)
				if err := l.SetFaults(link.AtoB, link.FaultConfig{Loss: 2}); err == nil || !strings.Contains(err.Error(), "Loss is 2") {
					t.Errorf("a loss of 2: %v", err)
				}
				if recorded {
					must(n.EndCapture())
					frames(t, &file, 8)
				}
			})
		}
	}
}

// frames fails unless a recording has at least so many.
func frames(t *testing.T, file *bytes.Buffer, least int) {
	t.Helper()
	r, got := pcapng.NewReader(bytes.NewReader(file.Bytes())), 0
	var f pcapng.Frame
	for {
		if err := r.Next(&f); err != nil {
			break
		}
		got++
	}
	if got < least {
		t.Errorf("%d frames recorded, want %d", got, least)
	}
}

// TestListing: nodes, switches and links in order, and by name.
func TestListing(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, s, b := n.Host("a"), n.Switch("s"), n.Host("b")
	one, two, three := n.Link(a, s), n.Link(s, b), n.Link(a, b)
	if got := n.Nodes(); !slices.Equal(got, []*lab.Node{a, b}) {
		t.Errorf("nodes %v", got)
	}
	if got := n.Switches(); !slices.Equal(got, []*lab.Switch{s}) || n.FindSwitch("s") != s || n.FindSwitch("a") != nil {
		t.Errorf("switches %v", got)
	}
	if got := n.Links(); !slices.Equal(got, []*lab.Link{one, two, three}) {
		t.Errorf("links %v", got)
	}
	if n.FindLink("s-b") != two || n.FindLink("b-s") != nil {
		t.Error("FindLink finds the wrong one")
	}
	if got := a.Links(); !slices.Equal(got, []*lab.Link{one, three}) {
		t.Errorf("links of a %v", got)
	}
	if got := s.Links(); !slices.Equal(got, []*lab.Link{one, two}) {
		t.Errorf("links of s %v", got)
	}
	ends := three.Ends()
	if ends[0].Node != a || ends[1].Node != b || ends[0].Interface().Name() != "eth1" || two.Ends()[0].Switch != s || two.Ends()[0].Interface() != nil {
		t.Errorf("ends %+v", ends)
	}
}

// TestRemove: what is removed takes with it what hangs on it and nothing else, its names
// and interface numbers are free again, and what is left works on.
func TestRemove(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	s := n.Switch("s")
	a, b, r := n.Host("a"), n.Host("b"), n.Router("r")
	as, bs := n.Link(a, s), n.Link(b, s)
	rs, ra := n.Link(r, s), n.Link(r, a)
	c := n.Host("c")
	n.Link(c, r)
	n.RouteAll()
	if !exchange(t, n, b, c, c.Addr().String()) {
		t.Fatal("b does not reach c")
	}
	sock, err := r.ListenPacket("udp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.RemoveLink(ra); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Interface("eth1"); err == nil || len(a.Links()) != 1 || n.FindLink("r-a") != nil {
		t.Error("a's interface is there")
	}
	if err := n.RemoveLink(ra); err == nil || !strings.Contains(err.Error(), "is no part of the lab") {
		t.Errorf("removed twice: %v", err)
	}
	if err := ra.Cut(); err == nil {
		t.Error("a link that is gone was cut")
	}
	if l := n.Link(a, n.Host("d")); l.Ends()[0].Interface().Name() != "eth1" {
		t.Errorf("the interface is %s", l.Ends()[0].Interface().Name())
	}
	if got := n.Node("d").Addr().String(); got != "10.0.3.2" {
		t.Errorf("d has %s, of a subnet that was given before", got)
	}
	if err := n.RemoveNode(r); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sock.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a socket of r: %v", err)
	}
	if n.Node("r") != nil || n.World.Stack("r") != nil || slices.Contains(n.Links(), rs) || len(c.Links()) != 0 {
		t.Error("r is there")
	}
	if _, ok := s.Port(rs.Name()); ok {
		t.Error("s has a port for r")
	}
	if err := n.RemoveNode(r); err == nil {
		t.Error("r was removed twice")
	}
	if !exchange(t, n, a, b, b.Addr().String()) {
		t.Error("a does not reach b")
	}
	if _, err := n.AddLink(r, s, lab.LinkConfig{}); err == nil || !strings.Contains(err.Error(), "r has been removed") {
		t.Errorf("a link to r: %v", err)
	}
	n.Link(n.Router("r"), s)
	if err := n.RemoveSwitch(s); err != nil {
		t.Fatal(err)
	}
	if len(b.Links()) != 0 || slices.Contains(n.Links(), as) || slices.Contains(n.Links(), bs) || n.FindSwitch("s") != nil {
		t.Error("s is there")
	}
	n.Close()
	if _, err := n.AddNode("late", lab.NodeConfig{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestRemoveMoved: an interface goes with its link wherever it has been moved.
func TestRemoveMoved(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	a, b := n.Host("a"), n.Host("b")
	l := n.Link(a, b)
	if err := l.SetFaults(link.AtoB, link.FaultConfig{Delay: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if err := a.Jail().Set(vimage.JailParam{Name: "children.max", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	j, err := a.Jail().Create(vimage.JailConfig{Name: "in", VNET: true, Persist: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Eth(0).MoveTo(j); err != nil {
		t.Fatal(err)
	}
	inside, err := j.Stack().Interface("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := inside.AddAddr(netip.MustParsePrefix("10.0.0.1/24")); err != nil {
		t.Fatal(err)
	}
	if !exchange(t, n, b, j.Stack(), "10.0.0.1") {
		t.Error("b does not reach the jail")
	}
	if err := n.RemoveLink(l); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Stack().Interface("eth0"); err == nil {
		t.Error("the interface is in the jail")
	}
	if err := n.RemoveNode(a); err != nil {
		t.Fatal(err)
	}
}

// TestRoutesFollow: what AddRoutes has made goes and comes with the network, and what
// others have made, or removed, stays.
func TestRoutesFollow(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true, IPv6: true})
	a, b := n.Host("a"), n.Host("b")
	r, way := n.Router("r"), n.Router("way")
	n.Link(a, r)
	short := n.Link(r, b)
	n.Link(r, way)
	n.Link(way, b)
	own := vimage.Route{Dst: netip.MustParsePrefix("203.0.113.0/24"), Gateway: a.AddrOn(r).Next()}
	if err := a.AddRoute(own); err != nil {
		t.Fatal(err)
	}
	n.RouteAll()
	gateway := func(h *lab.Node, to string) string {
		r, err := h.GetRoute(netip.MustParseAddr(to))
		if err != nil {
			return "none"
		}
		return r.Gateway.String()
	}
	if got := gateway(r, b.Eth(1).Addrs()[0].Addr().String()); got != "10.0.2.2" && got != "10.0.1.2" {
		t.Errorf("r to b's other link: %s", got)
	}
	if err := a.DelRoute(netip.MustParsePrefix("10.0.2.0/24")); err != nil {
		t.Fatal(err)
	}
	if err := n.RemoveLink(short); err != nil {
		t.Fatal(err)
	}
	follow := func() {
		t.Helper()
		if err := n.FollowRoutes(n.Nodes()); err != nil {
			t.Fatal(err)
		}
	}
	follow()
	for to, want := range map[string]string{"10.0.1.1": "none", "10.0.2.1": "none", "10.0.3.2": "10.0.0.2", "203.0.113.1": "10.0.0.2", "fd00:0:0:3::2": "fd00::2", "fd00:0:0:1::1": "none"} {
		if got := gateway(a, to); got != want {
			t.Errorf("a to %s: %s, want %s", to, got, want)
		}
	}
	n.Link(r, b)
	follow()
	if got := gateway(a, "10.0.4.2"); got != "10.0.0.2" {
		t.Errorf("a to the new subnet: %s", got)
	}
	if !exchange(t, n, a, b, "10.0.4.2") {
		t.Error("a does not reach b's new link")
	}
	n.RouteAll()
	if got := gateway(a, "10.0.2.1"); got != "10.0.0.2" {
		t.Errorf("RouteAll did not make again what had been removed: %s", got)
	}
}

// TestAddressesComeBack: addresses and subnets are given again once no others are left.
func TestAddressesComeBack(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	s := n.Switch("s", lab.SwitchConfig{Subnet: netip.MustParsePrefix("192.0.2.0/29")}) // 6 hosts
	for i := range 20 {
		h := n.Host("h")
		n.Link(h, s)
		if want := fmt.Sprintf("192.0.2.%d", i%6+1); h.Addr().String() != want {
			t.Errorf("host %d has %v, want %s", i, h.Addr(), want)
		}
		if err := n.RemoveNode(h); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDivide: without the link between them two switches are two subnets.
func TestDivide(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true})
	s, s2 := n.Switch("s"), n.Switch("s2")
	if err := s2.SetWithin(s); err != nil {
		t.Fatal(err)
	}
	l := n.Link(s, s2)
	a, b := n.Host("a"), n.Host("b")
	n.Link(a, s)
	n.Link(b, s2)
	if got := b.Addr().String(); got != "10.0.0.2" || b.AddrOn(a).String() != got {
		t.Errorf("b has %s", got)
	}
	if err := s2.SetWithin(s); err == nil || !strings.Contains(err.Error(), "has links") {
		t.Errorf("a switch in use: %v", err)
	}
	if !exchange(t, n, a, b, "10.0.0.2") {
		t.Error("a does not reach b")
	}
	if err := n.RemoveLink(l); err != nil {
		t.Fatal(err)
	}
	if b.AddrOn(a).IsValid() {
		t.Error("a and b share a subnet")
	}
	if exchange(t, n, a, b, "10.0.0.2") {
		t.Error("a reaches b")
	}
}

// TestNothingLeft: a lab in which much was added and removed holds what it held before.
func TestNothingLeft(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true, Seed: 5})
	s := n.Switch("s", lab.SwitchConfig{BridgeConfig: link.BridgeConfig{Querier: &link.QuerierConfig{}}})
	a := n.Host("a")
	n.Link(a, s)
	churn := func(k int) {
		h, s2 := n.Host(fmt.Sprint("h", k)), n.Switch(fmt.Sprint("s", k), lab.SwitchConfig{Within: s})
		l := n.Link(h, s2)
		n.Link(s2, s)
		n.Link(h, a, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: time.Millisecond}})
		if err := l.SetFaults(link.AtoB, link.FaultConfig{Delay: 10 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		exchange(t, n, h, a, a.Addr().String())
		exchange(t, n, a, h, h.Addr().String())
		if err := n.RemoveSwitch(s2); err != nil {
			t.Fatal(err)
		}
		if err := n.RemoveNode(h); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	measure := func(m *runtime.MemStats) {
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(m)
	}
	for k := range 50 {
		churn(k)
	}
	routines := runtime.NumGoroutine()
	measure(&before)
	const times = 500
	for k := range times {
		churn(k)
	}
	measure(&after)
	if got := runtime.NumGoroutine(); got > routines {
		t.Errorf("%d goroutines, %d before", got, routines)
	}
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / times; each > 400 {
		t.Errorf("%d bytes are left of each", each)
	}
	if len(n.Nodes()) != 1 || len(n.Switches()) != 1 || len(n.Links()) != 1 || len(n.World.Stacks()) != 2 || len(s.Bridge().Ports()) != 1 {
		t.Error("something is there")
	}
	n.Close()
	if c := n.World.Internal().Sched().Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
		t.Errorf("%+v", c)
	}
}

// TestChangesAtOnce: two goroutines add and remove hosts and links, a third cuts and
// heals, while traffic runs and somebody looks on.
func TestChangesAtOnce(t *testing.T) {
	n := lab.New(t)
	s := n.Switch("s")
	a, b := n.Host("a"), n.Host("b")
	between := n.Link(a, s)
	n.Link(b, s)
	sink, err := b.ListenPacket("udp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	var traffic, changes sync.WaitGroup
	stop := make(chan struct{})
	traffic.Go(func() {
		for buf := make([]byte, 100); ; {
			if _, _, err := sink.ReadFrom(buf); err != nil {
				return
			}
		}
	})
	traffic.Go(func() {
		c, err := a.Dial("udp", b.Addr().String()+":7")
		for err == nil {
			select {
			case <-stop:
				return
			default:
				c.Write([]byte("x")) // the link may be cut
				runtime.Gosched()
			}
		}
		t.Error(err)
	})
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	try := func(err error) bool {
		if err != nil {
			t.Error(err)
		}
		return err == nil
	}
	for g := range 2 {
		changes.Go(func() {
			for k := range rounds {
				h, err := n.AddNode(fmt.Sprintf("h%d-%d", g, k), lab.NodeConfig{})
				if !try(err) {
					return
				}
				_, err = n.AddLink(h, s, lab.LinkConfig{})
				try(err)
				l, err := n.AddLink(h, a, lab.LinkConfig{})
				if !try(err) {
					return
				}
				if c, err := h.Dial("udp", b.Addr().String()+":7"); try(err) {
					c.Write([]byte("y"))
				}
				try(l.SetFaults(link.AtoB, link.FaultConfig{Loss: 0.5}))
				try(n.FollowRoutes(n.Nodes()))
				if k%2 == 0 {
					try(n.RemoveLink(l))
				}
				try(n.RemoveNode(h))
			}
		})
	}
	changes.Go(func() {
		for range rounds {
			try(between.Cut())
			try(between.Heal())
			for _, l := range n.Links() {
				l.Ends()
				l.Faults(link.AtoB)
			}
			a.AddrOn(b)
			a.Links()
		}
	})
	changes.Wait()
	close(stop)
	sink.Close()
	traffic.Wait()
	if len(n.Nodes()) != 2 || len(n.Links()) != 2 {
		t.Errorf("%d nodes and %d links are left", len(n.Nodes()), len(n.Links()))
	}
	n.Close()
	var c pkt.Counts
	for range 1_000_000 {
		if c = n.World.Internal().Sched().Pool().Counts(); c.Bufs == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%+v", c)
}

// BenchmarkCable is a datagram over a cable: what never had faults, and what has some
// that do nothing.
func BenchmarkCable(b *testing.B) {
	for _, kind := range []string{"direct", "to a switch"} {
		for _, faults := range []bool{false, true} {
			b.Run(fmt.Sprint(kind, " faults ", faults), func(b *testing.B) {
				n := lab.Open(lab.Config{})
				defer n.Close()
				x, y := n.Host("x"), n.Host("y")
				l := cables(n)[kind](x, y)
				if faults {
					if err := l.SetFaults(link.AtoB, link.FaultConfig{}); err != nil {
						b.Fatal(err)
					}
				}
				in, err := y.ListenPacket("udp", ":9")
				if err != nil {
					b.Fatal(err)
				}
				out, err := x.ListenPacket("udp", ":0")
				if err != nil {
					b.Fatal(err)
				}
				to, buf := netip.AddrPortFrom(y.Addr(), 9), make([]byte, 64)
				for b.Loop() {
					out.(*vimage.UDPConn).WriteToUDPAddrPort(buf, to)
					if _, _, err := in.(*vimage.UDPConn).ReadFromUDPAddrPort(buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
