package vimage_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage"
)

// TestNoAllocs sends and receives datagrams through the front door without
// making garbage.
func TestNoAllocs(t *testing.T) {
	if raceOn {
		t.Skip("the race detector throws pooled memory away")
	}
	a, b := pair6(t, world(t, vimage.Config{}))
	s, c := must(b.ListenUDP("udp", &net.UDPAddr{Port: 7}))(t), must(a.ListenUDP("udp", nil))(t)
	buf, msg := make([]byte, 2048), make([]byte, 1400)
	for _, to := range []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::2"), linkLocal(t, b).WithZone("e0")} {
		at := netip.AddrPortFrom(to, 7)
		n := testing.AllocsPerRun(1000, func() {
			if _, err := c.WriteToUDPAddrPort(msg, at); err != nil {
				t.Fatal(err)
			}
			_, from, err := s.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Fatal(err)
			}
			s.WriteToUDPAddrPort(buf[:9], from)
			c.ReadFromUDPAddrPort(buf)
		})
		if n != 0 {
			t.Errorf("%v: %v allocations for two datagrams", to, n)
		}
	}
}

func BenchmarkSendReceive(b *testing.B) {
	x, y := pair(b, world(b, vimage.Config{}))
	at := netip.MustParseAddrPort("10.0.0.2:7")
	s := must(y.ListenPacket("udp4", at.String()))(b).(*vimage.UDPConn)
	c := must(x.ListenUDP("udp4", nil))(b)
	buf, msg := make([]byte, 2048), make([]byte, 1400)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		c.WriteToUDPAddrPort(msg, at)
		s.ReadFromUDPAddrPort(buf)
	}
}
