package vnet

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/pcb"
)

// Sock is a datagram socket: UDP or raw IP.
type Sock struct {
	pcb.Block // shard 0's
	st        *Stack
	prev      *Sock // in the stack's list; shard 0's
	next      *Sock
	proto     uint8 // wire.ProtoUDP, or a raw socket's protocol
	raw       bool
	opts      atomic.Pointer[sockOpts]
	addrs     atomic.Pointer[sockAddrs]
	members   mcast.Memberships[*Sock] // shard 0's
	writeBy   atomic.Int64             // clock.Time after which writes fail; 0 means never

	mu       sync.Mutex // a leaf; guards what follows
	cond     sync.Cond
	ring     []item // receive queue
	head, n  int
	bytes    int
	sleepers int
	closed   bool
	err      syscall.Errno // to be reported once
	ready    func()        // called after packets came, instead of waking
	deadline *deadline
}

// sockAddrs is what the sender of a socket needs to know of its binding.
type sockAddrs struct {
	local, remote netip.AddrPort
	closed        bool
}

// item is one received packet in a socket's queue.
type item struct {
	buf     *pkt.Buf
	off, n  uint32 // of the payload in the buffer's memory
	ip      uint32 // offset of the network header
	ifIndex uint32
}

// sockOpts is a socket's options: a new value for every change.
type sockOpts struct {
	fib         uint32
	ttl         int // -1: the stack's
	tos         uint8
	recvSpace   int // 0: the stack's
	broadcast   bool
	dontRoute   bool
	dontFrag    bool
	mcast       bool // the multicast options below count
	mcastIf     uint32
	outIf       uint32 // of one packet, which the sender named
	mcastTTL    int
	mcastLoop   bool
	mcastAll    bool // source filters are not applied: to show that they matter
	hdrIncl     bool
	icmpAllow   [8]uint32 // raw ICMP: bit per type to be delivered, if icmpFilter
	icmpFilter  bool
	routerAlert bool
}

func defaultOpts() sockOpts { return sockOpts{ttl: -1, mcastTTL: 1, mcastLoop: true} }

// PCB makes a Sock a socket of a pcb.Table.
func (s *Sock) PCB() *pcb.Block { return &s.Block }

func (s *Sock) init(st *Stack, proto uint8) {
	s.st, s.proto = st, proto
	s.cond.L = &s.mu
	s.members.Socket = s
	s.opts.Store(&st.world.opts)
	s.addrs.Store(new(sockAddrs))
}

// option changes the socket's options.
func (s *Sock) option(edit func(o *sockOpts)) {
	for {
		old := s.opts.Load()
		next := *old
		edit(&next)
		if s.opts.CompareAndSwap(old, &next) {
			return
		}
	}
}

// enqueue appends a packet whose payload is data. It borrows b and keeps a
// reference, or returns false where the queue is full or the socket closed.
func (s *Sock) enqueue(p *pass, b *pkt.Buf, ip, data []byte, ifIndex uint32) bool {
	limit := s.opts.Load().recvSpace
	if limit == 0 {
		limit = int(p.v.tun.UDP.RecvSpace)
	}
	s.mu.Lock()
	if s.closed || s.bytes+len(data) > limit && s.n > 0 || s.n >= maxItems {
		s.mu.Unlock()
		return false
	}
	if s.n == len(s.ring) {
		s.grow()
	}
	b.Retain(1)
	it := &s.ring[(s.head+s.n)&(len(s.ring)-1)]
	*it = item{buf: b, off: uint32(b.Offset(data)), n: uint32(len(data)), ip: uint32(b.Offset(ip)), ifIndex: ifIndex}
	s.n++
	s.bytes += len(data)
	wake := s.sleepers > 0 || s.ready != nil && s.n == 1
	s.sleepers = 0
	s.mu.Unlock()
	if wake {
		p.r.Wake(s)
	}
	return true
}

// maxItems bounds the queue of a socket that is sent empty datagrams.
const maxItems = 4096

func (s *Sock) grow() {
	ring := make([]item, max(4, 2*len(s.ring)))
	for i := range s.n {
		ring[i] = s.ring[(s.head+i)&(len(s.ring)-1)]
	}
	s.ring, s.head = ring, 0
}

// Wake implements netisr.Waker.
func (s *Sock) Wake() {
	s.cond.Broadcast()
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	if ready != nil {
		ready()
	}
}

// SetReady has f called, with no lock held, whenever packets have come to an
// empty queue, and once when the socket is closed. f may read and write the
// socket. It must not block.
func (s *Sock) SetReady(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = f
}

// simulatedError is returned by a call that would have to wait in simulated
// time, where nothing happens until the one who drives the clock goes on.
type simulatedError struct{}

// Error implements error.
func (simulatedError) Error() string {
	return "would block in simulated time: use a callback or a flow, or run the world in real time or a synctest bubble"
}

// take takes the first packet out of the queue, waiting for it if wait. The
// caller frees the buffer.
func (s *Sock) take(wait bool) (item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return item{}, net.ErrClosed
		case s.deadline != nil && s.deadline.passed:
			return item{}, os.ErrDeadlineExceeded
		case s.n > 0:
			return s.pop(), nil
		case s.err != 0:
			e := s.err
			s.err = 0
			return item{}, e
		case !wait:
			return item{}, syscall.EAGAIN
		case s.st.world.Clock().Simulated():
			return item{}, simulatedError{}
		}
		s.sleepers++
		s.cond.Wait()
	}
}

// pop takes the first packet out of a queue that is not empty. mu is held.
func (s *Sock) pop() item {
	it := s.ring[s.head]
	s.ring[s.head].buf = nil
	s.head = (s.head + 1) & (len(s.ring) - 1)
	s.n--
	s.bytes -= int(it.n)
	return it
}

// report makes the next call of a reader fail once with e.
func (s *Sock) report(p *pass, e syscall.Errno) {
	s.mu.Lock()
	s.err = e
	wake := s.sleepers > 0 || s.ready != nil
	s.sleepers = 0
	s.mu.Unlock()
	if wake {
		p.r.Wake(s)
	}
}

// pending returns and clears an error that a writer must report.
func (s *Sock) pending() syscall.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.err
	s.err = 0
	return e
}

// deadline is the read deadline of a socket.
type deadline struct {
	clock.Timer
	s      *Sock
	at     clock.Time
	passed bool
}

// Fire implements clock.Firer.
func (d *deadline) Fire(now clock.Time) {
	s := d.s
	s.mu.Lock()
	late := s.deadline == d && now >= d.at
	d.passed = d.passed || late
	if late {
		s.sleepers = 0
	}
	s.mu.Unlock()
	if late {
		s.cond.Broadcast()
	}
}

// SetReadDeadline makes reads after t fail; the zero Time means never.
func (s *Sock) SetReadDeadline(t time.Time) error {
	c := s.st.world.Clock()
	at := clock.Never
	if !t.IsZero() {
		at = c.At(t)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	d := s.deadline
	if d == nil {
		d = &deadline{s: s}
		d.F = d
		s.deadline = d
	}
	d.at, d.passed = at, at <= c.Now()
	if d.passed {
		d.at = clock.Never
	}
	at, passed := d.at, d.passed
	s.mu.Unlock()
	if passed {
		s.cond.Broadcast()
	}
	d.arm(c, at)
	return nil
}

// arm arms the timer for at, or for what another has set meanwhile: the last
// to arm it must not be the first to have set it.
func (d *deadline) arm(c clock.Clock, at clock.Time) {
	for {
		c.Arm(&d.Timer, at)
		d.s.mu.Lock()
		now := d.at
		if d.s.closed { // meanwhile: shut may have disarmed it too early
			now = clock.Never
		}
		d.s.mu.Unlock()
		if now == at {
			return
		}
		at = now
	}
}

// SetWriteDeadline makes writes after t fail, though they never wait; the zero
// Time means never.
func (s *Sock) SetWriteDeadline(t time.Time) error {
	if s.Closed() {
		return net.ErrClosed
	}
	var at clock.Time
	if !t.IsZero() {
		if at = s.st.world.Clock().At(t); at <= 0 {
			at = -1 // before the world began
		}
	}
	s.writeBy.Store(int64(at))
	return nil
}

// mayWrite returns the error of a write that cannot be: the socket is closed
// or its deadline has passed.
func (s *Sock) mayWrite(a *sockAddrs) error {
	if a.closed {
		return net.ErrClosed
	}
	if by := s.writeBy.Load(); by != 0 && int64(s.st.world.Clock().Now()) >= by {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// shut closes the receiving side and returns what was queued.
func (s *Sock) shut(r *netisr.Runner) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.closed = true
	ring, head, n := s.ring, s.head, s.n
	s.ring, s.head, s.n, s.bytes = nil, 0, 0, 0
	d := s.deadline
	if d != nil {
		d.at = clock.Never
	}
	s.mu.Unlock()
	for i := range n {
		r.Cache.Free(ring[(head+i)&(len(ring)-1)].buf)
	}
	if d != nil {
		s.st.world.Clock().Disarm(&d.Timer)
	}
	s.cond.Broadcast()
	return true
}
