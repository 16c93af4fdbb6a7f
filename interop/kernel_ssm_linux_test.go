package interop

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/ipv4"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
)

// TestKernelReceivesSSM has the kernel join one source of a group on a switch of
// ours that snoops, beside a router of ours that asks.
func TestKernelReceivesSSM(t *testing.T) {
	eachOffload(t, func(t *testing.T, cfg tap.Config) {
		n := lab.New(t)
		k := addKernel(t, n, "switch", "10.9.0.50/24", 1500, cfg, true)
		host := func(name, addr string) *lab.Node {
			h := n.Host(name)
			n.Link(h, k.seg, lab.LinkConfig{A: netip.MustParsePrefix(addr + "/24")})
			return h
		}
		source, impostor := host("source", linuxlab.SourceAddr), host("impostor", linuxlab.ImpostorAddr)
		q := host("querier", linuxlab.QuerierAddr)
		if err := q.SetSysctl("net.inet.igmp.router.last_member_interval", 1); err != nil {
			t.Fatal(err)
		}
		if err := q.Eth(0).SetQuerier(true); err != nil {
			t.Fatal(err)
		}
		sniff := k.Sniff(t)
		defer sniff.Close()

		send(t, source, 10)
		r := k.Receive(t, ssmSource, ssmGroup)
		listed(t, k, q, true)
		send(t, impostor, 10)
		send(t, source, 10)
		ns.Poll(t, patience, func() (bool, string) {
			got := r.Got(ssmSource)
			return got >= 10, fmt.Sprintf("the kernel's socket has %d of 10", got)
		})
		r.Leave(t)
		listed(t, k, q, false)
		send(t, source, 10)

		// What follows everything else tells that the rest is through.
		end := netip.AddrPortFrom(k.Addr, ssmGroup.Port())
		c, err := source.Dial("udp4", end.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("end")); err != nil {
			t.Fatal(err)
		}
		seen := map[netip.Addr]int{}
		for {
			p, err := sniff.NextUDP(patience)
			if err != nil {
				t.Fatal(err)
			}
			if p.Dst == end {
				break
			}
			seen[p.Src.Addr()]++
		}
		if len(seen) != 1 || seen[ssmSource] != 10 || r.Got(ssmSource) != 10 {
			t.Errorf("on the kernel's wire: %v, want 10 datagrams of %v while it was a member; its socket has %d", seen, ssmSource, r.Got(ssmSource))
		}
		if s := k.seg.Bridge().Stats(); s.KeptBack == 0 {
			t.Errorf("the switch kept nothing back: %+v", s)
		}
	})
}

// send sends n probes to the group.
func send(t *testing.T, h *lab.Node, n int) {
	t.Helper()
	c, err := h.ListenUDP("udp4", &net.UDPAddr{IP: h.Addr().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := ipv4.NewPacketConn(c).SetMulticastInterface(h.Eth(0).Net()); err != nil {
		t.Fatal(err)
	}
	var b [linuxlab.ProbeLen]byte
	for i := range n {
		linuxlab.PutProbe(b[:], uint64(i), time.Now())
		if _, err := c.WriteToUDPAddrPort(b[:], ssmGroup); err != nil {
			t.Fatal(err)
		}
	}
}

// listed polls the switch and the router until both have, or both have not, the
// kernel's membership: port 0 is the kernel's.
func listed(t *testing.T, k *kernel, q *lab.Node, want bool) {
	t.Helper()
	ns.Poll(t, 2*patience, func() (bool, string) {
		asked := false
		groups := q.Eth(0).QuerierGroups()
		for _, g := range groups {
			for _, s := range g.Sources {
				asked = asked || g.Group == ssmGroup.Addr() && g.Mode == vimage.Include && s.Source == ssmSource && s.Left > 0
			}
		}
		ports := k.seg.Bridge().Members(ssmGroup.Addr(), ssmSource)
		snooped := len(ports) == 1 && ports[0] == 0
		return asked == want && snooped == want && (want || len(groups)+len(ports) == 0),
			fmt.Sprintf("the querier knows %+v, the switch ports %v", groups, ports)
	})
}
