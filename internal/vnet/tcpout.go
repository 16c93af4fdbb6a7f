package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/wire"
)

// maxSuper is the most payload of a super-segment: 45 segments of 1,448 bytes.
// With headers it stays below what the length field of a packet can say.
const maxSuper = 65160

// outTCP sends what a connection has to send.
func (sh *shard) outTCP(p *pass, s *TCPSock) {
	if s.route.To(p.v, s.FIB, s.Local, s.Remote, s.Scope) && s.route.Why == pkt.NoReason {
		s.conn.SetMSS(sh.st.mtus.Limit(p.r.Now(), s.Remote.Addr(), &s.route.Hop) - wire.TCPHeadersLen(s.Local.Addr()))
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
		if s.route.Why != pkt.NoReason {
			sh.rare().DroppedFrames[s.route.Why]++
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
		b = p.r.Cache.Get(wire.IPv6Len + wire.TCPMaxLen + n)
		if n > 0 {
			s.out.Copy(b.Extend(n), o.Off)
		}
	}
	if n > o.Seg {
		b.GSO, b.GSOSize = pkt.GSOTCP4, uint16(o.Seg)
		if s.Local.Addr().Is6() {
			b.GSO = pkt.GSOTCP6
		}
	}
	tos := s.TOS &^ 3
	if o.ECT {
		tos |= uint8(tcp.ECT0)
	}
	h := s.route.Hop
	sh.putTCP(p, b, &s.tcpKey, &hd, &h, s.route.IsLocal, tos, s.TTL)
}

// putTCP takes a payload and sends it behind the given header.
func (sh *shard) putTCP(p *pass, b *pkt.Buf, k *tcpKey, hd *wire.TCPHeader, h *ifnet.Hop, local bool, tos, ttl uint8) syscall.Errno {
	wire.PutTCP(b.Push(hd.Len()), hd)
	b.Sum = pkt.SumPartial
	if ttl == 0 {
		ttl = p.v.TTL(h, k.Remote.Addr())
	}
	ip := wire.IPHeader{TOS: tos, TTL: ttl, Proto: wire.ProtoTCP, Src: k.Local.Addr(), Dst: k.Remote.Addr(), DF: p.v.V().TCP.PMTU != 0}
	if ip.Dst.Is6() && p.v.V().IP6.FlowLabel != 0 {
		ip.FlowLabel = sh.st.world.seed.FlowLabel(ip.Src, ip.Dst, k.Local.Port(), k.Remote.Port())
	}
	return sh.outIP(p, b, &ip, h, local, false)
}

// sendControl sends a segment without payload that no connection sends.
func (sh *shard) sendControl(p *pass, k *tcpKey, hd *wire.TCPHeader, fib uint32) {
	var c ifnet.Cached
	c.To(p.v, fib, k.Local, k.Remote, k.Scope)
	if c.Why != pkt.NoReason {
		sh.rare().DroppedFrames[c.Why]++
		return
	}
	hd.SrcPort, hd.DstPort = k.Local.Port(), k.Remote.Port()
	b := p.r.Cache.Get(wire.IPv6Len + wire.TCPMaxLen)
	sh.rooms.tcp.stats.Path.Control++
	in, m := p.in, p.m
	p.in, p.m = nil, pkt.Meta{FIB: fib}
	sh.putTCP(p, b, k, hd, &c.Hop, c.IsLocal, 0, 0)
	p.in, p.m = in, m
}
