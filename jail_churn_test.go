package vimage_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/link"
)

// rounds returns how often a test does what is soaked with more (ROUNDS=1000).
func rounds(t *testing.T, n int) int {
	t.Helper()
	if s := os.Getenv("ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return n
}

// Jails come and go while packets flow and timers fire: each round makes one, lends it
// an interface of a busy switch, addresses it, joins groups, connects, leaves neighbours
// and connections unresolved, moves interfaces there and back, and removes it in the
// midst of that (behaviour 1.4). Nothing is left in the end: no buffer, no goroutine, no
// interface but those that were there.
func TestJailChurn(t *testing.T) {
	stacktest.Several(t)
	w := vimage.NewWorld(vimage.Config{Seed: 1})
	defer w.Close()
	sw := link.NewBridge(w.Internal().Sched(), w.Internal().Seed(), link.BridgeConfig{})
	defer sw.Close()
	host := w.Root().Stack()
	peer := must(w.NewStack("peer", vimage.StackConfig{}))(t)
	pi := must(peer.AddInterface("eth0", vimage.InterfaceConfig{Port: sw.AddPort(), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/16")}}))(t)
	const lanes = 4
	for n := range lanes {
		must(host.AddInterface(fmt.Sprintf("lane%d", n), vimage.InterfaceConfig{Port: sw.AddPort()}))(t)
	}
	group := netip.MustParseAddr("239.1.1.1")
	before := runtime.NumGoroutine()
	stop := traffic(t, w, peer, pi, group)
	var wg sync.WaitGroup
	each := (rounds(t, 40) + lanes - 1) / lanes
	for lane := range lanes {
		wg.Go(func() {
			for n := range each {
				if err := churn(w, lane, n, group); err != nil {
					t.Errorf("lane %d, round %d: %v", lane, n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	stop()
	if got := len(must(host.Interfaces())(t)); got != 1+lanes {
		t.Errorf("vnet0 has %d interfaces in the end, want %d: %s", got, 1+lanes, names(t, host))
	}
	if n := len(w.Root().Children()); n != 1 {
		t.Errorf("%d jails are left, want that of peer", n)
	}
	w.Settle()
	w.Close()
	sw.Close()
	wantNoBuffers(t, w)
	for n := 0; runtime.NumGoroutine() > before; n++ {
		if n > 10_000_000 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

// traffic has peer send to the group, to broadcast, and to hosts that may be there,
// several times a millisecond, and answer to connections, until the function it returns
// is called.
func traffic(t *testing.T, w *vimage.World, peer *vimage.Stack, by *vimage.Interface, group netip.Addr) (stop func()) {
	t.Helper()
	c := must(peer.ListenUDP("udp4", &net.UDPAddr{Port: 9}))(t)
	if err := c.SetMulticastInterface(by); err != nil {
		t.Fatal(err)
	}
	l := must(peer.Listen("tcp4", ":80"))(t)
	var wg sync.WaitGroup
	tick, quit := make(chan struct{}, 1), make(chan struct{})
	timer := w.AfterFunc(time.Millisecond, func() { tick <- struct{}{} })
	wg.Go(func() {
		for n := 0; ; {
			select {
			case <-tick:
			case <-quit:
				return
			}
			for range 9 {
				n++
				to := []netip.Addr{group, netip.MustParseAddr("10.0.255.255"), netip.AddrFrom4([4]byte{10, 0, byte(1 + n%8), byte(1 + n/8%4)})}[n%3]
				c.WriteToUDPAddrPort([]byte("tick"), netip.AddrPortFrom(to, 9))
			}
			timer.Reset(time.Millisecond)
		}
	})
	wg.Go(func() {
		for {
			o, err := l.Accept()
			if err != nil {
				return
			}
			o.Close()
		}
	})
	return func() {
		close(quit)
		c.Close()
		l.Close()
		wg.Wait()
		timer.Stop()
	}
}

// churn is one round.
func churn(w *vimage.World, lane, n int, group netip.Addr) (err error) {
	ok := func(e error) {
		if err == nil {
			err = e
		}
	}
	name := fmt.Sprintf("lane%d", lane)
	j, e := w.Root().Create(vimage.JailConfig{VNET: true, Persist: true, ChildrenMax: 1, Interfaces: []string{name}})
	if e != nil {
		return e
	}
	defer func() { ok(j.Remove()) }()
	s := j.Stack()
	i, e := s.Interface(name)
	if e != nil {
		return e
	}
	self := netip.AddrFrom4([4]byte{10, 0, byte(1 + lane), byte(1 + n%4)})
	ok(i.AddAddr(netip.PrefixFrom(self, 16)))
	ok(i.AddAddr(netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d:%d/64", lane, n+1))))
	c, e := s.ListenUDP("udp4", &net.UDPAddr{Port: 9})
	if e != nil {
		return errors.Join(err, e)
	}
	ok(c.JoinGroup(i, group))
	ok(c.JoinSourceGroup(i, netip.MustParseAddr("232.1.1.1"), netip.MustParseAddr("10.0.0.1")))
	heard := make(chan bool, 1)
	c.OnReadable(func() {
		b := make([]byte, 16)
		for {
			if _, _, more, err := c.TryReadFrom(b); !more || err != nil {
				break
			}
		}
		select {
		case heard <- true:
		default:
		}
	})
	if _, e := c.WriteToUDPAddrPort([]byte("who?"), netip.MustParseAddrPort("10.0.200.200:9")); e != nil { // nobody: ARP waits
		ok(e)
	}
	d := vimage.Dialer{Stack: s, Timeout: time.Minute}
	t, e := d.Dial("tcp4", "10.0.0.1:80")
	ok(e)
	<-heard
	if n%2 == 0 { // a pair, one end of it in a jail below, and the lent one passed on
		below, e := j.Create(vimage.JailConfig{Name: "below", VNET: true, Persist: true})
		ok(e)
		a, b, e := s.CreateEpair()
		ok(e)
		if err != nil {
			return err
		}
		ok(a.AddAddr(netip.MustParsePrefix("192.0.2.1/24")))
		b, e = b.MoveTo(below)
		ok(e)
		_, e = i.MoveTo(below)
		ok(e)
		if err != nil {
			return err
		}
		ok(b.AddAddr(netip.MustParsePrefix("192.0.2.2/24")))
		if n%4 == 0 {
			_, e = below.Reclaim(name)
			ok(e)
			ok(a.Remove())
		}
	}
	if n%3 == 0 { // else the jail's end is also theirs
		c.Close()
		if t != nil {
			t.Close()
		}
	}
	return err
}

// Two who move, remove and reclaim the same interfaces, and jails that vanish under
// them: whatever comes out, nothing is lost and nothing is there twice.
func TestMoveRaces(t *testing.T) {
	stacktest.Several(t)
	w := vimage.NewWorld(vimage.Config{})
	defer w.Close()
	host := w.Root().Stack()
	ports := map[string]bool{}
	for n := range 3 {
		cable := link.NewEpair(0)
		name := fmt.Sprintf("p%d", n)
		must(host.AddInterface(name, vimage.InterfaceConfig{Port: cable.A()}))(t)
		ports[name] = true
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range rounds(t, 40) {
				j, err := w.Root().Create(vimage.JailConfig{Name: fmt.Sprintf("j%d", (g+n)%3), VNET: true, Persist: true})
				if err != nil {
					j = w.Root().Find(fmt.Sprintf("j%d", (g+n)%3))
				}
				if j == nil {
					continue
				}
				for name := range ports {
					if i, err := host.Interface(name); err == nil {
						i.MoveTo(j)
					}
				}
				switch n % 3 {
				case 0:
					for name := range ports {
						j.Reclaim(name)
					}
				case 1:
					j.Remove()
				}
			}
		})
	}
	wg.Wait()
	for n := range 3 {
		if j := w.Root().Find(fmt.Sprintf("j%d", n)); j != nil {
			j.Remove()
		}
	}
	for _, i := range must(host.Interfaces())(t) {
		if i.Name != "lo0" && !ports[i.Name] {
			t.Errorf("%s came home", i.Name)
		}
		delete(ports, i.Name)
	}
	if len(ports) != 0 {
		t.Errorf("lost: %v", ports)
	}
	wantNoBuffers(t, w)
}
