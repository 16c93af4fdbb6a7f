package filter

import "golang.org/x/net/bpf"

// The words that look into what a frame carries, and move all that stands
// behind them in the expression there: vlan, mpls, pppoes, geneve.

// vlan looks for a tag (IEEE 802.1Q), of that number if there is one.
func (c *compiler) vlan(t token, id *uint32) *cond {
	l := &c.layers
	switch {
	case l.labels > 0:
		refuse(t, "behind mpls there is no vlan")
	case l.link != Ethernet:
		refuse(t, "only Ethernet has vlans")
	}
	is := or(l.isEtherType(typeVLAN), l.isEtherType(typeQinQ), l.isEtherType(typeOldQ))
	if !l.geneve {
		is = and(l.isOwnHeader(), is)
	}
	if id != nil {
		is = and(is, compare(l.network(0, 2), 0x0fff, cmpEQ, *id))
	}
	l.pay.off += 4
	l.typ.off += 4
	return is
}

// mpls looks for a label (RFC 3032), of that value if there is one.
func (c *compiler) mpls(t token, label *uint32) *cond {
	l := &c.layers
	var is *cond
	switch {
	case l.labels > 0: // there is one more if that was not the last
		is = compare(l.pay.in(l.net-2, 1), 0x01, cmpEQ, 0)
	case l.link == Raw:
		refuse(t, "only Ethernet and PPP have mpls")
	default:
		is = l.isType(t, typeMPLS)
	}
	if label != nil {
		is = and(is, compare(l.network(0, 4), 0xfffff000, cmpEQ, *label<<12))
	}
	l.net += 4
	l.labels++
	return is
}

// pppoes looks for a session's packet (RFC 2516 §4), of that number if there is
// one. PPP is the link layer behind it.
func (c *compiler) pppoes(t token, session *uint32) *cond {
	l := &c.layers
	is := l.isType(t, typePPPoES)
	if session != nil {
		is = and(is, compare(l.network(0, 4), 0x0000ffff, cmpEQ, *session))
	}
	hdr := place{l.pay.off + l.net + 6, l.pay.reg}
	*l = layers{link: ppp, hdr: hdr, typ: hdr, pay: place{hdr.off + 2, hdr.reg}}
	return is
}

const (
	portGeneve = 6081
	protoUDP   = 17
)

// geneve looks for Geneve's version 0 (RFC 8926 §3.4) over either IP, of that
// network if there is one. It leaves where the headers inside begin in
// registers: options, and the IPv4 header outside, can have any length.
func (c *compiler) geneve(t token, vni *uint32) *cond {
	l := &c.layers
	if l.labels > 0 {
		refuse(t, "behind mpls there is no geneve")
	}
	is := func(port *cond, udp func(off uint32, size uint8) field) *cond {
		list := []*cond{port, compare(udp(8, 1), 0xc0, cmpEQ, 0)}
		if vni != nil {
			list = append(list, compare(udp(12, 4), 0xffffff00, cmpEQ, *vni<<8))
		}
		return and(list...)
	}
	v4 := is(c.port4(t, protoUDP, kDst, portGeneve, portGeneve), l.transport)
	v6 := is(c.port6(t, protoUDP, kDst, portGeneve, portGeneve), func(off uint32, size uint8) field { return l.network(40+off, size) })
	hdr, typ, pay := c.register(t), c.register(t), c.register(t)

	x := func(r uint8) int { return int(r - 1) }
	add := func(k uint32) bpf.Instruction { return bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: k} }
	start := l.pay.off + l.net + 8
	from4 := append(l.transport(0, 1).base(), bpf.TXA{}, add(start))
	from6 := []bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegA, Val: 40}}
	if l.pay.reg != 0 {
		from6 = append(from6, bpf.LoadScratch{Dst: bpf.RegX, N: x(l.pay.reg)}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
	}
	from6 = append(from6, add(start))
	save := bpf.StoreScratch{Src: bpf.RegA, N: x(hdr)}
	found := or(and(v4, does(append(from4, save)...)), and(v6, does(append(from6, save)...)))

	// The type of what follows is in bytes 2 and 3, the length of the options,
	// in words, in six bits of byte 0.
	enter := []bpf.Instruction{
		bpf.LoadScratch{Dst: bpf.RegA, N: x(hdr)},
		bpf.TAX{},
		add(2),
		bpf.StoreScratch{Src: bpf.RegA, N: x(typ)},
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x3f},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		add(8),
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.StoreScratch{Src: bpf.RegA, N: x(hdr)},
		bpf.StoreScratch{Src: bpf.RegA, N: x(pay)},
		bpf.LoadIndirect{Off: 2, Size: 2},
	}
	ether := &cond{kind: condTest, test: test{code: enter, cmp: cmpEQ, k: typeBridge}}
	inner := does(
		bpf.LoadScratch{Dst: bpf.RegA, N: x(hdr)},
		add(12),
		bpf.StoreScratch{Src: bpf.RegA, N: x(typ)},
		add(2),
		bpf.StoreScratch{Src: bpf.RegA, N: x(pay)},
	)
	*l = layers{link: Ethernet, hdr: place{reg: hdr}, typ: place{reg: typ}, pay: place{reg: pay}, geneve: true}
	return and(found, or(and(ether, inner), always(true)))
}

// register takes a scratch cell for the rest of the program.
func (c *compiler) register(t token) uint8 {
	if c.cells <= 4 {
		refuse(t, "too many of these: a BPF program has 16 cells to remember where headers begin")
	}
	c.cells--
	return uint8(c.cells) + 1
}
