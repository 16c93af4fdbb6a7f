package filter

import "net/netip"

// compiler turns words into conds from left to right, as the language wants it:
// words like vlan change what those behind them mean.
type compiler struct {
	toks   []token
	i      int
	close  []int // for each token that is a left bracket, where the right one is
	layers layers
	cells  int // scratch cells from 0 on that expressions may use
	depth  int
}

const maxDepth = 1000

// expression reads the whole.
func (c *compiler) expression() *cond {
	if c.peek().kind == tEnd {
		return always(true)
	}
	e, _, _ := c.alternatives(qual{none: true}, false)
	if t := c.peek(); t.kind != tEnd {
		if t.is(")") {
			refuse(t, "there is no ( before it")
		}
		refuse(t, "and, or, or the end of the filter should stand here")
	}
	return e
}

func (c *compiler) peek() token { return c.toks[c.i] }

func (c *compiler) ahead(n int) token { return c.toks[min(c.i+n, len(c.toks)-1)] }

func (c *compiler) next() token {
	t := c.toks[c.i]
	if t.kind != tEnd {
		c.i++
	}
	return t
}

func (c *compiler) enter(t token) {
	if c.depth++; c.depth > maxDepth {
		refuse(t, "too many brackets and negations in each other")
	}
}

// alternatives reads operands joined by and and or, which bind alike and from
// the left. q is what a name without a qualifier inherits; bare tells whether
// the first may be such a name, and whether it was: then all others must.
func (c *compiler) alternatives(q qual, bare bool) (e *cond, last qual, isBare bool) {
	e, last, isBare = c.operand(q, bare)
	for {
		t := c.peek()
		isAnd := t.key == kAnd || t.is("&&")
		if !isAnd && t.key != kOr && !t.is("||") {
			return e, last, isBare
		}
		c.next()
		at := c.peek()
		r, lastR, bareR := c.operand(last, true)
		if isBare && !bareR {
			refuse(at, "only names and numbers of the same kind can stand in this bracket")
		}
		last = lastR
		if isAnd {
			e = and(e, r)
		} else {
			e = or(e, r)
		}
	}
}

// operand reads one test, or a bracket of them. The qualifiers it returns are
// those a following bare name inherits.
func (c *compiler) operand(q qual, bare bool) (*cond, qual, bool) {
	t := c.peek()
	c.enter(t)
	defer func() { c.depth-- }()
	switch {
	case t.key == kNot || t.is("!"):
		c.next()
		e, last, isBare := c.operand(q, bare)
		return not(e), last, isBare
	case c.startsRelation():
		return c.comparison(), qual{none: true}, false
	case t.is("("):
		c.next()
		e, _, isBare := c.alternatives(q, bare)
		c.expect(")")
		return e, q, isBare
	case t.kind == tKey:
		e, last := c.primitive()
		return e, last, false
	case !bare || t.kind == tOp || t.kind == tEnd:
		c.unexpected(t)
	case q.none:
		refuse(t, "what is it? host, net, port or proto must stand before it")
	}
	return c.name(q), q, true
}

// unexpected refuses what cannot begin a test.
func (c *compiler) unexpected(t token) {
	switch t.kind {
	case tEnd:
		refuse(t, "the filter ends where a test should stand")
	case tOp:
		refuse(t, "a test should stand here, as host 10.0.0.1, tcp port 80 or ip[8] < 5")
	case tWord:
		refuse(t, "unknown word (names stand behind port or proto; tests begin with a word like host, net, port, src, ip, tcp, vlan)")
	}
	refuse(t, "host, net, port or another word that says what it is must stand before it")
}

func (c *compiler) expect(op string) token {
	t := c.next()
	if !t.is(op) {
		refuse(t, op+" should stand here")
	}
	return t
}

// startsRelation tells whether arithmetic begins here: a number or bracket with
// an operator behind it, len, a minus, or a protocol's bytes.
func (c *compiler) startsRelation() bool {
	t := c.peek()
	switch {
	case t.kind == tNumber:
		n := c.ahead(1)
		return isRelation(n) || isArithmetic(n)
	case t.is("("):
		end := c.close[c.i]
		return end > 0 && (isRelation(c.toks[end+1]) || isArithmetic(c.toks[end+1]))
	case t.is("-"), t.key == kLen:
		return true
	}
	return t.key.isProto() && c.ahead(1).is("[")
}

// primitive reads a test that begins with a word of the language.
func (c *compiler) primitive() (*cond, qual) {
	t := c.next()
	switch t.key {
	case kLess:
		return not(compare(field{length: true}, 0xffffffff, cmpGT, c.number("a length").num)), qual{none: true}
	case kGreater:
		return compare(field{length: true}, 0xffffffff, cmpGE, c.number("a length").num), qual{none: true}
	case kVLAN:
		return c.vlan(t, c.optional(4095, "vlans are 0 to 4095")), qual{none: true}
	case kMPLS:
		return c.mpls(t, c.optional(0xfffff, "labels are 0 to 1048575")), qual{none: true}
	case kPPPoES:
		return c.pppoes(t, c.optional(0xffff, "sessions are 0 to 65535")), qual{none: true}
	case kGeneve:
		return c.geneve(t, c.optional(0xffffff, "networks are 0 to 16777215")), qual{none: true}
	case kPPPoED:
		return c.layers.isType(t, typePPPoED), qual{none: true}
	case kLLC:
		if n := c.peek(); n.kind == tWord || n.kind == tKey && n.key == kForeign {
			c.next()
			return c.llc(t, &n), qual{none: true}
		}
		return c.llc(t, nil), qual{none: true}
	case kInbound, kOutbound:
		refuse(t, "a frame does not say which way it went: choose the direction where the capture is asked for")
	case kIfIndex:
		refuse(t, "a frame does not say where it was: choose interfaces where the capture is asked for")
	case kForeign:
		refuse(t, "that exists on other link layers only")
	}
	if t.key.isProto() {
		return c.qualified(t, t.key)
	}
	c.i--
	return c.qualified(t, pDefault)
}

// qualified reads what stands behind a protocol, or where it could stand.
func (c *compiler) qualified(start token, proto key) (*cond, qual) {
	t := c.peek()
	q := qual{proto: proto}
	switch t.key {
	case kBroadcast:
		c.next()
		return c.broadcast(t, proto), qual{none: true}
	case kMulticast:
		c.next()
		return c.multicast(t, proto), qual{none: true}
	case kForeign:
		refuse(t, "that exists on other link layers only")
	case kGateway:
		refuse(t, "gateways are not known by name: say ether host MAC and not host ADDRESS")
	case kProto, kProtoChain:
		c.next()
		q.typ = t.key
		return c.identified(q), q
	}
	q.dir = c.direction()
	switch t = c.peek(); t.key {
	case kHost, kNet, kPort, kPortRange:
		c.next()
		q.typ = t.key
	default:
		if q.dir != kNone {
			break
		}
		if proto == pDefault {
			c.unexpectedKey(start)
		}
		return c.protocol(start, proto), qual{none: true}
	}
	return c.identified(q), q
}

func (c *compiler) unexpectedKey(t token) {
	switch t.key {
	case kAnd, kOr:
		refuse(t, "a test should stand before it and behind it")
	case kMask:
		refuse(t, "a mask follows a network, as in net 10.0.0.0 mask 255.0.0.0")
	}
	refuse(t, "no test begins with it")
}

// direction reads src, dst, src or dst, src and dst, in either order.
func (c *compiler) direction() key {
	t := c.peek()
	if t.key != kSrc && t.key != kDst {
		return kNone
	}
	c.next()
	join, other := c.peek(), c.ahead(1)
	if other.key != kSrc && other.key != kDst || other.key == t.key {
		return t.key
	}
	switch {
	case join.key == kOr || join.is("||"):
		c.i += 2
		return kOr
	case join.key == kAnd || join.is("&&"):
		c.i += 2
		return kAnd
	}
	return t.key
}

// identified reads what qualifiers qualify: a name or number, negated or a
// bracket of them.
func (c *compiler) identified(q qual) *cond {
	t := c.peek()
	c.enter(t)
	defer func() { c.depth-- }()
	switch {
	case t.key == kNot || t.is("!"):
		c.next()
		return not(c.identified(q))
	case t.is("("):
		c.next()
		e, _, isBare := c.alternatives(q, true)
		if !isBare {
			refuse(t, "only names and numbers of the same kind can stand in this bracket")
		}
		c.expect(")")
		return e
	}
	return c.name(q)
}

// name reads a name, number or address.
func (c *compiler) name(q qual) *cond {
	t := c.next()
	if q.typ == kProto || q.typ == kProtoChain {
		return c.protoName(t, q)
	}
	if q.typ == kPort || q.typ == kPortRange {
		return c.portName(t, q)
	}
	switch t.kind {
	case tNumber:
		addr, mask := t.num, uint32(0xffffffff)
		for q.typ == kNet && addr != 0 && addr < 1<<24 { // net 10 is 10.0.0.0/8
			addr, mask = addr<<8, mask<<8
		}
		return c.host4(t, q, addr, mask)
	case tDotted:
		return c.ipv4Name(t, q)
	case tIPv6:
		return c.ipv6Name(t, q)
	case tMAC:
		if q.proto != pLink || q.typ == kNet {
			refuse(t, "an Ethernet address can follow ether host, ether src or ether dst")
		}
		return c.station(t, q.dir, t.mac)
	case tWord:
		refuse(t, "names are not looked up: give the address")
	case tKey:
		refuse(t, "an address should stand here")
	}
	refuse(t, "an address should stand here")
	return nil
}

// ipv4Name reads an IPv4 address, or a network with its length or mask.
func (c *compiler) ipv4Name(t token, q qual) *cond {
	addr, bits := dotted(t)
	mask := maskOf(bits)
	switch n := c.peek(); {
	case n.is("/"):
		c.next()
		length := c.number("the length of a prefix")
		if length.num > 32 {
			refuse(length, "IPv4 prefixes have at most 32 bits")
		}
		mask = maskOf(int(length.num))
		c.network(t, q, addr&^mask != 0)
	case n.key == kMask:
		c.next()
		m := c.next()
		if m.kind != tDotted {
			refuse(m, "a mask should stand here, as 255.255.255.0")
		}
		mask, _ = dotted(m)
		c.network(t, q, addr&^mask != 0)
	}
	return c.host4(t, q, addr, mask)
}

func (c *compiler) ipv6Name(t token, q qual) *cond {
	p := netip.PrefixFrom(t.ip6, 128)
	if c.peek().is("/") {
		c.next()
		length := c.number("the length of a prefix")
		if length.num > 128 {
			refuse(length, "IPv6 prefixes have at most 128 bits")
		}
		a := t.ip6.As16()
		p = netip.PrefixFrom(netip.AddrFrom16(a), int(length.num))
		if length.num != 128 || q.typ == kNet {
			c.network(t, q, p.Masked().Addr() != p.Addr())
		}
	}
	return c.host6(t, q, netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), p.Bits()))
}

// network checks what only networks have: a length or mask, and nothing behind it.
func (c *compiler) network(t token, q qual, more bool) {
	if q.typ != kNet {
		refuse(t, "only a net has a length or mask")
	}
	if more {
		refuse(t, "bits are set that the length or mask leaves out")
	}
}

func (c *compiler) portName(t token, q qual) *cond {
	proto := c.transportOf(t, q)
	var first, last uint32
	over := uint8(overTCP | overUDP)
	switch {
	case t.kind == tNumber:
		if first = t.num; first > 65535 {
			refuse(t, "ports are 0 to 65535")
		}
		last = first
	case t.kind == tKey && protoKey(t.text) != kNone:
		refuse(t, "a word of the language; for a service of that name write \\"+t.text)
	case t.kind != tWord:
		refuse(t, "a port should stand here, a number or the name of a service")
	case q.typ == kPortRange:
		first, last, over = serviceRange(t)
	default:
		first, over = service(t)
		last = first
	}
	proto = narrow(t, proto, over)
	return c.ports(t, proto, q.dir, first, last)
}

func (c *compiler) protoName(t token, q qual) *cond {
	if t.kind == tNumber {
		return c.named(t, q, t.num)
	}
	if t.kind == tKey {
		refuse(t, "a word of the language; for the protocol of that name write \\"+t.text)
	}
	if t.kind != tWord {
		refuse(t, "a protocol should stand here, a number or a name")
	}
	n, ok := uint32(0), false
	switch q.proto {
	case pLink:
		n, ok = etherTypeOf(t.name)
	case pISO:
		switch protoKey(t.name) {
		case pCLNP:
			n, ok = 0x81, true
		case pESIS:
			n, ok = 0x82, true
		case pISIS:
			n, ok = 0x83, true
		}
	default:
		n, ok = ipProtoOf(t.name)
	}
	if !ok {
		refuse(t, "unknown protocol: give its number")
	}
	return c.named(t, q, n)
}

// number reads a number. what is what it is for.
func (c *compiler) number(what string) token {
	t := c.next()
	if t.kind != tNumber {
		refuse(t, what+" should stand here")
	}
	return t
}

// optional reads a number up to most, in brackets or not, if there is one.
func (c *compiler) optional(most uint32, why string) *uint32 {
	n := 0
	for c.ahead(n).is("(") {
		n++
	}
	t := c.ahead(n)
	if t.kind != tNumber {
		return nil
	}
	c.i += n + 1
	for range n {
		c.expect(")")
	}
	if t.num > most {
		refuse(t, why)
	}
	return &t.num
}
