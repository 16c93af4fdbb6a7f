package ipv4

import (
	"net"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/xnet"
)

// ReadFrom reads a packet's payload into b, of a longer one only the beginning.
// cm is nil unless SetControlMessage has asked for something.
func (c *PacketConn) ReadFrom(b []byte) (n int, cm *ControlMessage, src net.Addr, err error) {
	switch {
	case !c.valid():
		return 0, nil, nil, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.ReadFrom(b)
	}
	var info socket.Recv
	n, err = c.d.Sock.ReadMsg([][]byte{b}, &info, socket.ReadWait|socket.ReadPayload)
	if err != nil {
		return 0, nil, nil, c.o.IO("read", nil, err)
	}
	return n, controlMessage(c.flags.Get(), &info), c.d.From(&info), nil
}

// WriteTo sends a payload to dst, or to the connected address if dst is nil. cm
// may be nil; its Src, an address of the stack, becomes the packet's source,
// and its IfIndex is the interface the packet leaves by.
func (c *PacketConn) WriteTo(b []byte, cm *ControlMessage, dst net.Addr) (n int, err error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.WriteTo(b, cm, dst)
	}
	to, err := xnet.Destination(dst, addrOf)
	if err == nil {
		n, err = c.d.Sock.WriteTo(b, to, howOf(cm))
	}
	return n, c.o.IO("write", dst, err)
}

// controlMessage returns what the flags ask for, nil if that is nothing.
func controlMessage(cf ControlFlags, info *socket.Recv) *ControlMessage {
	if cf == 0 {
		return nil
	}
	cm := &ControlMessage{Src: info.From.Addr().AsSlice()}
	if cf&FlagTTL != 0 {
		cm.TTL = int(info.TTL)
	}
	if cf&^FlagTTL != 0 {
		cm.Dst = info.To.AsSlice()
		cm.IfIndex = int(info.IfIndex)
	}
	return cm
}

// howOf returns what a control message says about a packet to be sent, nil if
// that is nothing.
func howOf(cm *ControlMessage) *socket.Send {
	if cm == nil {
		return nil
	}
	how := socket.Send{Src: fromIP(cm.Src)}
	if cm.IfIndex > 0 {
		how.IfIndex = uint32(cm.IfIndex)
	}
	if how == (socket.Send{}) {
		return nil
	}
	return &how
}
