package vnet_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// flagsOf returns what an interface knows of an address.
func flagsOf(t testing.TB, st *vnet.Stack, index uint32, a string) ifaddr.Flags {
	t.Helper()
	c, _ := st.Interface(index)
	e := c.Addrs.Find(addr(a))
	if e == nil {
		t.Fatalf("%s has no %s: %v", st.Name(), a, c.Addrs)
	}
	return e.Flags
}

// TestRFC4862Section5_4Race: of two stacks that boot at once with one address just
// one keeps it, or none: never both.
func TestRFC4862Section5_4Race(t *testing.T) {
	kept := 0
	for seed := range uint64(40) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c, Seed: seed + 1})
		ep := link.NewEpair(0)
		var both []*vnet.Stack
		for i, port := range []link.Port{ep.A(), ep.B()} {
			st, e := stacktest.New(t, w, vnet.StackConfig{Name: fmt.Sprint("h", i)})
			must(t, e)
			_, e = control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: port})
			must(t, e)
			both = append(both, st)
		}
		for _, st := range both {
			must(t, control.AddAddr(st, anIf, prefix("fe80::99/64")))
			must(t, control.AddAddrFlags(st, anIf, prefix("2001:db8::99/64"), 0))
		}
		run(c, 10*time.Second)
		for _, a := range []string{"fe80::99", "2001:db8::99"} {
			n := 0
			for _, st := range both {
				switch f := flagsOf(t, st, anIf, a); {
				case f == 0:
					n++
				case f != ifaddr.Duplicate:
					t.Errorf("seed %d: %s: %s is %b", seed, st.Name(), a, f)
				}
			}
			if n > 1 {
				t.Errorf("seed %d: both have %s", seed, a)
			}
			kept += n
		}
		empty(t, w)
	}
	t.Logf("%d of 80 addresses were kept by one", kept)
}

// TestRFC4862Section5_4Later: who comes second does not get it.
func TestRFC4862Section5_4Later(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, a, b := pair6(t, shards)
		must(t, control.AddAddr(b, anIf, prefix("2001:db8::1/64")))
		if _, e := usrreq.ListenUDP(b, addrPort("[2001:db8::1]:9"), 0, 0); e != syscall.EADDRNOTAVAIL {
			t.Errorf("bound to a tentative address: %v", e)
		}
		run(c, 3*time.Second)
		if f := flagsOf(t, b, anIf, "2001:db8::1"); f != ifaddr.Duplicate {
			t.Errorf("flags %b", f)
		}
		if f := flagsOf(t, a, anIf, "2001:db8::1"); f != 0 {
			t.Errorf("the first has it with %b", f)
		}
		if _, e := usrreq.ListenUDP(b, addrPort("[2001:db8::1]:9"), 0, 0); e != syscall.EADDRNOTAVAIL {
			t.Errorf("bound to a duplicate address: %v", e)
		}
		must(t, control.DelAddr(b, anIf, addr("2001:db8::1")))
		s := listen(t, a, "[2001:db8::1]:7")
		from := listen(t, b, "[2001:db8::2]:9")
		send(t, from, "x", "[2001:db8::1]:7")
		run(c, time.Second)
		expect(t, s, "x")
		empty(t, w)
	})
}

// TestRFC4862Section5_4_5: a duplicate of the link-local address that is formed of
// the hardware address disables IPv6 on the interface, until that is taken away.
func TestRFC4862Section5_4_5(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		i, _ := st.Interface(anIf)
		own := addr(fmt.Sprintf("fe80::%02x%02x:%02xff:fe%02x:%02x%02x", i.MAC[0]^2, i.MAC[1], i.MAC[2], i.MAC[3], i.MAC[4], i.MAC[5]))
		must(t, control.AddAddr(st, anIf, prefix("2001:db8::1/64")))
		run(c, 10*time.Millisecond)
		tp.inject(tp.icmp6Frame(own, netip.IPv6LinkLocalAllNodes(), 255, wire.AppendNDLinkAddr(wire.AppendNA(nil, wire.NAOverride, own), wire.NDTargetLinkAddr, tp.mac)))
		run(c, 5*time.Second)
		i, _ = st.Interface(anIf)
		if i.Flags&ifnet.NoIPv6 == 0 || flagsOf(t, st, anIf, own.String()) != ifaddr.Duplicate {
			t.Fatalf("%+v", i)
		}
		tp.take()
		tp.inject(tp.frame6(addr("2001:db8::2"), addr("2001:db8::1"), 64, wire.ProtoICMPv6, echo6(8)))
		s := listen(t, st, "[::]:9")
		if _, err := s.WriteTo([]byte("x"), addrPort("[2001:db8::2]:7"), nil); err != syscall.ENETDOWN {
			t.Errorf("send: %v", err)
		}
		run(c, time.Minute)
		for _, f := range tp.take() {
			if e, _ := wire.ParseEther(f); e.Type() == wire.EtherTypeIPv6 {
				t.Errorf("sent % x", f)
			}
		}
		must(t, control.DelAddr(st, anIf, own))
		must(t, control.AddAddr(st, anIf, prefix("fe80::77/64")))
		run(c, 5*time.Second)
		tp.take()
		tp.owns = func(a netip.Addr) bool { return a == addr("2001:db8::2") }
		send(t, s, "x", "[2001:db8::2]:7")
		run(c, time.Second)
		if got := tp.take6(t); len(got) != 1 {
			t.Errorf("%d packets after the address was taken away", len(got))
		}
		empty(t, w)
	})
}

// TestRFC4429Section3_3: an optimistic address is used at once, but others are
// preferred.
func TestRFC4429Section3_3(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		must(t, control.AddAddrFlags(st, anIf, prefix("2001:db8::8/64"), ifaddr.Optimistic))
		run(c, 10*time.Millisecond)
		if f := flagsOf(t, st, anIf, "2001:db8::8"); f != ifaddr.Optimistic {
			t.Fatalf("flags %b", f)
		}
		s := listen(t, st, "[2001:db8::8]:7")
		tp.inject(tp.udp6Frame("["+peer6+"]:9", "[2001:db8::8]:7", "x", wire.ProtoUDP))
		expect(t, s, "x")
		any := listen(t, st, "[::]:9")
		must(t, any.Connect(addrPort("[2001:db8::9]:7"))) // longest match would be ::8
		if a := any.LocalAddr().Addr(); a != addr(self6) {
			t.Errorf("from %v", a)
		}
		run(c, 3*time.Second)
		if f := flagsOf(t, st, anIf, "2001:db8::8"); f != 0 {
			t.Errorf("flags %b", f)
		}
		empty(t, w)
	})
}

// TestRFC6724Section5: the address that a socket talks from.
func TestRFC6724Section5(t *testing.T) {
	w, c, st, _ := newHost6(t, 1, "2001:db8::1/64", "fd00:1::1/64")
	must(t, control.AddAddrFlags(st, anIf, prefix("2001:db8::aaaa/64"), ifaddr.Anycast))
	tp2, other := newTap6(t, st, "e1", 0, 0, "2001:db8:2::1/64")
	tp2.take()
	must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("::/0"), Gateway: addr("2001:db8::fe")}))
	run(c, time.Second)
	ll := func(index uint32) netip.Addr {
		i, _ := st.Interface(index)
		return i.Addrs.LinkLocal()
	}
	for _, x := range []struct {
		dst, want string
	}{
		{"2001:db8::1", "2001:db8::1"},     // rule 1
		{"fe80::5%e0", ll(anIf).String()},  // rule 2
		{"fe80::5%e1", ll(other).String()}, // and the zone
		{"2001:db8::5", "2001:db8::1"},     // rule 2: not the link-local one
		{"fd00:9::1", "fd00:1::1"},         // rule 6
		{"2001:db8:2::5", "2001:db8:2::1"}, // rule 5
		{"2001:db8:9::5", "2001:db8::1"},   // rule 5: where it leaves
		{"2001:db8::aaab", "2001:db8::1"},  // never anycast
	} {
		s := listen(t, st, "[::]:0")
		must(t, s.Connect(netip.AddrPortFrom(addr(x.dst), 7)))
		if got := s.LocalAddr().Addr(); got != addr(x.want) {
			t.Errorf("to %s: from %v, want %s", x.dst, got, x.want)
		}
		s.Close()
	}
	empty(t, w)
}

// TestAnycast: packets to an anycast address are answered, from another.
func TestAnycast(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		must(t, control.AddAddrFlags(st, anIf, prefix("2001:db8::aaaa/64"), ifaddr.Anycast))
		run(c, 3*time.Second)
		tp.take()
		tp.inject(tp.icmp6Frame(addr(peer6), addr("2001:db8::aaaa"), 64, echo6(8)))
		if ip, m := tp.oneICMP6(t); m.Type() != wire.ICMP6EchoReply || ip.Src() != addr(self6) {
			t.Errorf("type %d from %v", m.Type(), ip.Src())
		}
		empty(t, w)
	})
}

// TestDelAddr6: nobody answers for an address that was taken away.
func TestDelAddr6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64", "2001:db8::5/64")
		must(t, control.DelAddr(st, anIf, addr(self6)))
		if e := control.DelAddr(st, anIf, addr(self6)); e != syscall.EADDRNOTAVAIL {
			t.Errorf("twice: %v", e)
		}
		tp.inject(tp.icmp6Frame(addr(peer6), addr(self6), 64, echo6(8)))
		run(c, time.Second)
		tp.nothing6(t)
		ns := wire.AppendNDLinkAddr(wire.AppendNS(nil, addr(self6)), wire.NDSourceLinkAddr, tp.mac)
		tp.inject(tp.icmp6Frame(addr(peer6), wire.SolicitedNode(addr(self6)), 255, ns))
		run(c, time.Second)
		for _, f := range tp.take() {
			if e, _ := wire.ParseEther(f); e.Type() == wire.EtherTypeIPv6 && e.Payload()[wire.IPv6Len] == wire.ICMP6NeighborAdvert {
				t.Errorf("answered for: % x", f)
			}
		}
		if r := control.Routes(st, 0); len(r) != 1 || r[0].Dst != prefix("2001:db8::/64") {
			t.Errorf("routes %v", r)
		}
		must(t, control.DelAddr(st, anIf, addr("2001:db8::5")))
		if r := control.Routes(st, 0); len(r) != 0 {
			t.Errorf("routes %v", r)
		}
		empty(t, w)
	})
}

// TestUpDown6: down, nothing passes; up again everything does, and the addresses
// are announced.
func TestUpDown6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		s := listen(t, st, "[::]:9")
		must(t, control.SetUp(st, anIf, false))
		must(t, control.AddAddr(st, anIf, prefix("2001:db8:5::1/64")))
		tp.inject(tp.icmp6Frame(addr(peer6), addr(self6), 64, echo6(8)))
		if _, err := s.WriteTo([]byte("x"), addrPort("["+peer6+"]:7"), nil); err == nil {
			t.Error("sent")
		}
		run(c, 10*time.Second)
		if n := len(tp.take()); n != 0 {
			t.Errorf("%d frames", n)
		}
		if f := flagsOf(t, st, anIf, "2001:db8:5::1"); f != ifaddr.Tentative {
			t.Errorf("flags %b", f)
		}
		must(t, control.SetUp(st, anIf, true))
		run(c, 10*time.Second)
		if f := flagsOf(t, st, anIf, "2001:db8:5::1"); f != 0 {
			t.Errorf("flags %b", f)
		}
		tp.take()
		send(t, s, "x", "["+peer6+"]:7")
		run(c, time.Second)
		if n := len(tp.take6(t)); n != 1 {
			t.Errorf("%d packets", n)
		}
		empty(t, w)
	})
}

// TestNoIPv6OnSmallLinks: RFC 8200 §5.
func TestNoIPv6OnSmallLinks(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: "h"})
	must(t, e)
	_, i := newTap(t, st, "e0", "10.0.0.1/24", 1279)
	if e := control.AddAddr(st, i, prefix("2001:db8::1/64")); e != syscall.EINVAL {
		t.Error(e)
	}
	if _, e := control.AddInterface(st, control.IfaceConfig{Name: "e1", Port: link.NewEpair(1279).A(), Addrs: []netip.Prefix{prefix("fe80::1/64")}}); e != syscall.EINVAL {
		t.Error(e)
	}
	empty(t, w)
}

// TestRemove6 takes away an interface that holds packets for a neighbour,
// fragments, tentative addresses, routes and connections.
func TestRemove6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("::/0"), Gateway: addr("fe80::dd"), IfIndex: anIf}))
		must(t, control.AddAddr(st, anIf, prefix("2001:db8::7/64")))
		must(t, control.SetAuto(st, anIf, &control.AutoConfig{Routers: true}))
		s := listen(t, st, "[::]:7")
		for i := range 5 {
			send(t, s, "held", fmt.Sprintf("[2001:db8::%d:dd]:7", i+1))
			send(t, s, "held", "[2001:db8:9::1]:7")
		}
		_, e := usrreq.ConnectTCP(st, addrPort("[::]:0"), addrPort("[2001:db8::dd]:7"), &socket.TCPOptions{})
		must(t, e)
		tp.inject(tp.frags6("["+peer6+"]:9", "["+self6+"]:7", pattern(2000), 1, wire.ProtoFragment, nil, [2]int{0, 1000})...)
		must(t, control.RemoveInterface(st, anIf))
		if r := control.Routes(st, 0); len(r) != 0 {
			t.Errorf("routes stay: %v", r)
		}
		run(c, 2*time.Minute)
		if n := w.Sched().Pool().Counts().Bufs; n != 0 || c.Armed() != 0 {
			t.Errorf("%d buffers, %d timers", n, c.Armed())
		}
		tp2, _ := newTap6(t, st, "e0", 0, 0, self6+"/64")
		tp2.inject(tp2.udp6Frame("["+peer6+"]:9", "["+self6+"]:7", "again", wire.ProtoUDP))
		expect(t, s, "again")
		empty(t, w)
	})
}
