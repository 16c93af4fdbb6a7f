package vnet

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/sockbuf"
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

	rcv sockbuf.Queue
}

// sockAddrs is what the sender of a socket needs to know of its binding.
type sockAddrs struct {
	local, remote netip.AddrPort
	closed        bool
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
	s.rcv.Init(st.world.Clock())
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

// enqueue appends a packet whose payload is data. It borrows b and keeps a
// reference, or returns false where the queue is full or the socket closed.
func (s *Sock) enqueue(p *pass, b *pkt.Buf, ip, data []byte, ifIndex uint32) bool {
	limit := s.opts.Load().recvSpace
	if limit == 0 {
		limit = int(p.v.tun.UDP.RecvSpace)
	}
	ok, wake := s.rcv.Put(b, ip, data, ifIndex, limit)
	if wake {
		p.r.Wake(&s.rcv)
	}
	return ok
}

// report makes the next call of a reader fail once with e.
func (s *Sock) report(p *pass, e syscall.Errno) {
	if s.rcv.Fail(e) {
		p.r.Wake(&s.rcv)
	}
}

// SetReady has f called, with no lock held, whenever packets have come to an
// empty queue, and once when the socket is closed. f may read and write the
// socket. It must not block.
func (s *Sock) SetReady(f func()) { s.rcv.SetReady(f) }

// SetReadDeadline makes reads after t fail; the zero Time means never.
func (s *Sock) SetReadDeadline(t time.Time) error { return s.rcv.SetDeadline(t) }
