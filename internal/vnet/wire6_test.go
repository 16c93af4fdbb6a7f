package vnet_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// answer6 answers a neighbour solicitation for an address that the tap owns.
func (tp *tap) answer6(r *netisr.Runner, e wire.Ether) {
	ip, f := wire.ParseIPv6(e.Payload())
	if f != wire.OK || ip.NextHeader() != wire.ProtoICMPv6 || ip.Src().IsUnspecified() {
		return
	}
	ns, f := wire.ParseNeighborSolicit(ip.Payload())
	if f != wire.OK || !tp.owns(ns.Target()) {
		return
	}
	flags := wire.NASolicited | wire.NAOverride
	if tp.router {
		flags |= wire.NARouter
	}
	tp.send(r, tp.advert(ns.Target(), ip.Src(), flags))
}

// advert is a neighbour advertisement of the tap's address in a frame.
func (tp *tap) advert(target, to netip.Addr, flags uint8) []byte {
	m := wire.AppendNDLinkAddr(wire.AppendNA(nil, flags, target), wire.NDTargetLinkAddr, tp.mac)
	return tp.icmp6Frame(target, to, 255, m)
}

// icmp6Frame is an ICMPv6 message, whose checksum it fills in, in a frame.
func (tp *tap) icmp6Frame(src, dst netip.Addr, hops uint8, m []byte) []byte {
	m = append([]byte(nil), m...)
	wire.ICMP6(m).SetChecksum(src, dst)
	return tp.frame6(src, dst, hops, wire.ProtoICMPv6, m)
}

// frame6 is an IPv6 packet in a frame from the tap.
func (tp *tap) frame6(src, dst netip.Addr, hops, next uint8, parts ...[]byte) []byte {
	f := make([]byte, wire.EtherLen+wire.IPv6Len)
	for _, p := range parts {
		f = append(f, p...)
	}
	to := tp.peer
	if dst.IsMulticast() {
		to = wire.MulticastMAC(dst)
	}
	wire.PutEther(f, to, tp.mac, wire.EtherTypeIPv6)
	wire.PutIPv6(f[wire.EtherLen:], &wire.IPv6Header{NextHeader: next, HopLimit: hops, Src: src, Dst: dst}, len(f)-wire.EtherLen-wire.IPv6Len)
	return f
}

// udp6Frame is a datagram behind extension headers, the first of which has the
// number next, in a frame.
func (tp *tap) udp6Frame(from, to, data string, next uint8, ext ...[]byte) []byte {
	a, b := addrPort(from), addrPort(to)
	return tp.frame6(a.Addr(), b.Addr(), 64, next, append(ext, udpPayload(a, b, []byte(data)))...)
}

// optHeader is an options header, padded.
func optHeader(next uint8, opts ...byte) []byte {
	b := append([]byte{next, 0}, opts...)
	if n := (8 - len(b)%8) % 8; n == 1 {
		b = append(b, wire.IPv6OptPad1)
	} else if n > 1 {
		b = append(append(b, wire.IPv6OptPadN, byte(n-2)), make([]byte, n-2)...)
	}
	b[1] = uint8(len(b)/8 - 1)
	return b
}

// fragHeader is a fragment header.
func fragHeader(next uint8, off int, more bool, id uint32) []byte {
	b := make([]byte, wire.FragmentLen)
	wire.PutFragment6(b, next, off, more, id)
	return b
}

// echo6 is an echo request of n bytes without a checksum.
func echo6(n int) []byte {
	m := append(make([]byte, wire.ICMP6Len), pattern(n)...)
	wire.PutICMP6(m, wire.ICMP6EchoRequest, 0, 0x00010002)
	return m
}

// take6 returns the IPv6 packets that have come but for those of neighbour
// discovery and of groups.
func (tp *tap) take6(t testing.TB) (all []wire.IPv6) {
	t.Helper()
	for _, f := range tp.take() {
		e, _ := wire.ParseEther(f)
		if e.Type() != wire.EtherTypeIPv6 {
			continue
		}
		ip, fault := wire.ParseIPv6(e.Payload())
		if fault != wire.OK {
			t.Fatalf("bad packet % x", f)
		}
		x := ip.Walk(&wire.ExtLimits{}, wire.WalkDest)
		if x.Proto == wire.ProtoICMPv6 && !x.Fragment && len(ip) >= x.Off+4 {
			switch typ := ip[x.Off]; {
			case typ >= wire.ICMP6MLDQuery && typ < wire.ICMP6Redirect, typ == wire.ICMP6MLDv2Report:
				continue
			}
			if !wire.ICMP6(ip[x.Off:]).ChecksumOK(ip.Src(), ip.Dst()) {
				t.Fatalf("bad checksum % x", f)
			}
		}
		all = append(all, ip)
	}
	return all
}

// oneICMP6 returns the only packet that has come, an ICMPv6 message.
func (tp *tap) oneICMP6(t testing.TB) (wire.IPv6, wire.ICMP6) {
	t.Helper()
	got := tp.take6(t)
	if len(got) != 1 || got[0].NextHeader() != wire.ProtoICMPv6 {
		t.Fatalf("got %d packets %x, want one ICMPv6 message", len(got), got)
	}
	return got[0], wire.ICMP6(got[0].Payload())
}

// wantICMP6 checks that just this error has come.
func (tp *tap) wantICMP6(t testing.TB, typ, code uint8, rest uint32) wire.IPv6 {
	t.Helper()
	ip, m := tp.oneICMP6(t)
	if m.Type() != typ || m.Code() != code || m.Rest() != rest {
		t.Errorf("got type %d code %d rest %d, want %d, %d, %d", m.Type(), m.Code(), m.Rest(), typ, code, rest)
	}
	return ip
}

// nothing6 checks that nothing has come.
func (tp *tap) nothing6(t testing.TB) {
	t.Helper()
	if got := tp.take6(t); len(got) != 0 {
		t.Errorf("got %d packets: %x", len(got), got)
	}
}

// newTap6 plugs a stack into a link, with addresses that it may use at once, and
// returns the other end, which owns all addresses but the stack's.
func newTap6(t testing.TB, st *vnet.Stack, name string, mtu, fib int, addrs ...string) (*tap, uint32) {
	t.Helper()
	ep := link.NewEpair(mtu)
	c := control.IfaceConfig{Name: name, Port: ep.A(), FIB: fib}
	for _, a := range addrs {
		c.Addrs = append(c.Addrs, prefix(a))
	}
	i, e := control.AddInterface(st, c)
	must(t, e)
	tp := tapOn(st.World(), ep, st, i)
	tp.owns = func(a netip.Addr) bool {
		b := a.As16()
		return !st.View().IsOurs(a) && b[15] != 0xdd // which nobody has
	}
	return tp, i
}

// router6 is a stack that forwards between taps on 2001:db8:1::/64 and so on to
// 3, with an MTU of 1280 on the second.
type router6 struct {
	w    *vnet.World
	c    *clock.Sim
	st   *vnet.Stack
	taps [4]*tap
	ifs  [4]uint32
}

func newRouter6(t testing.TB, shards int) *router6 {
	t.Helper()
	c := clock.NewSim()
	r := &router6{w: vnet.NewWorld(vnet.Config{Clock: c}), c: c}
	var e syscall.Errno
	r.st, e = stacktest.New(t, r.w, vnet.StackConfig{Name: "r", Shards: shards})
	must(t, e)
	must(t, r.st.SetSysctl("net.inet6.ip6.forwarding", 1))
	must(t, r.st.SetSysctl("net.inet6.icmp6.errppslimit", -1))
	for i := 1; i <= 3; i++ {
		mtu := 0
		if i == 2 {
			mtu = 1280
		}
		r.taps[i], r.ifs[i] = newTap6(t, r.st, fmt.Sprint("e", i), mtu, 0, fmt.Sprintf("2001:db8:%d::1/64", i))
	}
	r.drain()
	return r
}

func (r *router6) drain() {
	for i := 1; i <= 3; i++ {
		r.taps[i].take()
	}
}

// newHost6 is a stack with one interface that leads to a tap.
func newHost6(t testing.TB, shards int, addrs ...string) (*vnet.World, *clock.Sim, *vnet.Stack, *tap) {
	t.Helper()
	c := clock.NewSim()
	w := vnet.NewWorld(vnet.Config{Clock: c})
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: "h", Shards: shards})
	must(t, e)
	must(t, st.SetSysctl("net.inet6.icmp6.errppslimit", -1))
	tp, _ := newTap6(t, st, "e0", 0, 0, addrs...)
	tp.take()
	return w, c, st, tp
}

// hostAndPeer are the addresses that most tests use.
const (
	self6 = "2001:db8::1"
	peer6 = "2001:db8::2"
)
