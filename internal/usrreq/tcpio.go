package usrreq

import (
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/vnet"
)

// piecesPerRead is how many frames one Read takes bytes from at most.
const piecesPerRead = 8

// Read reads bytes that have come, waiting for the first if wait. It returns
// io.EOF where the peer has closed, and the errors of sockbuf.Stream.Take.
func (s TCPSock) Read(to []byte, wait bool) (int, error) {
	var pieces [piecesPerRead]sockbuf.Piece
	k, err := s.In().Take(len(to), pieces[:], wait)
	if err != nil {
		return 0, err
	}
	r := s.Stack().World().Sched().Get()
	n := 0
	for i := range pieces[:k] {
		n += copy(to[n:], pieces[i].Data())
		r.Cache.Free(pieces[i].Buf)
	}
	if s.In().MustTell() {
		s.TellRead(r)
	}
	r.Done()
	return n, nil
}

// ReadPieces gives the bytes that have come to f, in place, waiting for the first
// if wait, and returns how many f took. f must not keep them. The errors are
// Read's, or f's: the bytes it was given are then lost.
func (s TCPSock) ReadPieces(f func([]byte) (int, error), wait bool) (int, error) {
	var pieces [piecesPerRead]sockbuf.Piece
	k, err := s.In().Take(1<<30, pieces[:], wait)
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
		s.Stack().World().Sched().Free(pieces[i].Buf)
	}
	if s.In().MustTell() {
		s.Update(func(*vnet.TCPCall) {})
	}
	return n, err
}

// Write writes bytes, waiting for space if wait. It returns how many were
// written, with an error if not all were: that of sockbuf.Send.Enter.
func (s TCPSock) Write(data []byte, wait bool) (int, error) {
	n, out := 0, s.Out()
	for n < len(data) {
		space, err := out.Enter(min(len(data)-n, s.Chunk()), wait)
		if err != nil {
			return n, err
		}
		for space > 0 && n < len(data) && err == nil {
			k := min(space, len(data)-n, s.Chunk())
			if err = s.push(data[n : n+k]); err == nil {
				n += k
				space -= k
			}
		}
		if out.Leave() {
			out.Wake()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// smallWrite is how many bytes are first looked for room behind those written
// last.
const smallWrite = 1024

// push writes bytes for which there is space, all of them, and sends what may be
// sent.
func (s TCPSock) push(data []byte) error {
	r := s.Stack().World().Sched().Get()
	var b *pkt.Buf
	if len(data) > smallWrite {
		b = r.Cache.Get(len(data))
		copy(b.Extend(len(data)), data)
	}
	err := s.Push(r, b, data)
	r.Done()
	return err
}
