package vnet

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/table"
)

// TCPListener waits for connections.
type TCPListener struct {
	tcpBind
	st      *Stack
	opts    atomic.Pointer[TCPOptions]
	queue   sockbuf.Backlog[*TCPSock]
	pending atomic.Int32 // connections by Fast Open that are not established
}

func (l *TCPListener) options() *TCPOptions { return l.opts.Load() }

// tcpBind is a local address and port that somebody has chosen.
type tcpBind struct {
	pcb.Block
	l *TCPListener // nil for a connection's
}

// PCB makes a tcpBind a socket of a pcb.Table.
func (b *tcpBind) PCB() *pcb.Block { return &b.Block }

// tcpHost is what all shards of a stack share of TCP: bound ports, which are
// looked up without a lock, and secrets.
type tcpHost struct {
	secret  syn.Secret
	seed    table.Seed
	cookies fastCookies
	chosen  atomic.Uint32 // local ports chosen so far (RFC 6056 §3.3.3)

	mu    sync.Mutex // a leaf; serialises changes of binds
	binds pcb.Table[tcpBind, *tcpBind]
}

// tcpHost returns what the shards share of TCP, made if need be.
func (st *Stack) tcpHost() *tcpHost {
	if h := st.tcp.Load(); h != nil {
		return h
	}
	h := &tcpHost{seed: st.world.seed}
	for i := 0; i < len(h.secret); i += 8 {
		binary.LittleEndian.PutUint64(h.secret[i:], st.rand())
	}
	if !st.tcp.CompareAndSwap(nil, h) {
		h = st.tcp.Load()
	}
	return h
}

// lookup returns who listens at an address, or nil: what is bound to the address
// comes before what is bound to all.
func (th *tcpHost) lookup(local netip.AddrPort) *TCPListener {
	var wild *TCPListener
	socks := th.binds.Port(th.seed, local.Port())
	for i := len(socks) - 1; i >= 0; i-- {
		switch b := &socks[i]; {
		case b.Sock.l == nil:
		case b.Addr == local.Addr():
			return b.Sock.l
		case wild == nil && b.Addr.IsUnspecified() && b.Addr.Is4() == local.Addr().Is4():
			wild = b.Sock.l
		}
	}
	return wild
}

// taken tells whether somebody has bound an address, so that it must not be
// chosen for a connection.
func (th *tcpHost) taken(local netip.AddrPort) bool {
	for _, b := range th.binds.Port(th.seed, local.Port()) {
		if b.Addr == local.Addr() || b.Addr.IsUnspecified() {
			return true
		}
	}
	return false
}

// portOffset returns where to begin the search for a port.
func (th *tcpHost) portOffset(k *tcpKey) uint32 {
	return th.secret.TSOffset(netip.AddrPortFrom(k.Local.Addr(), 0), k.Remote) + th.chosen.Add(1)
}

// bind binds a local address and port. EADDRNOTAVAIL where the address is not
// the stack's, EADDRINUSE for a conflict: with another binding, or, without
// SO_REUSEADDR, with a connection.
func (th *tcpHost) bind(st *Stack, local netip.AddrPort, o *TCPOptions) (*tcpBind, syscall.Errno) {
	b := new(tcpBind)
	return b, th.bindTo(st, b, local, o)
}

func (th *tcpHost) bindTo(st *Stack, b *tcpBind, local netip.AddrPort, o *TCPOptions) syscall.Errno {
	v := st.view.Load()
	switch a := local.Addr(); {
	case !a.Is4():
		return syscall.EAFNOSUPPORT
	case !a.IsUnspecified() && !v.isOurs(a):
		return syscall.EADDRNOTAVAIL
	case int(o.FIB) >= st.fibs.Len():
		return syscall.EINVAL
	case local.Port() != 0 && !o.ReuseAddr && !o.ReusePort && st.portBusy(local):
		return syscall.EADDRINUSE
	}
	if o.ReuseAddr {
		b.Reuse |= pcb.ReuseAddr
	}
	if o.ReusePort {
		b.Reuse |= pcb.ReusePort
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	if st.closed.Load() {
		return syscall.ENETDOWN
	}
	if local.Port() != 0 {
		return th.binds.Bind(th.seed, b, local)
	}
	tun := &v.tun.IP
	return th.binds.BindAny(th.seed, b, local.Addr(), uint16(tun.PortFirst), uint16(tun.PortLast), uint32(st.rand()))
}

// portBusy tells whether a connection uses a local address.
func (st *Stack) portBusy(local netip.AddrPort) bool {
	for i := range 1 + len(st.more) {
		sh := st.shardAt(i)
		sh.mu.Lock()
		busy := false
		if t := sh.rooms.tcp; t != nil {
			for s := range t.conns.All() {
				if s.Local == local || local.Addr().IsUnspecified() && s.Local.Port() == local.Port() {
					busy = true
					break
				}
			}
		}
		sh.mu.Unlock()
		if busy {
			return true
		}
	}
	return false
}

func (th *tcpHost) unbind(st *Stack, b *tcpBind) {
	th.mu.Lock()
	defer th.mu.Unlock()
	th.binds.Delete(th.seed, b)
}

// release frees the local port that the user of a connection chose.
func (th *tcpHost) release(s *TCPSock) {
	if s.bound != nil {
		th.unbind(s.st, s.bound)
		s.bound = nil
	}
}

// ListenTCP waits for connections to local; port 0 means any. backlog is how
// many may wait to be accepted, 0 as many as the tunable says: when there are more,
// the peer's last segment of the handshake is ignored and comes again. The errors
// are EADDRNOTAVAIL, EADDRINUSE, EINVAL (no such table), ENOENT (no such
// congestion control), EAFNOSUPPORT, ENETDOWN.
func (st *Stack) ListenTCP(local netip.AddrPort, backlog int, o *TCPOptions) (*TCPListener, syscall.Errno) {
	if !o.known() {
		return nil, syscall.ENOENT
	}
	most := int(st.view.Load().tun.Stream.Backlog)
	if backlog <= 0 || backlog > most {
		backlog = most
	}
	l := &TCPListener{st: st}
	l.l = l
	own := *o
	l.opts.Store(&own)
	l.queue.Init(st.world.Clock(), backlog)
	if e := st.tcpHost().bindTo(st, &l.tcpBind, local, o); e != 0 {
		return nil, e
	}
	return l, 0
}

// LocalAddr returns the address and port the listener is bound to.
func (l *TCPListener) LocalAddr() netip.AddrPort { return l.Local }

// Option changes what connections that are accepted from now on are made with.
// EINVAL where the table does not exist.
func (l *TCPListener) Option(edit func(o *TCPOptions)) syscall.Errno {
	for {
		old := l.opts.Load()
		next := *old
		edit(&next)
		if int(next.FIB) >= l.st.fibs.Len() {
			return syscall.EINVAL
		}
		if l.opts.CompareAndSwap(old, &next) {
			return 0
		}
	}
}

// Accept returns the next connection, waiting for it if wait. The errors are
// those of sockbuf.Stream.Take.
func (l *TCPListener) Accept(wait bool) (*TCPSock, error) { return l.queue.Take(wait) }

// Queue returns where connections wait, for deadlines and callbacks.
func (l *TCPListener) Queue() *sockbuf.Backlog[*TCPSock] { return &l.queue }

// Close stops listening. Connections that were not accepted are reset. It
// returns false where it was closed already.
func (l *TCPListener) Close() bool {
	if !l.queue.Close() {
		return false
	}
	l.st.tcpHost().unbind(l.st, &l.tcpBind)
	for i := range 1 + len(l.st.more) {
		sh := l.st.shardAt(i)
		sh.mu.Lock()
		if sh.rooms.tcp != nil {
			sh.rooms.tcp.syns.Drop(l)
		}
		sh.mu.Unlock()
	}
	for _, s := range l.queue.Drain() {
		s.Abort()
	}
	l.queue.Wake()
	return true
}

// tcpTimer wakes a shard for what is being opened and what is over.
type tcpTimer struct {
	clock.Timer
	sh    *shard
	armed clock.Time
}

func (t *tcpTimer) init(sh *shard) { t.sh, t.F, t.armed = sh, t, never }

// Fire implements clock.Firer.
func (t *tcpTimer) Fire(now clock.Time) {
	r := t.sh.st.world.sched.Carry()
	r.At(now)
	p := pass{r: r}
	t.sh.lock(&p)
	t.armed = never
	room := t.sh.rooms.tcp
	room.waits.Expire(t.sh.waitEnv(&p), now)
	room.stale = true
	t.sh.unlock(&p)
	r.Done()
}

func (sh *shard) synEnv(p *pass) *syn.Env {
	return &syn.Env{T: &p.v.tun.SYN, S: &sh.rooms.tcp.stats.syns}
}

func (sh *shard) waitEnv(p *pass) *wait.Env {
	return &wait.Env{T: &p.v.tun.Wait, S: &sh.rooms.tcp.stats.waits}
}

// settleOpening sends what is to be sent for connections that are being opened,
// and arms the timer.
func (sh *shard) settleOpening(p *pass) {
	t := sh.rooms.tcp
	t.stale = false
	var o syn.Out[*TCPListener]
	for t.syns.Next(sh.synEnv(p), p.r.Now(), &o) {
		k := tcpKey(o.Key)
		sh.sendControl(p, &k, &o.Hdr, o.FIB)
	}
	at := min(t.syns.Deadline(), t.waits.Deadline())
	if at < t.timer.armed {
		t.timer.armed = at
		sh.st.world.Clock().Arm(&t.timer.Timer, at)
	}
}

// closeTCP closes the listeners and connections of a stack that goes.
func (st *Stack) closeTCP() {
	th := st.tcp.Load()
	if th == nil {
		return
	}
	th.mu.Lock()
	var all []*TCPListener
	for b := range th.binds.All() {
		if b.l != nil {
			all = append(all, b.l)
		}
	}
	th.mu.Unlock()
	for _, l := range all {
		l.Close()
	}
}

// clearTCP frees what the connections of a closed stack hold, and tells their
// users.
func (sh *shard) clearTCP(p *pass) {
	t := sh.rooms.tcp
	if t == nil {
		return
	}
	for s := range t.conns.All() {
		s.over = tcp.Closed
		if s.in.Close() {
			p.r.Wake(&s.in)
		}
		if s.out.Close() {
			p.r.Wake(&s.out)
		}
		s.in.Drop(p.r.Cache.Free)
		sh.bury(p, s)
	}
	sh.st.world.Clock().Disarm(&t.timer.Timer)
	t.timer.armed = never
	t.first, t.last, t.stale = nil, nil, false
}

// fastCookies is the Fast Open cookies that servers gave us (RFC 7413 §4.1.3.2).
type fastCookies struct {
	mu  sync.Mutex // a leaf
	all []fastCookie
}

type fastCookie struct {
	server netip.Addr
	cookie []byte
}

// maxFastCookies is how many servers are remembered.
const maxFastCookies = 256

func (f *fastCookies) put(server netip.Addr, cookie []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = slices.DeleteFunc(f.all, func(c fastCookie) bool { return c.server == server })
	if len(cookie) == 0 {
		return
	}
	if len(f.all) == maxFastCookies {
		f.all = slices.Delete(f.all, 0, 1)
	}
	f.all = append(f.all, fastCookie{server, slices.Clone(cookie)})
}

func (f *fastCookies) get(server netip.Addr) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.all {
		if f.all[i].server == server {
			return f.all[i].cookie
		}
	}
	return nil
}
