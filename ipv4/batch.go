package ipv4

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/xnet"
)

// ReadBatch reads packets into ms: it waits for one and takes as many more as
// there are, up to len(ms), and returns their number. Each fills the Buffers of
// its Message one after the other; N, Addr, Flags and, where SetControlMessage
// asks for it and OOB has room, OOB and NN are set. From a raw socket packets
// come with their IPv4 header. A vimage socket takes no flags: EOPNOTSUPP.
func (c *PacketConn) ReadBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.ReadBatch(ms, flags)
	}
	return c.readBatch(ms, flags, c.flags.Get())
}

// WriteBatch sends packets, each gathered from the Buffers of its Message, to
// its Addr, or the connected address if that is nil, and returns how many were
// sent. After an error the rest is not tried; the error is returned where
// nothing was sent. OOB may hold what ControlMessage.Marshal returns. A vimage
// socket takes no flags: EOPNOTSUPP.
func (c *PacketConn) WriteBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.WriteBatch(ms, flags)
	}
	return c.writeBatch(ms, flags)
}

// ReadBatch is PacketConn's; packets come with their IPv4 header.
func (c *RawConn) ReadBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.ReadBatch(ms, flags)
	}
	return c.readBatch(ms, flags, c.flags.Get())
}

// WriteBatch is PacketConn's; packets begin with their IPv4 header, and go to
// the destination in it.
func (c *RawConn) WriteBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.WriteBatch(ms, flags)
	}
	return c.writeBatch(ms, flags)
}

func (c *dgramOpt) readBatch(ms []Message, flags int, cf ControlFlags) (int, error) {
	return c.d.ReadBatch(ms, flags, func(oob []byte, info *socket.Recv) int { return putControl(oob, cf, info) })
}

func (c *dgramOpt) writeBatch(ms []Message, flags int) (int, error) {
	return c.d.WriteBatch(ms, flags, addrOf, func(oob []byte, _ netip.Addr) (*socket.Send, error) {
		return howOf(getControl(oob)), nil
	})
}
