package vnet

import (
	"net"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/sockbuf"
)

// piecesPerRead is how many frames one Read takes bytes from at most.
const piecesPerRead = 8

// Read reads bytes that have come, waiting for the first if wait. It returns
// io.EOF where the peer has closed, and the errors of sockbuf.Stream.Take.
func (s *TCPSock) Read(to []byte, wait bool) (int, error) {
	var pieces [piecesPerRead]sockbuf.Piece
	k, err := s.in.Take(len(to), pieces[:], wait)
	if err != nil {
		return 0, err
	}
	r := s.st.world.sched.Get()
	n := 0
	for i := range pieces[:k] {
		n += copy(to[n:], pieces[i].Data())
		r.Cache.Free(pieces[i].Buf)
	}
	if s.in.MustTell() {
		s.post(&pass{r: r})
	}
	r.Done()
	return n, nil
}

// Write writes bytes, waiting for space if wait. It returns how many were
// written, with an error if not all were: that of sockbuf.Send.Enter.
func (s *TCPSock) Write(data []byte, wait bool) (int, error) {
	n := 0
	for n < len(data) {
		space, err := s.out.Enter(min(len(data)-n, int(s.chunk.Load())), wait)
		if err != nil {
			return n, err
		}
		for space > 0 && n < len(data) {
			k, err := s.push(data[n:min(len(data), n+min(space, int(s.chunk.Load())))])
			if err != nil {
				s.leave()
				return n, err
			}
			n += k
			space -= k
		}
		s.leave()
	}
	return n, nil
}

func (s *TCPSock) leave() {
	if s.out.Leave() {
		s.out.Wake()
	}
}

// smallWrite is how many bytes are first looked for room behind those written
// last.
const smallWrite = 1024

// push writes bytes for which there is space, all of them, and sends what may be
// sent.
func (s *TCPSock) push(data []byte) (int, error) {
	r := s.st.world.sched.Get()
	var b *pkt.Buf
	if len(data) > smallWrite {
		b = r.Cache.Get(len(data))
		copy(b.Extend(len(data)), data)
	}
	p := pass{r: r}
	var err error
	if s.sh.tryLock(&p) {
		err = s.append(&p, b, data)
		s.sh.unlock(&p)
	} else {
		if b == nil {
			b = r.Cache.Get(len(data))
			copy(b.Extend(len(data)), data)
		}
		s.out.Post(b)
		s.post(&p)
	}
	r.Done()
	if err != nil {
		return 0, err
	}
	return len(data), nil
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

// ReadPieces gives the bytes that have come to f, in place, waiting for the first
// if wait, and returns how many f took. f must not keep them. The errors are
// Read's, or f's: the bytes it was given are then lost.
func (s *TCPSock) ReadPieces(f func([]byte) (int, error), wait bool) (int, error) {
	var pieces [piecesPerRead]sockbuf.Piece
	k, err := s.in.Take(1<<30, pieces[:], wait)
	if err != nil {
		return 0, err
	}
	n := 0
	for i := range pieces[:k] {
		if err == nil {
			var m int
			m, err = f(pieces[i].Data())
			n += m
		}
		s.st.world.sched.Free(pieces[i].Buf)
	}
	s.tellRead()
	return n, err
}

// tellRead lets the connection know how much has been read, if it wants to.
func (s *TCPSock) tellRead() {
	if s.in.MustTell() {
		s.Update(func(*TCPCall) {})
	}
}
