package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// Sock is a datagram socket, UDP or raw IP, as packets find it. What its user
// may ask of it is package usrreq's.
type Sock struct {
	pcb.Block // shard 0's
	socket.Datagram
	st      *Stack
	prev    *Sock // in the stack's list; shard 0's
	next    *Sock
	members mcast.Memberships[*Sock] // shard 0's
	proxy   bool                     // no socket: a member for others, see mrouteRoom
}

// PCB makes a Sock a socket of a pcb.Table.
func (s *Sock) PCB() *pcb.Block { return &s.Block }

// Stack returns the stack the socket belongs to.
func (s *Sock) Stack() *Stack { return s.st }

// NewSock returns a socket that no packet finds before Bind.
func (st *Stack) NewSock(proto uint8, raw bool) *Sock {
	s := &Sock{st: st}
	s.Raw = raw
	s.Init(st.world.sched, proto, &st.world.opts)
	s.members.Socket = s
	return s
}

// Bind lets packets to local find the socket; port 0 means any for UDP. It
// returns ENETDOWN where the stack is closed, EADDRINUSE for a conflict.
func (s *Sock) Bind(local netip.AddrPort) syscall.Errno {
	st := s.st
	st.sh.mu.Lock()
	defer st.sh.release()
	if st.closed.Load() {
		return syscall.ENETDOWN
	}
	tun := &st.view.Load().V().IP
	s.V6Only = s.Opts.Load().V6Only
	var e syscall.Errno
	switch {
	case s.Raw:
		s.Local = local
		st.raws.Add(s)
	case local.Port() != 0:
		e = st.udp.Bind(st.world.seed, s, local)
	default:
		e = st.udp.BindAny(st.world.seed, s, local.Addr(), uint16(tun.PortFirst), uint16(tun.PortLast), uint32(st.Rand()))
	}
	if e == 0 {
		s.Addrs.Store(&socket.Addrs{Local: s.Local, Scope: s.Scope})
		st.register(s)
	}
	return e
}

// Pair lets only packets from remote to src, which came in by the interface with
// index scope if that is not 0, find the socket. It returns EISCONN where a UDP
// socket has a peer already, EBADF where it is closed.
func (s *Sock) Pair(src netip.Addr, remote netip.AddrPort, scope uint32) syscall.Errno {
	st := s.st
	st.sh.mu.Lock()
	defer st.sh.release()
	switch a := s.Addrs.Load(); {
	case a.Closed:
		return syscall.EBADF
	case a.Remote.IsValid() && !s.Raw:
		return syscall.EISCONN
	}
	if s.Raw {
		s.Addrs.Store(&socket.Addrs{Local: netip.AddrPortFrom(src, 0), Remote: remote, Scope: scope})
		return 0
	}
	e := st.udp.Connect(st.world.seed, s, src, remote, scope)
	if e == 0 {
		s.Addrs.Store(&socket.Addrs{Local: s.Local, Remote: s.Remote, Scope: s.Scope, Label: st.label(src, remote, s.Local.Port())})
	}
	return e
}

// label returns the flow label of packets to remote, 0 for IPv4.
func (st *Stack) label(src netip.Addr, remote netip.AddrPort, port uint16) uint32 {
	if src.Is4() {
		return 0
	}
	return st.world.seed.FlowLabel(src, remote.Addr(), port, remote.Port())
}

// Detach takes the socket away from packets, for good, and out of its groups.
func (s *Sock) Detach(r *netisr.Runner) {
	st := s.st
	p := pass{r: r}
	st.sh.lock(&p)
	last := *s.Addrs.Load()
	last.Closed = true
	s.Addrs.Store(&last)
	st.sh.leaveAll(&p, s)
	if s.Raw {
		st.raws.Remove(s)
	} else {
		st.udp.Delete(st.world.seed, s)
	}
	st.unregister(s)
	st.sh.unlock(&p)
}

// register and unregister keep the list of the stack's sockets. Shard 0 is
// locked.
func (st *Stack) register(s *Sock) {
	if s.next = st.socks; s.next != nil {
		s.next.prev = s
	}
	st.socks = s
}

func (st *Stack) unregister(s *Sock) {
	if s.prev != nil {
		s.prev.next = s.next
	} else if st.socks == s {
		st.socks = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// Socks returns the stack's sockets, the one that was bound last first.
func (st *Stack) Socks() (all []*Sock) {
	st.sh.mu.Lock()
	defer st.sh.release()
	for s := st.socks; s != nil; s = s.next {
		all = append(all, s)
	}
	return all
}

// enqueue appends a packet of which the user reads data. It borrows b and keeps a
// reference, or returns false where the queue is full or the socket closed.
func (s *Sock) enqueue(p *pass, b *pkt.Buf, ip wire.Packet, data []byte) bool {
	limit := s.Opts.Load().RecvSpace
	if limit == 0 {
		limit = int(p.v.V().UDP.RecvSpace)
	}
	ok, wake := s.Queue.Put(b, ip.Bytes(), data, p.inIndex(), limit)
	if wake {
		p.r.Wake(&s.Queue)
	}
	return ok
}

// report makes the next call of a reader fail once with e.
func (s *Sock) report(p *pass, e syscall.Errno) {
	if s.Queue.Fail(e) {
		p.r.Wake(&s.Queue)
	}
}
