package vnet_test

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// mcastNet is a host b with two interfaces, each on a cable to a sender of its own,
// in one family. Datagrams go to port 5000.
type mcastNet struct {
	testing.TB
	w            *vnet.World
	c            *clock.Sim
	b            *vnet.Stack
	senders      [2]usrreq.Sock
	from         [2]netip.Addr
	at           [2]usrreq.McastIf
	is6          bool
	group, other netip.Addr
	any          string // address and port that everybody hears on
}

func bothMcast(t *testing.T, f func(n *mcastNet)) {
	for _, is6 := range []bool{false, true} {
		name := "IPv4"
		if is6 {
			name = "IPv6"
		}
		t.Run(name, func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) { f(newMcastNet(t, shards, is6)) })
		})
	}
}

func newMcastNet(t testing.TB, shards int, is6 bool) *mcastNet {
	c := clock.NewSim()
	n := &mcastNet{TB: t, c: c, w: vnet.NewWorld(vnet.Config{Clock: c, Seed: 1}), is6: is6, group: addr("239.1.1.1"), other: addr("239.1.1.2"), any: "0.0.0.0:5000"}
	subnets := [2][2]string{{"10.0.0.1/24", "10.0.0.2/24"}, {"10.0.1.1/24", "10.0.1.2/24"}}
	if is6 {
		n.group, n.other, n.any = addr("ff1e::1"), addr("ff1e::2"), "[::]:5000"
		subnets = [2][2]string{{"2001:db8:0::1/64", "2001:db8:0::2/64"}, {"2001:db8:1::1/64", "2001:db8:1::2/64"}}
	}
	var e syscall.Errno
	n.b, e = stacktest.New(t, n.w, vnet.StackConfig{Name: "b", Shards: shards})
	must(t, e)
	for i := range 2 {
		ep := link.NewEpair(0)
		a, e := stacktest.New(t, n.w, vnet.StackConfig{Name: string(rune('s' + i)), Shards: shards})
		must(t, e)
		at, e := control.AddInterface(a, control.IfaceConfig{Name: "e0", Port: ep.A(), Addrs: []netip.Prefix{prefix(subnets[i][0])}})
		must(t, e)
		idx, e := control.AddInterface(n.b, control.IfaceConfig{Name: string(rune('x' + i)), Port: ep.B(), Addrs: []netip.Prefix{prefix(subnets[i][1])}})
		must(t, e)
		n.at[i], n.from[i] = usrreq.McastIf{Index: idx}, prefix(subnets[i][0]).Addr()
		n.senders[i] = n.sender(a, at, netip.AddrPortFrom(n.from[i], 9).String())
	}
	return n
}

// sender is a socket that sends to groups by an interface.
func (n *mcastNet) sender(st *vnet.Stack, index uint32, local string) usrreq.Sock {
	n.Helper()
	s := listen(n, st, local)
	if n.is6 {
		must(n, s.SetMulticastIf6(index))
	} else {
		must(n, s.SetMulticastIf(index))
	}
	return s
}

func (n *mcastNet) ear(local string, reuse pcb.Reuse) usrreq.Sock {
	n.Helper()
	s, e := usrreq.ListenUDP(n.b, addrPort(local), 0, reuse)
	must(n, e)
	return s
}

func (n *mcastNet) join(s usrreq.Sock, i int) {
	n.Helper()
	must(n, s.Mcast(usrreq.McastJoin, n.at[i], n.group, netip.Addr{}))
}

func (n *mcastNet) say(i int, text string) {
	n.Helper()
	send(n, n.senders[i], text, netip.AddrPortFrom(n.group, 5000).String())
	run(n.c, time.Millisecond)
}

// counted runs f and checks by how much counters of b grow meanwhile.
func (n *mcastNet) counted(what string, want map[string]uint64, f func()) {
	n.Helper()
	before := n.b.Counters()
	f()
	after := n.b.Counters()
	for name, d := range want {
		if got := after[name] - before[name]; got != d {
			n.Errorf("%s: %s grew by %d, want %d", what, name, got, d)
		}
	}
}

// TestArrivalInterface: a membership counts on the interface that it is on.
func TestArrivalInterface(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		s := n.ear(n.any, 0)
		n.join(s, 0)
		n.say(0, "here")
		expect(n, s, "here")
		n.counted("there", map[string]uint64{"ip.notmember": 1, "udp.noportmcast": 1, "udp.bcast": 1, "drop.not a member": 1, "icmp.out.unreach": 0}, func() { n.say(1, "there") })
		expectNone(n, s)
		n.join(s, 1)
		n.say(1, "there")
		expect(n, s, "there")
		empty(n, n.w)
	})
}

// TestMulticastMatches: which of a group's members a datagram suits.
func TestMulticastMatches(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		all, bound := n.ear(n.any, pcb.ReusePort), n.ear(netip.AddrPortFrom(n.group, 5000).String(), pcb.ReusePort)
		others := n.ear(netip.AddrPortFrom(n.other, 5000).String(), pcb.ReusePort)
		host := n.ear(netip.AddrPortFrom(n.self(0), 5000).String(), pcb.ReusePort)
		port := n.ear(netip.AddrPortFrom(addrPort(n.any).Addr(), 5001).String(), pcb.ReusePort)
		stranger := n.ear(n.any, pcb.ReusePort)
		for _, s := range []usrreq.Sock{all, bound, others, host, port, stranger} {
			n.join(s, 0)
		}
		must(n, stranger.Connect(netip.AddrPortFrom(n.from[0], 10))) // another port of the sender
		n.counted("one datagram", map[string]uint64{"udp.delivered": 2}, func() { n.say(0, "x") })
		expect(n, all, "x")
		expect(n, bound, "x")
		for _, s := range []usrreq.Sock{others, host, port, stranger} {
			expectNone(n, s)
		}
		empty(n, n.w)
	})
}

func (n *mcastNet) self(i int) netip.Addr {
	c, _ := n.b.Interface(n.at[i].Index)
	for _, a := range c.Addrs {
		if ip := a.Addr(); ip.Is4() || ip.IsGlobalUnicast() {
			return ip
		}
	}
	return netip.Addr{}
}

// TestConnectedMember: a member that is bound to the group and connected hears its
// peer and nobody else, by address and port.
func TestConnectedMember(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		s := n.ear(netip.AddrPortFrom(n.group, 5000).String(), 0)
		n.join(s, 0)
		n.join(s, 1)
		must(n, s.Connect(netip.AddrPortFrom(n.from[0], n.senders[0].LocalAddr().Port())))
		n.say(1, "another")
		expectNone(n, s)
		n.say(0, "peer")
		expect(n, s, "peer")
	})
}

// TestFilterCounts: what every member's filter refuses is counted, and no error sent.
func TestFilterCounts(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		in, ex := n.ear(n.any, pcb.ReusePort), n.ear(n.any, pcb.ReusePort)
		must(n, in.Mcast(usrreq.McastJoinSource, n.at[0], n.group, n.from[1])) // wants somebody else
		n.join(ex, 0)
		n.counted("one refuses", map[string]uint64{"udp.filtermcast": 1, "udp.delivered": 1, "udp.noportmcast": 0}, func() { n.say(0, "x") })
		expect(n, ex, "x")
		must(n, ex.Mcast(usrreq.McastBlock, n.at[0], n.group, n.from[0]))
		n.counted("all refuse", map[string]uint64{"udp.filtermcast": 2, "udp.delivered": 0, "udp.noportmcast": 1, "drop.source filtered": 1, "icmp.out.unreach": 0, "icmp6.out.unreach": 0}, func() { n.say(0, "x") })
		must(n, ex.SetSourceFilter(n.at[0], n.group, mcast.Include, []netip.Addr{n.from[0]}))
		n.say(0, "again")
		expect(n, ex, "again")
		expectNone(n, in)
		empty(n, n.w)
	})
}

// TestLoopCopy: the sender's own members hear it on the outgoing interface, as the
// socket says, and without that the sysctl.
func TestLoopCopy(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		to := netip.AddrPortFrom(n.group, 5000).String()
		out := n.ear(n.any, pcb.ReusePort)
		if n.is6 {
			must(n, out.SetMulticastIf6(n.at[0].Index))
		} else {
			must(n, out.SetMulticastIf(n.at[0].Index))
		}
		n.join(out, 1)
		send(n, out, "by the other interface", to)
		expectNone(n, out)
		n.join(out, 0)
		send(n, out, "to himself as well", to)
		info := expect(n, out, "to himself as well")
		if info.IfIndex != n.at[0].Index || info.From.Addr() != n.self(0) {
			n.Errorf("as received on %d from %v", info.IfIndex, info.From)
		}
		if n.is6 {
			out.SetMulticastLoop6(false)
		} else {
			out.SetMulticastLoop(false)
		}
		send(n, out, "to others", to)
		expectNone(n, out)
		run(n.c, time.Second)
		empty(n, n.w)
	})
}

// TestLoopSysctl: a socket that has set no multicast option follows the sysctl.
func TestLoopSysctl(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		member, plain := n.ear(n.any, 0), n.ear(netip.AddrPortFrom(addrPort(n.any).Addr(), 0).String(), 0)
		n.join(member, 0)
		route := prefix("224.0.0.0/4")
		name := "net.inet.ip.mcast.loop"
		if n.is6 {
			route, name = prefix("ff00::/8"), "net.inet6.ip6.mcast.loop"
		}
		must(n, control.AddRoute(n.b, 0, control.Route{Dst: route, IfIndex: n.at[0].Index}))
		to := netip.AddrPortFrom(n.group, 5000).String()
		send(n, plain, "by default", to)
		expect(n, member, "by default")
		must(n, n.b.SetSysctl(name, 0))
		send(n, plain, "no more", to)
		expectNone(n, member)
		run(n.c, time.Second)
		empty(n, n.w)
	})
}

// TestTTLZero: what may not leave the host is looped all the same.
func TestTTLZero(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		s := n.ear(n.any, 0)
		n.join(s, 0)
		var e syscall.Errno
		if n.is6 {
			e = s.SetMulticastIf6(n.at[0].Index)
			must(n, s.SetMulticastHops(0))
		} else {
			e = s.SetMulticastIf(n.at[0].Index)
			must(n, s.SetMulticastTTL(0))
		}
		must(n, e)
		before, _ := n.b.IfaceStats(n.at[0].Index)
		send(n, s, "x", netip.AddrPortFrom(n.group, 5000).String())
		expect(n, s, "x")
		if after, _ := n.b.IfaceStats(n.at[0].Index); after.OutPackets != before.OutPackets {
			n.Errorf("%d packets left", after.OutPackets-before.OutPackets)
		}
	})
}

// TestNoGateway: multicast has no next hop, whatever its route says (behaviour 6.7).
func TestNoGateway(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		route := control.Route{Dst: prefix("224.0.0.0/4"), Gateway: n.from[0], IfIndex: n.at[0].Index}
		if n.is6 {
			route.Dst = prefix("ff00::/8")
		}
		s := listen(n, n.b, netip.AddrPortFrom(addrPort(n.any).Addr(), 0).String())
		if _, err := s.WriteTo([]byte("x"), netip.AddrPortFrom(addr("239.9.9.9"), 5000), nil); !n.is6 && err != syscall.EHOSTUNREACH {
			n.Errorf("without a route: %v", err)
		}
		must(n, control.AddRoute(n.b, 0, route))
		run(n.c, time.Minute) // until all is reported
		before, _ := n.b.IfaceStats(n.at[0].Index)
		send(n, s, "x", netip.AddrPortFrom(n.group, 5000).String())
		run(n.c, time.Second)
		after, _ := n.b.IfaceStats(n.at[0].Index)
		if after.OutMcast != before.OutMcast+1 || after.OutPackets != before.OutPackets+1 {
			n.Errorf("%d packets left, %d of them to many", after.OutPackets-before.OutPackets, after.OutMcast-before.OutMcast)
		}
	})
}

// TestRawMembership: a raw socket hears every group until it has asked for some.
func TestRawMembership(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		raw, e := usrreq.ListenRaw(n.b, wire.ProtoUDP, addrPort(n.any).Addr(), 0)
		must(n, e)
		heard := func() (k int) {
			for {
				if _, err := raw.ReadFrom(make([]byte, 2000), nil, false); err != nil {
					return k
				}
				k++
			}
		}
		n.say(0, "x")
		n.say(1, "x")
		if got := heard(); got != 2 {
			n.Errorf("without a membership: %d", got)
		}
		n.join(raw, 1)
		n.counted("not a member here", map[string]uint64{"ip.notmember": 2}, func() { n.say(0, "x") }) // nor is any socket of UDP
		n.say(1, "x")
		if got := heard(); got != 1 {
			n.Errorf("with a membership on the other interface: %d", got)
		}
		must(n, raw.Mcast(usrreq.McastBlock, n.at[1], n.group, n.from[1]))
		n.say(1, "x")
		if got := heard(); got != 0 {
			n.Errorf("from a source that it has blocked: %d", got)
		}
		empty(n, n.w)
	})
}

// TestFanoutCopiesNothing6 is TestFanoutCopiesNothing for IPv6.
func TestFanoutCopiesNothing6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newMcastNet(t, shards, true)
		socks := make([]usrreq.Sock, 1000)
		for i := range socks {
			socks[i] = n.ear(n.any, pcb.ReusePort)
			must(t, socks[i].Mcast(usrreq.McastJoinSource, n.at[0], n.group, n.from[0]))
		}
		run(n.c, time.Minute)
		copies := n.w.Sched().Pool().Counts().Copies
		send(t, n.senders[0], "to all", netip.AddrPortFrom(n.group, 5000).String())
		if c := n.w.Sched().Pool().Counts(); c.Bufs != 1 || c.Copies != copies {
			t.Errorf("%d buffers hold it, %d copies were made", c.Bufs, c.Copies-copies)
		}
		for _, s := range socks {
			expect(t, s, "to all")
		}
		empty(t, n.w)
	})
}

// TestEchoToGroup: only members answer (RFC 1112 §7.2, RFC 4443 §4.2).
func TestEchoToGroup(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newMcastNet(t, shards, true)
		ping, e := usrreq.ListenRaw(n.w.Stack("s"), wire.ProtoICMPv6, addr("::"), 0)
		must(t, e)
		must(t, ping.SetMulticastIf6(anIf))
		echo := func() (answers int) {
			if _, err := ping.WriteTo(echo6(8), netip.AddrPortFrom(n.group, 0), nil); err != nil {
				t.Fatal(err)
			}
			run(n.c, 5*time.Second)
			var info socket.Recv
			for b := make([]byte, 100); ; {
				k, err := ping.ReadFrom(b, &info, false)
				if err != nil {
					return answers
				}
				if k > 0 && b[0] == wire.ICMP6EchoReply {
					answers++
				}
			}
		}
		if got := echo(); got != 0 {
			t.Errorf("%d answers of who is no member", got)
		}
		s := n.ear(n.any, 0)
		n.join(s, 0)
		if got := echo(); got != 1 {
			t.Errorf("%d answers of a member", got)
		}
	})
}

func alert4() []byte { ra := wire.RouterAlert(); return ra[:] }

// frameTo is a frame with a packet of IPv4.
func (tp *tap) frameTo(dst wire.MAC, hd *wire.IPHeader, payload []byte) []byte {
	f := make([]byte, wire.EtherLen+hd.Len()+len(payload))
	wire.PutEther(f, dst, tp.mac, wire.EtherTypeIPv4)
	wire.PutIP(f[wire.EtherLen:], hd, len(payload))
	copy(f[wire.EtherLen+hd.Len():], payload)
	return f
}

func echo4(n int) []byte {
	b := make([]byte, 8+n)
	wire.PutICMP4(b, wire.ICMP4Echo, 0, 1<<16|1, n)
	return b
}
