package vnet

import (
	"github.com/seed88948545/vimage/internal/sockbuf"
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
	var it sockbuf.Item
	var err error
	if how&ReadQueued != 0 {
		it, err = s.rcv.TakeQueued()
	} else {
		it, err = s.rcv.Take(how&ReadWait != 0)
	}
	if err != nil {
		return 0, err
	}
	if how&ReadPayload != 0 && s.raw {
		hl := uint32(wire.IPv4(it.Buf.Slice(int(it.IP), wire.IPv4Len)).HeaderLen())
		it.Off, it.N = it.Off+hl, it.N-hl
	}
	data := it.Buf.Slice(int(it.Off), int(it.N))
	n := 0
	for _, b := range bufs {
		n += copy(b, data[n:])
	}
	if info != nil {
		s.describe(&it, n, info)
	}
	s.st.world.sched.Free(it.Buf)
	return n, nil
}
