package vnet_test

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// TestFanoutCopiesNothing sends one datagram to a thousand member sockets: one
// buffer serves all, and each reader's own is the first copy.
func TestFanoutCopiesNothing(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		group, source := addr("232.1.1.1"), addr("10.0.0.1")
		socks := make([]usrreq.Sock, 1000)
		for i := range socks {
			s, e := usrreq.ListenUDP(n.b, addrPort("0.0.0.0:5000"), 0, pcb.ReusePort)
			must(t, e)
			must(t, s.Mcast(usrreq.McastJoinSource, usrreq.McastIf{Index: anIf}, group, source))
			socks[i] = s
		}
		sa := listen(t, n.a, "0.0.0.0:9")
		must(t, sa.SetMulticastIf(anIf))
		copies := n.w.Sched().Pool().Counts().Copies
		send(t, sa, "to all", netip.AddrPortFrom(group, 5000).String())
		if c := n.w.Sched().Pool().Counts(); c.Bufs != 1 || c.Copies != copies {
			t.Errorf("%d buffers hold it, %d copies were made", c.Bufs, c.Copies-copies)
		}
		for _, s := range socks {
			expect(t, s, "to all")
		}
		n.quiet(t)
	})
}
