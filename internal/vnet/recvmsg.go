package vnet

import (
	"net"
	"os"
	"syscall"

	"github.com/seed88948545/vimage/internal/wire"
)

// ReadFlags say how ReadMsg reads.
type ReadFlags uint8

// Flags of ReadMsg.
const (
	ReadWait    ReadFlags = 1 << iota // wait for a packet
	ReadQueued                        // take only what is queued: errors are left to the next read
	ReadPayload                       // leave out the IPv4 header of a raw socket's packet
)

// ReadMsg copies the next packet into bufs, filling one after the other. info
// may be nil. It returns EAGAIN where it would have to wait and may not.
func (s *Sock) ReadMsg(bufs [][]byte, info *Recv, how ReadFlags) (int, error) {
	var it item
	var err error
	if how&ReadQueued != 0 {
		it, err = s.takeQueued()
	} else {
		it, err = s.take(how&ReadWait != 0)
	}
	if err != nil {
		return 0, err
	}
	if how&ReadPayload != 0 && s.raw {
		hl := uint32(wire.IPv4(it.buf.Slice(int(it.ip), wire.IPv4Len)).HeaderLen())
		it.off, it.n = it.off+hl, it.n-hl
	}
	data := it.buf.Slice(int(it.off), int(it.n))
	n := 0
	for _, b := range bufs {
		n += copy(b, data[n:])
	}
	if info != nil {
		s.describe(&it, n, info)
	}
	r := s.st.world.sched.Get()
	r.Cache.Free(it.buf)
	r.Done()
	return n, nil
}

// takeQueued is take that touches nothing but the queue.
func (s *Sock) takeQueued() (item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return item{}, net.ErrClosed
	case s.deadline != nil && s.deadline.passed:
		return item{}, os.ErrDeadlineExceeded
	case s.n == 0:
		return item{}, syscall.EAGAIN
	}
	return s.pop(), nil
}
