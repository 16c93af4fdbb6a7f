package vnet

import (
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// TCPSock is one end of a TCP connection, as segments find it. What its user may
// ask of it, beyond reading and writing, is package usrreq's.
type TCPSock struct {
	tcpKey
	st         *Stack
	sh         *shard
	conn       tcp.Conn
	in         sockbuf.Stream
	out        sockbuf.Send
	route      ifnet.Cached
	next       *TCPSock     // in the shard's list of those to be asked for segments
	nextPosted *TCPSock     // in shard.posted
	lst        *TCPListener // to be queued at, once established
	fast       *TCPListener // counts it as begun by Fast Open and not established
	bound      *TCPClaim    // of a local port the user chose
	ooo        *sockbuf.Reorder

	// What its user sets, by Update.
	FIB      uint32        // the table that routes what is sent
	TOS, TTL uint8         // TTL 0: the stack's
	Shut     bool          // nothing more may be written
	Soft     syscall.Errno // the last passing failure

	timer    clock.Timer
	armed    clock.Time   // what timer is armed for, or was
	readable uint64       // offset up to which in has been given the stream
	acked    uint64       // offset up to which out has been acknowledged
	told     uint64       // what conn knows to have been read
	chunk    atomic.Int32 // most bytes of one chunk of out
	wanted   atomic.Bool  // posted and not yet served
	Jail     int32        // whose addresses it uses; 0: all of the stack's
	over     tcp.What     // Closed or TimeWait
	dirty    bool
	buried   bool
}

// Key makes a connection an entry of a table.
func (s *TCPSock) Key() tcpKey { return s.tcpKey }

// newTCP returns a socket that is in no table yet.
func (st *Stack) newTCP(sh *shard, k tcpKey, o *socket.TCPOptions) *TCPSock {
	s := &TCPSock{tcpKey: k, st: st, sh: sh, FIB: o.FIB, TOS: o.TOS &^ 3, TTL: o.TTL, Jail: o.Jail(), armed: never}
	s.timer.F = s
	s.chunk.Store(maxSuper)
	s.in.Init(st.world.Clock())
	s.out.Init(st.world.Clock(), 0)
	return s
}

// configure fills in what the path decides. The shard is locked.
func (s *TCPSock) configure(p *pass, g *tcp.Config) {
	s.route.To(p.v, s.FIB, s.Remote.Addr(), s.Scope)
	mtu, link := s.st.mtus.Limit(p.r.Now(), s.Remote.Addr(), &s.route.Hop), s.route.MTU
	if s.route.Out != nil {
		link = s.route.Out.PacketMTU(s.Local.Addr().Is6())
	}
	hl := wire.TCPHeadersLen(s.Local.Addr())
	g.MSS, g.LinkMSS, g.IPv6 = max(mtu-hl, 64), max(link-hl, 64), s.Local.Addr().Is6()
	if p.v.V().Stream.TSO != 0 {
		g.MaxBurst = maxSuper
	}
}

// established lets the user go on: a connect returns, or an accept.
func (sh *shard) established(p *pass, s *TCPSock) {
	s.tuned(p)
	if s.lst == nil {
		p.r.Wake(&s.out)
		return
	}
	l := s.lst
	s.lst = nil
	ok, wake := l.Queue.Put(s)
	if wake {
		p.r.Wake(&l.Queue)
	}
	if !ok { // the listener has been closed
		s.conn.Abort(sh.tcpEnv(p), p.r.Now(), &sh.rooms.tcp.ev)
		s.over = tcp.Closed
	}
}

// tuned gives the buffers the sizes that the connection now wants.
func (s *TCPSock) tuned(p *pass) {
	if st := s.conn.State(); st < tcp.ESTABLISHED {
		return
	}
	s.proven()
	if n := s.conn.SndLimit(&p.v.V().TCP); n != s.out.Limit() && s.out.SetLimit(n) {
		p.r.Wake(&s.out)
	}
	mss := s.conn.MSS()
	if mss > 0 {
		if chunk := int32(max(maxSuper/mss, 1) * mss); chunk != s.chunk.Load() {
			s.chunk.Store(chunk)
		}
	}
	limit := s.conn.RcvLimit()
	s.in.TellAt(s.told + uint64(max(min(max(2*mss, limit/4), limit/2), 1)))
}

// LocalAddr returns the socket's own address and port.
func (s *TCPSock) LocalAddr() netip.AddrPort { return s.Local }

// RemoteAddr returns the peer's address and port.
func (s *TCPSock) RemoteAddr() netip.AddrPort { return s.Remote }

// Stack returns the stack the connection belongs to.
func (s *TCPSock) Stack() *Stack { return s.st }

// In returns what has come for the user.
func (s *TCPSock) In() *sockbuf.Stream { return &s.in }

// Out returns what the user has written.
func (s *TCPSock) Out() *sockbuf.Send { return &s.out }

// TCPCall is what a request has to itself: a connection, under its shard's lock.
type TCPCall struct {
	*netisr.Runner
	Conn  *tcp.Conn
	Env   *tcp.Env
	Event *tcp.Event
}

// Inspect runs f on the connection, sends nothing, and tells whether that is not
// over yet.
func (s *TCPSock) Inspect(f func(c *TCPCall)) (alive bool) {
	s.locked(func(p *pass) {
		f(s.call(p))
		alive = !s.buried
	})
	return alive
}

// Update runs f on a connection that is not over and knows how much was read, does
// what the event that f fills in asks for, and sends what there is to send then.
// It returns false where the connection is over.
func (s *TCPSock) Update(f func(c *TCPCall)) (alive bool) {
	s.locked(func(p *pass) {
		if alive = !s.buried; alive {
			s.collect(p)
			s.hear()
			f(s.call(p))
			s.sh.happened(p, s)
		}
	})
	return alive
}

func (s *TCPSock) locked(f func(p *pass)) {
	r := s.st.world.sched.Get()
	p := pass{r: r}
	s.sh.lock(&p)
	f(&p)
	s.sh.unlock(&p)
	r.Done()
}

func (s *TCPSock) call(p *pass) *TCPCall {
	ev := &s.sh.rooms.tcp.ev
	*ev = tcp.Event{}
	return &TCPCall{p.r, &s.conn, s.sh.tcpEnv(p), ev}
}

// proven ends the time in which a connection by Fast Open counts as pending: the
// peer has answered, or it is over.
func (s *TCPSock) proven() {
	if s.fast != nil {
		s.fast.pending.Add(-1)
		s.fast = nil
	}
}
