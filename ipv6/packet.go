package ipv6

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/xnet"
)

// ReadFrom reads a packet's payload into b, of a longer one only the beginning.
// cm is nil unless SetControlMessage has asked for something that is known of
// the packet.
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
		if cm := c.pathMTU(err); cm != nil {
			return 0, cm, c.PacketConn.(net.Conn).RemoteAddr(), nil
		}
		return 0, nil, nil, c.o.IO("read", nil, err)
	}
	return n, controlMessage(c.flags.Get(), &info), c.d.From(&info), nil
}

// WriteTo sends a payload to dst, or to the connected address if dst is nil. cm
// may be nil: its TrafficClass and HopLimit, where they are not 0, are those of
// this packet; Src, an address of the stack, becomes its source; IfIndex is the
// interface and NextHop the neighbour by which it leaves (RFC 3542 §6). EINVAL: a
// number above 255. ENXIO: no such interface. EADDRNOTAVAIL: Src is somebody
// else's. EHOSTUNREACH: NextHop is no neighbour.
func (c *PacketConn) WriteTo(b []byte, cm *ControlMessage, dst net.Addr) (n int, err error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.WriteTo(b, cm, dst)
	}
	var how *socket.Send
	to, err := xnet.Destination(dst, xnet.Addr)
	if err == nil {
		how, err = c.howTo(cm, to.Addr())
	}
	if err == nil {
		n, err = c.d.Sock.WriteTo(b, to, how)
	}
	return n, c.o.IO("write", dst, err)
}

// ReadBatch reads packets into ms: it waits for one and takes as many more as
// there are, up to len(ms), and returns their number. Each fills the Buffers of
// its Message one after the other; N, Addr, Flags and, where SetControlMessage
// asks for it and OOB has room, OOB and NN are set. A vimage socket takes no
// flags: EOPNOTSUPP.
func (c *PacketConn) ReadBatch(ms []Message, flags int) (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.ReadBatch(ms, flags)
	}
	n, err := c.d.ReadBatch(ms, flags, func(oob []byte, info *socket.Recv) int {
		return putControl(oob, c.flags.Get(), controlMessage(c.flags.Get(), info))
	})
	if cm := c.pathMTU(err); cm != nil {
		m := &ms[0]
		m.N, m.Addr, m.Flags = 0, c.PacketConn.(net.Conn).RemoteAddr(), 0
		m.NN = putControl(m.OOB, FlagPathMTU, cm)
		return 1, nil
	}
	return n, err
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
	return c.d.WriteBatch(ms, flags, xnet.Addr, func(oob []byte, to netip.Addr) (*socket.Send, error) {
		return c.howTo(getControl(oob), to)
	})
}

// controlMessage returns what the flags ask for, nil if that is nothing. Of a
// packet of IPv4 it is where it came to: the rest is IPv6's.
func controlMessage(cf ControlFlags, info *socket.Recv) *ControlMessage {
	if info.From.Addr().Is4() {
		cf &= FlagDst | FlagInterface
	}
	if cf&^(FlagSrc|FlagPathMTU) == 0 {
		return nil
	}
	cm := new(ControlMessage)
	if info.From.Addr().Is6() {
		cm.Src = info.From.Addr().AsSlice()
	}
	if cf&FlagTrafficClass != 0 {
		cm.TrafficClass = int(info.TOS)
	}
	if cf&FlagHopLimit != 0 {
		cm.HopLimit = int(info.TTL)
	}
	if cf&(FlagDst|FlagInterface) != 0 {
		dst := info.To.As16()
		cm.Dst, cm.IfIndex = dst[:], int(info.IfIndex)
	}
	return cm
}

// pathMTU returns what is said about the path to the peer after a read that
// failed because something sent was too long for it, nil if nothing is.
func (c *PacketConn) pathMTU(err error) *ControlMessage {
	if c.flags.Get()&FlagPathMTU == 0 || !errors.Is(err, syscall.EMSGSIZE) {
		return nil
	}
	mtu, e := c.d.Sock.PathMTU()
	if e != 0 {
		return nil
	}
	a := c.d.Sock.Addrs.Load()
	return &ControlMessage{Dst: a.Remote.Addr().AsSlice(), IfIndex: int(a.Scope), MTU: mtu}
}

// howTo returns what a control message says about a packet to be sent, nil if
// that is nothing.
func (c *PacketConn) howTo(cm *ControlMessage, to netip.Addr) (*socket.Send, error) {
	var how socket.Send
	switch {
	case cm == nil:
		return nil, nil
	case cm.TrafficClass > 255 || cm.HopLimit > 255:
		return nil, syscall.EINVAL // RFC 3542 §6.6
	case cm.IfIndex > 0:
		if how.IfIndex = uint32(cm.IfIndex); c.d.Sock.Stack().View().Conf(how.IfIndex) == nil {
			return nil, syscall.ENXIO // also §6.6
		}
	}
	if to.Is6() || !to.IsValid() && c.o.LocalAddr().Addr().Is6() {
		how.Src, how.NextHop = ip6(cm.Src), ip6(cm.NextHop)
		how.TOS, how.TTL = max(cm.TrafficClass, 0), max(cm.HopLimit, 0)
	}
	if how == (socket.Send{}) {
		return nil, nil
	}
	return &how, nil
}
