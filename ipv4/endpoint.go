package ipv4

import (
	"errors"
	"net"
	"time"

	xipv4 "golang.org/x/net/ipv4"

	"github.com/seed88948545/vimage/internal/xnet"
)

// Errors of x/net, which does not export them.
var (
	errNilHeader      = errors.New("nil header")
	errHeaderTooShort = errors.New("header too short")
)

// Conn sets the options of a connection that have to do with IPv4.
type Conn struct{ genericOpt }

// NewConn returns a Conn for c, a datagram socket or a TCP connection.
func NewConn(c net.Conn) *Conn {
	if h := xnet.HeaderOf(c); h != nil {
		return &Conn{genericOpt{o: xnet.Opt{Conn: c, Header: h}}}
	}
	return &Conn{genericOpt{o: xnet.Opt{Conn: c}, k: xipv4.NewConn(c)}}
}

// PacketConn is a datagram socket, or a raw one of which the IPv4 header is not
// seen, with the options of IPv4: time to live, type of service, multicast
// memberships and source filters. The embedded net.PacketConn is the socket.
type PacketConn struct {
	net.PacketConn
	dgramOpt
	k     *xipv4.PacketConn // nil for a vimage socket
	flags xnet.Flags[ControlFlags]
}

// NewPacketConn returns a PacketConn for c, which must be a net.Conn too, as
// all sockets of package net and of vimage are.
func NewPacketConn(c net.PacketConn) *PacketConn {
	p := &PacketConn{PacketConn: c, dgramOpt: dgramOf(c)}
	if p.o.Header == nil {
		p.k = xipv4.NewPacketConn(c)
		p.genericOpt.k, p.dgramOpt.k = p.k, p.k
	}
	return p
}

func (c *PacketConn) valid() bool { return c != nil && c.PacketConn != nil }

// SetControlMessage chooses what ReadFrom and ReadBatch say about a packet
// beside its payload. The source is told with anything else; destination and
// interface come together.
func (c *PacketConn) SetControlMessage(cf ControlFlags, on bool) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetControlMessage(cf, on)
	}
	c.flags.Set(cf, on)
	return nil
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

// ipConn is what *net.IPConn and *vimage.IPConn have in common.
type ipConn interface {
	net.Conn
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// RawConn is a raw socket whose packets are read and written with their IPv4
// header.
type RawConn struct {
	ipConn
	dgramOpt
	k     *xipv4.RawConn // nil for a vimage socket
	flags xnet.Flags[ControlFlags]
}

// NewRawConn returns a RawConn for c, a *vimage.IPConn or a *net.IPConn, which
// from now on is written to with headers.
func NewRawConn(c net.PacketConn) (*RawConn, error) {
	r := &RawConn{dgramOpt: dgramOf(c)}
	if r.o.Header == nil {
		k, err := xipv4.NewRawConn(c)
		if err != nil {
			return nil, err
		}
		r.ipConn, r.k, r.genericOpt.k, r.dgramOpt.k = c.(ipConn), k, k, k
		return r, nil
	}
	if !r.d.Raw() {
		return nil, r.o.Set(errInvalidOption)
	}
	r.ipConn = c.(ipConn)
	r.d.Sock.SetHeaderIncluded(true)
	return r, nil
}

func (c *RawConn) valid() bool { return c != nil && c.ipConn != nil }

// SetControlMessage chooses what ReadFrom and ReadBatch say about a packet
// beside its bytes. The source is told with anything else; destination and
// interface come together.
func (c *RawConn) SetControlMessage(cf ControlFlags, on bool) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetControlMessage(cf, on)
	}
	c.flags.Set(cf, on)
	return nil
}

// SetDeadline sets the read and write deadlines.
func (c *RawConn) SetDeadline(t time.Time) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.ipConn.SetDeadline(t)
}

// SetReadDeadline sets the read deadline.
func (c *RawConn) SetReadDeadline(t time.Time) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.ipConn.SetReadDeadline(t)
}

// SetWriteDeadline sets the write deadline.
func (c *RawConn) SetWriteDeadline(t time.Time) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.ipConn.SetWriteDeadline(t)
}

// Close closes the socket and leaves its groups.
func (c *RawConn) Close() error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.ipConn.Close()
}
