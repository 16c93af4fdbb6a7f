package vnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// The rules by which a packet gets its table, a test for each row of behaviour 4.3.
// Not here, because what they are about is elsewhere or not there at all: rules 6 to
// 7 (tunnels have tests of their own), 15 (there are no VLAN interfaces), 18 (jails
// have theirs), 19 (there is no SCTP), of 20 dummynet. What of rule 3 is a matter of
// ipfw (which of two setfib counts, numbers refused when a rule is added) is that of
// whoever implements Filter: a table that does not exist, the packet's present table
// and the single question are not.

// fibNet is a router with three tables. Table i has the interface in<i>, where packets
// come in, and its default route leads to a gateway on the link of out<i>, an interface
// of table 0: what leaves by out<i> was routed by table i.
type fibNet struct {
	testing.TB
	c       *clock.Sim
	w       *vnet.World
	st      *vnet.Stack
	is6     bool
	in, out [3]*tap
	filter  rules
}

// inFIBs runs a test for both families, and with 1 and 4 shards.
func inFIBs(t *testing.T, f func(n *fibNet)) {
	for _, is6 := range []bool{false, true} {
		forShards(t, func(t *testing.T, shards int) {
			n := newFIBNet(t, shards, is6)
			f(n)
			n.end()
		})
	}
}

func newFIBNet(t testing.TB, shards int, is6 bool) *fibNet {
	t.Helper()
	n := &fibNet{TB: t, c: clock.NewSim(), is6: is6}
	n.w = vnet.NewWorld(vnet.Config{Clock: n.c})
	st, e := stacktest.New(t, n.w, vnet.StackConfig{Name: "r", Shards: shards})
	must(t, e)
	n.st = st
	must(t, control.SetFIBs(st, 3))
	for _, name := range []string{"net.inet.ip.forwarding", "net.inet6.ip6.forwarding"} {
		must(t, st.SetSysctl(name, 1))
	}
	must(t, st.SetSysctl("net.inet.icmp.icmplim", 0))
	must(t, st.SetSysctl("net.inet6.icmp6.errppslimit", -1))
	for i := range 3 {
		n.in[i], _ = n.plug("in", i, i)
		var index uint32
		n.out[i], index = n.plug("out", i, 0)
		gw := n.host("out", i, 9)
		must(t, control.AddRoute(st, i, control.Route{Dst: netip.PrefixFrom(gw, gw.BitLen()), IfIndex: index}))
		must(t, control.AddRoute(st, i, control.Route{Dst: n.anywhere(), Gateway: gw}))
	}
	n.settle()
	return n
}

// plug makes the interface <name><i> of a table.
func (n *fibNet) plug(name string, i, table int) (*tap, uint32) {
	n.Helper()
	ep := link.NewEpair(0)
	self := n.host(name, i, 1)
	index, e := control.AddInterface(n.st, control.IfaceConfig{
		Name: fmt.Sprint(name, i), Port: ep.A(), FIB: table,
		Addrs: []netip.Prefix{netip.PrefixFrom(self, self.BitLen()-8)},
	})
	must(n.TB, e)
	tp := tapOn(n.w, ep, n.st, index)
	tp.owns = func(a netip.Addr) bool { return !n.st.View().IsOurs(a) }
	return tp, index
}

// host is a host on the link of an interface; that of number 1 is the router.
func (n *fibNet) host(name string, i, host int) netip.Addr {
	if name == "out" {
		i += 10
	}
	if n.is6 {
		return addr(fmt.Sprintf("2001:db8:0:%d::%x", i, host))
	}
	return netip.AddrFrom4([4]byte{10, 0, byte(i), byte(host)})
}

// far is a host that only the default routes lead to.
func (n *fibNet) far(port uint16) netip.AddrPort {
	if n.is6 {
		return netip.AddrPortFrom(addr("2001:db8:ff::9"), port)
	}
	return netip.AddrPortFrom(addr("192.0.2.9"), port)
}

func (n *fibNet) anywhere() netip.Prefix {
	if n.is6 {
		return prefix("::/0")
	}
	return prefix("0.0.0.0/0")
}

func (n *fibNet) any(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(n.anywhere().Addr(), port)
}

// settle lets a moment pass and forgets what was sent.
func (n *fibNet) settle() {
	run(n.c, 10*time.Millisecond)
	for i := range 3 {
		n.in[i].take()
		n.out[i].take()
	}
}

// packets are those that have come to a tap, less those of neighbours and groups.
func (n *fibNet) packets(tp *tap) (all []wire.Packet) {
	if n.is6 {
		for _, ip := range tp.take6(n) {
			all = append(all, wire.Packet6(ip, &wire.Ext{Off: wire.IPv6Len, Proto: ip.NextHeader()}))
		}
		return all
	}
	for _, ip := range tp.takeIP(n) {
		all = append(all, wire.Packet4(ip))
	}
	return all
}

// left checks that what was sent, and something was, has left by table i, and returns
// it.
func (n *fibNet) left(what string, i int) []wire.Packet {
	n.Helper()
	run(n.c, 10*time.Millisecond)
	var mine []wire.Packet
	for k := range 3 {
		all := n.packets(n.out[k])
		if (len(all) != 0) != (k == i) {
			n.Errorf("%s: %d packets by table %d, all should leave by %d", what, len(all), k, i)
		}
		if k == i {
			mine = all
		}
	}
	return mine
}

// socket is a UDP socket of a table.
func (n *fibNet) socket(table int) usrreq.Sock {
	n.Helper()
	s, e := usrreq.ListenUDP(n.st, n.any(0), uint32(table), 0)
	must(n.TB, e)
	return s
}

// udp is a datagram in a frame.
func (n *fibNet) udp(tp *tap, from, to netip.AddrPort) []byte {
	if n.is6 {
		return tp.udp6Frame(from.String(), to.String(), "data", wire.ProtoUDP)
	}
	return tp.udpFrame(from.String(), to.String(), "data")
}

// transit is a datagram on its way through, in a frame from the link of in<i>.
func (n *fibNet) transit(i int) []byte {
	return n.udp(n.in[i], netip.AddrPortFrom(n.host("in", i, 2), 5), n.far(7))
}

// echo is an echo request in a frame.
func (n *fibNet) echo(tp *tap, from, to netip.Addr, ttl uint8) []byte {
	if n.is6 {
		return tp.icmp6Frame(from, to, ttl, echo6(8))
	}
	return tp.echoFrame(from.String(), to.String(), ttl, 8)
}

// syn is the first segment of a connection, in a frame.
func (n *fibNet) syn(tp *tap, from, to netip.AddrPort) []byte {
	seg := make([]byte, wire.TCPLen)
	wire.PutTCP(seg, &wire.TCPHeader{SrcPort: from.Port(), DstPort: to.Port(), Seq: 1, Flags: wire.SYN, Window: 1000})
	if n.is6 {
		f := tp.frame6(from.Addr(), to.Addr(), 64, wire.ProtoTCP, seg)
		wire.CompleteEther(f)
		return f
	}
	f := ipFrame(tp.peer, tp.mac, wire.IPv4Header{TTL: 64, Proto: wire.ProtoTCP, Src: from.Addr(), Dst: to.Addr()}, seg)
	wire.CompleteEther(f)
	return f
}

// setFilter has the filter see every packet.
func (n *fibNet) setFilter(in, out pfil.Verdict) {
	n.filter = rules{in: in, out: out}
	control.SetFilter(n.st, &n.filter)
}

func (n *fibNet) end() {
	n.Helper()
	control.SetFilter(n.st, nil)
	empty(n.TB, n.w)
}

// Rule 0: what nothing is known of has table 0.
func TestFIBRule0(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		s, e := usrreq.ListenUDP(n.st, n.any(0), 0, 0)
		must(n.TB, e)
		if s.FIB() != 0 {
			n.Errorf("a plain socket has table %d", s.FIB())
		}
		send(n.TB, s, "x", n.far(7).String())
		n.left("a plain socket's", 0)
	})
}

// Rule 1: what a socket sends has the socket's table, from its next packet on if it is
// changed.
func TestFIBRule1(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		s := n.socket(0)
		for _, table := range []int{1, 2, 0} {
			must(n.TB, s.SetFIB(table))
			send(n.TB, s, "x", n.far(7).String())
			n.left("after SetFIB", table)
		}
		must(n.TB, s.Connect(n.far(7)))
		for _, table := range []int{1, 0, 2} {
			must(n.TB, s.SetFIB(table))
			if _, err := s.WriteTo([]byte("x"), netip.AddrPort{}, nil); err != nil {
				n.Error(err)
			}
			n.left("connected, after SetFIB", table)
		}
		for _, table := range []int{-2, -1, 3, 4, 65536} {
			if e := s.SetFIB(table); e != syscall.EINVAL {
				n.Errorf("SetFIB(%d): %v", table, e)
			}
		}
		if s.FIB() != 2 {
			n.Errorf("refused, it has table %d", s.FIB())
		}
	})
}

// Rule 1b: so for raw sockets, UDP, and the SYN of TCP.
func TestFIBRule1b(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		proto, request := uint8(wire.ProtoICMP), echo4(8)
		if n.is6 {
			proto, request = wire.ProtoICMPv6, echo6(8)
		}
		for table := range 3 {
			send(n.TB, n.socket(table), "x", n.far(7).String())
			n.left("UDP", table)
			raw, e := usrreq.ListenRaw(n.st, proto, n.anywhere().Addr(), uint32(table))
			must(n.TB, e)
			if _, err := raw.WriteTo(request, netip.AddrPortFrom(n.far(0).Addr(), 0), nil); err != nil {
				n.Error(err)
			}
			n.left("raw", table)
			c, e := usrreq.ConnectTCP(n.st, n.any(0), n.far(80), &socket.TCPOptions{FIB: uint32(table)})
			must(n.TB, e)
			n.left("SYN", table)
			c.Abort()
		}
	})
}

// Rule 2: what is forwarded has the table of the interface it came by.
func TestFIBRule2(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		for i := range 3 {
			n.in[i].inject(n.transit(i))
			n.left("one", i)
			n.in[i].inject(slices.Repeat([][]byte{n.transit(i)}, 64)...)
			n.left("a batch", i)
		}
	})
}

// Rule 3: a filter's choice overrides the socket's and the interface's, for the packet.
func TestFIBRule3(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		s := n.socket(0)
		for table := range 3 {
			set := pfil.Verdict{Action: pfil.SetFIB, FIB: uint32(table)}
			n.setFilter(pfil.Verdict{}, set)
			send(n.TB, s, "x", n.far(7).String())
			n.left("out", table)
			n.in[1].inject(n.transit(1))
			n.left("out, forwarded", table)
			n.setFilter(set, pfil.Verdict{})
			n.in[1].inject(n.transit(1))
			n.left("in", table)
		}
		n.setFilter(pfil.Verdict{}, pfil.Verdict{})
		send(n.TB, s, "x", n.far(7).String())
		n.left("the next packet", 0)
	})
}

// Rule 3b: after a choice on the way out the route is looked up once more, and the
// filter not asked again.
func TestFIBRule3b(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		n.setFilter(pfil.Verdict{}, pfil.Verdict{Action: pfil.SetFIB, FIB: 1})
		s := n.socket(2)
		for i := range 5 {
			send(n.TB, s, "x", n.far(7).String())
			if len(n.filter.seen) != i+1 {
				n.Errorf("%d packets, the filter was asked %d times: %q", i+1, len(n.filter.seen), n.filter.seen)
			}
		}
		n.left("", 1)
		count(n.TB, n.st, map[string]uint64{"ip.rerouted": 5})
	})
}

// Rule 3c: a table that does not exist is table 0.
func TestFIBRule3c(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		s := n.socket(1)
		for _, table := range []uint32{3, 65535, 1<<32 - 1} {
			set := pfil.Verdict{Action: pfil.SetFIB, FIB: table}
			n.setFilter(set, pfil.Verdict{})
			n.in[1].inject(n.transit(1))
			n.left("in", 0)
			n.setFilter(pfil.Verdict{}, set)
			send(n.TB, s, "x", n.far(7).String())
			n.left("out", 0)
		}
	})
}

// Rule 3d: a filter sees the table that a packet has at that moment.
func TestFIBRule3d(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		n.setFilter(pfil.Verdict{Action: pfil.SetFIB, FIB: 2}, pfil.Verdict{})
		n.in[1].inject(n.transit(1))
		p := n.left("", 2)
		length := p[0].Len()
		n.filter.saw(n.TB, fmt.Sprintf("in in1 fib 1 rule 0 len %d", length), fmt.Sprintf("out out2 fib 2 rule 0 len %d", length))
		n.setFilter(pfil.Verdict{}, pfil.Verdict{})
		send(n.TB, n.socket(1), "data", n.far(7).String())
		n.filter.saw(n.TB, fmt.Sprintf("out out1 fib 1 rule 0 len %d", length))
		n.left("", 1)
	})
}

// Rule 4: what a listener answers, and connections it has accepted, have its table,
// whatever the SYN had; and keep it when the listener gets another.
func TestFIBRule4(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		l, e := usrreq.ListenTCP(n.st, n.any(80), 0, &socket.TCPOptions{FIB: 1})
		must(n.TB, e)
		from, to := n.far(5000), netip.AddrPortFrom(n.host("in", 0, 1), 80)
		shake := func(table int) usrreq.TCPSock {
			n.Helper()
			n.in[0].inject(n.syn(n.in[0], from, to))
			answer := n.left("SYN-ACK", table)
			seg, _ := wire.ParseTCP(answer[0].Payload())
			ack := make([]byte, wire.TCPLen)
			wire.PutTCP(ack, &wire.TCPHeader{SrcPort: from.Port(), DstPort: 80, Seq: 2, Ack: seg.Seq() + 1, Flags: wire.ACK, Window: 1000})
			f := n.syn(n.in[0], from, to)
			copy(f[len(f)-wire.TCPLen:], ack)
			wire.CompleteEther(f)
			n.in[0].inject(f)
			s, err := l.Accept(false)
			if err != nil {
				n.Fatal(err)
			}
			from = netip.AddrPortFrom(from.Addr(), from.Port()+1)
			return s
		}
		first := shake(1)
		must(n.TB, l.Option(func(o *socket.TCPOptions) { o.FIB = 2 }))
		second := shake(2)
		for table, s := range map[uint32]usrreq.TCPSock{1: first, 2: second} {
			if s.FIB() != table {
				n.Errorf("accepted with table %d, want %d", s.FIB(), table)
			}
			s.Abort()
			n.left("the end of it", int(table))
		}
		l.Close()
	})
}

// Rule 5: resets, errors, echo replies and cookies have the table of the packet they
// answer.
func TestFIBRule5(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		for i := range 3 {
			tp, self := n.in[i], n.host("in", i, 1)
			tp.inject(n.echo(tp, n.far(0).Addr(), self, 64))
			n.left("echo reply", i)
			tp.inject(n.udp(tp, n.far(7), netip.AddrPortFrom(self, 99)))
			n.left("port unreachable", i)
			tp.inject(n.echo(tp, n.far(0).Addr(), n.host("out", i, 5), 1))
			n.left("time exceeded", i)
			tp.inject(n.syn(tp, n.far(5000), netip.AddrPortFrom(self, 81)))
			n.left("reset", i)
		}
		must(n.TB, n.st.SetSysctl("net.inet.tcp.syncookies_only", 1))
		l, e := usrreq.ListenTCP(n.st, n.any(80), 0, &socket.TCPOptions{FIB: 1})
		must(n.TB, e)
		for i := range 3 {
			n.in[i].inject(n.syn(n.in[i], n.far(5000), netip.AddrPortFrom(n.host("in", i, 1), 80)))
			n.left("cookie", i)
		}
		l.Close()
	})
}

// Rule 5: what a filter has chosen on the way in counts for the answer.
func TestFIBRule5Filtered(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		n.setFilter(pfil.Verdict{Action: pfil.SetFIB, FIB: 2}, pfil.Verdict{})
		n.in[1].inject(n.udp(n.in[1], n.far(7), netip.AddrPortFrom(n.host("in", 1, 1), 99)))
		n.left("port unreachable", 2)
	})
}

// Rule 8: what is put back by a divert socket has the table that the socket says.
func TestFIBRule8(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		c := new(catcher)
		must(n.TB, control.SetDivert(n.st, 8668, c))
		n.setFilter(pfil.Verdict{}, pfil.Verdict{Action: pfil.Divert, Port: 8668, Tag: 50})
		send(n.TB, n.socket(2), "data", n.far(7).String())
		if len(c.got) != 1 || c.got[0].FIB != 2 {
			n.Fatalf("diverted %+v", c.got)
		}
		for table := range uint32(3) {
			m := c.got[0]
			m.FIB = table
			must(n.TB, control.Reinject(n.st, c.pkt[0], m))
			n.left("out again", int(table))
		}
		n.setFilter(pfil.Verdict{Action: pfil.Divert, Port: 8668, Tag: 50}, pfil.Verdict{})
		n.in[1].inject(n.transit(1))
		if len(c.got) != 2 || c.got[1].FIB != 1 {
			n.Fatalf("diverted %+v", c.got)
		}
		for table := range uint32(3) {
			m := c.got[1]
			m.FIB = table
			must(n.TB, control.Reinject(n.st, c.pkt[1], m))
			n.left("in again", int(table))
		}
		m := c.got[1]
		m.FIB = 3
		if e := control.Reinject(n.st, c.pkt[1], m); e != syscall.EINVAL {
			n.Errorf("put back with table 3 of 3: %v", e)
		}
		must(n.TB, control.SetDivert(n.st, 8668, nil))
	})
}

// Rule 9: a packet put together has the table of its first fragment, whichever came
// first.
func TestFIBRule9(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		self := n.host("in", 0, 1)
		for id, order := range [][2]int{{1, 2}, {2, 1}} {
			first, second := n.in[order[0]], n.in[order[1]]
			for _, late := range []bool{false, true} {
				from, to := n.far(7), netip.AddrPortFrom(self, 99)
				pieces := func(tp *tap) [][]byte {
					ident := uint16(2*id + 1)
					if late {
						ident++
					}
					if n.is6 {
						return tp.frags6(from.String(), to.String(), pattern(32), uint32(ident), wire.ProtoFragment, nil, [2]int{0, 24}, [2]int{24, 40})
					}
					return fragFrames(tp, ident, from.String(), to.String(), pattern(32), [2]int{0, 24}, [2]int{24, 40})
				}
				if late {
					second.inject(pieces(second)[1])
					first.inject(pieces(first)[0])
				} else {
					first.inject(pieces(first)[0])
					second.inject(pieces(second)[1])
				}
				n.left(fmt.Sprint("error about it, first came last: ", late), order[0])
			}
		}
	})
}

// Rule 14: a default route and a prefix that a router advertises are in the table of
// the interface that heard it: TestRFC4862Section5_5, and here with interface routes
// in all tables.
func TestFIBRule14(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		for table := range 2 {
			n := newSlaac(t, shards, table)
			run(n.c, 10*time.Second)
			if r := control.Routes(n.host, 1-table); len(r) != 0 {
				t.Errorf("table %d has %v of what table %d heard", 1-table, r, table)
			}
			if r := control.Routes(n.host, table); len(r) != 2 {
				t.Errorf("table %d has %v", table, r)
			}
			empty(t, n.w)
		}
	})
}

// Rule 16: reports about groups leave by the interface of the group, in whatever table
// that is.
func TestFIBRule16(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		group := addr("239.1.2.3")
		if n.is6 {
			group = addr("ff15::123")
		}
		run(n.c, 10*time.Second)
		n.settle()
		for i := range 3 {
			s := n.socket((i + 1) % 3)
			c := n.st.View().Named(fmt.Sprint("in", i))
			must(n.TB, s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: c.Index}, group, netip.Addr{}))
			run(n.c, 10*time.Second)
			for k := range 3 {
				if got := len(n.in[k].take()); (got != 0) != (k == i) {
					n.Errorf("joined on in%d, %d frames on in%d", i, got, k)
				}
			}
			s.Close()
			run(n.c, 10*time.Second)
			n.settle()
		}
	})
}

// Rule 17: a next hop that a filter names is found in the packet's table.
func TestFIBRule17(t *testing.T) {
	inFIBs(t, func(n *fibNet) {
		next := n.far(0).Addr()
		n.setFilter(pfil.Verdict{}, pfil.Verdict{Action: pfil.Reroute, NextHop: next})
		for i := range 3 {
			send(n.TB, n.socket(i), "x", netip.AddrPortFrom(n.host("out", 0, 77), 7).String())
			n.left("out", i)
		}
		n.setFilter(pfil.Verdict{Action: pfil.Reroute, NextHop: next}, pfil.Verdict{})
		for i := range 3 {
			n.in[i].inject(n.udp(n.in[i], netip.AddrPortFrom(n.host("in", i, 2), 5), netip.AddrPortFrom(n.host("out", 0, 77), 7)))
			n.left("in", i)
		}
	})
}

// Rule 20: a packet keeps its table through the queues, whoever runs the stack, and
// through the one where it waits for its next hop.
func TestFIBRule20(t *testing.T) {
	for _, policy := range []netisr.Policy{netisr.Hybrid, netisr.Deferred} {
		inFIBs(t, func(n *fibNet) {
			n.w.Sched().SetPolicy(policy)
			for i := range 3 {
				n.in[i].inject(n.transit(i))
				n.left("forwarded", i)
				n.in[i].inject(n.udp(n.in[i], n.far(7), netip.AddrPortFrom(n.host("in", i, 1), 99)))
				n.left("answered", i)
			}
		})
	}
	inFIBs(t, func(n *fibNet) {
		n.in[0].owns = func(netip.Addr) bool { return false } // nobody is there
		for i := 1; i < 3; i++ {
			for range 8 {
				n.in[i].inject(n.udp(n.in[i], n.far(5), netip.AddrPortFrom(n.host("in", 0, 200+i), 7)))
				run(n.c, time.Second)
			}
			n.left("nobody there, said to who sent it", i)
			run(n.c, time.Minute)
			n.settle()
		}
	})
}
