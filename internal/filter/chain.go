package filter

import "golang.org/x/net/bpf"

// chainSteps is how many headers a chain is followed over. A BPF program cannot
// loop; no packet in use has more (RFC 8200 §4.1 has six).
const chainSteps = 8

// Headers that can stand before a transport's (IANA, IPv6 extension headers).
const (
	headerHopByHop    = 0
	headerRouting     = 43
	headerDestination = 60
)

// chain is "PROTO protochain N": whether a packet of either IP, or both, has the
// header N, behind any number of others.
func (c *compiler) chain(t token, q qual, number uint32) *cond {
	if c.layers.pay.reg != 0 {
		refuse(t, "inside geneve no chain can be followed")
	}
	switch q.proto {
	case pDefault:
		return or(c.chain4(t, number), c.chain6(t, number))
	case pIP:
		return c.chain4(t, number)
	case pIP6:
		return c.chain6(t, number)
	}
	refuse(t, "protochain can follow ip, ip6, or nothing")
	return nil
}

// chain4 follows authentication headers: others do not stand behind IPv4.
func (c *compiler) chain4(t token, number uint32) *cond {
	l := &c.layers
	first := append(l.transport(0, 1).base(), bpf.LoadAbsolute{Off: l.pay.off + l.net + 9, Size: 1})
	return and(c.layers.isType(t, typeIPv4), c.links(number, first))
}

func (c *compiler) chain6(t token, number uint32) *cond {
	l := &c.layers
	first := []bpf.Instruction{
		bpf.LoadConstant{Dst: bpf.RegX, Val: 40},
		bpf.LoadAbsolute{Off: l.pay.off + l.net + 6, Size: 1},
	}
	return and(c.layers.isType(t, typeIPv6),
		c.links(number, first, headerHopByHop, headerDestination, headerRouting, protoFrag))
}

// links follows a chain. first leaves its first header's number in A and, in X,
// where that begins behind the network layer's header; others are the headers
// whose length is counted in eights.
func (c *compiler) links(number uint32, first []bpf.Instruction, others ...uint32) *cond {
	const keep = 0 // cells from 0 on are free between tests
	at := c.layers.pay.off + c.layers.net
	// What a header says of the next, its number, is in its first byte; its length
	// is in the second.
	step := func(add, unit uint32) *cond {
		return does(
			bpf.LoadIndirect{Off: at, Size: 1},
			bpf.StoreScratch{Src: bpf.RegA, N: keep},
			bpf.LoadIndirect{Off: at + 1, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: add},
			bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: unit},
			bpf.ALUOpX{Op: bpf.ALUOpAdd},
			bpf.TAX{},
			bpf.LoadScratch{Dst: bpf.RegA, N: keep},
		)
	}
	is := func(k uint32) *cond { return &cond{kind: condTest, test: test{cmp: cmpEQ, k: k}} }
	eights := always(false)
	for i := len(others) - 1; i >= 0; i-- {
		eights = or(is(others[i]), eights)
	}
	found := is(number)
	for range chainSteps {
		on := or(and(is(protoAH), step(2, 4)), and(eights, step(1, 8)))
		found = or(is(number), and(on, found))
	}
	return and(does(first...), found)
}
