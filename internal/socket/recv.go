package socket

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/wire"
)

// Recv is what a receiver learns about a packet beside its bytes.
type Recv struct {
	From      netip.AddrPort
	To        netip.Addr
	IfIndex   uint32
	TTL, TOS  uint8
	Truncated bool
}

// ReadFlags say how ReadMsg reads.
type ReadFlags uint8

// Flags of ReadMsg.
const (
	ReadWait    ReadFlags = 1 << iota // wait for a packet
	ReadQueued                        // take only what is queued: errors are left to the next read
	ReadPayload                       // leave out the IPv4 header of a raw socket's packet
)

// ReadMsg copies the next packet into bufs, filling one after the other. info
// may be nil. It returns EAGAIN where it would have to wait and may not.
func (s *Datagram) ReadMsg(bufs [][]byte, info *Recv, how ReadFlags) (int, error) {
	var it sockbuf.Item
	var err error
	if how&ReadQueued != 0 {
		it, err = s.Queue.TakeQueued()
	} else {
		it, err = s.Queue.Take(how&ReadWait != 0)
	}
	if err != nil {
		return 0, err
	}
	if how&ReadPayload != 0 && s.Raw && it.Off == it.IP { // a packet of IPv4, with its header
		hl := uint32(wire.IPv4(it.Buf.Slice(int(it.IP), wire.IPv4Len)).HeaderLen())
		it.Off, it.N = it.Off+hl, it.N-hl
	}
	data := it.Buf.Slice(int(it.Off), int(it.N))
	n := 0
	for _, b := range bufs {
		n += copy(b, data[n:])
	}
	if info != nil {
		s.describe(&it, n, info)
	}
	s.sched.Free(it.Buf)
	return n, nil
}

// ReadFrom copies the next packet into to, waiting for it if wait. info may be
// nil. A raw socket's packet includes its IPv4 header.
func (s *Datagram) ReadFrom(to []byte, info *Recv, wait bool) (int, error) {
	var how ReadFlags
	if wait {
		how = ReadWait
	}
	return s.ReadMsg([][]byte{to}, info, how)
}

// describe says what is known of a packet of which n bytes were read.
func (s *Datagram) describe(it *sockbuf.Item, n int, info *Recv) {
	*info = Recv{IfIndex: it.IfIndex, Truncated: n < int(it.N)}
	var src netip.Addr
	if ip := wire.IPv4(it.Buf.Slice(int(it.IP), wire.IPv4Len)); ip[0]>>4 == 4 {
		src, info.To, info.TTL, info.TOS = ip.Src(), ip.Dst(), ip.TTL(), ip.TOS()
	} else {
		ip := wire.IPv6(it.Buf.Slice(int(it.IP), wire.IPv6Len))
		src, info.To, info.TTL, info.TOS = ip.Src(), ip.Dst(), ip.HopLimit(), ip.TrafficClass()
	}
	var port uint16
	if !s.Raw {
		u := it.Buf.Slice(int(it.Off)-wire.UDPLen, wire.UDPLen)
		port = wire.UDP(u).SrcPort()
	}
	info.From = netip.AddrPortFrom(src, port)
}
