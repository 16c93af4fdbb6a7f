package vimage_test

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/link"
)

// watched counts objects that are alive.
type watched struct{ alive, total atomic.Int64 }

func watch[T any](w *watched, p *T) {
	w.alive.Add(1)
	w.total.Add(1)
	runtime.AddCleanup(p, func(w *watched) { w.alive.Add(-1) }, w)
}

// stack has the objects counted that a stack consists of now: itself, what is
// configured of its interfaces, their addresses and neighbours.
func (w *watched) stack(s *vimage.Stack) {
	st := s.Internal()
	watch(w, st)
	for _, c := range st.View().Ifs {
		if c != nil && c.Port != nil { // lo0 is the same for many
			w.iface(c)
		}
	}
}

func (w *watched) iface(c *ifnet.Conf) {
	watch(w, c)
	watch(w, c.Iface)
	for i := range c.Addrs {
		watch(w, &c.Addrs[i])
	}
	for n := range c.Neigh.All() {
		watch(w, n)
	}
}

// Whatever a jail had is garbage when it is removed, in each of the ways in which it
// may be (behaviour 1.4, 3.1), and so is what interfaces were where they have moved
// from: the world keeps none of it, be it by a name of a table or by a resolver.
func TestRemovedIsGarbage(t *testing.T) {
	stacktest.Several(t)
	w := world(t, vimage.Config{Simulated: true})
	seen := new(watched)
	for n := range 12 {
		removed(t, w, n, seen)
	}
	for range 100 {
		w.Settle()
		if runtime.GC(); seen.alive.Load() == 0 {
			break
		}
	}
	if n, of := seen.alive.Load(), seen.total.Load(); n != 0 || of < 12*15 {
		t.Errorf("%d of %d objects are still alive", n, of)
	}
	runtime.KeepAlive(w)
}

// removed makes jails, moves an interface between them, has it counted what they
// consist of, and removes them.
func removed(t *testing.T, w *vimage.World, n int, seen *watched) {
	t.Helper()
	name := fmt.Sprintf("p%d", n)
	i := must(w.Root().Stack().AddInterface(name, vimage.InterfaceConfig{Port: link.NewEpair(0).A()}))(t)
	j := must(w.Root().Create(vimage.JailConfig{Name: "j", VNET: true, Persist: true, ChildrenMax: 1}))(t)
	below := must(j.Create(vimage.JailConfig{Name: "below", VNET: true, Persist: true}))(t)
	for _, to := range []*vimage.Jail{j, below} {
		i = must(i.MoveTo(to))(t)
		s := to.Stack()
		for _, a := range prefixes("10.0.0.1/24", "2001:db8::1/64") {
			if err := i.AddAddr(a); err != nil {
				t.Fatal(err)
			}
			i.SetNeighbor(a.Addr().Next(), net.HardwareAddr{2, 0, 0, 0, 0, 9}, false)
		}
		s.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("192.0.2.0/24"), Gateway: netip.MustParseAddr("10.0.0.9")})
		if err := s.NameFIB(0, "blue"); err != nil {
			t.Fatal(err)
		}
		s.SetResolver(&vimage.Resolver{})
		must(s.ListenUDP("udp4", &net.UDPAddr{Port: 9}))(t)
		seen.stack(s)
	}
	var err error
	switch n % 3 {
	case 0:
		err = j.Remove()
	case 1:
		err = w.Stack("j").Close()
	case 2:
		p := must(j.Attach())(t) // the last process ends it
		if err = j.Set(vimage.JailParam{Name: "persist", Value: "0"}); err == nil {
			p.Release()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	home := must(w.Root().Stack().Interface(name))(t)
	seen.iface(w.Root().Stack().Internal().View().Named(name))
	if err := home.Remove(); err != nil {
		t.Fatal(err)
	}
}
