package ipv6

import (
	"net"
	"syscall"
	"time"

	xipv6 "golang.org/x/net/ipv6"

	"github.com/seed88948545/vimage/internal/xnet"
)

// Conn sets the options of a connection that have to do with IPv6.
type Conn struct {
	genericOpt
	k *xipv6.Conn // nil for a vimage connection
}

// NewConn returns a Conn for c, a datagram socket or a TCP connection.
func NewConn(c net.Conn) *Conn {
	if h := xnet.HeaderOf(c); h != nil {
		return &Conn{genericOpt: genericOpt{o: xnet.Opt{Conn: c, Header: h}}}
	}
	k := xipv6.NewConn(c)
	return &Conn{genericOpt{o: xnet.Opt{Conn: c}, k: k}, k}
}

// PathMTU returns the length in bytes of the longest packet that reaches the
// peer, as far as is known. ENOTCONN where there is no peer.
func (c *Conn) PathMTU() (int, error) {
	if c != nil && c.k != nil {
		return c.k.PathMTU()
	}
	return c.getInt(func() (int, syscall.Errno) { return c.o.PathMTU() })
}

// PacketConn is a datagram socket, or a raw one, of which the IPv6 header is
// never seen (RFC 3542 §3), with the options of IPv6: hop limit, traffic class,
// multicast memberships and source filters. The embedded net.PacketConn is the
// socket.
type PacketConn struct {
	net.PacketConn
	dgramOpt
	k     *xipv6.PacketConn // nil for a vimage socket
	flags xnet.Flags[ControlFlags]
}

// NewPacketConn returns a PacketConn for c, which must be a net.Conn too, as
// all sockets of package net and of vimage are.
func NewPacketConn(c net.PacketConn) *PacketConn {
	d := xnet.DgramOf(c)
	p := &PacketConn{PacketConn: c, dgramOpt: dgramOpt{genericOpt: genericOpt{o: d.Opt}, d: d}}
	if d.Header == nil {
		p.k = xipv6.NewPacketConn(c)
		p.genericOpt.k, p.dgramOpt.k = p.k, p.k
	}
	return p
}

func (c *PacketConn) valid() bool { return c != nil && c.PacketConn != nil }

// SetControlMessage chooses what ReadFrom and ReadBatch say about a packet
// beside its payload. The source is told with anything else.
//
// FlagPathMTU is for a connected socket: where a packet turns out to have been
// too long for its way, a read returns no bytes, and MTU and Dst in the control
// message (RFC 3542 §11.3).
func (c *PacketConn) SetControlMessage(cf ControlFlags, on bool) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetControlMessage(cf, on)
	}
	return c.set(func() syscall.Errno {
		c.flags.Set(cf, on)
		return 0
	})
}

// SetDeadline sets the read and write deadlines.
func (c *PacketConn) SetDeadline(t time.Time) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.PacketConn.SetDeadline(t)
}

// SetReadDeadline sets the read deadline.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.PacketConn.SetReadDeadline(t)
}

// SetWriteDeadline sets the write deadline.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.PacketConn.SetWriteDeadline(t)
}

// Close closes the socket and leaves its groups.
func (c *PacketConn) Close() error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.PacketConn.Close()
}
