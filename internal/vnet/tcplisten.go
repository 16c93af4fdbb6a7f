package vnet

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/proto/tcp/syn"
	"github.com/seed88948545/vimage/internal/proto/tcp/wait"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// TCPListener is where connections to an address are queued for its user. What he
// may ask of it is package usrreq's.
type TCPListener struct {
	TCPClaim
	Opts    atomic.Pointer[socket.TCPOptions] // what connections are made with
	Queue   sockbuf.Backlog[*TCPSock]
	st      *Stack
	pending atomic.Int32 // connections by Fast Open that are not established
}

// TCPClaim is a local address and port that somebody has chosen.
type TCPClaim = socket.Claim[TCPListener]

// NewTCPListener returns a listener that no packet finds before its claim is
// bound. backlog is how many connections may wait to be accepted.
func (st *Stack) NewTCPListener(backlog int, o *socket.TCPOptions) *TCPListener {
	l := &TCPListener{st: st}
	l.Listener = l
	l.Opts.Store(o)
	l.Queue.Init(st.world.Clock(), backlog)
	return l
}

// Stack returns the stack the listener belongs to.
func (l *TCPListener) Stack() *Stack { return l.st }

// Forget drops what has been begun with a listener that is not found any more.
func (l *TCPListener) Forget() {
	for i := range l.st.Shards() {
		sh := l.st.shardAt(i)
		sh.mu.Lock()
		if sh.rooms.tcp != nil {
			sh.rooms.tcp.syns.Drop(l)
		}
		sh.release()
	}
}

type tcpHost = socket.TCPHost[TCPListener]

// tcpHost returns what the shards share of TCP, made if need be.
func (st *Stack) tcpHost() *tcpHost {
	if h := st.tcp.Load(); h != nil {
		return h
	}
	h := new(tcpHost)
	h.Init(st.world.seed, st.Rand)
	if !st.tcp.CompareAndSwap(nil, h) {
		h = st.tcp.Load()
	}
	return h
}

// TCPPorts returns who has chosen which port of the stack.
func (st *Stack) TCPPorts() *socket.Ports[TCPListener] { return &st.tcpHost().Ports }

// TCPHost returns what the shards share of TCP.
func (st *Stack) TCPHost() *socket.TCPHost[TCPListener] { return st.tcpHost() }

// tcpTimer wakes a shard for what is being opened and what is over.
type tcpTimer struct {
	clock.Timer
	sh    *shard
	armed clock.Time
}

func (t *tcpTimer) init(sh *shard) { t.sh, t.F, t.armed = sh, t, never }

// Fire implements clock.Firer.
func (t *tcpTimer) Fire(clock.Time) {
	r := t.sh.st.world.sched.Carry()
	p := pass{r: r}
	t.sh.lock(&p)
	t.armed = never
	room := t.sh.rooms.tcp
	room.waits.Expire(t.sh.waitEnv(&p), r.Now())
	room.stale = true
	t.sh.unlock(&p)
	r.Done()
}

func (sh *shard) synEnv(p *pass) *syn.Env {
	return &syn.Env{T: &p.v.V().SYN, S: &sh.rooms.tcp.stats.SYNs}
}

func (sh *shard) waitEnv(p *pass) *wait.Env {
	return &wait.Env{T: &p.v.V().Wait, S: &sh.rooms.tcp.stats.Waits}
}

// settleOpening sends what is to be sent for connections that are being opened,
// and arms the timer.
func (sh *shard) settleOpening(p *pass) {
	t := sh.rooms.tcp
	t.stale = false
	var o syn.Out[*TCPListener]
	for t.syns.Next(sh.synEnv(p), p.r.Now(), &o) {
		if o.Hdr.Flags.Has(wire.RST) && !sh.rooms.ICMP(p.v.V()).Allow(p.r.Now(), icmp.ClassResetOpen) {
			continue
		}
		k := tcpKey(o.Key)
		sh.sendControl(p, &k, &o.Hdr, o.FIB)
	}
	at := min(t.syns.Deadline(), t.waits.Deadline())
	if at < t.timer.armed {
		t.timer.armed = at
		sh.st.world.Clock().Arm(&t.timer.Timer, at)
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
