package tunnel

import "github.com/seed88948545/vimage/internal/wire"

// Congestion marks (RFC 3168 §5).
const (
	notECT = iota
	ect1
	ect0
	ce
)

// ingress returns the type of service of an outer packet: the inner's, with its
// congestion mark (RFC 6040 §4.1, normal mode; RFC 2983 §3.1 as to the rest, the
// uniform model).
func ingress(inner uint8) uint8 { return inner }

// egress returns the congestion mark that a packet leaves the tunnel with (RFC 6040
// §4.2, figure 4); false where it must be dropped: congestion that its sender could
// not be told of otherwise.
func egress(inner, outer uint8) (mark uint8, ok bool) {
	inner, outer = inner&3, outer&3
	switch {
	case inner == notECT && outer == ce:
		return 0, false
	case inner == notECT, inner == ce, outer == notECT, outer == ect0:
		return inner, true
	case outer == ce:
		return ce, true
	}
	return ect1, true // outer is, and inner is an ECT
}

// tosOf returns the type of service or traffic class of unchecked bytes that begin
// like an IP packet; false where they do not.
func tosOf(p []byte) (tos uint8, ok bool) {
	switch {
	case len(p) >= wire.IPv4Len && p[0]>>4 == 4:
		return p[1], true
	case len(p) >= wire.IPv6Len && p[0]>>4 == 6:
		return p[0]<<4 | p[1]>>4, true
	}
	return 0, false
}

// setTOS writes a type of service into a packet of which tosOf has said that it is
// one.
func setTOS(p []byte, tos uint8) {
	if p[0]>>4 == 6 {
		wire.IPv6(p).SetTrafficClass(tos)
	} else {
		wire.IPv4(p).SetTOS(tos)
	}
}

// packetIn returns the IP packet that an Ethernet frame carries, nil if it carries
// none.
func packetIn(frame []byte) []byte {
	e, f := wire.ParseEther(frame)
	if f != wire.OK {
		return nil
	}
	typ, p := e.Type(), e.Payload()
	if v, f := wire.ParseVLAN(p); typ == wire.EtherTypeVLAN && f == wire.OK {
		typ, p = v.Type(), v.Payload()
	}
	if typ == wire.EtherTypeIPv4 || typ == wire.EtherTypeIPv6 {
		return p
	}
	return nil
}
