package ipv4

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/socket"
)

// ReadBatch reads packets into ms: it waits for one and takes as many more as
// there are, up to len(ms), and returns their number. Each fills the Buffers of
// its Message one after the other; N, Addr, Flags and, where SetControlMessage
// asks for it and OOB has room, OOB and NN are set. From a raw socket packets
// come with their IPv4 header. A vimage socket takes no flags: EOPNOTSUPP.
func (c *PacketConn) ReadBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.ReadBatch(ms, flags)
	}
	return c.readBatch(ms, flags, c.flags.get())
}

// WriteBatch sends packets, each gathered from the Buffers of its Message, to
// its Addr, or the connected address if that is nil, and returns how many were
// sent. After an error the rest is not tried; the error is returned where
// nothing was sent. OOB may hold what ControlMessage.Marshal returns. A vimage
// socket takes no flags: EOPNOTSUPP.
func (c *PacketConn) WriteBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.WriteBatch(ms, flags)
	}
	return c.writeBatch(ms, flags)
}

// ReadBatch is PacketConn's; packets come with their IPv4 header.
func (c *RawConn) ReadBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.ReadBatch(ms, flags)
	}
	return c.readBatch(ms, flags, c.flags.get())
}

// WriteBatch is PacketConn's; packets begin with their IPv4 header, and go to
// the destination in it.
func (c *RawConn) WriteBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.WriteBatch(ms, flags)
	}
	return c.writeBatch(ms, flags)
}

func (c *dgramOpt) readBatch(ms []Message, flags int, cf ControlFlags) (int, error) {
	if flags != 0 {
		return 0, c.ioErr("read", nil, syscall.EOPNOTSUPP)
	}
	how := socket.ReadWait
	for i := range ms {
		m := &ms[i]
		var info socket.Recv
		n, err := c.s.ReadMsg(m.Buffers, &info, how)
		if err != nil && i > 0 {
			return i, nil // whatever it is, the next read meets it
		}
		if err != nil {
			return 0, c.ioErr("read", nil, err)
		}
		m.N, m.Addr, m.Flags = n, c.from(&info), 0
		if info.Truncated {
			m.Flags = msgTrunc
		}
		m.NN = putControl(m.OOB, cf, &info)
		how = socket.ReadQueued
	}
	return len(ms), nil
}

func (c *dgramOpt) writeBatch(ms []Message, flags int) (int, error) {
	if flags != 0 {
		return 0, c.ioErr("write", nil, syscall.EOPNOTSUPP)
	}
	var gathered []byte
	for i := range ms {
		m := &ms[i]
		data := gathered[:0]
		if len(m.Buffers) == 1 {
			data = m.Buffers[0]
		} else {
			for _, b := range m.Buffers {
				data = append(data, b...)
			}
			gathered = data
		}
		to, err := destination(m.Addr)
		if err == nil {
			m.N, err = c.s.WriteTo(data, to, howOf(getControl(m.OOB)))
		}
		if err != nil && i > 0 {
			return i, nil
		}
		if err != nil {
			return 0, c.ioErr("write", m.Addr, err)
		}
	}
	return len(ms), nil
}
