package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
)

// Sock is a datagram socket: UDP or raw IP.
type Sock struct {
	pcb.Block // shard 0's
	socket.Datagram
	st      *Stack
	prev    *Sock // in the stack's list; shard 0's
	next    *Sock
	members mcast.Memberships[*Sock] // shard 0's
}

// PCB makes a Sock a socket of a pcb.Table.
func (s *Sock) PCB() *pcb.Block { return &s.Block }

// Stack returns the stack the socket belongs to.
func (s *Sock) Stack() *Stack { return s.st }

func (s *Sock) init(st *Stack, proto uint8) {
	s.st = st
	s.Init(st.world.sched, proto, &st.world.opts)
	s.members.Socket = s
}

// enqueue appends a packet whose payload is data. It borrows b and keeps a
// reference, or returns false where the queue is full or the socket closed.
func (s *Sock) enqueue(p *pass, b *pkt.Buf, ip, data []byte, ifIndex uint32) bool {
	limit := s.Opts.Load().RecvSpace
	if limit == 0 {
		limit = int(p.v.tun.UDP.RecvSpace)
	}
	ok, wake := s.Queue.Put(b, ip, data, ifIndex, limit)
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
