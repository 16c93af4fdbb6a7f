package link

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestBridgeGroups: what a switch knows of its ports' groups, and its limits.
func TestBridgeGroups(t *testing.T) {
	onLAN(t, BridgeConfig{MaxGroups: 2, MaxSources: 1}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		src := []netip.Addr{ip("10.0.0.1"), ip("10.0.0.9")}
		h[1].report(wire.IGMPAllow, "232.1.1.1", src...)
		h[1].report(wire.IGMPToEx, "239.1.1.1")
		h[1].report(wire.IGMPToEx, "239.1.1.2")
		got := br.Groups(1)
		if len(got) != 2 || got[0].Group != ip("232.1.1.1") || got[0].Exclude || len(got[0].Sources) != 1 ||
			got[0].Sources[0].Source != src[0] || got[0].Sources[0].Left <= 0 || !got[1].Exclude || got[1].Left <= 0 {
			t.Errorf("%+v", got)
		}
		ports := br.Ports()
		if p := ports[1]; p.Name != "port1" || p.Groups != 2 || p.Refused != 2 || !p.Up || p.Router4 {
			t.Errorf("%+v", p)
		}
		if p := ports[0]; p.Groups != 0 || p.Refused != 0 {
			t.Errorf("%+v", p)
		}
		if br.Groups(-1) != nil || br.Groups(3) != nil || br.Groups(0) == nil {
			t.Error("ports that are not there")
		}
	})
}

// TestPortConfig: ports differ as they were told to.
func TestPortConfig(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		with := func(n byte, c PortConfig) *host {
			x := &host{s: s, port: br.AddPort(c), mac: wire.MAC{2, 0, 0, 0, 0, n}, ip: netip.AddrFrom4([4]byte{10, 0, 0, n})}
			x.Init(x)
			x.port.SetAddr(x.mac)
			x.port.Accept(wire.MulticastMAC(ip("239.1.1.1")), true)
			x.port.Attach(x)
			return x
		}
		router := with(11, PortConfig{Name: "uplink", Router: RouterAlways})
		open := with(12, PortConfig{FloodUnknown: true, MaxGroups: 1})
		watcher := with(13, PortConfig{FloodReports: true})
		h[0].cast("239.1.1.1", 1)
		router.want(t, 1)
		open.want(t, 1)
		watcher.want(t)
		h[0].report(wire.IGMPToEx, "239.1.1.1")
		for _, x := range []*host{router, open, watcher} {
			if got := len(x.take()); got != 1 && x != open || got != 0 && x == open {
				t.Errorf("host %v got %d reports", x.mac, got)
			}
		}
		list := br.RouterPorts()
		if len(list) != 1 || list[0].Name != "uplink" || !list[0].Router4 || !list[0].Router6 || list[0].Left4 != 0 {
			t.Errorf("%+v", list)
		}
		router.port.Detach()
		if got := newHost(s, br, 14); len(br.RouterPorts()) != 0 || br.Ports()[3].Name != "port3" {
			t.Errorf("the number's next owner %v: %+v", got.mac, br.Ports()[3])
		}
	})
}

// TestBridgeQuerier: a switch that asks itself, what is new there first.
func TestBridgeQuerier(t *testing.T) {
	onLAN(t, BridgeConfig{Querier: &QuerierConfig{Addr: ip("10.0.0.254")}}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		pass := func(d time.Duration) {
			if sim, ok := s.Clock().(*clock.Sim); ok {
				sim.RunUntil(sim.Now().Add(d))
			} else {
				time.Sleep(d)
			}
			settle(s)
		}
		pass(time.Second)
		for _, x := range h { // one of each family, though each port is new
			if got := len(x.take()); got != 2 {
				t.Errorf("host %v got %d queries", x.mac, got)
			}
		}
		if v4, v6 := br.Querier(); !v4 || !v6 {
			t.Errorf("querier: %v %v", v4, v6)
		}
		h[1].report(wire.IGMPToEx, "239.1.1.1")
		h[1].report(wire.IGMPToIn, "239.1.1.1")
		pass(3 * time.Second)
		if got := len(h[1].take()); got != 2 || len(br.Groups(1)) != 0 {
			t.Errorf("%d queries after a leave, groups %v", got, br.Groups(1))
		}
		if got := len(h[0].take()) + len(h[2].take()); got != 0 {
			t.Errorf("others got %d", got)
		}
		pass(60 * time.Second) // the second one at the start
		br.TopologyChange()
		pass(time.Millisecond)
		if got := len(h[2].take()); got != 4 {
			t.Errorf("%d queries", got)
		}
		if got := br.Stats().Asked; got != 2+2+2+2*3 {
			t.Errorf("%d asked", got)
		}
	})
}
