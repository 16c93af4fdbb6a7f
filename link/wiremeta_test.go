package link

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestReceivedInTunnel takes a frame as Linux hands it over that carries another in
// VXLAN: what is not summed yet is the inner message, not the outer.
func TestReceivedInTunnel(t *testing.T) {
	datagram := func(src, dst string, port uint16, data []byte) []byte {
		hd := wire.IPHeader{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), TTL: 64, Proto: wire.ProtoUDP}
		b := make([]byte, wire.EtherLen+hd.Len()+wire.UDPLen+len(data))
		wire.PutEther(b, wire.MAC{2}, wire.MAC{4}, wire.EtherTypeIPv4)
		ip := b[wire.EtherLen:]
		copy(ip[hd.Len()+wire.UDPLen:], data)
		wire.PutUDP(ip[hd.Len():], 9, port, len(data))
		wire.PutIP(ip, &hd, wire.UDPLen+len(data))
		return b
	}
	inner := datagram("10.0.0.1", "10.0.0.2", 7, []byte("odd"))
	if _, _, ok := wire.PartialEther(inner); !ok {
		t.Fatal("no message")
	}
	carried := make([]byte, wire.VXLANLen, wire.VXLANLen+len(inner))
	wire.PutVXLAN(carried, 42)
	outer := datagram("192.0.2.1", "192.0.2.2", wire.VXLANPort, append(carried, inner...))
	const first = wire.EtherLen + wire.IPv4Len // where the outer message begins
	start := first + wire.UDPLen + wire.VXLANLen + first

	r := netisr.NewSched(clock.NewSim()).Get()
	defer r.Done()
	b := r.Cache.Get(len(outer))
	defer r.Cache.Free(b)
	copy(b.Extend(len(outer)), outer)
	m := Meta{Len: len(outer), Sum: SumPartial, SumStart: uint16(start), SumOffset: 6}
	if !m.received(b) || b.Sum != pkt.SumUnknown {
		t.Fatalf("sum state %d", b.Sum)
	}
	u, f := wire.ParseUDP(b.Bytes()[first:])
	if f != wire.OK || u.Checksum() != 0 {
		t.Errorf("%s: the outer checksum is %#x", f, u.Checksum())
	}
	u, f = wire.ParseUDP(b.Bytes()[start:])
	if f != wire.OK || u.Checksum() == 0 || !u.ChecksumOK(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")) {
		t.Errorf("%s: the inner checksum is %#x", f, u.Checksum())
	}
}
