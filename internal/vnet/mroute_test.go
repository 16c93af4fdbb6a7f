package vnet_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
)

// routed makes n.b route every group from its first link to its second, which gets the
// given MTU, if that is not 0.
func (n *mcastNet) routed(mtu int) {
	n.Helper()
	p := prefix("224.0.0.0/4")
	if n.is6 {
		p = prefix("ff00::/8")
	}
	must(n, control.AddMulticastRoute(n.b, mroute.Route{Group: p, In: n.at[0].Index, Out: []uint32{n.at[1].Index}}))
	if mtu != 0 {
		i, _ := n.b.Interface(n.at[1].Index)
		i.MTU = mtu
		n.b.Lock()
		n.b.SetInterface(&i)
		n.b.Unlock()
	}
	run(n.c, time.Minute)
}

// out returns how many packets have left by the second interface since the last call.
func (n *mcastNet) out(since *uint64) uint64 {
	s, _ := n.b.IfaceStats(n.at[1].Index)
	was := *since
	*since = s.OutPackets
	return *since - was
}

func (n *mcastNet) hops(k int) {
	for _, s := range n.senders {
		if n.is6 {
			must(n, s.SetMulticastHops(k))
		} else {
			must(n, s.SetMulticastTTL(k))
		}
	}
}

// TestForwardMulticast: a packet is sent on with one hop less while it has any, not
// where a filter, or the scope of its group, forbids it; members here get it too; and
// what was made here, or looped back, is not sent round.
func TestForwardMulticast(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		n.routed(0)
		far := n.w.Stack("t")
		ear := listen(n, far, n.any)
		must(n, ear.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: anIf}, n.group, netip.Addr{}))
		own := n.ear(n.any, 0)
		n.join(own, 0)
		run(n.c, time.Minute)
		var seen uint64
		n.out(&seen)
		n.hops(7)
		n.say(0, "x")
		if info := expect(n, ear, "x"); info.TTL != 6 || info.From.Addr() != n.from[0] {
			n.Errorf("with %d hops left, from %v", info.TTL, info.From)
		}
		expect(n, own, "x")
		n.hops(1)
		n.counted("too old", map[string]uint64{"icmp.out.timxceed": 0, "icmp6.out.timxceed": 0, "ip.mforwarded": 0, "ip6.mforwarded": 0, "drop.ttl exceeded": 0}, func() { n.say(0, "x") })
		expect(n, own, "x")
		n.hops(7)
		if got := n.out(&seen); got != 1 {
			n.Errorf("%d packets left", got)
		}
		local := "224.0.0.99:5000"
		if n.is6 {
			local = "[ff02::99]:5000"
		}
		send(n, n.senders[0], "x", local)
		from := n.sender(n.b, n.at[0].Index, netip.AddrPortFrom(addrPort(n.any).Addr(), 0).String())
		send(n, from, "made here", netip.AddrPortFrom(n.group, 5000).String())
		expect(n, own, "made here")
		run(n.c, time.Second)
		if got := n.out(&seen); got != 0 {
			n.Errorf("%d packets left that must not", got)
		}
		control.SetFilter(n.b, denyOut("y"))
		n.say(0, "x")
		expect(n, own, "x")
		if got := n.out(&seen); got != 0 {
			n.Errorf("%d packets left that the filter forbids", got)
		}
		control.SetFilter(n.b, nil)
		n.say(1, "from the wrong side")
		counter := "ip.mwrongif"
		if n.is6 {
			counter = "ip6.mwrongif"
		}
		if got := n.b.Counters()[counter]; got != 1 {
			n.Errorf("%s is %d", counter, got)
		}
		empty(n, n.w)
	})
}

// TestForwardMulticastMTU: IPv4 is cut for a link that takes less, unless it must not
// be, of which nobody is told (RFC 1122 §3.2.2); of IPv6 the sender is told (RFC 4443
// §2.4(e.3)).
func TestForwardMulticastMTU(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		n.routed(1300)
		var seen uint64
		n.out(&seen)
		n.hops(7)
		long := string(pattern(1400))
		told := map[string]uint64{"icmp6.out.toobig": 0, "icmp.out.unreach": 0}
		want := uint64(2)
		if n.is6 {
			told["icmp6.out.toobig"], want = 1, 0
		}
		n.counted("a long one", told, func() { n.say(0, long) })
		run(n.c, 5*time.Second)
		if n.is6 { // the answer was sent to the other side
			if got := n.out(&seen); got != 0 {
				n.Errorf("%d packets left", got)
			}
			return
		}
		if got := n.out(&seen); got != want {
			n.Errorf("%d packets left, want %d", got, want)
		}
		empty(n, n.w)
	})
}

// denyOut is a filter that loses what leaves by an interface.
type denyOut string

func (d denyOut) Filter(p *pfil.Packet) pfil.Verdict {
	if p.Out == string(d) && p.IP.Proto() == wire.ProtoUDP {
		return pfil.Verdict{Action: pfil.Drop}
	}
	return pfil.Verdict{}
}

// TestForwardOlderReports: a report of an older version goes to the group it is about,
// which the router has a route for, and reaches the router's querier all the same (RFC
// 3376 §7.3.2).
func TestForwardOlderReports(t *testing.T) {
	bothMcast(t, func(n *mcastNet) {
		n.routed(0)
		version, old := "net.inet.igmp.router.version", int64(2)
		if n.is6 {
			version, old = "net.inet6.mld.router.version", 1
		}
		must(n, n.b.SetSysctl(version, old))
		must(n, control.SetQuerier(n.b, n.at[0].Index, true))
		run(n.c, time.Minute)
		ear := listen(n, n.w.Stack("s"), n.any)
		must(n, ear.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: anIf}, n.group, netip.Addr{}))
		run(n.c, time.Second)
		groups, _ := control.QuerierGroups(n.b, n.at[0].Index)
		for i := range groups {
			if groups[i].Group == n.group {
				return
			}
		}
		n.Errorf("the querier knows %v", groups)
	})
}
