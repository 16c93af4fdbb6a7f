package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/wire"
)

// cachedRoute is the way a connection's segments go, valid as long as view,
// table and the table's generation are what they were (behaviour 4.1).
type cachedRoute struct {
	v     *View
	fib   uint32
	gen   uint32
	why   pkt.Reason
	local bool // to ourselves
	hop
}

// wayTo returns the route to dst in a table, looked up again if something has
// changed, and whether it was.
func (c *cachedRoute) wayTo(st *Stack, v *View, table uint32, dst netip.Addr) (fresh bool) {
	gen := st.fibs.Table(int(table)).Generation()
	if c.v == v && c.fib == table && c.gen == gen {
		return false
	}
	*c = cachedRoute{v: v, fib: table, gen: gen, local: v.IsOurs(dst)}
	if c.local {
		c.hop = hop{out: v.conf(loIndex), next: dst, mtu: v.conf(loIndex).mtu}
		return true
	}
	c.why = st.route(v, table, dst, &c.hop)
	return true
}

// maxSuper is the most payload of a super-segment: 45 segments of 1,448 bytes.
// With headers it stays below what the length field of a packet can say.
const maxSuper = 65160

// outTCP sends what a connection has to send.
func (sh *shard) outTCP(p *pass, s *TCPSock) {
	if s.route.wayTo(sh.st, p.v, s.FIB, s.Remote.Addr()) && s.route.why == pkt.NoReason {
		s.conn.SetMSS(s.route.mtu - ipTCPLen)
	}
	p.in, p.m = nil, pkt.Meta{FIB: s.FIB}
	for {
		s.hear()
		sh.pull(p, s)
		if s.tuned(p); !s.in.MustTell() || s.in.Taken() == s.told {
			return
		}
		// The user has read on meanwhile, and may have looked at what TellAt said
		// before: it is for us to notice.
	}
}

// pull sends the segments that the room has.
func (sh *shard) pull(p *pass, s *TCPSock) {
	t, env := sh.rooms.tcp, sh.tcpEnv(p)
	for s.conn.Next(env, p.r.Now(), &t.out) {
		if s.route.why != pkt.NoReason {
			sh.rare().DroppedFrames[s.route.why]++
			continue // it will try again
		}
		sh.sendSegment(p, s, &t.out)
	}
}

// hear tells the room how much the user has read.
func (s *TCPSock) hear() {
	s.told = s.in.Taken()
	s.conn.Read(s.told)
}

// sendSegment sends a segment; one that reaches from one chunk of the send buffer
// into the next goes as two if that saves copying.
func (sh *shard) sendSegment(p *pass, s *TCPSock, o *tcp.Out) {
	if o.Len > worthSharing {
		span := s.out.Span(o.Off)
		if span < o.Len && (span > worthSharing || o.Len-span > worthSharing) {
			sh.sendPart(p, s, o, span, o.Hdr.Flags&^(wire.FIN|wire.PSH))
			o.Off += uint64(span)
			o.Len -= span
			o.Hdr.Seq = o.Hdr.Seq.Add(span)
			o.Hdr.Flags &^= wire.CWR
		}
	}
	sh.sendPart(p, s, o, o.Len, o.Hdr.Flags)
}

// worthSharing is the least payload that is sent where it lies.
const worthSharing = 4096

// sendPart sends the first n bytes of a segment.
func (sh *shard) sendPart(p *pass, s *TCPSock, o *tcp.Out, n int, flags wire.TCPFlags) {
	hd := o.Hdr
	hd.SrcPort, hd.DstPort, hd.Flags = s.Local.Port(), s.Remote.Port(), flags
	var b *pkt.Buf
	if n > worthSharing {
		b = s.out.Share(&p.r.Cache, o.Off, n)
	}
	if b == nil {
		b = p.r.Cache.Get(wire.IPv4Len + wire.TCPMaxLen + n)
		if n > 0 {
			s.out.Copy(b.Extend(n), o.Off)
		}
	}
	if n > o.Seg {
		b.GSO, b.GSOSize = pkt.GSOTCP4, uint16(o.Seg)
	}
	tos := s.TOS &^ 3
	if o.ECT {
		tos |= uint8(tcp.ECT0)
	}
	h := s.route.hop
	sh.putTCP(p, b, &s.tcpKey, &hd, &h, s.route.local, tos, s.TTL)
}

// putTCP takes a payload and sends it behind the given header.
func (sh *shard) putTCP(p *pass, b *pkt.Buf, k *tcpKey, hd *wire.TCPHeader, h *hop, local bool, tos, ttl uint8) syscall.Errno {
	wire.PutTCP(b.Push(hd.Len()), hd)
	b.Sum = pkt.SumPartial
	if ttl == 0 {
		ttl = uint8(p.v.tun.IP.TTL)
	}
	ip := wire.IPv4Header{TOS: tos, TTL: ttl, Proto: wire.ProtoTCP, Src: k.Local.Addr(), Dst: k.Remote.Addr(), DF: p.v.tun.TCP.PMTU != 0}
	return sh.outIPv4(p, b, &ip, h, local, false)
}

// sendControl sends a segment without payload that no connection sends.
func (sh *shard) sendControl(p *pass, k *tcpKey, hd *wire.TCPHeader, fib uint32) {
	var c cachedRoute
	c.wayTo(sh.st, p.v, fib, k.Remote.Addr())
	if c.why != pkt.NoReason {
		sh.rare().DroppedFrames[c.why]++
		return
	}
	hd.SrcPort, hd.DstPort = k.Local.Port(), k.Remote.Port()
	b := p.r.Cache.Get(wire.IPv4Len + wire.TCPMaxLen)
	sh.rooms.tcp.stats.path.Control++
	in, m := p.in, p.m
	p.in, p.m = nil, pkt.Meta{FIB: fib}
	sh.putTCP(p, b, k, hd, &c.hop, c.local, 0, 0)
	p.in, p.m = in, m
}
