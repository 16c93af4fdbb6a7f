package vnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
)

// several makes the three default routes of fibNet, which are of three tables, routes of
// table 0: what leaves by out<i> has taken that to gateway i.
func (n *fibNet) several(metrics ...uint32) {
	n.Helper()
	for i := range 3 {
		must(n.TB, control.DelRoute(n.st, i, n.anywhere()))
	}
	for i, metric := range metrics {
		must(n.TB, control.AddRoute(n.st, 0, control.Route{Dst: n.anywhere(), Gateway: n.host("out", i, 9), Metric: metric}))
	}
	n.settle()
}

// by returns how many packets have left by each gateway.
func (n *fibNet) by() (k [3]int) {
	run(n.c, 10*time.Millisecond)
	for i := range k {
		k[i] = len(n.packets(n.out[i]))
	}
	return k
}

// only returns the one gateway that packets have left by, -1 if there was none or more.
func (n *fibNet) only() int {
	way := -1
	for i, k := range n.by() {
		if k != 0 && way != -1 {
			return -1
		} else if k != 0 {
			way = i
		}
	}
	return way
}

// spread checks that gateways have even shares: the chi square of three shares is above
// 20 once in 20,000 times, and the flows are always the same ones.
func (n *fibNet) spread(what string, k [3]int) {
	n.Helper()
	all := float64(k[0] + k[1] + k[2])
	var chi float64
	for i := range k {
		d := float64(k[i]) - all/3
		chi += d * d / (all / 3)
	}
	if chi > 20 || all == 0 {
		n.Errorf("%s: %v, chi square %.1f", what, k, chi)
	}
}

// flow is the ends of one of many flows.
func (n *fibNet) flow(i int) (from, to netip.AddrPort) {
	from = netip.AddrPortFrom(n.host("in", 0, 2+i%100), uint16(1024+i))
	return from, n.far(uint16(7 + i%3))
}

// What is forwarded is spread over the routes of one metric, flow by flow: every packet
// of a flow takes the same, alone or in a batch, and so do errors about it.
func TestECMPForward(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		n.several(0, 0, 0)
		must(n.TB, n.st.SetSysctl("net.inet6.ip6.redirect", 0))
		const flows = 600
		var way [flows]int
		var k [3]int
		for i := range way {
			from, to := n.flow(i)
			n.in[0].inject(n.udp(n.in[0], from, to))
			if way[i] = n.only(); way[i] < 0 {
				n.Fatal("a packet that left by none, or by several")
			}
			k[way[i]]++
		}
		n.spread("flows", k)
		for i := 0; i < flows; i += 7 {
			from, to := n.flow(i)
			for range 3 {
				n.in[0].inject(n.udp(n.in[0], from, to), n.udp(n.in[0], from, to))
			}
			if got := n.only(); got != way[i] {
				n.Errorf("flow %d: by %d, then by %d", i, way[i], got)
			}
		}
		// An error that somebody behind us sends about a packet of the flow's other
		// direction.
		for i := 0; i < flows; i += 13 {
			from, to := n.flow(i)
			quote := n.udp(n.in[0], to, from)[wire.EtherLen:]
			src := n.host("in", 0, 2)
			if n.is6 {
				m := make([]byte, wire.ICMP6Len)
				wire.PutICMP6(m, wire.ICMP6Unreachable, 0, 0)
				n.in[0].inject(n.in[0].icmp6Frame(src, to.Addr(), 64, append(m, quote...)))
			} else {
				m := make([]byte, wire.ICMP4Len, 100)
				m = append(m, quote...)
				wire.PutICMP4(m, wire.ICMP4Unreachable, 1, 0, len(quote))
				n.in[0].inject(ipFrame(n.in[0].peer, n.in[0].mac, wire.IPv4Header{TTL: 64, Proto: wire.ProtoICMP, Src: src, Dst: to.Addr()}, m))
			}
			if got := n.only(); got != way[i] {
				n.Errorf("an error about flow %d, which leaves by %d, left by %d", i, way[i], got)
			}
		}
		// What we say of a packet goes the way of the flow's answers.
		for i := 0; i < flows; i += 17 {
			from, to := n.flow(i)
			n.in[0].inject(n.udp(n.in[0], to, netip.AddrPortFrom(n.host("in", 0, 1), from.Port())))
			first := n.only()
			n.in[0].inject(n.udp(n.in[0], to, netip.AddrPortFrom(n.host("in", 0, 1), from.Port())))
			if got := n.only(); got != first || got < 0 {
				n.Errorf("two errors by %d and %d", first, got)
			}
		}
	})
}

// A route that comes or goes moves no flow between those that stay; a worse one waits
// until the others are gone, or their interfaces down.
func TestECMPChange(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		n.several(5, 5, 9)
		ways := func() (way [200]int) {
			for i := range way {
				from, to := n.flow(i)
				n.in[0].inject(n.udp(n.in[0], from, to))
				way[i] = n.only()
			}
			return way
		}
		before := ways()
		for i, w := range before {
			if w != 0 && w != 1 {
				n.Fatalf("flow %d by %d", i, w)
			}
		}
		must(n.TB, control.DelRouteVia(n.st, 0, n.anywhere(), n.host("out", 2, 9), 0))
		must(n.TB, control.AddRoute(n.st, 0, control.Route{Dst: n.anywhere(), Gateway: n.host("out", 2, 9), Metric: 5}))
		for i, w := range ways() {
			if w != before[i] && w != 2 {
				n.Errorf("with a third, flow %d moved from %d to %d", i, before[i], w)
			}
		}
		must(n.TB, control.ChangeRoute(n.st, 0, control.Route{Dst: n.anywhere(), Gateway: n.host("out", 2, 9), Metric: 9}))
		if got := ways(); got != before {
			n.Error("without it, flows are not where they were")
		}
		out := n.st.View().Named("out0").Index
		must(n.TB, control.SetUp(n.st, out, false))
		for i, w := range ways() {
			if w != 1 {
				n.Errorf("one down: flow %d by %d", i, w)
			}
		}
		must(n.TB, control.SetUp(n.st, n.st.View().Named("out1").Index, false))
		for i, w := range ways() {
			if w != 2 {
				n.Errorf("both down: flow %d by %d", i, w)
			}
		}
		must(n.TB, control.SetUp(n.st, out, true))
		for i, w := range ways() {
			if w != 0 {
				n.Errorf("one up again: flow %d by %d", i, w)
			}
		}
	})
}

// What is made here is spread as well, and a source address leaves by the interface that
// has it.
func TestECMPLocal(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		n.several(0, 0, 0)
		var udp, tcp [3]int
		for i := range 300 {
			s := n.socket(0)
			to := n.far(uint16(1000 + i))
			send(n.TB, s, "x", to.String())
			way := n.only()
			if way < 0 {
				n.Fatal("a datagram by none, or by several")
			}
			udp[way]++
			must(n.TB, s.Connect(to))
			src := s.LocalAddr().Addr()
			for range 3 {
				if _, err := s.WriteTo([]byte("x"), netip.AddrPort{}, nil); err != nil {
					n.Fatal(err)
				}
			}
			if by := n.only(); by < 0 || src != n.host("out", by, 1) {
				n.Errorf("connected: from %v by %d", src, by)
			}
			s.Close()
			c, e := usrreq.ConnectTCP(n.st, n.any(0), n.far(80), &socket.TCPOptions{})
			must(n.TB, e)
			if way = n.only(); way < 0 || c.LocalAddr().Addr() != n.host("out", way, 1) {
				n.Fatalf("a SYN from %v by %d", c.LocalAddr(), way)
			}
			tcp[way]++
			c.Abort()
			n.settle()
		}
		n.spread("datagrams", udp)
		n.spread("connections", tcp)
		for i := range 3 { // bound to an address
			s, e := usrreq.ListenUDP(n.st, netip.AddrPortFrom(n.host("out", i, 1), 0), 0, 0)
			must(n.TB, e)
			for port := range uint16(20) {
				send(n.TB, s, "x", n.far(1000+port).String())
			}
			n.left("bound to its address", i)
		}
	})
}

// Host routes, rejecting and black-hole ones among several metrics, to whom they apply.
func TestRouteKinds(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		host := netip.PrefixFrom(n.far(0).Addr(), n.far(0).Addr().BitLen())
		must(n.TB, control.AddRoute(n.st, 0, control.Route{Dst: host, Gateway: n.host("out", 2, 9)}))
		s := n.socket(0)
		send(n.TB, s, "x", n.far(7).String())
		n.left("host route", 2)
		if r, e := control.GetRoute(n.st, 0, n.far(0).Addr()); e != 0 || r.Flags.String() != "UGHS" || r.Dst != host {
			n.Errorf("host route: %+v, %v", r, e)
		}
		for _, kind := range []control.Route{{Reject: true}, {Blackhole: true}} {
			kind.Dst = host
			must(n.TB, control.ChangeRoute(n.st, 0, kind))
			_, err := s.WriteTo([]byte("x"), n.far(7), nil)
			if kind.Reject != (err != nil) {
				n.Errorf("%+v: %v", kind, err)
			}
			n.in[0].inject(n.transit(0))
			run(n.c, 10*time.Millisecond)
			if told := len(n.packets(n.in[0])); kind.Reject != (told == 1) {
				n.Errorf("%+v: the sender was told %d times", kind, told)
			}
			if k := n.by(); k != [3]int{} {
				n.Errorf("%+v: %v left", kind, k)
			}
		}
		kept := control.Route{Dst: host, Gateway: n.host("out", 1, 9)} // metric 0, as the blackhole
		must(n.TB, control.ChangeRoute(n.st, 0, control.Route{Dst: host, Blackhole: true, Metric: 1}))
		must(n.TB, control.AddRoute(n.st, 0, kept))
		send(n.TB, s, "x", n.far(7).String())
		n.left("before a black hole of a worse metric", 1)
		if r, _ := control.GetRoute(n.st, 0, n.far(0).Addr()); r.Flags&fib.Blackhole != 0 {
			n.Errorf("%+v", r)
		}
		must(n.TB, control.DelRouteVia(n.st, 0, host, kept.Gateway, 0))
		if _, err := s.WriteTo([]byte("x"), n.far(7), nil); err != nil {
			n.Errorf("into the black hole: %v", err)
		}
		if k := n.by(); k != [3]int{} {
			n.Errorf("into the black hole: %v left", k)
		}
	})
}

// SO_DONTROUTE: the interface is one of the socket's table whose subnet the destination
// is in (behaviour 4.2), routes or not.
func TestDontRouteByFIB(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		for table := range 3 {
			s := n.socket(table)
			s.SetDontRoute(true)
			for i := range 3 {
				_, err := s.WriteTo([]byte("x"), netip.AddrPortFrom(n.host("in", i, 7), 7), nil)
				run(n.c, 10*time.Millisecond)
				if got := len(n.packets(n.in[i])); (err == nil) != (i == table) || (got == 1) != (i == table) {
					n.Errorf("table %d to the link of table %d: %d packets, %v", table, i, got, err)
				}
			}
			if _, err := s.WriteTo([]byte("x"), n.far(7), nil); fmt.Sprint(err) != "network is unreachable" {
				n.Errorf("by a gateway: %v", err)
			}
		}
		s := n.socket(1)
		s.SetDontRoute(true)
		net := netip.PrefixFrom(n.host("in", 1, 0), n.host("in", 1, 0).BitLen()-8)
		must(n.TB, control.DelRoute(n.st, 1, net))
		send(n.TB, s, "x", netip.AddrPortFrom(n.host("in", 1, 7), 7).String())
		run(n.c, 10*time.Millisecond)
		if got := len(n.packets(n.in[1])); got != 1 {
			n.Errorf("without its route: %d packets", got)
		}
	})
}

// A join that names no interface is on that of the route to the group in the socket's
// table (behaviour 4.2, 6.4).
func TestJoinByFIB(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		group, all := addr("239.1.2.3"), prefix("224.0.0.0/4")
		if n.is6 {
			group, all = addr("ff15::123"), prefix("ff00::/8")
		}
		for i := range 3 {
			must(n.TB, control.AddRoute(n.st, i, control.Route{Dst: all, IfIndex: n.st.View().Named(fmt.Sprint("in", (i+1)%3)).Index}))
		}
		for i := range 3 {
			s := n.socket(i)
			must(n.TB, s.Mcast(usrreq.McastJoin, usrreq.McastIf{Any: true}, group, netip.Addr{}))
			for k := range 3 {
				at := usrreq.McastIf{Index: n.st.View().Named(fmt.Sprint("in", k)).Index}
				if _, e := s.SourceFilter(at, group); (e == 0) != (k == (i+1)%3) {
					n.Errorf("joined in table %d: on in%d %v", i, k, e)
				}
			}
			s.Close()
		}
	})
}

// Rules 10 and 11: whether who asks for an address is on the link, and whether we answer
// for another, is decided by the table of the interface.
func TestFIBRule10(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newFIBNet(t, shards, false)
		stranger, far := addr("172.16.0.5"), addr("172.17.0.5")
		must(t, control.AddRoute(n.st, 1, control.Route{Dst: prefix("172.16.0.0/24"), IfIndex: n.st.View().Named("in1").Index}))
		must(t, control.AddRoute(n.st, 0, control.Route{Dst: prefix("172.16.0.0/24"), IfIndex: n.st.View().Named("in2").Index}))
		known := func(i int) bool {
			all, e := control.Neighbors(n.st, n.st.View().Named(fmt.Sprint("in", i)).Index)
			must(t, e)
			return slices.ContainsFunc(all, func(e arp.Entry) bool { return e.IP == stranger })
		}
		asks := func(i int, sender, target netip.Addr) bool {
			tp := n.in[i]
			tp.take()
			tp.inject(arpFrame(wire.BroadcastMAC(), tp.mac, wire.ARPRequest, sender, target))
			return len(tp.takeARP()) != 0
		}
		for i := range 3 {
			asks(i, stranger, n.host("in", i, 1))
			if got := known(i); got != (i == 1) {
				t.Errorf("rule 10: who is on the link by table 1, and in table 0 by that of in2, is known on in%d: %v", i, got)
			}
		}
		must(t, n.st.SetSysctl("net.link.ether.inet.proxyall", 1))
		for i := range 3 {
			must(t, control.DelRoute(n.st, i, n.anywhere()))
		}
		must(t, control.AddRoute(n.st, 2, control.Route{Dst: prefix("172.17.0.0/24"), IfIndex: n.st.View().Named("out2").Index}))
		for i := range 3 {
			if got := asks(i, n.host("in", i, 2), far); got != (i == 2) {
				t.Errorf("rule 11: asked in table %d for an address that table 2 leads to, we answer: %v", i, got)
			}
		}
		n.end()
	})
}

// Rule 12: neighbour solicitations of ours and advertisements leave by the interface they
// are about, though its table has no route to who asked or is asked.
func TestFIBRule12(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newFIBNet(t, shards, true)
		for i := range 3 {
			self := n.host("in", i, 1)
			for table := range 3 {
				must(t, control.DelRoute(n.st, table, netip.PrefixFrom(self, self.BitLen()-8).Masked()))
				if i == 0 {
					must(t, control.DelRoute(n.st, table, n.anywhere()))
				}
			}
			ns := wire.AppendNDLinkAddr(wire.AppendNS(nil, self), wire.NDSourceLinkAddr, n.in[i].mac)
			link := addr("fe80::7")
			n.in[i].inject(n.in[i].icmp6Frame(link, self, 255, ns))
			run(n.c, time.Second)
			answered := [3]int{}
			for k := range 3 {
				for _, f := range n.in[k].take() {
					if ip, fault := wire.ParseIPv6(wire.Ether(f).Payload()); fault == wire.OK && ip.NextHeader() == wire.ProtoICMPv6 && wire.ICMP6(ip.Payload()).Type() == wire.ICMP6NeighborAdvert && ip.Dst() == link {
						answered[k]++
					}
				}
			}
			want := [3]int{}
			if want[i] = 1; answered != want {
				t.Errorf("asked %v on in%d for %v, answered %v", link, i, self, answered)
			}
		}
		n.end()
	})
}
