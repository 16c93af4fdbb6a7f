package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
)

// ConnectTCP begins to open a connection from local, whose address may be
// unspecified and whose port may be 0, and returns at once: Connected tells how it
// went. The errors are those of connect(2) that are known before anything is
// sent: EADDRNOTAVAIL, EADDRINUSE, ENETUNREACH, EACCES, EAFNOSUPPORT, EINVAL,
// ENOENT (no such congestion control), ENETDOWN.
func (st *Stack) ConnectTCP(local, remote netip.AddrPort, o *TCPOptions) (*TCPSock, syscall.Errno) {
	if !o.known() {
		return nil, syscall.ENOENT
	}
	src, e := st.sourceTCP(local.Addr(), remote, o.FIB)
	if e != 0 {
		return nil, e
	}
	k := tcpKey{netip.AddrPortFrom(src, local.Port()), remote}
	if k.Local.Port() == 0 {
		return st.connectAny(k, o)
	}
	b, e := st.tcpHost().bind(st, local, o)
	if e != 0 {
		return nil, e
	}
	s, e := st.open(k, o, b)
	if e != 0 {
		st.tcpHost().unbind(st, b)
	}
	return s, e
}

// sourceTCP checks the ends of a connection and returns its own address.
func (st *Stack) sourceTCP(local netip.Addr, remote netip.AddrPort, table uint32) (netip.Addr, syscall.Errno) {
	v := st.view.Load()
	dst := remote.Addr()
	switch l := v.localOf(dst); {
	case st.closed.Load():
		return local, syscall.ENETDOWN
	case !dst.Is4() || !local.Is4():
		return local, syscall.EAFNOSUPPORT
	case int(table) >= st.fibs.Len():
		return local, syscall.EINVAL
	case remote.Port() == 0 || dst.IsUnspecified():
		return local, syscall.EADDRNOTAVAIL
	case dst.IsMulticast(), dst.As4() == [4]byte{255, 255, 255, 255}, l != nil && l.broadcast: // RFC 9293 §3.9.2.3
		return local, syscall.EACCES
	case !local.IsUnspecified() && !v.isOurs(local):
		return local, syscall.EADDRNOTAVAIL
	}
	var c cachedRoute
	c.wayTo(st, v, table, dst)
	switch {
	case c.why == pkt.Blackhole:
		return local, syscall.ENETUNREACH
	case c.why != pkt.NoReason:
		if e := routeErrno(c.why); e != syscall.EHOSTUNREACH {
			return local, e
		}
		return local, syscall.ENETUNREACH
	case !local.IsUnspecified():
		return local, 0
	case c.local:
		return dst, 0
	}
	src := c.source()
	if !src.IsValid() {
		return local, syscall.EADDRNOTAVAIL
	}
	return src, 0
}

// connectAny chooses the local port: those to one destination follow each other
// from a place that only the stack knows (RFC 6056 §3.3.3).
func (st *Stack) connectAny(k tcpKey, o *TCPOptions) (*TCPSock, syscall.Errno) {
	tun := &st.view.Load().tun.IP
	first, last := uint16(tun.PortFirst), uint16(tun.PortLast)
	if first > last {
		first, last = last, first
	}
	n := uint32(last-first) + 1
	at := st.tcpHost().portOffset(&k)
	for i := range n {
		k.Local = netip.AddrPortFrom(k.Local.Addr(), first+uint16((at+i)%n))
		if k.Local == k.Remote || st.tcpHost().taken(k.Local) {
			continue
		}
		if s, e := st.open(k, o, nil); e != syscall.EADDRINUSE {
			return s, e
		}
	}
	return nil, syscall.EADDRNOTAVAIL
}

// open makes a connection with these ends and sends its SYN. EADDRINUSE where
// there is one.
func (st *Stack) open(k tcpKey, o *TCPOptions, b *tcpBind) (*TCPSock, syscall.Errno) {
	sh := st.tcpShard(&k)
	r := st.world.sched.Get()
	p := pass{r: r}
	sh.lock(&p)
	s, e := sh.open(&p, k, o, b)
	sh.unlock(&p)
	r.Done()
	return s, e
}

func (sh *shard) open(p *pass, k tcpKey, o *TCPOptions, b *tcpBind) (*TCPSock, syscall.Errno) {
	if sh.st.closed.Load() {
		return nil, syscall.ENETDOWN
	}
	t, st, now := sh.tcp(), sh.st, p.r.Now()
	seed := st.world.seed
	if t.conns.Get(k.hash(seed), k) != nil {
		return nil, syscall.EADDRINUSE
	}
	var g tcp.Config
	o.config(&g)
	g.ISS, g.TSOffset = st.tcpHost().secret.Pair(now, k.Local, k.Remote)
	if wk := wait.Key(k); t.waits.Has(now, wk) {
		floor, ok := t.waits.CanReuse(sh.waitEnv(p), now, wk)
		if !ok {
			return nil, syscall.EADDRINUSE
		}
		t.waits.Remove(wk)
		g.ISS = syn.Above(g.ISS, floor)
	}
	s := st.newTCP(sh, k, o)
	s.bound = b
	s.configure(p, &g)
	if g.FastOpen {
		g.Cookie = st.tcpHost().cookies.get(k.Remote.Addr())
	}
	t.conns.Put(k.hash(seed), s)
	s.conn.Connect(sh.tcpEnv(p), now, &g)
	if g.Cookie == nil {
		sh.touch(s)
	} else { // what is written first goes with the SYN
		s.out.SetLimit(s.conn.SndLimit(&p.v.tun.TCP))
	}
	return s, 0
}

// Connected returns 0 once the connection is open, waiting for that if wait, or
// why it is not.
func (s *TCPSock) Connected(wait bool) error { return s.out.Ready(wait) }

// inListen takes a segment for a listener that is of no connection.
func (sh *shard) inListen(p *pass, l *TCPListener, k *tcpKey, b *pkt.Buf, data []byte, ecn tcp.ECN) {
	sh.request(p, l, k, b, data, ecn, nil)
}

// request takes a segment for a listener; floor is what the new connection's
// sequence numbers must be above, if there is such a number.
func (sh *shard) request(p *pass, l *TCPListener, k *tcpKey, b *pkt.Buf, data []byte, ecn tcp.ECN, floor *wait.Reply) {
	t := sh.rooms.tcp
	o := l.options()
	var c cachedRoute
	c.wayTo(sh.st, p.v, o.FIB, k.Remote.Addr())
	if c.why != pkt.NoReason {
		sh.drop(p, b, c.why)
		return
	}
	tun := &p.v.tun.TCP
	par := syn.Listen{
		MSS: uint16(max(c.mtu-ipTCPLen, 64)), Window: int(tun.RcvSpace), FIB: o.FIB, PacketFIB: p.m.FIB,
		MSSDefault: uint16(tun.MSSDefault), MinMSS: uint16(tun.MinMSS), Scaling: tun.RFC1323 != 0, Timestamps: tun.RFC1323 != 0,
		SACK: p.v.tun.Loss.SACK != 0, ECN: tun.ECN != 0, Full: l.queue.Full(),
	}
	top := int(tun.RcvMax)
	if o.RcvBuf != 0 {
		par.Window, top = o.RcvBuf, o.RcvBuf
	}
	par.Scale = tcp.ScaleFor(top)
	if o.FastOpen {
		par.FastLimit, par.FastPending = l.queue.Limit(), int(l.pending.Load())
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
func (sh *shard) accept(p *pass, l *TCPListener, o *TCPOptions, k *tcpKey, par *syn.Listen, hs *syn.Handshake, b *pkt.Buf, data []byte, ecn tcp.ECN) {
	t, st := sh.rooms.tcp, sh.st
	s := st.newTCP(sh, *k, o)
	s.lst, s.fib = l, o.FIB
	var g tcp.Config
	o.config(&g)
	s.configure(p, &g)
	t.conns.Put(k.hash(st.world.seed), s)
	was := handshake(hs, par.Window)
	was.Data, was.Window = len(data), t.hdr.Window
	s.conn.Accept(sh.tcpEnv(p), p.r.Now(), &g, &was, &t.ev)
	if !hs.FastOpen {
		sh.toConn(p, s, b, data, ecn)
		return
	}
	if t.ev.From < t.ev.To {
		sh.keep(p, s, b, data[t.ev.From:t.ev.To])
	} else {
		p.r.Cache.Free(b)
	}
	sh.happened(p, s)
}

// handshake translates what syn says, and the window it offered, into what tcp
// wants to know.
func handshake(hs *syn.Handshake, window int) tcp.Handshake {
	return tcp.Handshake{
		ISS: hs.ISS, IRS: hs.IRS, MSS: hs.MSS, HasScale: hs.Scaled, RcvScale: hs.RecvScale, SndScale: hs.SendScale,
		SACK: hs.SACK, HasTime: hs.Timestamps, TSRecent: hs.TSRecent, TSOffset: hs.TSOffset, ECN: hs.ECN,
		RcvWnd: min(window, 65535), Rexmit: int(hs.Rexmits), RTT: hs.RTT, FastOpen: hs.FastOpen,
	}
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
		l := sh.st.tcpHost().lookup(k.Local)
		if l == nil {
			return false
		}
		t.waits.Remove(wait.Key(*k))
		sh.request(p, l, k, b, data, tcp.NotECT, &r)
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
		Key: wait.Key(s.tcpKey), SndNxt: r.SndNxt, RcvNxt: r.RcvNxt, Window: r.Window, FIB: s.fib,
		Timestamps: r.HasTime, TSOffset: r.TSOffset, TSRecent: r.TSRecent, Local: s.route.local || !s.route.gw,
	}
	t.waits.Add(sh.waitEnv(p), p.r.Now(), &w)
	t.stale = true
}
