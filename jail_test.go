package vimage_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/link"
)

// newJails returns a world with a jail for every kind: with a stack of its own, and
// sharing that of jail 0.
func newJails(t *testing.T) (w *vimage.World, own, shared *vimage.Jail) {
	t.Helper()
	stacktest.Several(t)
	w = vimage.NewWorld(vimage.Config{})
	t.Cleanup(w.Close)
	own = must(w.Root().Create(vimage.JailConfig{Name: "own", VNET: true, Persist: true, ChildrenMax: 5}))(t)
	shared = must(w.Root().Create(vimage.JailConfig{Name: "shared", Persist: true}))(t)
	return w, own, shared
}

func names(t *testing.T, s *vimage.Stack) string {
	t.Helper()
	var all []string
	for _, i := range must(s.Interfaces())(t) {
		all = append(all, i.Name)
	}
	return strings.Join(all, " ")
}

// behaviour 10, case 1, and 1.2, new vnet content. Deviation: lo0 is up.
func TestJailHasOnlyLo0(t *testing.T) {
	_, own, _ := newJails(t)
	s := own.Stack()
	if got := names(t, s); got != "lo0" {
		t.Errorf("interfaces: %s", got)
	}
	lo := must(s.Interface("lo0"))(t)
	if a := lo.Addrs(); len(a) != 0 {
		t.Errorf("lo0 has %v", a)
	}
	if r := s.Routes(); len(r) != 0 {
		t.Errorf("routes: %v", r)
	}
}

// behaviour 10, case 2: a sysctl changed on one stack changes on no other.
func TestJailSysctl(t *testing.T) {
	w, own, _ := newJails(t)
	const ttl = "net.inet.ip.ttl"
	host := w.Root().Stack()
	if err := host.SetSysctl(ttl, 33); err != nil {
		t.Fatal(err)
	}
	late := must(w.Root().Create(vimage.JailConfig{VNET: true, Persist: true}))(t)
	if err := own.Stack().SetSysctl(ttl, 77); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[*vimage.Stack]int64{host: 33, late.Stack(): 64, own.Stack(): 77} {
		if got := must(s.Sysctl(ttl))(t); got != want {
			t.Errorf("%s: %d, want %d", s.Name(), got, want)
		}
	}
}

// The privileges of behaviour 1.2 at every call that needs one.
func TestJailPrivileges(t *testing.T) {
	w, own, shared := newJails(t)
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	group := netip.MustParsePrefix("239.1.1.1/32")
	net0 := netip.MustParsePrefix("192.0.2.0/24")
	calls := map[string]func(s *vimage.Stack, i *vimage.Interface) error{
		"AddInterface": func(s *vimage.Stack, _ *vimage.Interface) error {
			_, err := s.AddInterface("more", vimage.InterfaceConfig{Port: link.NewEpair(0).A()})
			return err
		},
		"CreateEpair": func(s *vimage.Stack, _ *vimage.Interface) error { _, _, err := s.CreateEpair(); return err },
		"AddAddr": func(_ *vimage.Stack, i *vimage.Interface) error {
			return i.AddAddr(netip.MustParsePrefix("10.9.9.1/24"))
		},
		"DelAddr": func(_ *vimage.Stack, i *vimage.Interface) error { return i.DelAddr(netip.MustParseAddr("10.9.9.1")) },
		"SetNeighbor": func(_ *vimage.Stack, i *vimage.Interface) error {
			return i.SetNeighbor(netip.MustParseAddr("10.9.9.2"), mac, false)
		},
		"DelNeighbor": func(_ *vimage.Stack, i *vimage.Interface) error {
			return i.DelNeighbor(netip.MustParseAddr("10.9.9.2"))
		},
		"SetUp":          func(_ *vimage.Stack, i *vimage.Interface) error { return i.SetUp(false) },
		"SetPromiscuous": func(_ *vimage.Stack, i *vimage.Interface) error { return i.SetPromiscuous(true) },
		"SetQuerier":     func(_ *vimage.Stack, i *vimage.Interface) error { return i.SetQuerier(true) },
		"SetAutoconf":    func(_ *vimage.Stack, i *vimage.Interface) error { return i.SetAutoconf(nil) },
		"Advertise":      func(_ *vimage.Stack, i *vimage.Interface) error { return i.Advertise(nil) },
		"AddRoute": func(s *vimage.Stack, _ *vimage.Interface) error {
			return s.AddRoute(vimage.Route{Dst: net0, Reject: true})
		},
		"DelRoute":         func(s *vimage.Stack, _ *vimage.Interface) error { return s.DelRoute(net0) },
		"SetFIBs":          func(s *vimage.Stack, _ *vimage.Interface) error { return s.SetFIBs(3) },
		"SetSysctl":        func(s *vimage.Stack, _ *vimage.Interface) error { return s.SetSysctl("net.inet.ip.ttl", 60) },
		"SetForwarding":    func(s *vimage.Stack, _ *vimage.Interface) error { return s.SetForwarding(true) },
		"SetAddressPolicy": func(s *vimage.Stack, _ *vimage.Interface) error { return s.SetAddressPolicy(nil) },
		"AddMulticastRoute": func(s *vimage.Stack, i *vimage.Interface) error {
			return s.AddMulticastRoute(vimage.MulticastRoute{Group: group, In: i})
		},
		"DelMulticastRoute": func(s *vimage.Stack, _ *vimage.Interface) error { return s.DelMulticastRoute(group, netip.Addr{}) },
		"SetMulticastProxy": func(s *vimage.Stack, _ *vimage.Interface) error { return s.SetMulticastProxy(nil) },
		"MoveTo":            func(_ *vimage.Stack, i *vimage.Interface) error { _, err := i.MoveTo(nil); return err },
		"Remove":            func(_ *vimage.Stack, i *vimage.Interface) error { return i.Remove() },
		"Close":             func(s *vimage.Stack, _ *vimage.Interface) error { return s.Close() },
		"ListenPacket ip4:89": func(s *vimage.Stack, _ *vimage.Interface) error {
			_, err := s.ListenPacket("ip4:89", "0.0.0.0")
			return err
		},
		"ListenPacket unixgram": func(s *vimage.Stack, _ *vimage.Interface) error {
			_, err := s.ListenPacket("unixgram", "x")
			return err
		},
	}
	one := must(w.Root().Stack().AddInterface("if0", vimage.InterfaceConfig{Port: link.NewEpair(0).A()}))(t)
	two := must(own.Stack().AddInterface("if0", vimage.InterfaceConfig{Port: link.NewEpair(0).A()}))(t)
	for name, call := range calls {
		want := error(syscall.EPERM)
		switch name {
		case "ListenPacket unixgram":
			want = syscall.EPROTONOSUPPORT
		case "MoveTo":
			want = syscall.ENXIO // there is no such jail, or nobody is told
		}
		s := shared.Stack()
		if err := call(s, must(s.Interface(one.Name()))(t)); !errors.Is(err, want) {
			t.Errorf("%s in a jail that shares its stack: %v, want %v", name, err, want)
		}
	}
	for _, name := range []string{
		"AddInterface", "CreateEpair", "AddAddr", "SetNeighbor", "DelNeighbor", "DelAddr", "SetPromiscuous", "SetAutoconf", "Advertise", "SetQuerier",
		"AddRoute", "DelRoute", "SetFIBs", "SetSysctl", "SetForwarding", "SetAddressPolicy", "AddMulticastRoute", "DelMulticastRoute", "SetMulticastProxy",
		"SetUp", "ListenPacket ip4:89", "Remove",
	} {
		s := own.Stack()
		i := must(s.Interface(two.Name()))(t)
		if err := calls[name](s, i); err != nil {
			t.Errorf("%s in a jail with a stack of its own: %v", name, err)
		}
	}
	for _, name := range []string{"Close", "ListenPacket unixgram"} {
		if err := calls[name](own.Stack(), two); err == nil {
			t.Errorf("%s in a jail with a stack of its own: no error", name)
		}
	}
	if err := shared.Set(vimage.JailParam{Name: "allow.raw_sockets", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := calls["ListenPacket ip4:89"](shared.Stack(), one); err != nil {
		t.Errorf("with allow.raw_sockets: %v", err)
	}
	if err := shared.Set(vimage.JailParam{Name: "allow.socket_af", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	var unknown net.UnknownNetworkError
	if err := calls["ListenPacket unixgram"](shared.Stack(), one); !errors.As(err, &unknown) {
		t.Errorf("with allow.socket_af: %v", err)
	}
}

// EBUSY of behaviour 1.3: the source is shutting down, be it that an interface's
// departure is just told, or that who is told of the move removes the stack.
func TestMoveFromStackShuttingDown(t *testing.T) {
	w := world(t, vimage.Config{})
	j := must(w.Root().Create(vimage.JailConfig{Name: "j", VNET: true, Persist: true}))(t)
	for _, closesOnMove := range []bool{false, true} {
		s := must(w.NewStack("dying", vimage.StackConfig{}))(t)
		i := must(s.AddInterface("e0", vimage.InterfaceConfig{Port: link.NewEpair(0).A()}))(t)
		told := 0
		var err error
		s.HandleDeparture(func(vimage.Event) {
			switch told++; {
			case closesOnMove && told == 1:
				err = s.Close()
			case !closesOnMove:
				_, err = i.MoveTo(j)
			}
		})
		if closesOnMove {
			_, moved := i.MoveTo(j)
			if err != nil {
				t.Error(err)
			}
			err = moved
		} else if e := s.Close(); e != nil {
			t.Error(e)
		}
		if !errors.Is(err, syscall.EBUSY) || told == 0 {
			t.Errorf("closed by who is told of the move %v: %v, told %d times", closesOnMove, err, told)
		}
		if got := names(t, j.Stack()); got != "lo0" {
			t.Errorf("the jail has %s", got)
		}
	}
}

// The errors of behaviour 1.3, row by row.
func TestMoveErrors(t *testing.T) {
	w, own, shared := newJails(t)
	host := w.Root().Stack()
	a, b, err := host.CreateEpair()
	if err != nil {
		t.Fatal(err)
	}
	other := must(own.Create(vimage.JailConfig{Name: "below", VNET: true, Persist: true}))(t)
	move := func(i *vimage.Interface, j *vimage.Jail) error { _, err := i.MoveTo(j); return err }
	inJail := must(own.Stack().AddInterface("inner", vimage.InterfaceConfig{Port: link.NewEpair(0).A()}))(t)
	gone := must(w.Root().Create(vimage.JailConfig{VNET: true}))(t)
	if err := gone.Remove(); err != nil {
		t.Fatal(err)
	}
	sibling := must(w.Root().Create(vimage.JailConfig{VNET: true, Persist: true}))(t)
	if _, err := sibling.Stack().AddInterface(b.Name(), vimage.InterfaceConfig{Port: link.NewEpair(0).A()}); err != nil {
		t.Fatal(err)
	}
	mine := must(shared.Stack().Interface(a.Name()))(t)
	lo := must(host.Interface("lo0"))(t)
	for _, c := range []struct {
		what string
		err  error
		want syscall.Errno
	}{
		{"jail not found", move(a, w.Root().Find("nosuch")), syscall.ENXIO},
		{"jail removed", move(a, gone), syscall.ENXIO},
		{"jail not below the caller's: beside it", move(inJail, sibling), syscall.ENXIO},
		{"jail not below the caller's: above it", move(inJail, w.Root()), syscall.ENXIO},
		{"jail not below the caller's: his own", move(inJail, own), syscall.ENXIO},
		{"source and destination are equal", move(a, shared), syscall.EEXIST},
		{"name in the destination", move(b, sibling), syscall.EEXIST},
		{"lo0, whose name every stack has", move(lo, own), syscall.EEXIST},
		{"no privilege", move(mine, own), syscall.EPERM},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
	}
	if got := names(t, host); got != "lo0 epair0a epair0b" {
		t.Errorf("after errors: %s", got)
	}
	if _, err := own.Reclaim("nosuch"); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("reclaim of what is not there: %v", err)
	}
	if _, err := own.Reclaim("lo0"); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("reclaim of lo0: %v", err)
	}
	if _, err := shared.Reclaim(a.Name()); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("reclaim from a jail without stack: %v", err)
	}
	if _, err := gone.Reclaim(a.Name()); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("reclaim from a jail that is gone: %v", err)
	}
	must(b.MoveTo(own))(t)
	if err := move(b, own); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("handle on what has moved: %v", err)
	}
	here := must(own.Stack().Interface(b.Name()))(t)
	must(here.MoveTo(other))(t) // a jail may pass on to one below it
	if err := other.Remove(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, host); got != "lo0 epair0a epair0b" {
		t.Errorf("it went home: %s", got)
	}
}

// What a move does to an interface (behaviour 1.3), and 10, case 6.
func TestMoveEffects(t *testing.T) {
	stacktest.Several(t)
	synctest.Test(t, func(t *testing.T) {
		w := vimage.NewWorld(vimage.Config{})
		defer w.Close()
		host := w.Root().Stack()
		if err := host.SetFIBs(4); err != nil {
			t.Fatal(err)
		}
		cable := link.NewEpair(1400)
		peer := must(w.NewStack("peer", vimage.StackConfig{}))(t)
		must(peer.AddInterface("e", vimage.InterfaceConfig{Port: cable.B(), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}}))(t)
		i := must(host.AddInterface("eth0", vimage.InterfaceConfig{Port: cable.A(), MTU: 1300, FIB: 3}))(t)
		before := i.Net()
		for _, a := range []string{"10.0.0.1/24", "2001:db8::1/64"} {
			if err := i.AddAddr(netip.MustParsePrefix(a)); err != nil {
				t.Fatal(err)
			}
		}
		fib3 := must(host.FIB(3))(t)
		for f, s := range []*vimage.Stack{host, fib3} {
			via := vimage.Route{Dst: netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/32", f)), Gateway: netip.MustParseAddr("10.0.0.2"), Interface: "eth0"}
			if err := s.AddRoute(via); err != nil {
				t.Fatal(err)
			}
		}
		if err := i.SetQuerier(true); err != nil {
			t.Fatal(err)
		}
		c := must(fib3.ListenUDP("udp", nil))(t)
		group := netip.MustParseAddr("239.1.2.3")
		if err := c.JoinGroup(i, group); err != nil {
			t.Fatal(err)
		}
		if err := c.SetMulticastInterface(i); err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteToUDPAddrPort([]byte("pending"), netip.MustParseAddrPort("10.0.0.77:9")); err != nil { // nobody has it
			t.Fatal(err)
		}
		if err := must(w.Root().Create(vimage.JailConfig{Name: "j", VNET: true, Persist: true}))(t).Stack().SetSysctl("net.inet.igmp.default_version", 2); err != nil {
			t.Fatal(err)
		}
		j := w.Root().Find("j")
		moved := must(i.MoveTo(j))(t)
		if n := w.Pool().Buffers; n != 0 {
			t.Errorf("%d buffers: pending packets are lost with the ARP table", n)
		}
		after := moved.Net()
		if after.Name != "eth0" || after.MTU != 1300 || !bytes.Equal(after.HardwareAddr, before.HardwareAddr) || after.Flags&net.FlagUp == 0 {
			t.Errorf("it was %+v, and is %+v", before, after)
		}
		if a := moved.Addrs(); len(a) != 0 {
			t.Errorf("it has the addresses %v", a)
		}
		if len(host.Routes()) != 0 || len(fib3.Routes()) != 0 || names(t, host) != "lo0" {
			t.Errorf("left behind: %v %v %s", host.Routes(), fib3.Routes(), names(t, host))
		}
		if err := c.LeaveGroup(nil, group); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("membership after the move: %v", err)
		}
		if ifi, err := c.MulticastInterface(); ifi != nil || err != nil {
			t.Errorf("IP_MULTICAST_IF after the move: %v %v", ifi, err)
		}
		c.Close()
		// In the new stack: table 0, the rooms are new, and it works.
		if err := moved.AddAddr(netip.MustParsePrefix("10.0.0.1/24")); err != nil {
			t.Fatal(err)
		}
		if r := j.Stack().Routes(); len(r) != 1 {
			t.Errorf("routes of table 0: %v", r)
		}
		d := must(j.Stack().ListenUDP("udp", nil))(t)
		if err := d.JoinGroup(moved, group); err != nil {
			t.Fatal(err)
		}
		rest := make(chan struct{}) // what was left of timers has fired by then
		w.AfterFunc(30*time.Second, func() { close(rest) })
		<-rest
		if m := moved.Memberships(); len(m) == 0 || m[0].OwnVersion != 2 {
			t.Errorf("IGMP: %+v, want the new stack's version", m)
		}
		echo(t, j.Stack(), peer, "10.0.0.2")
		if err := j.Remove(); err != nil {
			t.Fatal(err)
		}
		home := must(host.Interface("eth0"))(t)
		if a := home.Addrs(); len(a) != 0 || names(t, host) != "lo0 eth0" {
			t.Errorf("it came home with %v, to %s", a, names(t, host))
		}
		if err := home.AddAddr(netip.MustParsePrefix("10.0.0.1/24")); err != nil {
			t.Fatal(err)
		}
		echo(t, host, peer, "10.0.0.2")
	})
}

// echo has a datagram go from a to b at addr and back.
func echo(t testing.TB, a, b *vimage.Stack, addr string) {
	t.Helper()
	at := net.JoinHostPort(addr, "7")
	l := must(b.ListenPacket("udp", at))(t)
	defer l.Close()
	c := must(a.Dial("udp", at))(t)
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	l.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 100)
	c.Write([]byte("hello"))
	n, from, err := l.ReadFrom(buf)
	if err == nil {
		l.WriteTo(buf[:n], from)
		n, err = c.Read(buf)
	}
	if err != nil || string(buf[:n]) != "hello" {
		t.Errorf("echo from %s to %s: %q %v", a.Name(), b.Name(), buf[:n], err)
	}
}

// behaviour 1.4 and 10, cases 3 and 4: a pair of which one end moves; the same
// addresses and ports on two stacks.
func TestJailEpair(t *testing.T) {
	stacktest.Several(t)
	synctest.Test(t, func(t *testing.T) {
		w := vimage.NewWorld(vimage.Config{})
		defer w.Close()
		host := w.Root().Stack()
		var jails []*vimage.Jail
		for n := range 2 {
			a, b, err := host.CreateEpair()
			if err != nil || a.Name() != fmt.Sprintf("epair%da", n) || b.Name() != fmt.Sprintf("epair%db", n) || a.Net().MTU != 1500 {
				t.Fatalf("pair %d: %v %v", n, a, err)
			}
			j := must(w.Root().Create(vimage.JailConfig{VNET: true, Persist: true, Interfaces: []string{b.Name()}}))(t)
			b = must(j.Stack().Interface(b.Name()))(t)
			if err := b.AddAddr(netip.MustParsePrefix("10.0.0.1/24")); err != nil { // both of them
				t.Fatal(err)
			}
			if err := a.AddAddr(netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", 2+n))); err != nil {
				t.Fatal(err)
			}
			jails = append(jails, j)
		}
		// host reaches 10.0.0.1 by the route of the first of the two subnets.
		echo(t, host, jails[0].Stack(), "10.0.0.1")
		b := must(jails[0].Stack().Interface("epair0b"))(t)
		if n := must(b.Neighbors())(t); len(n) == 0 {
			t.Error("no ARP entry in the jail")
		}
		b = must(jails[1].Stack().Interface("epair1b"))(t)
		for _, n := range must(b.Neighbors())(t) {
			if n.Addr == netip.MustParseAddr("10.0.0.2") {
				t.Errorf("ARP entry in the other jail: %v", n)
			}
		}
		if c := jails[1].Stack().Counters()["ip.delivered"]; c != 0 {
			t.Errorf("the other jail has had %d packets", c)
		}
		for _, j := range jails { // the same port
			defer must(j.Stack().ListenPacket("udp4", "10.0.0.1:5000"))(t).Close()
			defer must(j.Stack().Listen("tcp4", "10.0.0.1:5000"))(t).Close()
		}
	})
}

// behaviour 1.3: destroying one end destroys both, wherever they are; a jail that goes
// gives back a borrowed end, and takes with it the pair that it made.
func TestEpairDiesTogether(t *testing.T) {
	w, own, _ := newJails(t)
	host := w.Root().Stack()
	pair := func(s *vimage.Stack) (a, b *vimage.Interface) {
		t.Helper()
		a, b, err := s.CreateEpair()
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	want := func(what, atHost, inJail string) {
		t.Helper()
		if h, j := names(t, host), names(t, own.Stack()); h != atHost || j != inJail {
			t.Errorf("%s: %q and %q, want %q and %q", what, h, j, atHost, inJail)
		}
	}
	a, b := pair(host)
	must(b.MoveTo(own))(t)
	want("moved", "lo0 epair0a", "lo0 epair0b")
	if err := a.Remove(); err != nil {
		t.Fatal(err)
	}
	want("a destroyed", "lo0", "lo0")

	_, b = pair(host)
	b = must(b.MoveTo(own))(t)
	if err := must(own.Stack().Interface(b.Name()))(t).Remove(); err != nil {
		t.Fatal(err)
	}
	want("b destroyed in the jail", "lo0", "lo0")

	_, b = pair(host)
	must(b.MoveTo(own))(t)
	must(own.Reclaim(b.Name()))(t)
	want("reclaimed", "lo0 epair0a epair0b", "lo0")
	if err := a.Remove(); err != nil { // index 2 again
		t.Fatal(err)
	}
	want("destroyed at home", "lo0", "lo0")

	below := must(own.Create(vimage.JailConfig{VNET: true, Persist: true}))(t)
	_, b = pair(own.Stack())
	must(b.MoveTo(below))(t)
	if err := own.Remove(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, host); got != "lo0" {
		t.Errorf("what was made in a jail goes with it: %s", got)
	}
}

// What goes home does so under another name where its own was given away; what has no
// home any more is removed.
func TestGoingHome(t *testing.T) {
	w, own, _ := newJails(t)
	host := w.Root().Stack()
	add := func(s *vimage.Stack, name string) *vimage.Interface {
		return must(s.AddInterface(name, vimage.InterfaceConfig{Port: link.NewEpair(0).A()}))(t)
	}
	must(add(host, "eth0").MoveTo(own))(t)
	add(host, "eth0")
	add(host, "eth0.1")
	r := must(w.NewStack("r", vimage.StackConfig{}))(t)
	must(add(r, "eth1").MoveTo(own))(t)
	if err := own.Stack().Close(); !errors.Is(err, syscall.EPERM) {
		t.Errorf("a jail removes itself: %v", err)
	}
	if borrowed := must(own.Stack().Interface("eth0"))(t); !errors.Is(borrowed.Remove(), syscall.EPERM) {
		t.Error("a jail removed what it has borrowed")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, own.Stack()); got != "lo0 eth0 eth1" {
		t.Errorf("in the jail: %s", got)
	}
	if err := w.Stack("own").Close(); err != nil { // as jail 0
		t.Fatal(err)
	}
	if got := names(t, host); got != "lo0 eth0 eth0.1 eth0.2" {
		t.Errorf("at home: %s", got)
	}
	if own.Stack() != nil || w.Root().Find("own") != nil {
		t.Error("the jail is still there")
	}
}

// A port of a switch moves with its interface.
func TestMoveOnSwitch(t *testing.T) {
	stacktest.Several(t)
	synctest.Test(t, func(t *testing.T) {
		w := vimage.NewWorld(vimage.Config{})
		defer w.Close()
		sw := link.NewBridge(w.Internal().Sched(), w.Internal().Seed(), link.BridgeConfig{})
		defer sw.Close()
		host := w.Root().Stack()
		peer := must(w.NewStack("peer", vimage.StackConfig{}))(t)
		must(peer.AddInterface("e", vimage.InterfaceConfig{Port: sw.AddPort(), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}}))(t)
		i := must(host.AddInterface("e", vimage.InterfaceConfig{Port: sw.AddPort()}))(t)
		stacks := []*vimage.Jail{peer.Jail()}
		for range 3 {
			stacks = append(stacks, must(w.Root().Create(vimage.JailConfig{VNET: true, Persist: true}))(t))
		}
		for n, j := range stacks[1:] {
			i = must(i.MoveTo(j))(t)
			if err := i.AddAddr(netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", 10+n))); err != nil {
				t.Fatal(err)
			}
			echo(t, w.Stack(j.Stack().Name()), peer, "10.0.0.2")
			i = must(w.Stack(j.Stack().Name()).Interface("e"))(t) // as jail 0
		}
	})
}

// exec.fib is the table of commands that start a jail, and of no others (behaviour
// 4.3, row 18).
func TestJailExecFIB(t *testing.T) {
	w, own, _ := newJails(t)
	if err := own.Set(vimage.JailParam{Name: "exec.fib", Value: "2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := own.Start(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("table 2 of 1: %v", err)
	}
	if err := own.Stack().SetFIBs(3); err != nil { // the jail's own number of tables
		t.Fatal(err)
	}
	p := must(own.Start())(t)
	defer p.Release()
	q := must(own.Attach())(t)
	defer q.Release()
	for s, want := range map[*vimage.Stack]int{p.Stack: 2, q.Stack: 0, own.Stack(): 0} {
		c := must(s.ListenUDP("udp4", nil))(t)
		if got := c.Internal().FIB(); got != want {
			t.Errorf("table %d, want %d", got, want)
		}
		c.Close()
	}
	if _, err := w.Root().Stack().FIB(1); err == nil {
		t.Error("jail 0 has more tables too")
	}
}
