package ctl

import (
	"net/netip"
	"strconv"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
)

// rawICMP is a raw socket that hears what is said about probes.
type rawICMP struct {
	c   *vimage.IPConn
	is6 bool
	buf [65536]byte
}

// listenICMP opens one that hears echo replies and errors. source may be empty.
func listenICMP(st *vimage.Stack, is6 bool, source netip.Addr) (*rawICMP, error) {
	network, types := "ip4:icmp", []uint8{wire.ICMP4EchoReply, wire.ICMP4Unreachable, wire.ICMP4SourceQuench, wire.ICMP4Redirect, wire.ICMP4TimeExceeded, wire.ICMP4ParamProblem}
	if is6 {
		network, types = "ip6:ipv6-icmp", []uint8{wire.ICMP6EchoReply, wire.ICMP6Unreachable, wire.ICMP6TooBig, wire.ICMP6TimeExceeded, wire.ICMP6ParamProblem}
	}
	address := ""
	if source.IsValid() {
		address = source.String()
	}
	pc, err := st.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	r := &rawICMP{c: pc.(*vimage.IPConn), is6: is6}
	r.c.SetICMPTypes(types...)
	return r, nil
}

// icmpMessage is one that has come in.
type icmpMessage struct {
	from, to   netip.Addr
	ttl        int
	size       int // bytes of ICMP
	typ, code  uint8
	id, seq    uint16 // of an echo
	mtu        int
	about      netip.Addr // destination of the packet that an error is about
	proto      uint8      // its protocol
	isEcho     bool       // the packet is one
	sport      uint16     // the first words of what it carried
	dport      uint16
	aid, aseq  uint16 // of the echo request that it is about
	quotedHops int    // the time to live that it had left
}

// read waits for the next message that can be understood.
func (r *rawICMP) read() (icmpMessage, error) {
	for {
		var info socket.Recv
		n, err := r.c.Internal().ReadMsg([][]byte{r.buf[:]}, &info, socket.ReadWait|socket.ReadPayload)
		if err != nil {
			return icmpMessage{}, err
		}
		v := r.c.Internal().Stack().View()
		m := icmpMessage{from: usrreq.Zoned(v, info.From.Addr(), info.IfIndex), to: usrreq.Zoned(v, info.To, info.IfIndex), ttl: int(info.TTL), size: n}
		if r.is6 && m.parse6(r.buf[:n]) || !r.is6 && m.parse4(r.buf[:n]) {
			return m, nil
		}
	}
}

// icmpHeader is what the headers of both families have.
type icmpHeader interface {
	Type() uint8
	Code() uint8
	ID() uint16
	Seq() uint16
}

// head reads that, and tells whether it is of an echo reply.
func (m *icmpMessage) head(p icmpHeader, reply uint8) bool {
	m.typ, m.code, m.id, m.seq = p.Type(), p.Code(), p.ID(), p.Seq()
	m.isEcho = m.typ == reply
	return m.isEcho
}

func (m *icmpMessage) parse4(b []byte) bool {
	p, f := wire.ParseICMP4(b)
	if f != wire.OK {
		return false
	}
	if m.head(p, wire.ICMP4EchoReply) {
		return true
	}
	m.mtu = p.MTU()
	q, f := p.Quoted()
	if f != wire.OK || len(q.Payload()) < 8 {
		return false
	}
	m.about, m.proto, m.quotedHops = q.Dst(), q.Proto(), int(q[8])
	m.transport(q.Payload())
	return true
}

func (m *icmpMessage) parse6(b []byte) bool {
	p, f := wire.ParseICMP6(b)
	if f != wire.OK {
		return false
	}
	if m.head(p, wire.ICMP6EchoReply) {
		return true
	}
	m.mtu = int(p.MTU())
	q, f := p.Quoted()
	if f != wire.OK || len(q) < wire.IPv6Len+8 { // probes have no extension headers
		return false
	}
	m.about, m.proto, m.quotedHops = netip.AddrFrom16([16]byte(q[24:40])), q[6], int(q[7])
	m.transport(q[wire.IPv6Len:])
	return true
}

// transport reads the beginning of what the quoted packet carried.
func (m *icmpMessage) transport(b []byte) {
	m.sport, m.dport = uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3])
	m.aid, m.aseq = uint16(b[4])<<8|uint16(b[5]), uint16(b[6])<<8|uint16(b[7])
}

// text says in words what an error message says, as ping(8) does.
func (m *icmpMessage) text(is6 bool) string {
	code := ", code " + strconv.Itoa(int(m.code))
	if is6 {
		switch m.typ {
		case wire.ICMP6Unreachable:
			return pick(m.code, "Destination unreachable, Bad Code: "+strconv.Itoa(int(m.code)),
				"No Route to Destination", "Destination Administratively Unreachable", "Destination Unreachable Beyond Scope",
				"Destination Host Unreachable", "Destination Port Unreachable")
		case wire.ICMP6TooBig:
			return "Packet too big mtu = " + strconv.Itoa(m.mtu)
		case wire.ICMP6TimeExceeded:
			return pick(m.code, "Time Exceeded"+code, "Time to live exceeded", "Frag reassembly time exceeded")
		}
		return "Parameter problem" + code
	}
	switch m.typ {
	case wire.ICMP4Unreachable:
		if m.code == wire.ICMP4CodeFragNeeded && m.mtu > 0 {
			return "frag needed and DF set (MTU " + strconv.Itoa(m.mtu) + ")"
		}
		return pick(m.code, "Dest Unreachable, Bad Code: "+strconv.Itoa(int(m.code)),
			"Destination Net Unreachable", "Destination Host Unreachable", "Destination Protocol Unreachable",
			"Destination Port Unreachable", "frag needed and DF set", "Source Route Failed", "Destination Net Unknown",
			"Destination Host Unknown", "Source Host Isolated", "Destination Net Prohibited", "Destination Host Prohibited",
			"Destination Net Unreachable for TOS", "Destination Host Unreachable for TOS", "Communication prohibited by filter",
			"Host Precedence Violation", "Precedence Cutoff")
	case wire.ICMP4SourceQuench:
		return "Source Quench"
	case wire.ICMP4Redirect:
		return pick(m.code, "Redirect, Bad Code: "+strconv.Itoa(int(m.code)), "Redirect Network", "Redirect Host",
			"Redirect Type of Service and Network", "Redirect Type of Service and Host")
	case wire.ICMP4TimeExceeded:
		return pick(m.code, "Time exceeded, Bad Code: "+strconv.Itoa(int(m.code)), "Time to live exceeded", "Frag reassembly time exceeded")
	}
	return "Parameter problem" + code
}

// pick returns the text of a code.
func pick(code uint8, other string, texts ...string) string {
	if int(code) < len(texts) {
		return texts[code]
	}
	return other
}
