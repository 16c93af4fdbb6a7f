package ifnet

import (
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/reass"
	"github.com/seed88948545/vimage/internal/wire"
)

// Fragment says of a fragment that came in by the interface with that index what
// it is a piece of.
func Fragment(ip wire.Packet, index uint32) reass.Fragment[*pkt.Buf] {
	f := reass.Fragment[*pkt.Buf]{ECN: ip.TOS() & 3, Key: reass.Key{Src: ip.Src(), Dst: ip.Dst()}}
	if !ip.Is6() {
		ip4 := ip.V4()
		f.Key.ID, f.Key.Proto = uint32(ip4.ID()), ip.Proto()
		f.Off, f.Len, f.More, f.Hdr = ip4.FragOffset(), len(ip.Payload()), ip4.MF(), ip.HeaderLen()
		return f
	}
	fh := wire.Fragment6(ip.Payload())
	f.Key.ID = fh.ID()
	if ifaddr.IsLinkLocal(f.Key.Src) || ifaddr.IsLinkLocal(f.Key.Dst) {
		f.Key.Scope = index
	}
	f.Off, f.Len, f.More, f.Hdr = fh.Offset(), len(fh.Payload()), fh.More(), ip.HeaderLen()-wire.IPv6Len
	return f
}

// Reass says why a fragment was lost in terms of all packets.
func Reass(r reass.Reason) pkt.Reason {
	switch r {
	case reass.BadLength, reass.TooLong, reass.TooSmall:
		return pkt.BadFragment
	case reass.TimedOut:
		return pkt.ReassTimeout
	case reass.TooMany, reass.Full, reass.Evicted, reass.Cleared:
		return pkt.ReassLimit
	}
	return pkt.ReassOverlap
}
