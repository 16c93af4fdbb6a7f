package sockbuf

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// Stream is the receive half of a stream socket: bytes in order, which lie
// in the frames that brought them until somebody reads them. Init must be called
// before use.
type Stream struct {
	half
	ring    []Piece
	head, n int
	peak    int  // longest the ring has been filled since it was last empty
	bytes   int  // that may be read
	mem     int  // bytes of memory that the pieces keep
	deaf    bool // see Discard

	taken atomic.Uint64 // bytes read since the stream began
	tell  atomic.Uint64 // see TellAt
}

// Piece is a part of a stream, in the frame that brought it.
type Piece struct {
	Buf *pkt.Buf
	At  uint64 // offset in the stream of its first byte; meant for Reorder
	Off uint32 // of the bytes in the frame's memory
	N   uint32
}

// Data returns the bytes.
func (p *Piece) Data() []byte { return p.Buf.Slice(int(p.Off), int(p.N)) }

// NewPiece describes data, a part of b's frame. It takes the caller's
// reference to b.
func NewPiece(b *pkt.Buf, data []byte, at uint64) Piece {
	return Piece{Buf: b, At: at, Off: uint32(b.Offset(data)), N: uint32(len(data))}
}

// Init says which clock deadlines go by.
func (s *Stream) Init(c clock.Clock) {
	s.init(c)
	s.tell.Store(never)
}

const never = 1<<64 - 1

// Put appends a piece, which it takes: copied tells that its bytes were copied
// instead and its Buf is the caller's again, as it is where the stream is closed
// or nobody wants to hear it.
// The caller calls Wake if told to.
func (s *Stream) Put(p Piece) (copied, wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return true, false
	}
	if s.deaf {
		s.taken.Add(uint64(p.N))
		return true, false
	}
	s.bytes += int(p.N)
	if s.merge(&p) {
		return true, s.rouse()
	}
	if s.n == len(s.ring) {
		s.grow()
	}
	s.ring[(s.head+s.n)&(len(s.ring)-1)] = p
	s.n++
	s.peak = max(s.peak, s.n)
	s.mem += p.Buf.Mem()
	return false, s.rouse()
}

const (
	// worthCopying is the longest piece that is copied behind another one to
	// save the memory of its frame.
	worthCopying = 512
	// A stream that keeps heavy bytes of memory, and much more than is in them,
	// also copies pieces that long.
	heavy      = 1 << 20
	heavyPiece = 16 << 10
)

// merge copies a small piece behind the last one where there is room, so that
// small segments do not each keep a frame.
func (s *Stream) merge(p *Piece) bool {
	small := p.N <= worthCopying || p.N <= heavyPiece && s.mem > max(heavy, 2*s.bytes)
	if !small || s.n == 0 {
		return false
	}
	return s.ring[(s.head+s.n-1)&(len(s.ring)-1)].merge(p)
}

// merge appends the bytes of q to p's frame, if that has room and is nobody else's.
func (p *Piece) merge(q *Piece) bool {
	end := p.Off + p.N
	if p.Buf.Shared() || !p.Buf.Fits(int(end), int(q.N)) {
		return false
	}
	copy(p.Buf.Slice(int(end), int(q.N)), q.Data())
	p.N += q.N
	return true
}

func (s *Stream) grow() {
	ring := make([]Piece, max(4, 2*len(s.ring)))
	for i := range s.n {
		ring[i] = s.ring[(s.head+i)&(len(s.ring)-1)]
	}
	s.ring, s.head = ring, 0
}

// keepRing is the longest ring that an empty stream keeps though it needs only a
// quarter of it.
const keepRing = 16

// Take takes up to limit bytes out of the stream, in at most len(to) pieces, and
// waits for the first if wait. The caller owns a reference to each piece's Buf,
// which it must not write. The errors are net.ErrClosed, os.ErrDeadlineExceeded,
// what End was told, EAGAIN where there is nothing and nobody is to wait, and
// Simulated where waiting would be for ever. A limit of 0 returns at once.
func (s *Stream) Take(limit int, to []Piece, wait bool) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.late:
			return 0, os.ErrDeadlineExceeded
		case s.n > 0 || limit == 0:
			return s.take(limit, to), nil
		case s.err != nil:
			return 0, s.err
		case !wait:
			return 0, syscall.EAGAIN
		}
		if err := s.wait(); err != nil {
			return 0, err
		}
	}
}

// take does the work of Take. mu is held.
func (s *Stream) take(limit int, to []Piece) int {
	k, got := 0, 0
	for k < len(to) && s.n > 0 && got < limit {
		p := &s.ring[s.head]
		to[k] = *p
		if left := limit - got; int(p.N) > left {
			to[k].N = uint32(left)
			p.Buf.Retain(1)
			p.Off += uint32(left)
			p.N -= uint32(left)
		} else {
			s.mem -= p.Buf.Mem()
			p.Buf = nil
			s.head = (s.head + 1) & (len(s.ring) - 1)
			s.n--
		}
		got += int(to[k].N)
		k++
	}
	s.bytes -= got
	s.taken.Add(uint64(got))
	if s.n == 0 {
		if len(s.ring) > keepRing && 4*s.peak < len(s.ring) {
			s.ring, s.head = nil, 0
		}
		s.peak = 0
	}
	return k
}

// Taken returns how many bytes were read since the stream began.
func (s *Stream) Taken() uint64 { return s.taken.Load() }

// TellAt says that the connection wants to know when the offset has been read.
func (s *Stream) TellAt(offset uint64) { s.tell.Store(offset) }

// MustTell tells whether what TellAt said has come true.
func (s *Stream) MustTell() bool { return s.taken.Load() >= s.tell.Load() }

// Len returns how many bytes may be read.
func (s *Stream) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Mem returns how many bytes of memory what may be read keeps.
func (s *Stream) Mem() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mem
}

// Discard ends the stream for its reader with err: what was not read, and what
// still comes, counts as taken and is thrown away. It tells whether to call Wake.
func (s *Stream) Discard(err error, free func(*pkt.Buf)) (wake bool) {
	s.mu.Lock()
	s.deaf = true
	s.mu.Unlock()
	s.taken.Add(uint64(s.Drop(free)))
	return s.End(err)
}

// Drop frees what was not read and returns how many bytes that were.
func (s *Stream) Drop(free func(*pkt.Buf)) int {
	s.mu.Lock()
	ring, head, n, bytes := s.ring, s.head, s.n, s.bytes
	s.ring, s.head, s.n, s.bytes, s.mem = nil, 0, 0, 0, 0
	s.mu.Unlock()
	for i := range n {
		free(ring[(head+i)&(len(ring)-1)].Buf)
	}
	return bytes
}
