package vnet

import (
	"io"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
)

// tcpRoom is what a shard keeps of TCP: the connections of its flows, those that
// are being opened by others, and those that are over but remembered. It is made
// at its first use.
type tcpRoom struct {
	conns table.Table[tcpKey, TCPSock, *TCPSock]
	syns  *syn.Cache[*TCPListener]
	waits *wait.Table
	timer tcpTimer

	stats      vars.Segments
	challenges tcp.Challenges
	kept       int // bytes of memory kept out of order

	first, last *TCPSock // to be asked for segments before the shard is unlocked
	stale       bool     // syns or waits have something to send, or a new deadline

	// Of the segment at hand: here, so that nothing is allocated for it.
	hdr wire.TCPHeader
	ev  tcp.Event
	out tcp.Out
	env tcp.Env
}

// tcpKey is what a connection is found by.
type tcpKey struct {
	Local, Remote netip.AddrPort
	Scope         uint32 // interface index, where the addresses are link-local
}

func (k tcpKey) hash(s table.Seed) uint32 {
	return s.Pair(k.Local.Addr(), k.Remote.Addr(), table.Ports(k.Local.Port(), k.Remote.Port(), 0))
}

// tcpKey returns the key of the connection that a segment to local belongs to.
func (p *pass) tcpKey(local, remote netip.AddrPort) tcpKey {
	k := tcpKey{Local: local, Remote: remote}
	if ifaddr.IsLinkLocal(local.Addr()) || ifaddr.IsLinkLocal(remote.Addr()) {
		k.Scope = p.link(local.Addr())
	}
	return k
}

// tcp returns the shard's room, made if need be.
func (sh *shard) tcp() *tcpRoom {
	if sh.rooms.tcp == nil {
		t := &tcpRoom{syns: syn.New[*TCPListener](&sh.st.tcpHost().Secret, sh.st.world.seed), waits: wait.New(sh.st.world.seed)}
		t.timer.init(sh)
		sh.rooms.tcp = t
	}
	return sh.rooms.tcp
}

// tcpEnv is what a connection borrows for one call.
func (sh *shard) tcpEnv(p *pass) *tcp.Env {
	t := sh.rooms.tcp
	t.env = tcp.Env{
		T: &p.v.V().TCP, S: &t.stats.Conn, L: loss.Env{T: &p.v.V().Loss, S: &t.stats.Loss},
		C: &t.challenges, OOO: int(p.v.V().Stream.ReassMax) - t.kept,
	}
	return &t.env
}

// tcpShard returns the shard of a flow.
func (st *Stack) tcpShard(k *tcpKey) *shard {
	return st.flowShard(k.Local.Addr(), k.Remote.Addr(), k.Local.Port(), k.Remote.Port(), wire.ProtoTCP)
}

// inTCP takes a segment.
func (sh *shard) inTCP(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	t := sh.tcp()
	if to != destUnicast || p.l2 == toMany { // RFC 9293 §3.9.2.3 (MUST-57)
		sh.drop(p, b, pkt.BadDest)
		return
	}
	seg, f := wire.ParseTCP(ip.Payload())
	if f != wire.OK {
		t.stats.Path.BadOffset++
		sh.drop(p, b, pkt.BadTransport)
		return
	}
	if b.Sum == pkt.SumUnknown && !seg.ChecksumOK(ip.Src(), ip.Dst()) {
		t.stats.Path.BadSum++
		sh.drop(p, b, pkt.BadTransportSum)
		return
	}
	seg.Header(&t.hdr) // options that make no sense count as absent
	k := p.tcpKey(netip.AddrPortFrom(ip.Dst(), seg.DstPort()), netip.AddrPortFrom(ip.Src(), seg.SrcPort()))
	data, ecn := seg.Payload(), tcp.ECN(ip.TOS()&3)
	if s := t.conns.Get(k.hash(sh.st.world.seed), k); s != nil {
		sh.toConn(p, s, b, data, ecn)
		return
	}
	if t.waits.Len() > 0 && sh.inWait(p, &k, b, data) {
		return
	}
	if l := sh.st.tcpHost().Ports.Listener(k.Local, p.link(k.Local.Addr())); l != nil {
		sh.inListen(p, l, &k, b, data, ecn, nil)
		return
	}
	sh.refuseTCP(p, &k, b, len(data))
}

// refuseTCP takes a segment for which there is no connection. The answer goes
// by the table the segment came by (behaviour 4.3, rule 5).
func (sh *shard) refuseTCP(p *pass, k *tcpKey, b *pkt.Buf, n int) {
	t := sh.rooms.tcp
	hole := p.v.V().Stream.Blackhole
	quiet := hole >= 2 || hole == 1 && t.hdr.Flags.Has(wire.SYN)
	if !quiet && tcp.Refuse(&t.hdr, n, &t.out) && sh.rooms.ICMP(p.v.V()).Allow(p.r.Now(), icmp.ClassResetClosed) {
		sh.sendControl(p, k, &t.out.Hdr, p.m.FIB)
	}
	sh.drop(p, b, pkt.NoPort)
}

// toConn gives a segment of which data is the payload to its connection.
func (sh *shard) toConn(p *pass, s *TCPSock, b *pkt.Buf, data []byte, ecn tcp.ECN) {
	t := sh.rooms.tcp
	s.hear()
	s.conn.Input(sh.tcpEnv(p), p.r.Now(), &t.hdr, len(data), ecn, &t.ev)
	if t.ev.From < t.ev.To {
		sh.keep(p, s, b, data[t.ev.From:t.ev.To])
	} else {
		p.r.Cache.Free(b)
	}
	sh.happened(p, s)
}

// keep keeps a part of the stream that b brought, in its place.
func (sh *shard) keep(p *pass, s *TCPSock, b *pkt.Buf, data []byte) {
	t := sh.rooms.tcp
	pc := sockbuf.NewPiece(b, data, t.ev.At)
	free := p.r.Cache.Free
	if end := t.ev.At + uint64(len(data)); t.ev.At == s.readable && s.ooo == nil && end == t.ev.Readable {
		sh.give(p, s, pc)
		return
	}
	if s.ooo == nil {
		s.ooo = new(sockbuf.Reorder)
	}
	t.kept -= s.ooo.Mem()
	s.ooo.Put(pc, free)
	for s.readable < t.ev.Readable {
		q, ok := s.ooo.Pop(s.readable, free)
		if !ok {
			break
		}
		sh.give(p, s, q)
	}
	t.kept += s.ooo.Mem()
	if s.ooo.Len() == 0 {
		s.ooo = nil
	}
}

// give makes a piece readable.
func (sh *shard) give(p *pass, s *TCPSock, pc sockbuf.Piece) {
	s.readable += uint64(pc.N)
	copied, wake := s.in.Put(pc)
	if copied {
		p.r.Cache.Free(pc.Buf)
	}
	if wake {
		p.r.Wake(&s.in)
	}
}

// happened does what the room's event asks for.
func (sh *shard) happened(p *pass, s *TCPSock) {
	ev := &sh.rooms.tcp.ev
	if ev.Acked > 0 {
		s.acked += uint64(ev.Acked)
		if s.out.Ack(s.acked, p.r.Cache.Free) {
			p.r.Wake(&s.out)
		}
	}
	if ev.What != 0 {
		sh.changed(p, s, ev)
	}
	sh.touch(s)
}

// changed deals with what an event says beyond data.
func (sh *shard) changed(p *pass, s *TCPSock, ev *tcp.Event) {
	if ev.Has(tcp.Established) {
		sh.established(p, s)
	}
	if ev.Has(tcp.Cookie) {
		sh.st.tcpHost().KeepCookie(s.Remote.Addr(), sh.rooms.tcp.hdr.Options.FastOpenCookie())
	}
	if ev.Has(tcp.Soft) {
		s.Soft = ev.Err
	}
	if ev.Has(tcp.PeerClosed) && s.in.End(io.EOF) {
		p.r.Wake(&s.in)
	}
	if ev.What&(tcp.Closed|tcp.TimeWait) == 0 {
		return
	}
	s.over = ev.What
	s.end(p, ev.Err)
}

// end tells the socket's user that the connection is over, and why.
func (s *TCPSock) end(p *pass, e syscall.Errno) {
	in, out := error(io.EOF), error(syscall.EPIPE)
	if e != 0 {
		in, out = e, e
	}
	if s.in.End(in) {
		p.r.Wake(&s.in)
	}
	if s.out.End(out) {
		p.r.Wake(&s.out)
	}
}

// touch has the connection asked for segments before the shard is unlocked.
func (sh *shard) touch(s *TCPSock) {
	if s.dirty {
		return
	}
	s.dirty = true
	t := sh.rooms.tcp
	if t.last != nil {
		t.last.next = s
	} else {
		t.first = s
	}
	t.last = s
}

// settleTCP sends what the connections that were touched have to send, so that
// one acknowledgment does for a batch.
func (sh *shard) settleTCP(p *pass) {
	t := sh.rooms.tcp
	for s := t.first; s != nil; s = t.first {
		if t.first = s.next; t.first == nil {
			t.last = nil
		}
		s.next, s.dirty = nil, false
		sh.outTCP(p, s)
		if s.over != 0 {
			sh.bury(p, s)
		} else {
			s.arm()
		}
	}
	if t.stale {
		sh.settleOpening(p)
	}
}

// bury takes a connection that is over out of the shard.
func (sh *shard) bury(p *pass, s *TCPSock) {
	if s.buried {
		return
	}
	s.buried = true
	s.proven()
	t := sh.rooms.tcp
	if s.over&tcp.TimeWait != 0 {
		sh.remember(p, s)
	}
	t.conns.Delete(s.hash(sh.st.world.seed), s.tcpKey)
	sh.st.world.Clock().Disarm(&s.timer)
	s.out.Clear(p.r.Cache.Free)
	if s.ooo != nil {
		t.kept -= s.ooo.Mem()
		s.ooo.Clear(p.r.Cache.Free)
		s.ooo = nil
	}
	s.route = ifnet.Cached{}
	if s.bound != nil {
		sh.st.tcpHost().Ports.Unbind(s.bound)
		s.bound = nil
	}
}

// tellTCP passes an ICMP error about a segment of ours to its connection, or to
// the request for one, and tells whether a path's MTU was believed.
func (sh *shard) tellTCP(p *pass, k tcpKey, seq wire.Seq, r *icmp.Report) (believed bool) {
	t := sh.tcp()
	s := t.conns.Get(k.hash(sh.st.world.seed), k)
	if s == nil {
		if r.Kind != icmp.PacketTooBig {
			t.syns.Unreachable(sh.synEnv(p), syn.Key(k), seq)
			t.stale = true
		}
		return false
	}
	env, now := sh.tcpEnv(p), p.r.Now()
	if r.Kind == icmp.PacketTooBig {
		t.ev = tcp.Event{}
		believed = s.conn.TooBig(env, now, seq, r.MTU-wire.TCPHeadersLen(k.Local.Addr()))
	} else {
		// What our own neighbour discovery says need not be doubted.
		hard := r.Kind == icmp.ProtoUnreachable || r.Kind == icmp.PortUnreachable || r.From == r.Src
		s.conn.Unreachable(env, now, seq, r.Kind.Errno(), hard, &t.ev)
	}
	sh.happened(p, s)
	return believed
}

// Fire implements clock.Firer for a connection.
func (s *TCPSock) Fire(clock.Time) {
	r := s.st.world.sched.Carry()
	p := pass{r: r}
	s.sh.lock(&p)
	s.armed = never
	if !s.buried {
		if now := r.Now(); s.conn.Deadline() <= now {
			s.conn.Expire(s.sh.tcpEnv(&p), now, &s.sh.rooms.tcp.ev)
			s.sh.happened(&p, s)
		} else {
			s.arm()
		}
	}
	s.sh.unlock(&p)
	r.Done()
}

// arm arms the connection's timer. One that is due too early is left: it finds
// out when it fires.
func (s *TCPSock) arm() {
	at := s.conn.Deadline()
	if at >= s.armed {
		return
	}
	s.armed = at
	s.st.world.Clock().Arm(&s.timer, at)
}
