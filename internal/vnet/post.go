package vnet

import (
	"net"
	"syscall"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// A user who finds the shard of his connection locked does not wait for it: he
// posts the connection, and whoever holds the lock does for it what it needs
// before or right after he lets go.

// Push takes bytes that the user has written and there is space for, which b has
// already if it is not nil, and sends what may be sent. It returns why nothing can
// be written any more.
func (s *TCPSock) Push(r *netisr.Runner, b *pkt.Buf, data []byte) error {
	p := pass{r: r}
	if s.sh.tryLock(&p) {
		err := s.append(&p, b, data)
		s.sh.unlock(&p)
		return err
	}
	if b == nil {
		b = r.Cache.Get(len(data))
		copy(b.Extend(len(data)), data)
	}
	s.out.Post(b)
	s.post(&p)
	return nil
}

// append appends data, which b has already if it is not nil, to what is to be
// sent. It takes b.
func (s *TCPSock) append(p *pass, b *pkt.Buf, data []byte) error {
	if s.buried || s.Shut {
		if b != nil {
			p.r.Cache.Free(b)
		}
		return s.writeError()
	}
	s.collect(p)
	if b == nil && !s.out.Small(data) {
		b = p.r.Cache.Get(len(data))
		copy(b.Extend(len(data)), data)
	}
	if b != nil {
		s.out.Put(b)
	}
	s.conn.Wrote(len(data))
	s.sh.touch(s)
	return nil
}

// writeError returns why nothing can be written any more.
func (s *TCPSock) writeError() error {
	if s.out.Closed() {
		return net.ErrClosed
	}
	if err := s.out.Err(); err != nil {
		return err
	}
	return syscall.EPIPE
}

// Chunk returns how many bytes are best pushed at once.
func (s *TCPSock) Chunk() int { return int(s.chunk.Load()) }

// TellRead lets the connection know that the user has read.
func (s *TCPSock) TellRead(r *netisr.Runner) { s.post(&pass{r: r}) }

// post leaves the connection's affairs, what Send.Post has got and what was read,
// to whoever holds the shard, be it the caller.
func (s *TCPSock) post(p *pass) {
	if !s.wanted.Swap(true) {
		for {
			s.nextPosted = s.sh.posted.Load()
			if s.sh.posted.CompareAndSwap(s.nextPosted, s) {
				break
			}
		}
	}
	if s.sh.tryLock(p) {
		s.sh.unlock(p)
	}
}

// serve does what was posted.
func (sh *shard) serve(p *pass) {
	for s := sh.posted.Swap(nil); s != nil; {
		next := s.nextPosted
		s.nextPosted = nil
		s.wanted.Store(false) // from here on it may be posted again
		s.collect(p)
		s = next
	}
}

// collect takes over what was posted to be sent.
func (s *TCPSock) collect(p *pass) {
	if s.buried || s.Shut {
		s.out.Discard(p.r.Cache.Free)
		return
	}
	if n := s.out.Collect(); n > 0 {
		s.conn.Wrote(n)
	}
	s.sh.touch(s)
}
