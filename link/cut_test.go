package link

import (
	"bytes"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestCutUDP: a frame for 2,500 bytes in datagrams of 1,000 becomes three, whose
// bytes are the same in the same order, each a packet of its own.
func TestCutUDP(t *testing.T) {
	s := netisr.NewSched(clock.NewSim())
	r := s.Get()
	b := datagram(r, 2500)
	want := bytes.Clone(wire.UDP(wire.IPv4(wire.Ether(b.Bytes()).Payload()).Payload()).Payload())
	for i := range want {
		want[i] = byte(i / 7)
	}
	copy(b.Bytes()[b.Len()-len(want):], want)
	first := wire.IPv4(wire.Ether(b.Bytes()).Payload()).ID()
	b.Sum, b.GSO, b.GSOSize = pkt.SumPartial, pkt.GSOUDP, 1000
	var got []byte
	var sizes []int
	n := cutUDP(r, b, func(c *pkt.Buf) {
		ip, f := wire.ParseIPv4(wire.Ether(c.Bytes()).Payload())
		u, f2 := wire.ParseUDP(ip.Payload())
		if f != wire.OK || f2 != wire.OK || !ip.ChecksumOK() || ip.ID() != first+uint16(len(sizes)) {
			t.Errorf("segment %d: %v %v, id %d", len(sizes), f, f2, ip.ID())
		}
		if c.Sum != pkt.SumPartial || c.GSO != pkt.GSONone {
			t.Errorf("segment %d: %+v", len(sizes), c.Info)
		}
		got = append(got, u.Payload()...)
		sizes = append(sizes, len(u.Payload()))
		r.Cache.Free(c)
	})
	r.Done()
	if n != 3 || len(sizes) != 3 || sizes[0] != 1000 || sizes[2] != 500 || !bytes.Equal(got, want) {
		t.Errorf("%d segments of %v, same bytes: %v", n, sizes, bytes.Equal(got, want))
	}
	if c := s.Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
		t.Errorf("left: %+v", c)
	}
}
