package ipv4

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage/internal/usrreq"
	xipv4 "golang.org/x/net/ipv4"
)

// Errors of x/net, which does not export them.
var (
	errInvalidConn    = errors.New("invalid connection")
	errMissingAddress = errors.New("missing address")
	errNilHeader      = errors.New("nil header")
	errHeaderTooShort = errors.New("header too short")
)

// vimageSock returns the socket under a connection of a vimage stack, or nil.
func vimageSock(c any) usrreq.Sock {
	if v, ok := c.(interface{ Internal() usrreq.Sock }); ok {
		return v.Internal()
	}
	return usrreq.Sock{}
}

// Conn sets the options of a connection that have to do with IPv4.
type Conn struct{ genericOpt }

// NewConn returns a Conn for c.
func NewConn(c net.Conn) *Conn {
	if s := vimageSock(c); s.Sock != nil {
		return &Conn{genericOpt{conn: c, s: s}}
	}
	return &Conn{genericOpt{conn: c, k: xipv4.NewConn(c)}}
}

// PacketConn is a datagram socket, or a raw one of which the IPv4 header is not
// seen, with the options of IPv4: time to live, type of service, multicast
// memberships and source filters. The embedded net.PacketConn is the socket.
type PacketConn struct {
	net.PacketConn
	dgramOpt
	k     *xipv4.PacketConn // nil for a vimage socket
	flags controlFlags
}

// controlFlags are what is asked for of received packets.
type controlFlags struct{ on atomic.Uint32 }

func (f *controlFlags) get() ControlFlags { return ControlFlags(f.on.Load()) }

func (f *controlFlags) set(cf ControlFlags, on bool) {
	if on {
		f.on.Or(uint32(cf))
	} else {
		f.on.And(^uint32(cf))
	}
}

// NewPacketConn returns a PacketConn for c, which must be a net.Conn too, as
// all sockets of package net and of vimage are.
func NewPacketConn(c net.PacketConn) *PacketConn {
	p := &PacketConn{PacketConn: c}
	if s := vimageSock(c); s.Sock != nil {
		p.dgramOpt = dgramOpt{genericOpt: genericOpt{conn: c, s: s}}
		return p
	}
	p.k = xipv4.NewPacketConn(c)
	p.dgramOpt = dgramOpt{genericOpt: genericOpt{conn: c, k: p.k}, k: p.k}
	return p
}

func (c *PacketConn) valid() bool { return c != nil && c.PacketConn != nil }

// SetControlMessage chooses what ReadFrom and ReadBatch say about a packet
// beside its payload. The source is told with anything else; destination and
// interface come together.
func (c *PacketConn) SetControlMessage(cf ControlFlags, on bool) error {
	switch {
	case !c.valid():
		return errInvalidConn
	case c.k != nil:
		return c.k.SetControlMessage(cf, on)
	}
	c.flags.set(cf, on)
	return nil
}

// SetDeadline sets the read and write deadlines.
func (c *PacketConn) SetDeadline(t time.Time) error {
	if !c.valid() {
		return errInvalidConn
	}
	return c.PacketConn.SetDeadline(t)
}

// SetReadDeadline sets the read deadline.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	if !c.valid() {
		return errInvalidConn
	}
	return c.PacketConn.SetReadDeadline(t)
}

// SetWriteDeadline sets the write deadline.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	if !c.valid() {
		return errInvalidConn
	}
	return c.PacketConn.SetWriteDeadline(t)
}

// Close closes the socket and leaves its groups.
func (c *PacketConn) Close() error {
	if !c.valid() {
		return errInvalidConn
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
	flags controlFlags
}

// NewRawConn returns a RawConn for c, a *vimage.IPConn or a *net.IPConn, which
// from now on is written to with headers.
func NewRawConn(c net.PacketConn) (*RawConn, error) {
	s := vimageSock(c)
	if s.Sock == nil {
		k, err := xipv4.NewRawConn(c)
		if err != nil {
			return nil, err
		}
		return &RawConn{ipConn: c.(ipConn), dgramOpt: dgramOpt{genericOpt: genericOpt{conn: c, k: k}, k: k}, k: k}, nil
	}
	r := &RawConn{dgramOpt: dgramOpt{genericOpt: genericOpt{conn: c, s: s}}}
	if _, raw := s.Proto(); !raw {
		return nil, r.err(errInvalidOption)
	}
	r.ipConn = c.(ipConn)
	s.SetHeaderIncluded(true)
	return r, nil
}

func (c *RawConn) valid() bool { return c != nil && c.ipConn != nil }

// SetControlMessage chooses what ReadFrom and ReadBatch say about a packet
// beside its bytes. The source is told with anything else; destination and
// interface come together.
func (c *RawConn) SetControlMessage(cf ControlFlags, on bool) error {
	switch {
	case !c.valid():
		return errInvalidConn
	case c.k != nil:
		return c.k.SetControlMessage(cf, on)
	}
	c.flags.set(cf, on)
	return nil
}

// SetDeadline sets the read and write deadlines.
func (c *RawConn) SetDeadline(t time.Time) error {
	if !c.valid() {
		return errInvalidConn
	}
	return c.ipConn.SetDeadline(t)
}

// SetReadDeadline sets the read deadline.
func (c *RawConn) SetReadDeadline(t time.Time) error {
	if !c.valid() {
		return errInvalidConn
	}
	return c.ipConn.SetReadDeadline(t)
}

// SetWriteDeadline sets the write deadline.
func (c *RawConn) SetWriteDeadline(t time.Time) error {
	if !c.valid() {
		return errInvalidConn
	}
	return c.ipConn.SetWriteDeadline(t)
}

// Close closes the socket and leaves its groups.
func (c *RawConn) Close() error {
	if !c.valid() {
		return errInvalidConn
	}
	return c.ipConn.Close()
}
