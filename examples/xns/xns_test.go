package xns_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/examples/xns"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/link"
)

// station is a machine of the network that is no stack: it sends frames and keeps
// what it gets.
type station struct {
	w    *vimage.World
	port link.Port
	mu   sync.Mutex
	got  [][]byte
	n    atomic.Int64
}

func newStation(w *vimage.World, port link.Port) *station {
	s := &station{w: w, port: port}
	port.Attach(s)
	return s
}

func (s *station) Put(r *netisr.Runner, b *pkt.Buf) {
	s.n.Add(1)
	s.mu.Lock()
	if len(s.got) < 100 {
		s.got = append(s.got, slices.Clone(b.Bytes()))
	}
	s.mu.Unlock()
	r.Cache.Free(b)
}

func (s *station) Lend(*netisr.Runner, *pkt.Buf) bool { return false }

func (s *station) send(frame []byte) {
	r := s.w.Internal().Sched().Get()
	b := r.Cache.Get(len(frame))
	copy(b.Extend(len(frame)), frame)
	s.port.Put(r, b)
	r.Done()
}

var mac = [...]byte{2, 0, 0, 0, 0, 9}

// packet is a frame from network 1 to a socket of network dst.
func packet(to net.HardwareAddr, dst uint32, socket uint16, text string) []byte {
	f := append(append(slices.Clone(to), mac[:]...), 6, 0)
	f = append(f, make([]byte, xns.HeaderLen)...)
	p := f[14:]
	binary.BigEndian.PutUint16(p[2:], uint16(xns.HeaderLen+len(text)))
	binary.BigEndian.PutUint32(p[6:], dst)
	binary.BigEndian.PutUint16(p[16:], socket)
	binary.BigEndian.PutUint32(p[18:], 1)
	return append(f, text...)
}

func stack(t testing.TB, w *vimage.World, name string, ports ...link.Port) *vimage.Stack {
	t.Helper()
	s, err := w.NewStack(name, vimage.StackConfig{FIBs: 2})
	if errors.Is(err, vimage.ErrSecondStack) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range ports {
		if _, err := s.AddInterface(fmt.Sprint("e", i), vimage.InterfaceConfig{Port: p}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func ifMAC(t testing.TB, s *vimage.Stack, name string) net.HardwareAddr {
	t.Helper()
	i, err := s.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return i.HardwareAddr
}

func read(t testing.TB, s *vimage.Stack, name string, want any) {
	t.Helper()
	if got, err := s.Var(name); err != nil || got != want {
		t.Errorf("%s of %s is %v (%v), want %v", name, s.Name(), got, err, want)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAcrossRouters sends an echo request through a router to a host and gets the
// answer the same way.
func TestAcrossRouters(t *testing.T) {
	w := vimage.NewWorld(vimage.Config{Simulated: true})
	defer w.Close()
	x := xns.New()
	ok(t, w.Load(x.Module))
	one, two := link.NewEpair(0), link.NewEpair(0)
	st := newStation(w, one.A())
	a, b := stack(t, w, "a", one.B(), two.A()), stack(t, w, "b", two.B())
	x.SetNetwork(a, 5)
	x.SetNetwork(b, 9)
	ok(t, a.AddFamilyRoute(xns.Family, xns.Route(9, ifMAC(t, b, "e0"), 3)))
	ok(t, a.AddFamilyRoute(xns.Family, xns.Route(1, mac[:], 2)))

	st.send(packet(ifMAC(t, a, "e0"), 9, xns.EchoSocket, "hello"))
	st.send(packet(ifMAC(t, a, "e0"), 5, 99, "for a"))
	st.send(packet(ifMAC(t, a, "e0"), 77, 99, "no route"))
	st.send(packet(ifMAC(t, a, "e0"), 9, xns.EchoSocket, "x")[:40]) // too short
	if len(st.got) != 1 || string(st.got[0][14+xns.HeaderLen:]) != "hello" || !slices.Equal(st.got[0][:6], mac[:]) || st.got[0][14+4] != 1 {
		t.Errorf("the station got % x, want one echo, over one router", st.got)
	}
	read(t, b, "xns.echoed", uint64(1))
	read(t, a, "xns.delivered", uint64(1))
	read(t, a, "xns.forwarded", uint64(2)) // there and back
	read(t, a, "xns.lost", uint64(2))
	read(t, b, "xns.lost", uint64(0))
	read(t, a, "xns.network", uint32(5))
	read(t, a, "xns.routes", 2)
	read(t, b, "xns.routes", 0)
	x.SetMaxHops(a, 0) // this stack's alone
	read(t, b, "xns.maxhops", uint32(xns.MaxHops))
	st.send(packet(ifMAC(t, a, "e0"), 9, xns.EchoSocket, "hello"))
	read(t, b, "xns.echoed", uint64(1))
	read(t, a, "xns.lost", uint64(3))
}

// TestFamily asks for routes as one asks for those of any family: the module's,
// which has no FIBs, and IPv4's and IPv6's, which have.
func TestFamily(t *testing.T) {
	w := vimage.NewWorld(vimage.Config{Simulated: true})
	defer w.Close()
	ep := link.NewEpair(0)
	s := stack(t, w, "s", ep.A())
	one, err := s.FIB(1)
	ok(t, err)
	want := func(what string, err error, e syscall.Errno) {
		t.Helper()
		if e == 0 && err != nil || e != 0 && !errors.Is(err, e) {
			t.Errorf("%s: %v, want %v", what, err, e)
		}
	}
	r := xns.Route(9, mac[:], 2)
	want("not loaded", s.AddFamilyRoute(xns.Family, r), syscall.EAFNOSUPPORT)
	x := xns.New()
	ok(t, w.Load(x.Module))
	want("a family twice", w.Load(&vimage.Module{Name: "other", Family: &vimage.Family{Name: xns.Family}}), syscall.EEXIST)
	want("IPv4's", w.Load(&vimage.Module{Name: "other", Family: &vimage.Family{Name: "inet"}}), syscall.EEXIST)
	want("a module twice", w.Load(x.Module), syscall.EEXIST)
	want("a name twice", w.Load(xns.New().Module), syscall.EEXIST)
	want("delete of none", s.DelFamilyRoute(xns.Family, r), syscall.ESRCH)
	want("add", one.AddFamilyRoute(xns.Family, r), 0)
	want("again, by another handle", s.AddFamilyRoute(xns.Family, r), syscall.EEXIST)
	want("a bad one", s.AddFamilyRoute(xns.Family, vimage.FamilyRoute{Dst: "x"}), syscall.EINVAL)
	for _, h := range []*vimage.Stack{s, one} { // no FIBs: all see table 0
		if got, err := h.LookupFamily(xns.Family, r.Dst); err != nil || got != r {
			t.Errorf("found %v, %v", got, err)
		}
	}
	_, err = s.LookupFamily(xns.Family, xns.Route(8, nil, 0).Dst)
	want("exact match", err, syscall.ESRCH)
	if all, err := s.FamilyRoutes(xns.Family); err != nil || !slices.Equal(all, []vimage.FamilyRoute{r}) {
		t.Errorf("routes %v, %v", all, err)
	}
	want("delete", s.DelFamilyRoute(xns.Family, r), 0)

	v4 := vimage.FamilyRoute{Dst: "\x0a\x00\x00\x00", Bits: 8, Interface: 2}
	v6 := vimage.FamilyRoute{Dst: "\x20\x01" + string(make([]byte, 14)), Bits: 16, Interface: 2}
	for name, r := range map[string]vimage.FamilyRoute{"inet": v4, "inet6": v6} {
		want("add", one.AddFamilyRoute(name, r), 0)
		if got, err := one.LookupFamily(name, r.Dst[:len(r.Dst)-1]+"\x07"); err != nil || got != r {
			t.Errorf("%s: found %v, %v", name, got, err)
		}
		_, err := s.LookupFamily(name, r.Dst)
		want("another table", err, syscall.ESRCH)
		if all, err := one.FamilyRoutes(name); err != nil || !slices.Equal(all, []vimage.FamilyRoute{r}) {
			t.Errorf("routes %v, %v", all, err)
		}
		want("a short address", one.AddFamilyRoute(name, vimage.FamilyRoute{Dst: "x", Bits: 1, Interface: 2}), syscall.EINVAL)
		want("delete", one.DelFamilyRoute(name, r), 0)
	}
	ok(t, w.Unload(x.Module))
	want("unloaded twice", w.Unload(x.Module), syscall.ENOENT)
	want("unloaded", s.AddFamilyRoute(xns.Family, r), syscall.EAFNOSUPPORT)
}

// TestWhileAThousandStacksRun loads and unloads the module while packets for it
// come to a thousand stacks and stacks come and go.
func TestWhileAThousandStacksRun(t *testing.T) {
	const n, senders = 1000, 4
	w := vimage.NewWorld(vimage.Config{})
	x := xns.New()
	var stations []*station
	var stacks []*vimage.Stack
	var frames [][]byte
	for i := range n {
		ep := link.NewEpair(0)
		stations = append(stations, newStation(w, ep.B()))
		stacks = append(stacks, stack(t, w, fmt.Sprint("s", i), ep.A()))
		frames = append(frames, packet(ifMAC(t, stacks[i], "e0"), 1+uint32(i), xns.EchoSocket, "echo"))
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			for !stop.Load() {
				k := rnd.IntN(n)
				stations[k].send(frames[k])
			}
		})
	}
	for round := range 5 {
		ok(t, w.Load(x.Module))
		for i, s := range stacks {
			if h, err := s.Var("xns.network"); err != nil || h != uint32(0) {
				t.Fatalf("%s starts with network %v, %v", s.Name(), h, err)
			}
			x.SetNetwork(s, 1+uint32(i))
		}
		s := stack(t, w, fmt.Sprint("late", round))
		read(t, s, "xns.maxhops", uint32(xns.MaxHops))
		ok(t, s.AddFamilyRoute(xns.Family, xns.Route(9, mac[:], 2)))
		for k, before := round*100, stations[round*100].n.Load(); stations[k].n.Load() < before+3; {
			stations[k].send(frames[k])
			w.Settle()
		}
		wg.Go(func() { s.Close() })
		ok(t, w.Unload(x.Module))
		if _, err := stacks[round].Var("xns.echoed"); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("a variable of a module that is gone: %v", err)
		}
	}
	stop.Store(true)
	wg.Wait()
	w.Settle()
	if stations[0].n.Load() == 0 {
		t.Error("no answer")
	}
	w.Close()
	if p := w.Pool(); p.Buffers != 0 {
		t.Errorf("%d buffers outstanding", p.Buffers)
	}
}
