package filter

import "golang.org/x/net/bpf"

// LinkType says what a frame begins with. Its values are those of the tcpdump.org
// registry, which pcapng uses.
type LinkType uint16

// Link types.
const (
	Ethernet LinkType = 1   // an Ethernet header, without preamble
	Raw      LinkType = 101 // an IPv4 or IPv6 header
	ppp      LinkType = 9   // inside PPPoE
)

// EtherTypes, and LLC service access points (IEEE 802.2).
const (
	typeIPv4   = 0x0800
	typeARP    = 0x0806
	typeRARP   = 0x8035
	typeATalk  = 0x809b
	typeAARP   = 0x80f3
	typeIPX    = 0x8137
	typeIPv6   = 0x86dd
	typeVLAN   = 0x8100
	typeQinQ   = 0x88a8
	typeOldQ   = 0x9100
	typeMPLS   = 0x8847
	typePPPoED = 0x8863
	typePPPoES = 0x8864
	typeBridge = 0x6558 // transparent Ethernet bridging

	sapIP      = 0x06
	sapSTP     = 0x42
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapISO     = 0xfe

	maxLength = 1500 // what is not greater is a length, not a type
)

// PPP protocol numbers (RFC 1661 registry).
const (
	pppIPv4 = 0x0021
	pppISO  = 0x0023
	pppDN   = 0x0027
	pppATlk = 0x0029
	pppIPX  = 0x002b
	pppSTP  = 0x0031
	pppIPv6 = 0x0057
	pppMPLS = 0x0281
)

// place is where a header begins: at a constant, and what a register holds
// unless reg is 0.
type place struct {
	off uint32
	reg uint8
}

// layers is where the tests of an expression look. Words like vlan move what
// stands behind them in the expression.
type layers struct {
	link   LinkType
	hdr    place  // the link-layer header
	typ    place  // its type field
	pay    place  // what follows it
	net    uint32 // where, after pay, the network layer's header begins: behind MPLS labels
	labels int
	geneve bool
}

func layersOf(link LinkType) layers {
	if link == Raw {
		return layers{link: Raw}
	}
	return layers{link: Ethernet, typ: place{off: 12}, pay: place{off: 14}}
}

// in returns a field of a header.
func (p place) in(off uint32, size uint8) field {
	return field{off: p.off + off, size: size, reg: p.reg}
}

// network returns a field of the network layer's header.
func (l *layers) network(off uint32, size uint8) field { return l.pay.in(l.net+off, size) }

// transport returns a field of the header behind an IPv4 header.
func (l *layers) transport(off uint32, size uint8) field {
	f := l.network(off, size)
	f.ihl, f.ihlOff = true, l.pay.off+l.net
	return f
}

// isType is true of frames that carry a protocol, by EtherType or, up to 1500,
// by service access point. t is the word that asks.
func (l *layers) isType(t token, typ uint32) *cond {
	if l.labels > 0 {
		return l.underMPLS(t, typ)
	}
	switch l.link {
	case Raw:
		return l.isVersion(typ)
	case ppp:
		return equal(l.typ.in(0, 2), pppOf(typ))
	}
	return l.isEtherType(typ)
}

// isVersion recognizes IP by its version, where nothing else says what it is.
func (l *layers) isVersion(typ uint32) *cond {
	switch typ {
	case typeIPv4:
		return compare(l.network(0, 1), 0xf0, cmpEQ, 0x40)
	case typeIPv6:
		return compare(l.network(0, 1), 0xf0, cmpEQ, 0x60)
	}
	return always(false)
}

// underMPLS looks below the last label, which must be the stack's bottom
// (RFC 3032 §2.1).
func (l *layers) underMPLS(t token, typ uint32) *cond {
	if typ != typeIPv4 && typ != typeIPv6 {
		refuse(t, "behind mpls only ip and ip6 can be told apart")
	}
	bottom := compare(l.pay.in(l.net-2, 1), 0x01, cmpEQ, 0x01)
	return and(bottom, l.isVersion(typ))
}

func pppOf(typ uint32) uint32 {
	switch typ {
	case typeIPv4:
		return pppIPv4
	case typeIPv6:
		return pppIPv6
	case 0x6003:
		return pppDN
	case typeATalk:
		return pppATlk
	case sapISO:
		return pppISO
	case sapSTP:
		return pppSTP
	case sapIPX:
		return pppIPX
	case typeMPLS:
		return pppMPLS
	}
	return typ
}

func (l *layers) isEtherType(typ uint32) *cond {
	etype := equal(l.typ.in(0, 2), typ)
	switch typ {
	case sapISO, sapIP, sapNetBEUI:
		return and(l.hasLength(), equal(l.pay.in(0, 2), typ<<8|typ))
	case sapIPX:
		// An EtherType, SNAP, LLC, or 802.3 with no LLC at all, which IPX alone did.
		return or(equal(l.typ.in(0, 2), typeIPX), and(l.hasLength(),
			or(l.isSNAP(0x000000, typeIPX), equal(l.pay.in(0, 1), sapIPX), equal(l.pay.in(0, 2), 0xffff))))
	case typeATalk:
		return or(etype, and(l.hasLength(), l.isSNAP(0x080007, typeATalk)))
	case typeAARP:
		return or(etype, and(l.hasLength(), l.isSNAP(0x000000, typeAARP)))
	}
	if typ <= maxLength {
		return and(l.hasLength(), equal(l.pay.in(0, 1), typ))
	}
	return etype
}

// hasLength is true of frames with a length where others have a type.
func (l *layers) hasLength() *cond {
	return not(compare(l.typ.in(0, 2), 0xffffffff, cmpGT, maxLength))
}

// isSNAP recognizes a protocol of an organization (IEEE 802, SNAP).
func (l *layers) isSNAP(oui, typ uint32) *cond {
	return and(equal(l.pay.in(4, 4), oui<<16|typ), equal(l.pay.in(0, 4), 0xaaaa0300|oui>>16))
}

// isOwnHeader is true unless Geneve carries IP with no Ethernet header.
func (l *layers) isOwnHeader() *cond {
	if !l.geneve {
		return always(true)
	}
	code := []bpf.Instruction{
		bpf.LoadScratch{Dst: bpf.RegA, N: int(l.pay.reg - 1)},
		bpf.LoadScratch{Dst: bpf.RegX, N: int(l.hdr.reg - 1)},
	}
	return not(&cond{kind: condTest, test: test{code: code, cmp: cmpEQ, withX: true}})
}
