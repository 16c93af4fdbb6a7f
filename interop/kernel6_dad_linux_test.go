package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
)

// TestKernel6DAD has us and Linux want an address that the other has.
func TestKernel6DAD(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		n := lab.New(t)
		rec := record6(t, n, "h-wire", "g-wire")
		k := kernel6(t, n, "wire", kernelAddr6+"/64", 1500, tap.Config{}, nil)
		h, g := n.Host("h"), n.Host("g")
		n.Link(h, k.seg, lab.LinkConfig{A: netip.MustParsePrefix(ourAddr6 + "/64")})
		n.Link(g, k.seg)

		// Linux has g's link-local address: g's interface does no IPv6 (RFC 4862 §5.4.5).
		k.address6(t, eui64("fe80::", wire.MAC(g.Eth(0).Net().HardwareAddr)).String()+"/64", linuxlab.NIC)
		autoconf(t, g, 0, &vimage.AutoconfConfig{LinkLocalOnly: true})
		if err := h.Eth(0).AddAddr(netip.PrefixFrom(k.Addr, 64)); err != nil {
			t.Fatal(err)
		}
		k.sysctl6(t, "accept_dad", 1)
		k.IP(t, "address", "add", ourAddr6+"/64", "dev", linuxlab.NIC)

		ns.Poll(t, patience, func() (bool, string) {
			all := h.Eth(0).Addresses()
			lost := slices.ContainsFunc(all, func(a vimage.Address) bool { return a.Prefix.Addr() == k.Addr && a.Duplicate })
			return lost, fmt.Sprintf("our %v is not known to be Linux': %+v", k.Addr, all)
		})
		ns.Poll(t, patience, func() (bool, string) {
			c := conf(g, 0)
			return c.Flags&ifnet.NoIPv6 != 0, fmt.Sprintf("IPv6 is not off at the interface: %+v", c)
		})
		ns.Poll(t, patience, func() (bool, string) {
			all := k.IP(t, "-6", "address", "show", "dev", linuxlab.NIC)
			failed := 0
			for l := range strings.Lines(all) {
				if strings.Contains(l, "dadfailed") {
					failed++
					if !strings.Contains(l, ourAddr6+"/64") {
						t.Errorf("Linux has lost another address: %s", l)
					}
				}
			}
			return failed == 1, "Linux has not lost:\n" + all
		})

		// Who has won is a neighbour like any other: for Linux once the loser is gone.
		k.IP(t, "address", "delete", ourAddr6+"/64", "dev", linuxlab.NIC)
		wantReply6(t, k.raw6(t, k.Addr, 64, false), netip.MustParseAddr(ourAddr6), 1, 56)
		rec.end(t, "bad neighbour discovery", "not for us", "interface down")
	})
}
