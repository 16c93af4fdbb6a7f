package vnet

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/sockbuf"
)

// TCPSock is one end of a TCP connection.
type TCPSock struct {
	tcpKey
	st    *Stack
	sh    *shard
	conn  tcp.Conn
	in    sockbuf.Stream
	out   sockbuf.Send
	route cachedRoute
	next  *TCPSock // in the shard's list of those to be asked for segments
	lst   *TCPListener
	bound *tcpBind // of a local port the user chose
	ooo   *sockbuf.Reorder

	timer    clock.Timer
	armed    clock.Time // what timer is armed for, or was
	readable uint64     // offset up to which in has been given the stream
	acked    uint64     // offset up to which out has been acknowledged
	mark     uint64     // offset behind urgent data
	told     uint64     // what conn knows to have been read
	fib      uint32
	chunk    atomic.Int32 // most bytes of one chunk of out
	soft     syscall.Errno
	over     tcp.What // Closed or TimeWait
	tos, ttl uint8
	dirty    bool
	buried   bool
	shut     bool // CloseWrite: nothing more may be written
	urgent   bool // mark has a meaning
}

// Key makes a connection an entry of a table.
func (s *TCPSock) Key() tcpKey { return s.tcpKey }

// TCPOptions are what a connection may be made with. The zero value is a
// connection as the stack's tunables have it.
type TCPOptions struct {
	FIB            uint32
	RcvBuf, SndBuf int // bytes; 0: as the tunables say, growing as needed
	NoDelay        bool
	KeepAlive      bool
	KeepIdle       time.Duration // 0: the tunables', as the next two
	KeepIntvl      time.Duration
	KeepCount      int
	UserTimeout    time.Duration
	CC             string
	FastOpen       bool
	TOS, TTL       uint8 // 0: none, and the stack's
	ReuseAddr      bool
	ReusePort      bool
}

// known tells whether there is such a congestion control.
func (o *TCPOptions) known() bool { return o.CC == "" || cc.Known(o.CC) }

func (o *TCPOptions) config(g *tcp.Config) {
	g.RcvBuf, g.SndBuf, g.CC = o.RcvBuf, o.SndBuf, o.CC
	g.NoDelay, g.KeepAlive, g.UserTimeout, g.FastOpen = o.NoDelay, o.KeepAlive, o.UserTimeout, o.FastOpen
	g.KeepIdle, g.KeepIntvl, g.KeepCount = o.KeepIdle, o.KeepIntvl, o.KeepCount
}

// newTCP returns a socket that is in no table yet.
func (st *Stack) newTCP(sh *shard, k tcpKey, o *TCPOptions) *TCPSock {
	s := &TCPSock{tcpKey: k, st: st, sh: sh, fib: o.FIB, tos: o.TOS &^ 3, ttl: o.TTL, armed: never}
	s.timer.F = s
	s.chunk.Store(maxSuper)
	s.in.Init(st.world.Clock())
	s.out.Init(st.world.Clock(), 0)
	return s
}

// configure fills in what the path decides. The shard is locked.
func (s *TCPSock) configure(p *pass, g *tcp.Config) {
	s.route.wayTo(s.st, p.v, s.fib, s.Remote.Addr())
	mtu, link := s.route.mtu, s.route.mtu
	if s.route.out != nil {
		link = s.route.out.mtu
	}
	g.MSS, g.LinkMSS = max(mtu-ipTCPLen, 64), max(link-ipTCPLen, 64)
	if p.v.tun.Stream.TSO != 0 {
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
	ok, wake := l.queue.Put(s)
	if wake {
		p.r.Wake(&l.queue)
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
	if n := s.conn.SndLimit(&p.v.tun.TCP); n != s.out.Limit() && s.out.SetLimit(n) {
		p.r.Wake(&s.out)
	}
	mss := s.conn.MSS()
	if mss > 0 {
		if chunk := int32(max(maxSuper/mss, 1) * mss); chunk != s.chunk.Load() {
			s.chunk.Store(chunk)
		}
	}
	limit := s.conn.RcvLimit()
	s.in.TellAt(s.told + uint64(min(max(2*mss, limit/4), limit/2)))
}

// LocalAddr returns the socket's own address and port.
func (s *TCPSock) LocalAddr() netip.AddrPort { return s.Local }

// RemoteAddr returns the peer's address and port.
func (s *TCPSock) RemoteAddr() netip.AddrPort { return s.Remote }

// Closed tells whether the user has closed the socket.
func (s *TCPSock) Closed() bool { return s.out.Closed() }

// FIB returns the table that routes the connection.
func (s *TCPSock) FIB() uint32 {
	s.sh.mu.Lock()
	defer s.sh.mu.Unlock()
	return s.fib
}

// with runs f under the lock of the connection's shard, and sends what there
// is to send then.
func (s *TCPSock) with(f func(p *pass, t *tcpRoom)) {
	r := s.st.world.sched.Get()
	p := pass{r: r}
	s.sh.lock(&p)
	if !s.buried {
		f(&p, s.sh.rooms.tcp)
	}
	s.sh.unlock(&p)
	r.Done()
}

// Close closes the socket: what was written is still sent, the peer is told
// that nothing more comes. Calls that block fail with net.ErrClosed. It returns
// false where it was closed already.
func (s *TCPSock) Close() bool {
	if !s.in.Close() {
		return false
	}
	s.out.Close()
	s.with(func(p *pass, t *tcpRoom) {
		s.hear()
		s.conn.Close(s.sh.tcpEnv(p), p.r.Now(), &t.ev)
		s.sh.happened(p, s)
	})
	s.dropUnread()
	s.in.Wake()
	s.out.Wake()
	return true
}

// Abort closes the socket with a reset: what was written and not yet
// acknowledged may be lost.
func (s *TCPSock) Abort() bool {
	if !s.in.Close() {
		return false
	}
	s.out.Close()
	s.abort()
	s.dropUnread()
	s.in.Wake()
	s.out.Wake()
	return true
}

func (s *TCPSock) abort() {
	s.with(func(p *pass, t *tcpRoom) {
		s.conn.Abort(s.sh.tcpEnv(p), p.r.Now(), &t.ev)
		s.sh.happened(p, s)
	})
}

func (s *TCPSock) dropUnread() {
	r := s.st.world.sched.Get()
	s.in.Drop(r.Cache.Free)
	r.Done()
}

// CloseWrite says that nothing more will be written: the peer reads EOF after
// what was. It returns ENOTCONN where the connection is over.
func (s *TCPSock) CloseWrite() syscall.Errno {
	e := syscall.ENOTCONN
	s.with(func(p *pass, t *tcpRoom) {
		e = 0
		if s.shut {
			return
		}
		s.shut = true
		s.conn.Shutdown()
		s.sh.touch(s)
	})
	if e == 0 && s.out.End(syscall.EPIPE) {
		s.out.Wake()
	}
	return e
}

// CloseRead says that nothing more will be read: reads return EOF, and what
// still comes is thrown away.
func (s *TCPSock) CloseRead() syscall.Errno {
	e := syscall.ENOTCONN
	s.with(func(p *pass, t *tcpRoom) {
		e = 0
		if s.in.Discard(errEOF, p.r.Cache.Free) {
			p.r.Wake(&s.in)
		}
		s.sh.touch(s)
	})
	return e
}
