package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
)

// TestKernel6Host is a host of ours that deals with the Linux kernel over IPv6.
func TestKernel6Host(t *testing.T) {
	eachOffload(t, func(t *testing.T, cfg tap.Config) {
		n := lab.New(t)
		end := record6(t, n, "h-wire")
		k := kernel6(t, n, "wire", kernelAddr6+"/64", 1500, cfg, nil)
		h := n.Host("h")
		n.Link(h, k.seg, lab.LinkConfig{A: netip.MustParsePrefix(ourAddr6 + "/64")})
		zone := fmt.Sprint(k.index(t))
		ours := ourLinkLocal(h, 0)

		t.Run("kernel pings us", func(t *testing.T) {
			c := k.raw6(t, k.Addr, 64, false)
			for seq, size := range []int{0, 56, 1452, 1453, 3000, 20000} {
				wantReply6(t, c, h.Addr(), seq, size)
			}
			c = k.raw6(t, k.linkLocal(t), 64, false)
			for seq, size := range []int{56, 3000} {
				wantReply6(t, c, ours.WithZone(zone), seq, size)
			}
		})
		t.Run("ndisc6", func(t *testing.T) { askNeighbor(t, k, h) })
		k.wantClean6(t)
		end()
	})
}

// askNeighbor has ndisc6 ask for our addresses.
func askNeighbor(t *testing.T, k *kernel, h *lab.Node) {
	need(t, "ndisc6")
	mac := strings.ToUpper(h.Eth(0).Net().HardwareAddr.String())
	for _, a := range []netip.Addr{h.Addr(), ourLinkLocal(h, 0)} {
		if got := string(k.program(t, "ndisc6", "-q", "-1", a.String(), linuxlab.NIC)); strings.TrimSpace(got) != mac {
			t.Errorf("ndisc6 has %q for %v, want %s", got, a, mac)
		}
	}
}
