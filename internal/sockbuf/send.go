package sockbuf

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// Send is the send half of a stream socket: what was written and is not yet
// acknowledged, in chunks that lie in frames of their own. A chunk in a large
// frame is as long as a super-segment, which can then be sent where it lies.
//
// What Put, Collect, Small, Ack, Copy, Share and Clear touch belongs to the owner of
// the connection and is used under his lock; the rest may be called by anyone.
type Send struct {
	half
	ring    []chunk
	head, n int
	put     uint64 // offset behind the last chunk
	acked   atomic.Uint64
	end     atomic.Uint64 // offset behind the last byte written, posted ones included
	limit   atomic.Int64
	asleep  atomic.Bool // somebody waits for space
	writing bool        // somebody is between Enter and Leave; under mu
	posted  pkt.Batch   // chunks for Collect; under mu
}

// chunk is bytes as they were written: they begin at pkt.Headroom of the frame.
type chunk struct {
	buf *pkt.Buf
	at  uint64 // offset in the stream
	n   uint32
}

func (c *chunk) end() uint64 { return c.at + uint64(c.n) }

// Init says which clock deadlines go by and how many bytes may wait.
func (s *Send) Init(c clock.Clock, limit int) {
	s.init(c)
	s.limit.Store(int64(limit))
}

// SetLimit changes how many bytes may wait and tells whether to call Wake.
func (s *Send) SetLimit(n int) (wake bool) {
	return s.limit.Swap(int64(n)) < int64(n) && s.roomy()
}

// Limit returns how many bytes may wait.
func (s *Send) Limit() int { return int(s.limit.Load()) }

// Space returns how many bytes may be written now.
func (s *Send) Space() int {
	return int(s.limit.Load() - int64(s.end.Load()-s.acked.Load()))
}

// Unacked returns how many bytes were written and are not acknowledged.
func (s *Send) Unacked() int { return int(s.end.Load() - s.acked.Load()) }

// Enter waits until want bytes may be written, or a third of the limit, and
// keeps other writers out until Leave. It returns how many may be written; where it
// must not wait, this is any number but 0. The errors are those of Stream.Take.
func (s *Send) Enter(want int, wait bool) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch n := s.Space(); {
		case s.closed:
			return 0, net.ErrClosed
		case s.err != nil:
			return 0, s.err
		case s.late:
			return 0, os.ErrDeadlineExceeded
		case !s.writing && n > 0 && (!wait || n >= want || int64(n)*3 >= s.limit.Load()):
			s.writing = true
			return n, nil
		case !s.asleep.Swap(true):
			// Who makes room looks at asleep after he has made it: look again.
			continue
		case !wait:
			return 0, syscall.EAGAIN
		}
		if err := s.wait(); err != nil {
			return 0, err
		}
	}
}

// Ready returns nil once something may be written, waiting for that if wait. The
// errors are those of Stream.Take.
func (s *Send) Ready(wait bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return net.ErrClosed
		case s.limit.Load() > 0:
			return nil
		case s.err != nil:
			return s.err
		case s.late:
			return os.ErrDeadlineExceeded
		case !s.asleep.Swap(true):
			continue
		case !wait:
			return syscall.EAGAIN
		}
		if err := s.wait(); err != nil {
			return err
		}
	}
}

// Leave lets the next writer in. The caller calls Wake if told to.
func (s *Send) Leave() (wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	wake = s.sleepers > 0
	s.sleepers = 0
	return wake
}

// roomy tells whether to wake a writer. It waits until a third of the space is
// free, so that a writer does not run for every acknowledgment.
func (s *Send) roomy() bool {
	if !s.asleep.Load() || int64(s.Space())*3 < s.limit.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep.Store(false)
	return s.rouse()
}

// Put appends b's frame, which it takes. What was posted has been collected.
func (s *Send) Put(b *pkt.Buf) {
	s.end.Add(uint64(b.Len()))
	s.append(b)
}

func (s *Send) append(b *pkt.Buf) {
	if s.n == len(s.ring) {
		s.grow()
	}
	s.ring[(s.head+s.n)&(len(s.ring)-1)] = chunk{buf: b, at: s.put, n: uint32(b.Len())}
	s.n++
	s.put += uint64(b.Len())
}

// Post is Put by one who does not own the connection: b's frame, which it takes,
// waits for Collect.
func (s *Send) Post(b *pkt.Buf) {
	s.end.Add(uint64(b.Len()))
	s.mu.Lock()
	s.posted.Push(b)
	s.mu.Unlock()
}

// Collect appends what was posted and returns how many bytes that is.
func (s *Send) Collect() int {
	s.mu.Lock()
	all := s.posted
	s.posted = pkt.Batch{}
	s.mu.Unlock()
	n := 0
	for b := all.Pop(); b != nil; b = all.Pop() {
		n += b.Len()
		s.append(b)
	}
	return n
}

// Discard frees what was posted.
func (s *Send) Discard(free func(*pkt.Buf)) {
	s.mu.Lock()
	all := s.posted
	s.posted = pkt.Batch{}
	s.mu.Unlock()
	for b := all.Pop(); b != nil; b = all.Pop() {
		free(b)
	}
}

// Small appends data to the last chunk, if that has room.
func (s *Send) Small(data []byte) bool {
	if s.n == 0 {
		return false
	}
	c := s.chunk(s.n - 1)
	if c.buf.Room() < len(data) {
		return false
	}
	copy(c.buf.Extend(len(data)), data)
	c.n += uint32(len(data))
	s.put += uint64(len(data))
	s.end.Add(uint64(len(data)))
	return true
}

func (s *Send) chunk(i int) *chunk { return &s.ring[(s.head+i)&(len(s.ring)-1)] }

func (s *Send) grow() {
	ring := make([]chunk, max(4, 2*len(s.ring)))
	for i := range s.n {
		ring[i] = *s.chunk(i)
	}
	s.ring, s.head = ring, 0
}

// Ack frees the chunks before offset and tells whether to call Wake.
func (s *Send) Ack(offset uint64, free func(*pkt.Buf)) (wake bool) {
	for s.n > 0 && s.chunk(0).end() <= offset {
		c := s.chunk(0)
		free(c.buf)
		c.buf = nil
		s.head = (s.head + 1) & (len(s.ring) - 1)
		s.n--
	}
	s.acked.Store(offset)
	if s.n == 0 && len(s.ring) > keepRing {
		s.ring, s.head = nil, 0
	}
	return s.roomy()
}

// find returns the chunk that holds the byte at offset, or nil.
func (s *Send) find(offset uint64) (int, *chunk) {
	lo, hi := 0, s.n
	for lo < hi {
		mid := (lo + hi) / 2
		if s.chunk(mid).end() <= offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == s.n {
		return lo, nil
	}
	return lo, s.chunk(lo)
}

// Span returns how many bytes the chunk at offset still holds from there, 0
// at the end of what was written.
func (s *Send) Span(offset uint64) int {
	_, c := s.find(offset)
	if c == nil {
		return 0
	}
	return int(c.end() - offset)
}

// Copy copies what was written from offset on into to, which must not reach
// beyond it.
func (s *Send) Copy(to []byte, offset uint64) {
	i, _ := s.find(offset)
	for len(to) > 0 {
		c := s.chunk(i)
		from := int(offset - c.at)
		k := copy(to, c.buf.Bytes()[from:])
		to, offset = to[k:], offset+uint64(k)
		i++
	}
}

// Share returns a frame of n bytes from offset that lies where they lie, if that
// is possible: they are one large chunk's first bytes that are still needed, and no
// frame is under way from that chunk. Its headroom may be written, not the bytes.
func (s *Send) Share(r *pkt.Cache, offset uint64, n int) *pkt.Buf {
	_, c := s.find(offset)
	if c == nil || c.end() < offset+uint64(n) || offset != max(c.at, s.acked.Load()) {
		return nil
	}
	return r.Share(c.buf, int(offset-c.at), n)
}

// Clear frees everything.
func (s *Send) Clear(free func(*pkt.Buf)) {
	s.Discard(free)
	for i := range s.n {
		free(s.chunk(i).buf)
	}
	s.ring, s.head, s.n = nil, 0, 0
}
