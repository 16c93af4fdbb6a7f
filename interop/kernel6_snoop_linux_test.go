package interop

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// TestKernel6Snooping puts hosts of ours on a Linux bridge that asks and snoops:
// neighbours find only those that report the groups of their addresses.
func TestKernel6Snooping(t *testing.T) {
	ns.Run(t, func(t *testing.T) {
		need(t, "ndisc6")
		n := lab.New(t)
		rec := record6(t, n, "h-wire")
		linux := linuxlab.NewMLD(t)
		w, err := link.NewWire(n.World.Internal().Sched(), openTAP(t, tap.Config{Name: linuxlab.TAP}))
		if err != nil {
			t.Fatal(err)
		}
		n.OnClose(func() { w.Close() })
		seg := n.Switch("wire", lab.SwitchConfig{BridgeConfig: link.BridgeConfig{NoSnooping: true}})
		link.Join(seg.Bridge().AddPort(), w)
		h, mute := n.Host("h"), n.Host("mute")
		addrs := map[*lab.Node]netip.Addr{h: netip.MustParseAddr("2001:db8:9::a:1"), mute: netip.MustParseAddr("2001:db8:9::b:2")}
		for _, node := range []*lab.Node{h, mute} {
			n.Link(node, seg)
			if e := control.SetMute(node.Internal(), uint32(node.Eth(0).Index()), node == mute); e != 0 {
				t.Fatal(e)
			}
			if err := node.Eth(0).AddAddr(netip.PrefixFrom(addrs[node], 64)); err != nil {
				t.Fatal(err)
			}
		}
		for _, node := range []*lab.Node{h, mute} {
			ready(t, node, 0)
		}
		listens := func(a netip.Addr) bool {
			e, ok := linuxlab.Find(linuxlab.MDB(t), linuxlab.TAP, wire.SolicitedNode(a), netip.Addr{})
			return ok && e.Mode == "exclude"
		}
		for _, a := range []netip.Addr{addrs[h], ourLinkLocal(h, 0)} {
			ns.Poll(t, patience, func() (bool, string) {
				return listens(a), fmt.Sprintf("the group of %v is not listed: %+v", a, linuxlab.MDB(t))
			})
		}
		if listens(addrs[mute]) {
			t.Error("the group of the mute host is listed")
		}
		before := h.Counters()["mld.v2queries"]
		for node, want := range map[*lab.Node]bool{h: true, mute: false} {
			mac := strings.ToUpper(node.Eth(0).Net().HardwareAddr.String())
			var out []byte
			err := linux.Source.Do(func() (err error) {
				out, err = exec.Command("ndisc6", "-q", "-1", "-r", "1", "-w", "300", addrs[node].String(), linuxlab.NIC).Output()
				return err
			})
			if found := err == nil && strings.TrimSpace(string(out)) == mac; found != want {
				t.Errorf("%s is found: %v, want %v: %s %v", node.Name(), found, want, out, err)
			}
		}
		// Another query has been answered: the group stays listed.
		ns.Poll(t, patience, func() (bool, string) {
			return h.Counters()["mld.v2queries"] > before+1, fmt.Sprint(h.Counters())
		})
		var c *net.IPConn
		err = linux.Source.Do(func() (err error) {
			c, err = net.ListenIP("ip6:ipv6-icmp", &net.IPAddr{IP: linux.Source.Addr.AsSlice()})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		wantReply6(t, c, addrs[h], 1, 3000)
		rec.end(t, "bad neighbour discovery", "not for us")
	})
}
