package filter

import "golang.org/x/net/bpf"

func isRelation(t token) bool {
	if t.kind != tOp {
		return false
	}
	switch t.text {
	case "=", "==", "!=", ">", ">=", "<", "<=":
		return true
	}
	return false
}

func isArithmetic(t token) bool {
	_, _, ok := operator(t)
	return ok
}

// precedence is how tight an operator binds; the tightest have the highest.
const (
	bindOr = iota + 1
	bindAnd
	bindShift
	bindSum
	bindProduct
	bindMinus
)

// operator returns the meaning of an operator between two values. A bind of 0
// is that of % and ^, which take all that stands behind them as their right
// side, and of what stands before only the last value: so does tcpdump.
func operator(t token) (op bpf.ALUOp, bind int, ok bool) {
	if t.kind != tOp {
		return 0, 0, false
	}
	switch t.text {
	case "|":
		return bpf.ALUOpOr, bindOr, true
	case "&":
		return bpf.ALUOpAnd, bindAnd, true
	case "<<":
		return bpf.ALUOpShiftLeft, bindShift, true
	case ">>":
		return bpf.ALUOpShiftRight, bindShift, true
	case "+":
		return bpf.ALUOpAdd, bindSum, true
	case "-":
		return bpf.ALUOpSub, bindSum, true
	case "*":
		return bpf.ALUOpMul, bindProduct, true
	case "/":
		return bpf.ALUOpDiv, bindProduct, true
	case "%":
		return bpf.ALUOpMod, 0, true
	case "^":
		return bpf.ALUOpXor, 0, true
	}
	return 0, 0, false
}

// arith is a value, and what must be true of a frame that has it: the protocols
// whose bytes are asked for.
type arith struct {
	val  *value
	need *cond
}

// comparison reads "value relation value".
func (c *compiler) comparison() *cond {
	a := c.arith(0)
	t := c.next()
	if !isRelation(t) {
		refuse(t, "a comparison should stand here: =, !=, <, >, <= or >=")
	}
	b := c.arith(0)
	return and(a.need, b.need, c.relation(t, a.val, b.val))
}

// arith reads a value, as far as operators bind tighter than bind.
func (c *compiler) arith(bind int) arith {
	t := c.peek()
	c.enter(t)
	defer func() { c.depth-- }()
	left := c.factor()
	for {
		t := c.peek()
		op, b, ok := operator(t)
		if !ok || b != 0 && b <= bind {
			return left
		}
		c.next()
		right := c.arith(b)
		left.val = operate(t, op, left.val, right.val) // what the right side needs is not asked for: tcpdump does not
	}
}

func (c *compiler) factor() arith {
	t := c.next()
	switch {
	case t.kind == tNumber:
		return arith{constant(t.num), always(true)}
	case t.key == kLen:
		return arith{&value{kind: valField, fld: field{length: true}}, always(true)}
	case t.is("-"):
		a := c.arith(bindMinus)
		return arith{negate(a.val), a.need}
	case t.is("("):
		a := c.arith(0)
		c.expect(")")
		return a
	case t.key.isProto():
		return c.bytes(t)
	case t.kind == tEnd:
		refuse(t, "the filter ends where a value should stand")
	}
	refuse(t, "a value should stand here: a number, len, or bytes like ip[8] or tcp[2:2]")
	return arith{}
}

// bytes reads "[index]" or "[index:size]" behind a protocol.
func (c *compiler) bytes(proto token) arith {
	c.expect("[")
	index := c.arith(0)
	size := uint32(1)
	if c.peek().is(":") {
		c.next()
		n := c.number("the number of bytes")
		if size = n.num; size != 1 && size != 2 && size != 4 {
			refuse(n, "one can look at 1, 2 or 4 bytes at once")
		}
	}
	c.expect("]")
	f, need := c.header(proto, uint8(size), index.need)
	v := at(f, index.val)
	if v.a == nil && !f.ihl && f.reg == 0 && v.fld.off > 1<<31-1 {
		refuse(proto, "that is before the frame's first byte, or beyond any frame's last")
	}
	return arith{v, need}
}

// header returns the first field of a protocol's header, and what makes a frame
// have one. within is what the index needs.
func (c *compiler) header(t token, size uint8, within *cond) (field, *cond) {
	l := &c.layers
	switch t.key {
	case pLink:
		return l.hdr.in(0, size), within
	case pIP, pIP6, pARP, pRARP, pATalk, pDECnet, pLAT, pSCA, pMOPRC, pMOPDL:
		return l.network(0, size), and(within, c.protocol(t, t.key))
	case pTCP, pUDP, pSCTP, pICMP, pIGMP, pIGRP, pPIM, pVRRP, pCARP:
		first := not(compare(l.network(6, 2), 0xffffffff, cmpSet, 0x1fff))
		return l.transport(0, size), and(l.isType(t, typeIPv4), within, c.protocol(t, t.key), first)
	case pICMP6:
		return l.network(40, size), and(within, l.isType(t, typeIPv6), equal(l.network(6, 1), protoICMPv6))
	}
	refuse(t, "one cannot look at the bytes of that; of these one can: ether, ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, igmp, igrp, pim, vrrp, carp, atalk, decnet, lat, sca, moprc, mopdl")
	return field{}, nil
}
