package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// OpenTCP makes a connection with these ends and sends its SYN. c is what its user
// has claimed, if he has: it is given back when the connection is over. EADDRINUSE
// where there is such a connection, ENETDOWN where the stack is closed.
func (st *Stack) OpenTCP(local, remote netip.AddrPort, o *socket.TCPOptions, c *TCPClaim) (*TCPSock, syscall.Errno) {
	k := tcpKey{local, remote, o.Scope}
	sh := st.tcpShard(&k)
	r := st.world.sched.Get()
	p := pass{r: r}
	sh.lock(&p)
	s, e := sh.open(&p, k, o, c)
	sh.unlock(&p)
	r.Done()
	return s, e
}

func (sh *shard) open(p *pass, k tcpKey, o *socket.TCPOptions, c *TCPClaim) (*TCPSock, syscall.Errno) {
	if sh.st.closed.Load() {
		return nil, syscall.ENETDOWN
	}
	t, st, now := sh.tcp(), sh.st, p.r.Now()
	seed := st.world.seed
	if t.conns.Get(k.hash(seed), k) != nil {
		return nil, syscall.EADDRINUSE
	}
	var g tcp.Config
	o.Config(&g)
	g.ISS, g.TSOffset = st.tcpHost().Secret.Pair(now, k.Local, k.Remote)
	if wk := wait.Key(k); t.waits.Has(now, wk) {
		floor, ok := t.waits.CanReuse(sh.waitEnv(p), now, wk)
		if !ok {
			return nil, syscall.EADDRINUSE
		}
		t.waits.Remove(wk)
		g.ISS = syn.Above(g.ISS, floor)
	}
	s := st.newTCP(sh, k, o)
	s.bound = c
	s.configure(p, &g)
	if g.FastOpen {
		g.Cookie = st.tcpHost().Cookie(k.Remote.Addr())
	}
	t.conns.Put(k.hash(seed), s)
	s.conn.Connect(sh.tcpEnv(p), now, &g)
	if g.Cookie == nil {
		sh.touch(s)
	} else { // what is written first goes with the SYN
		s.out.SetLimit(s.conn.SndLimit(&p.v.V().TCP))
	}
	return s, 0
}

// inListen takes a segment for a listener that is of no connection. floor is what
// the new connection's sequence numbers must be above, if there is such a number.
func (sh *shard) inListen(p *pass, l *TCPListener, k *tcpKey, b *pkt.Buf, data []byte, ecn tcp.ECN, floor *wait.Reply) {
	t := sh.rooms.tcp
	o := l.Opts.Load()
	var c ifnet.Cached
	c.To(p.v, o.FIB, k.Local, k.Remote, k.Scope)
	if c.Why != pkt.NoReason {
		sh.drop(p, b, c.Why)
		return
	}
	par := p.v.Listen(o, c.MTU-wire.TCPHeadersLen(k.Local.Addr()))
	par.PacketFIB, par.Full = p.m.FIB, l.Queue.Full()
	if o.FastOpen {
		par.FastLimit, par.FastPending = l.Queue.Limit(), int(l.pending.Load())
	}
	if floor != nil {
		par.HasFloor, par.Floor = true, floor.Floor
	}
	var hs syn.Handshake
	verdict := t.syns.Input(sh.synEnv(p), p.r.Now(), syn.Key(*k), l, &par, &t.hdr, len(data), &hs)
	t.stale = true
	if verdict != syn.Accepted {
		p.r.Cache.Free(b)
		return
	}
	sh.accept(p, l, o, k, &par, &hs, b, data, ecn)
}

// accept makes a connection of a handshake. Connections take the listener's
// options as they are now (behaviour 4.3, rule 4).
func (sh *shard) accept(p *pass, l *TCPListener, o *socket.TCPOptions, k *tcpKey, par *syn.Listen, hs *syn.Handshake, b *pkt.Buf, data []byte, ecn tcp.ECN) {
	t, st := sh.rooms.tcp, sh.st
	s := st.newTCP(sh, *k, o)
	s.lst, s.FIB = l, o.FIB
	var g tcp.Config
	o.Config(&g)
	s.configure(p, &g)
	t.conns.Put(k.hash(st.world.seed), s)
	was := socket.Handshake(hs, par.Window)
	was.Data, was.Window = len(data), t.hdr.Window
	s.conn.Accept(sh.tcpEnv(p), p.r.Now(), &g, &was, &t.ev)
	if !hs.FastOpen {
		sh.toConn(p, s, b, data, ecn)
		return
	}
	l.pending.Add(1)
	s.fast = l
	if t.ev.From < t.ev.To {
		sh.keep(p, s, b, data[t.ev.From:t.ev.To])
	} else {
		p.r.Cache.Free(b)
	}
	sh.happened(p, s)
}

// inWait takes a segment for a connection that is over, and tells whether it was.
func (sh *shard) inWait(p *pass, k *tcpKey, b *pkt.Buf, data []byte) bool {
	t := sh.rooms.tcp
	var r wait.Reply
	switch t.waits.Input(sh.waitEnv(p), p.r.Now(), wait.Key(*k), &t.hdr, len(data), &r) {
	case wait.None:
		return false
	case wait.Answer:
		sh.sendControl(p, k, &r.Hdr, r.FIB)
	case wait.Reopen:
		l := sh.st.tcpHost().Ports.Listener(k.Local, p.link(k.Local.Addr()))
		if l == nil {
			return false
		}
		t.waits.Remove(wait.Key(*k))
		sh.inListen(p, l, k, b, data, tcp.NotECT, &r)
		return true
	}
	p.r.Cache.Free(b)
	t.stale = true
	return true
}

// remember keeps what is left of a connection in TIME-WAIT.
func (sh *shard) remember(p *pass, s *TCPSock) {
	t, r := sh.rooms.tcp, s.conn.Remains()
	w := wait.State{
		Key: wait.Key(s.tcpKey), SndNxt: r.SndNxt, RcvNxt: r.RcvNxt, Window: r.Window, FIB: s.FIB,
		Timestamps: r.HasTime, TSOffset: r.TSOffset, TSRecent: r.TSRecent, Local: s.route.IsLocal || !s.route.Gateway,
	}
	t.waits.Add(sh.waitEnv(p), p.r.Now(), &w)
	t.stale = true
}
