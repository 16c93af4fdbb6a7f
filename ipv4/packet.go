package ipv4

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/socket"
)

// ReadFrom reads a packet's payload into b, of a longer one only the beginning.
// cm is nil unless SetControlMessage has asked for something.
func (c *PacketConn) ReadFrom(b []byte) (n int, cm *ControlMessage, src net.Addr, err error) {
	switch {
	case !c.valid():
		return 0, nil, nil, errInvalidConn
	case c.k != nil:
		return c.k.ReadFrom(b)
	}
	var info socket.Recv
	n, err = c.s.ReadMsg([][]byte{b}, &info, socket.ReadWait|socket.ReadPayload)
	if err != nil {
		return 0, nil, nil, c.ioErr("read", nil, err)
	}
	return n, controlMessage(c.flags.get(), &info), c.from(&info), nil
}

// WriteTo sends a payload to dst, or to the connected address if dst is nil. cm
// may be nil; its Src, an address of the stack, becomes the packet's source,
// and its IfIndex is the interface the packet leaves by.
func (c *PacketConn) WriteTo(b []byte, cm *ControlMessage, dst net.Addr) (n int, err error) {
	switch {
	case !c.valid():
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.WriteTo(b, cm, dst)
	}
	to, err := destination(dst)
	if err == nil {
		n, err = c.s.WriteTo(b, to, howOf(cm))
	}
	return n, c.ioErr("write", dst, err)
}

// ioErr wraps the error of a read or a write.
func (c *genericOpt) ioErr(op string, dst net.Addr, err error) error {
	if err == nil {
		return nil
	}
	local := c.conn.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: dst, Err: err}
}

// from returns the source of a received packet.
func (c *genericOpt) from(info *socket.Recv) net.Addr {
	if _, raw := c.s.Proto(); raw {
		return &net.IPAddr{IP: info.From.Addr().AsSlice()}
	}
	return net.UDPAddrFromAddrPort(info.From)
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

// destination returns the address in dst, invalid if dst is nil.
func destination(dst net.Addr) (netip.AddrPort, error) {
	a, port := addrOf(dst), 0
	if u, ok := dst.(*net.UDPAddr); ok && u != nil {
		port = u.Port
	}
	switch {
	case dst == nil:
		return netip.AddrPort{}, nil
	case !a.IsValid():
		return netip.AddrPort{}, errMissingAddress
	case port < 0 || port > 65535:
		return netip.AddrPort{}, syscall.EINVAL
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}
