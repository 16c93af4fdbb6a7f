package filter

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// IP protocol numbers (IANA).
const (
	protoICMP   = 1
	protoIGMP   = 2
	protoTCP    = 6
	protoIGRP   = 9
	protoFrag   = 44
	protoESP    = 50
	protoAH     = 51
	protoICMPv6 = 58
	protoPIM    = 103
	protoVRRP   = 112
	protoSCTP   = 132
)

// qual is what qualifies a name or number: tcp, src, port.
type qual struct {
	none  bool // there is nothing a name could stand for
	proto key
	dir   key // kNone, kSrc, kDst, kOr, kAnd
	typ   key // kNone, kHost, kNet, kPort, kPortRange, kProto, kProtoChain
}

// directed asks one of source and destination, or both.
func directed(dir key, src, dst func() *cond) *cond {
	switch dir {
	case kSrc:
		return src()
	case kDst:
		return dst()
	case kAnd:
		return and(src(), dst())
	}
	return or(src(), dst())
}

// protocol is what the name of a protocol means alone.
func (c *compiler) protocol(t token, p key) *cond {
	switch p {
	case pTCP:
		return c.carries(t, protoTCP)
	case pUDP:
		return c.carries(t, protoUDP)
	case pSCTP:
		return c.carries(t, protoSCTP)
	case pAH:
		return c.carries(t, protoAH)
	case pESP:
		return c.carries(t, protoESP)
	case pPIM:
		return c.carries(t, protoPIM)
	case pICMP:
		return c.carries4(t, protoICMP)
	case pIGMP:
		return c.carries4(t, protoIGMP)
	case pIGRP:
		return c.carries4(t, protoIGRP)
	case pVRRP, pCARP:
		return c.carries4(t, protoVRRP)
	case pICMP6:
		return c.carries6(t, protoICMPv6)
	case pLink:
		refuse(t, "every frame is one: host, src, dst, proto, broadcast, multicast or [ must follow")
	case pRadio:
		refuse(t, "there are no radio headers here")
	}
	if n := linkNumber(p); n != 0 {
		return c.layers.isType(t, n)
	}
	return c.iso(t, p)
}

// carries is true of both IPs' packets of a protocol.
func (c *compiler) carries(t token, proto uint32) *cond {
	return or(c.carries4(t, proto), c.carries6(t, proto))
}

func (c *compiler) carries4(t token, proto uint32) *cond {
	return and(c.layers.isType(t, typeIPv4), equal(c.layers.network(9, 1), proto))
}

// carries6 looks behind a fragment header, and no other.
func (c *compiler) carries6(t token, proto uint32) *cond {
	next := c.layers.network(6, 1)
	return and(c.layers.isType(t, typeIPv6),
		or(equal(next, proto), and(equal(next, protoFrag), equal(c.layers.network(40, 1), proto))))
}

// iso is OSI's protocols, and the messages of IS-IS (ISO 10589 §9).
func (c *compiler) iso(t token, p key) *cond {
	switch p {
	case pCLNP:
		return c.isoProto(t, 0x81)
	case pESIS:
		return c.isoProto(t, 0x82)
	case pISIS:
		return c.isoProto(t, 0x83)
	}
	const iihL1, iihL2, iihPTP, lspL1, lspL2, csnpL1, csnpL2, psnpL1, psnpL2 = 15, 16, 17, 18, 20, 24, 25, 26, 27
	var types []uint32
	switch p {
	case pL1:
		types = []uint32{psnpL1, csnpL1, lspL1, iihL1, iihPTP}
	case pL2:
		types = []uint32{psnpL2, csnpL2, lspL2, iihL2, iihPTP}
	case pIIH:
		types = []uint32{iihPTP, iihL1, iihL2}
	case pLSP:
		types = []uint32{lspL1, lspL2}
	case pSNP:
		types = []uint32{psnpL2, psnpL1, csnpL1, csnpL2}
	case pCSNP:
		types = []uint32{csnpL1, csnpL2}
	case pPSNP:
		types = []uint32{psnpL1, psnpL2}
	}
	list := make([]*cond, len(types))
	for i, n := range types {
		list[i] = equal(c.behindLLC(4, 1), n)
	}
	return and(c.isoProto(t, 0x83), or(list...))
}

func (c *compiler) isoProto(t token, proto uint32) *cond {
	return and(c.layers.isType(t, sapISO), equal(c.behindLLC(0, 1), proto))
}

// behindLLC returns a field behind the three bytes of an LLC header, which only
// Ethernet has.
func (c *compiler) behindLLC(off uint32, size uint8) field {
	if c.layers.link == Ethernet {
		off += 3
	}
	return c.layers.network(off, size)
}

// named is "PROTO proto N" and "PROTO protochain N".
func (c *compiler) named(t token, q qual, number uint32) *cond {
	if q.typ == kProtoChain {
		return c.chain(t, q, number)
	}
	switch q.proto {
	case pDefault:
		return c.carries(t, number)
	case pIP:
		return c.carries4(t, number)
	case pIP6:
		return c.carries6(t, number)
	case pLink:
		return c.layers.isType(t, number)
	case pISO:
		return c.isoProto(t, number)
	}
	refuse(t, "proto can follow ether, ip, ip6, iso, or nothing")
	return nil
}

// host4 is true of packets from or to an IPv4 network.
func (c *compiler) host4(t token, q qual, addr, mask uint32) *cond {
	l := &c.layers
	pair := func(typ, src, dst uint32) *cond {
		return and(l.isType(t, typ), directed(q.dir,
			func() *cond { return compare(l.network(src, 4), mask, cmpEQ, addr) },
			func() *cond { return compare(l.network(dst, 4), mask, cmpEQ, addr) }))
	}
	switch q.proto {
	case pDefault:
		ip := pair(typeIPv4, 12, 16)
		if l.labels > 0 {
			return ip
		}
		return or(ip, pair(typeARP, 14, 24), pair(typeRARP, 14, 24))
	case pIP:
		return pair(typeIPv4, 12, 16)
	case pARP:
		return pair(typeARP, 14, 24)
	case pRARP:
		return pair(typeRARP, 14, 24)
	case pLink:
		refuse(t, "ether wants an Ethernet address, as in 02:00:00:00:00:01")
	}
	refuse(t, "an IPv4 address can follow ip, arp, rarp, or no protocol")
	return nil
}

// host6 is true of packets from or to an IPv6 network.
func (c *compiler) host6(t token, q qual, p netip.Prefix) *cond {
	if q.proto != pDefault && q.proto != pIP6 {
		refuse(t, "an IPv6 address can follow ip6, or no protocol")
	}
	l, addr := &c.layers, p.Addr().As16()
	at := func(off uint32) *cond {
		var words [4]*cond
		for i := range words {
			bits := min(max(p.Bits()-32*i, 0), 32)
			mask := uint32(uint64(0xffffffff) << (32 - bits))
			words[i] = compare(l.network(off+uint32(4*i), 4), mask, cmpEQ, binary.BigEndian.Uint32(addr[4*i:]))
		}
		return and(words[:]...)
	}
	return and(l.isType(t, typeIPv6), directed(q.dir,
		func() *cond { return at(8) }, func() *cond { return at(24) }))
}

// station is true of frames from or to an Ethernet address.
func (c *compiler) station(t token, dir key, mac [6]byte) *cond {
	l := &c.layers
	if l.link != Ethernet {
		refuse(t, "only Ethernet has such addresses")
	}
	at := func(off uint32) func() *cond {
		return func() *cond {
			return and(equal(l.hdr.in(off+2, 4), binary.BigEndian.Uint32(mac[2:])),
				equal(l.hdr.in(off, 2), uint32(binary.BigEndian.Uint16(mac[:2]))))
		}
	}
	return and(l.isOwnHeader(), directed(dir, at(6), at(0)))
}

// ports is true of packets from or to one of the ports first to last, on the
// transport proto, or any if that is 0.
func (c *compiler) ports(t token, proto uint32, dir key, first, last uint32) *cond {
	return or(c.port6(t, proto, dir, first, last), c.port4(t, proto, dir, first, last))
}

func (c *compiler) port4(t token, proto uint32, dir key, first, last uint32) *cond {
	l := &c.layers
	unfragmented := not(compare(l.network(6, 2), 0xffffffff, cmpSet, 0x1fff))
	return and(l.isType(t, typeIPv4), transports(l.network(9, 1), proto), unfragmented, directed(dir,
		func() *cond { return between(l.transport(0, 2), first, last) },
		func() *cond { return between(l.transport(2, 2), first, last) }))
}

// port6 looks at the header that follows IPv6's own at once.
func (c *compiler) port6(t token, proto uint32, dir key, first, last uint32) *cond {
	l := &c.layers
	return and(l.isType(t, typeIPv6), transports(l.network(6, 1), proto), directed(dir,
		func() *cond { return between(l.network(40, 2), first, last) },
		func() *cond { return between(l.network(42, 2), first, last) }))
}

func transports(f field, proto uint32) *cond {
	if proto != 0 {
		return equal(f, proto)
	}
	return or(equal(f, protoSCTP), equal(f, protoTCP), equal(f, protoUDP))
}

func between(f field, first, last uint32) *cond {
	if first == last {
		return equal(f, first)
	}
	return and(compare(f, 0xffffffff, cmpGE, first), not(compare(f, 0xffffffff, cmpGT, last)))
}

// transport returns the number of the transport that qualifies a port, 0 if
// none does. t is the port.
func (c *compiler) transportOf(t token, q qual) uint32 {
	switch q.proto {
	case pDefault:
		return 0
	case pTCP:
		return protoTCP
	case pUDP:
		return protoUDP
	case pSCTP:
		return protoSCTP
	}
	refuse(t, "a port can follow tcp, udp, sctp, or no protocol")
	return 0
}

// service returns the port that a name or number stands for, and the
// transports it is known on; a number is known on all.
func service(t token) (port uint32, over uint8) {
	if isDigit(t.name[0]) && allNumbers([]string{t.name}) {
		port = number(token{pos: t.pos, text: t.name})
		if port > 65535 {
			refuse(t, "ports are 0 to 65535")
		}
		return port, overTCP | overUDP
	}
	port, over, ok := serviceOf(t.name)
	if !ok {
		refuse(t, "unknown service: give its port as a number")
	}
	return port, over
}

// narrow returns the transport to look for: the one asked for, or else the only
// one on which a service is known.
func narrow(t token, proto uint32, over uint8) uint32 {
	if over == overTCP|overUDP {
		return proto
	}
	known := uint32(protoTCP)
	if over == overUDP {
		known = protoUDP
	}
	if proto != 0 && proto != known {
		refuse(t, "that service is not known on this transport: give its port as a number")
	}
	return known
}

// serviceRange reads "first-last"; both may be names.
func serviceRange(t token) (first, last uint32, over uint8) {
	a, b, ok := strings.Cut(t.name, "-")
	if !ok || a == "" || b == "" {
		first, over = service(t)
		return first, first, over
	}
	end := t.pos + len(t.text)
	first, over = service(token{pos: end - len(t.name), text: a, name: a})
	last, over2 := service(token{pos: end - len(b), text: b, name: b})
	if over != over2 {
		over = overTCP | overUDP
	}
	return min(first, last), max(first, last), over
}

// broadcast is "PROTO broadcast".
func (c *compiler) broadcast(t token, proto key) *cond {
	l := &c.layers
	switch proto {
	case pDefault, pLink:
		if l.link != Ethernet {
			refuse(t, "only Ethernet has link-layer broadcasts")
		}
		return c.station(t, kDst, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	case pIP:
		dst := l.network(16, 4)
		return and(l.isType(t, typeIPv4), or(equal(dst, 0), equal(dst, 0xffffffff)))
	}
	refuse(t, "broadcast can follow ether, ip, or nothing")
	return nil
}

// multicast is "PROTO multicast".
func (c *compiler) multicast(t token, proto key) *cond {
	l := &c.layers
	switch proto {
	case pDefault, pLink:
		if l.link != Ethernet {
			refuse(t, "only Ethernet has link-layer multicasts: say ip multicast or ip6 multicast")
		}
		return and(l.isOwnHeader(), compare(l.hdr.in(0, 1), 0xffffffff, cmpSet, 1))
	case pIP:
		return and(l.isType(t, typeIPv4), compare(l.network(16, 1), 0xffffffff, cmpGE, 224))
	case pIP6:
		return and(l.isType(t, typeIPv6), equal(l.network(24, 1), 255))
	}
	refuse(t, "multicast can follow ether, ip, ip6, or nothing")
	return nil
}

// llc is true of IEEE 802.2 frames, of a type if one is named.
func (c *compiler) llc(t token, typ *token) *cond {
	l := &c.layers
	if l.link != Ethernet {
		refuse(t, "only Ethernet has LLC headers")
	}
	is := and(l.hasLength(), not(equal(l.pay.in(0, 2), 0xffff)))
	if typ == nil {
		return is
	}
	control := l.pay.in(2, 1)
	under := func(mask, k uint32) *cond { return and(is, compare(control, mask, cmpEQ, k)) }
	switch typ.text {
	case "i":
		return and(is, not(compare(control, 0xffffffff, cmpSet, 0x01)))
	case "s":
		return under(0x03, 0x01)
	case "u":
		return under(0x03, 0x03)
	case "rr":
		return under(0x0f, 0x01)
	case "rnr":
		return under(0x0f, 0x05)
	case "rej":
		return under(0x0f, 0x09)
	case "ui":
		return under(0xef, 0x03)
	case "ua":
		return under(0xef, 0x63)
	case "disc":
		return under(0xef, 0x43)
	case "sabme":
		return under(0xef, 0x6f)
	case "test":
		return under(0xef, 0xe3)
	case "xid":
		return under(0xef, 0xaf)
	case "frmr":
		return under(0xef, 0x87)
	}
	refuse(*typ, "the types of LLC are i, s, u, rr, rnr, rej, ui, ua, disc, sabme, test, xid and frmr")
	return nil
}

// dotted reads one to four numbers below 256, and returns how many bits they are.
func dotted(t token) (addr uint32, bits int) {
	for _, p := range strings.Split(t.text, ".") {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil {
			refuse(t, "the parts of an IPv4 address are 0 to 255")
		}
		addr = addr<<8 | uint32(n)
		bits += 8
	}
	return addr << (32 - bits), bits
}

func maskOf(bits int) uint32 { return uint32(uint64(0xffffffff) << (32 - bits)) }
