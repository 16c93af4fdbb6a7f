package vimage_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// BenchmarkTunnelForward is a router that forwards datagrams of 1,000 bytes to a link,
// or into a tunnel by way of that link: what the tunnel costs.
func BenchmarkTunnelForward(b *testing.B) {
	remote := netip.MustParseAddr("192.0.2.2")
	for _, bc := range []struct {
		name string
		c    vimage.TunnelConfig
	}{
		{"plain", vimage.TunnelConfig{}},
		{"gif", vimage.TunnelConfig{Kind: vimage.GIF, Remote: remote}},
		{"gre", vimage.TunnelConfig{Kind: vimage.GRE, Remote: remote}},
		{"vxlan", vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 42, Remote: remote}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			w := vimage.NewWorld(vimage.Config{})
			defer w.Close()
			s := must(w.NewStack("r", vimage.StackConfig{}))(b)
			s.SetForwarding(true)
			in, out := link.NewEpair(0), link.NewEpair(0)
			e0 := must(s.AddInterface("e0", vimage.InterfaceConfig{Port: in.A(), Addrs: prefixes("10.0.0.1/24")}))(b)
			e1 := must(s.AddInterface("e1", vimage.InterfaceConfig{Port: out.A(), Addrs: prefixes("192.0.2.1/24")}))(b)
			mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
			e1.SetNeighbor(remote, mac, false)
			r := vimage.Route{Dst: netip.MustParsePrefix("10.2.0.0/16"), Gateway: remote}
			if bc.c.Kind != 0 {
				tun := must(s.AddTunnel("tun0", bc.c, vimage.InterfaceConfig{Addrs: prefixes("10.9.0.1/24")}))(b)
				r.Gateway = netip.MustParseAddr("10.9.0.2")
				if bc.c.Kind == vimage.VXLAN {
					tun.SetNeighbor(r.Gateway, mac, false)
				}
			}
			if err := s.AddRoute(r); err != nil {
				b.Fatal(err)
			}
			packet := udpPacket("10.0.0.2", "10.2.0.2", string(make([]byte, 972)))
			frame := append(make([]byte, wire.EtherLen), packet...)
			wire.PutEther(frame, wire.MAC(e0.Net().HardwareAddr), wire.MAC{2, 0, 0, 0, 0, 8}, wire.EtherTypeIPv4)
			sched := w.Internal().Sched()
			const batch = 32
			sent := 0
			b.ReportAllocs()
			for b.Loop() {
				run := sched.Get()
				for range batch {
					f := run.Cache.Get(len(frame))
					copy(f.Extend(len(frame)), frame)
					f.Sum = pkt.SumValid
					in.B().Put(run, f)
				}
				run.Done()
				sent += batch
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/packet")
			w.Settle()
			if n := int(out.Drops()); n < sent { // and what the stack itself says
				b.Fatalf("%d of %d came out: %v", n, sent, s.Counters())
			}
		})
	}
}
