//go:build !novimage

package lab_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// TestSwitchQuerier: where no router is, a switch keeps memberships alive that it
// asks about, and forgets them soon after a leave.
func TestSwitchQuerier(t *testing.T) {
	for _, asks := range []bool{true, false} {
		t.Run(fmt.Sprint("asks ", asks), func(t *testing.T) {
			n := lab.NewConfig(t, lab.Config{IPv6: true, Simulated: true})
			var c lab.SwitchConfig
			if asks {
				c.Querier = &link.QuerierConfig{Interval: 30 * time.Second}
			}
			s := n.Switch("s", c)
			h := n.Host("h")
			n.Link(h, s)
			n.Link(n.Host("other"), s)
			groups := []string{"239.1.1.1", "ff1e::1"}
			var socks []net.PacketConn
			for i, network := range []string{"udp4", "udp6"} {
				k, err := h.ListenMulticastUDP(network, nil, &net.UDPAddr{IP: net.ParseIP(groups[i]), Port: 5000})
				if err != nil {
					t.Fatal(network, err)
				}
				socks = append(socks, k)
			}
			n.Run(10 * time.Minute)
			for _, g := range groups {
				if got := len(s.Bridge().Members(netip.MustParseAddr(g), netip.Addr{})); (got == 1) != asks || got > 1 {
					t.Errorf("%s: %d members, the switch asks: %v", g, got, asks)
				}
			}
			for _, k := range socks {
				k.Close()
			}
			n.Run(4 * time.Second)
			if p, ok := s.Port("h-s"); !ok || asks && p.Groups != 1 { // the solicited-node group
				t.Errorf("after the leave: %+v %+v", p, s.Bridge().Groups(p.Number))
			}
		})
	}
}
