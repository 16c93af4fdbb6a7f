package vnet_test

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// BenchmarkWay is what a datagram pays to find its way, looked up and remembered: the
// most that a cache of flows (behaviour 4.6) could save it. Compare BenchmarkUDP, which
// is all it pays.
func BenchmarkWay(b *testing.B) {
	st, _ := newTapHost(b, vnet.NewWorld(vnet.Config{Clock: clock.NewSim()}), 1, "10.0.0.1/24")
	if e := control.AddRoute(st, 0, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: addr("10.0.0.9")}); e != 0 {
		b.Fatal(e)
	}
	v, o := st.View(), socket.Defaults()
	f := ifnet.Flow{Src: netip.MustParseAddrPort("10.0.0.1:5"), Dst: netip.MustParseAddrPort("192.0.2.1:7")}
	var h ifnet.Hop
	b.Run("looked up", func(b *testing.B) {
		for b.Loop() {
			if e := v.Way(&o, &f, &h); e != 0 {
				b.Fatal(e)
			}
		}
	})
	var c ifnet.Cached
	b.Run("remembered", func(b *testing.B) {
		for b.Loop() {
			c.To(v, 0, f.Src, f.Dst, 0)
		}
	})
}
