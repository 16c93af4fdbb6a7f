package vnet_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
)

// rules is a Filter that counts and says what the test wants of UDP packets;
// everything else passes.
type rules struct {
	in, out pfil.Verdict
	seen    []string // "in e1 rule 0: 20 bytes" …
}

// Filter implements Filter.
func (f *rules) Filter(p *pfil.Packet) pfil.Verdict {
	if p.IP.Proto() != wire.ProtoUDP {
		return pfil.Verdict{}
	}
	v, way := f.in, "in "+p.In
	if p.Out != "" {
		v, way = f.out, "out "+p.Out
	}
	f.seen = append(f.seen, fmt.Sprintf("%s fib %d rule %d len %d", way, p.FIB, p.Rule, p.IP.Len()))
	if p.Rule != 0 {
		return pfil.Verdict{} // what follows the rule that diverted
	}
	return v
}

func (f *rules) saw(t testing.TB, want ...string) {
	t.Helper()
	if len(want) == 0 {
		want = nil
	}
	if got := fmt.Sprintf("%q", f.seen); got != fmt.Sprintf("%q", want) {
		t.Errorf("the filter saw\n\t%s, want\n\t%q", got, want)
	}
	f.seen = nil
}

// catcher is a divert socket that keeps what it is given.
type catcher struct {
	got []pfil.Diverted
	pkt [][]byte
}

// Divert implements Diverter.
func (c *catcher) Divert(r *netisr.Runner, b *pkt.Buf, m pfil.Diverted) {
	c.got = append(c.got, m)
	c.pkt = append(c.pkt, append([]byte(nil), b.Bytes()...))
	r.Cache.Free(b)
}

// check verifies that a diverted packet is whole and has complete checksums.
func (c *catcher) check(t testing.TB, i int) {
	t.Helper()
	ip, f := wire.ParseIPv4(c.pkt[i])
	if f != wire.OK || len(ip) != len(c.pkt[i]) || !ip.ChecksumOK() {
		t.Fatalf("diverted % x", c.pkt[i])
	}
	if u, f := wire.ParseUDP(ip.Payload()); f != wire.OK || u.Checksum() == 0 || !u.ChecksumOK(ip.Src(), ip.Dst()) {
		t.Errorf("diverted with UDP checksum %#x", u.Checksum())
	}
}

// filtered is a router with a socket, and a filter.
func filtered(t testing.TB, shards int) (*router, *rules, usrreq.Sock) {
	r := newRouter(t, shards)
	f := new(rules)
	control.SetFilter(r.st, f)
	s := listen(t, r.st, "0.0.0.0:7")
	for i := 1; i <= 3; i++ {
		r.taps[i].learn(fmt.Sprintf("10.0.%d.2", i), fmt.Sprintf("10.0.%d.1", i))
	}
	return r, f, s
}

func (r *router) udp(to string) { r.taps[1].inject(r.taps[1].udpFrame("10.0.1.2:9", to, "data")) }

func TestFilterPassAndDrop(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		r.udp("10.0.1.1:7")
		expect(t, s, "data")
		f.saw(t, "in e1 fib 0 rule 0 len 32")
		r.udp("10.0.3.2:7") // forwarded: once in, once out
		f.saw(t, "in e1 fib 0 rule 0 len 32", "out e3 fib 0 rule 0 len 32")
		send(t, s, "x", "10.0.3.2:7")
		f.saw(t, "out e3 fib 0 rule 0 len 29")
		send(t, s, "x", "10.0.1.1:7") // to ourselves: out and in by lo0
		f.saw(t, "out lo0 fib 0 rule 0 len 29", "in lo0 fib 0 rule 0 len 29")
		expect(t, s, "x")
		r.taps[3].take()

		f.in.Action, f.out.Action = pfil.Drop, pfil.Drop
		r.udp("10.0.1.1:7")
		expectNone(t, s)
		if _, err := s.WriteTo([]byte("x"), addrPort("10.0.3.2:7"), nil); err != syscall.EACCES {
			t.Errorf("a local sender: %v", err)
		}
		f.in.Action = pfil.Pass
		r.udp("10.0.3.2:7")
		count(t, r.st, map[string]uint64{"drop.filtered": 3})
		r.quiet(t)
	})
}

// TestFilterDeliver: a packet a filter claims is for this stack.
func TestFilterDeliver(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		f.in.Action = pfil.Deliver
		r.udp("192.0.2.1:7")
		if info := expect(t, s, "data"); info.To != addr("192.0.2.1") {
			t.Errorf("delivered as to %v", info.To)
		}
		r.taps[1].inject(fragFrames(r.taps[1], 3, "10.0.1.2:9", "192.0.2.1:7", pattern(992), [2]int{504, 1000}, [2]int{0, 504})...)
		expect(t, s, string(pattern(992)))
		r.quiet(t)
	})
}

// TestFilterDivert: a diverted packet can be put back where it was taken from,
// and the filter goes on behind the rule that diverted it.
func TestFilterDivert(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		div := pfil.Verdict{Action: pfil.Divert, Port: 8668, Tag: 50}
		f.in = div
		r.udp("10.0.1.1:7")
		count(t, r.st, map[string]uint64{"drop.no divert socket": 1})
		c := new(catcher)
		must(t, control.SetDivert(r.st, 8668, c))
		if e := control.SetDivert(r.st, 8668, new(catcher)); e != syscall.EADDRINUSE {
			t.Errorf("second listener: %v", e)
		}
		f.seen = nil
		r.udp("10.0.1.1:7")
		expectNone(t, s)
		if len(c.got) != 1 || c.got[0] != (pfil.Diverted{Rule: 50, IfIndex: r.ifs[1]}) {
			t.Fatalf("diverted %+v", c.got)
		}
		c.check(t, 0)
		must(t, control.Reinject(r.st, c.pkt[0], c.got[0]))
		if info := expect(t, s, "data"); info.IfIndex != r.ifs[1] {
			t.Errorf("reinjected on interface %d", info.IfIndex)
		}
		f.saw(t, "in e1 fib 0 rule 0 len 32", "in e1 fib 0 rule 50 len 32")

		// Out: a local packet whose checksum nobody has filled in yet, and a
		// forwarded one.
		f.in, f.out = pfil.Verdict{}, div
		send(t, s, "local", "10.0.3.2:7")
		r.udp("10.0.3.2:7")
		if len(c.got) != 3 || c.got[1] != (pfil.Diverted{Rule: 50, Outgoing: true}) || !c.got[2].Outgoing {
			t.Fatalf("diverted %+v", c.got[1:])
		}
		if r.taps[3].take() != nil {
			t.Error("a diverted packet left")
		}
		f.seen = nil
		for i := 1; i < 3; i++ {
			c.check(t, i)
			must(t, control.Reinject(r.st, c.pkt[i], c.got[i]))
		}
		f.saw(t, "out e3 fib 0 rule 50 len 33", "out e3 fib 0 rule 50 len 32")
		if got := r.taps[3].takeIP(t); len(got) != 2 || got[1].TTL() != 63 {
			t.Errorf("reinjected: %v", got)
		}
		send(t, s, "self", "10.0.1.1:7") // to ourselves
		must(t, control.Reinject(r.st, c.pkt[3], c.got[3]))
		expect(t, s, "self")

		// What cannot be put back.
		if e := control.Reinject(r.st, c.pkt[0][:19], c.got[0]); e != syscall.EINVAL {
			t.Errorf("19 bytes: %v", e)
		}
		if e := control.Reinject(r.st, c.pkt[0], pfil.Diverted{IfIndex: 99}); e != syscall.EADDRNOTAVAIL {
			t.Errorf("on no interface: %v", e)
		}
		must(t, control.SetDivert(r.st, 8668, nil))
		send(t, s, "x", "10.0.3.2:7")
		count(t, r.st, map[string]uint64{"drop.no divert socket": 2, "ip.diverted": 4})
		r.quiet(t)
	})
}

func TestFilterTee(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		tee := pfil.Verdict{Action: pfil.Tee, Port: 8668, Tag: 50}
		f.in, f.out = tee, tee
		c := new(catcher)
		must(t, control.SetDivert(r.st, 8668, c))
		r.udp("10.0.1.1:7")
		expect(t, s, "data")
		r.udp("10.0.3.2:7")
		send(t, s, "x", "10.0.3.2:7")
		if got := r.taps[3].takeIP(t); len(got) != 2 || got[0].TTL() != 63 {
			t.Errorf("passed on: %v", got)
		}
		if len(c.got) != 4 {
			t.Fatalf("%d copies", len(c.got))
		}
		for i := range c.got {
			c.check(t, i)
		}
		r.quiet(t)
	})
}

func TestFilterReroute(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		reroute := pfil.Verdict{Action: pfil.Reroute, NextHop: addr("10.0.2.2")}
		f.in = reroute
		r.udp("10.0.3.2:7")
		if got := r.taps[2].takeIP(t); len(got) != 1 || got[0].Dst() != addr("10.0.3.2") || got[0].TTL() != 63 {
			t.Errorf("in: %v", got)
		}
		r.udp("10.0.1.1:7") // even what is for us
		if got := r.taps[2].takeIP(t); len(got) != 1 {
			t.Errorf("in, ours: %v", got)
		}
		f.seen = nil
		f.in, f.out = pfil.Verdict{}, reroute
		send(t, s, "x", "10.0.3.2:7")
		f.saw(t, "out e3 fib 0 rule 0 len 29")
		r.udp("10.0.3.2:7")
		if got := r.taps[2].takeIP(t); len(got) != 2 {
			t.Errorf("out: %v", got)
		}
		// The new next hop's MTU counts: 600 on link 2.
		send(t, s, string(pattern(1000)), "10.0.3.2:7")
		if got := r.taps[2].takeIP(t); len(got) != 2 {
			t.Errorf("out, cut: %d packets", len(got))
		}
		f.out.NextHop = addr("172.16.0.1")
		if _, err := s.WriteTo([]byte("x"), addrPort("10.0.3.2:7"), nil); err != syscall.EHOSTUNREACH {
			t.Errorf("to an unreachable next hop: %v", err)
		}
		r.quiet(t)
	})
}

// TestFilterSetFIB is rule 3 of behaviour 4.3: the route is looked up once
// more, and the filter not asked again.
func TestFilterSetFIB(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		must(t, control.SetFIBs(r.st, 2))
		must(t, control.AddRoute(r.st, 1, control.Route{Dst: prefix("10.0.3.2/32"), Gateway: addr("10.0.2.2")}))
		set := pfil.Verdict{Action: pfil.SetFIB, FIB: 1}
		f.out = set
		send(t, s, "x", "10.0.3.2:7")
		f.saw(t, "out e3 fib 0 rule 0 len 29")
		if got := r.taps[2].takeIP(t); len(got) != 1 {
			t.Errorf("out: %v", got)
		}
		f.in, f.out = set, pfil.Verdict{}
		r.udp("10.0.3.2:7")
		f.saw(t, "in e1 fib 0 rule 0 len 32", "out e2 fib 1 rule 0 len 32")
		if got := r.taps[2].takeIP(t); len(got) != 1 {
			t.Errorf("in: %v", got)
		}
		f.in.FIB = 7 // none: 0
		r.udp("10.0.3.2:7")
		if got := r.taps[3].takeIP(t); len(got) != 1 {
			t.Errorf("table 7 of 2: %v", got)
		}
		count(t, r.st, map[string]uint64{"ip.rerouted": 3})
		r.quiet(t)
	})
}

// TestFilterFragments: on the way out a filter sees a packet before it is cut.
func TestFilterFragments(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		send(t, s, string(pattern(2000)), "10.0.2.2:7")
		f.saw(t, "out e2 fib 0 rule 0 len 2028")
		if got := r.taps[2].takeIP(t); len(got) != 4 {
			t.Errorf("%d fragments", len(got))
		}
		f.out.Action = pfil.Drop
		if _, err := s.WriteTo(pattern(2000), addrPort("10.0.2.2:7"), nil); err != syscall.EACCES {
			t.Errorf("dropped whole: %v", err)
		}
		r.quiet(t)
	})
}
