package wire

import "encoding/binary"

// Cutter cuts a packet into fragments (RFC 791 §3.2, RFC 8200 §4.5).
type Cutter struct {
	p        Packet
	off      int // of the next fragment's payload in the packet's
	step     int // payload of each fragment but the last
	id       uint32
	copied   [IPv4MaxLen - IPv4Len]byte // options that every fragment of IPv4 has
	nCopied  int
	fragment int // length of an IPv6 fragment header, 0 in IPv4
}

// Cut returns what makes the fragments of p that are no longer than mtu; false
// where mtu leaves no room for any payload. Those of IPv6 get the identification
// id, and each has p's headers before its upper layer: options for every hop.
func Cut(p Packet, mtu int, id uint32) (c Cutter, ok bool) {
	c = Cutter{p: p, id: id}
	if p.Is6() {
		c.fragment = FragmentLen
	} else {
		c.nCopied = len(p.V4().AppendCopied(c.copied[:0]))
	}
	c.step = (mtu - p.HeaderLen() - c.fragment) &^ 7
	return c, c.step >= 8
}

// Len returns the length of the next fragment, 0 after the last.
func (c *Cutter) Len() int {
	n := min(c.step, len(c.p.Payload())-c.off)
	if n <= 0 {
		return 0
	}
	return c.headerLen() + n
}

func (c *Cutter) headerLen() int {
	if !c.p.Is6() && c.off > 0 {
		return IPv4Len + (c.nCopied+3)&^3
	}
	return c.p.HeaderLen() + c.fragment
}

// Put writes the next fragment into b, whose length is Len. It has p's checksum
// state: what p's sum covers is in no single fragment.
func (c *Cutter) Put(b []byte) {
	hl := c.headerLen()
	n := len(b) - hl
	more := c.off+n < len(c.p.Payload())
	if c.p.Is6() {
		c.put6(b, more)
	} else {
		ip := c.p.V4()
		hd := ip.Header()
		if c.off > 0 {
			hd.Options = c.copied[:c.nCopied]
		}
		hd.FragOffset, hd.MF = ip.FragOffset()+c.off, ip.MF() || more
		PutIPv4(b, &hd, n)
	}
	copy(b[hl:], c.p.Payload()[c.off:c.off+n])
	c.off += n
}

// put6 writes the headers that p has before its upper layer, and a fragment header.
func (c *Cutter) put6(b []byte, more bool) {
	hl := c.p.HeaderLen()
	copy(b, c.p.b[:hl])
	binary.BigEndian.PutUint16(b[4:6], uint16(len(b)-IPv6Len))
	b[c.p.lastNext()] = ProtoFragment
	PutFragment6(b[hl:], c.p.proto, c.off, more, c.id)
}
