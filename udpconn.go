package vimage

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// UDPConn is a UDP socket of a stack. It is a net.Conn and a net.PacketConn,
// with the methods of *net.UDPConn that make sense without a kernel. Several
// goroutines may use it at once.
type UDPConn struct{ packetConn }

// packetConn is what UDP and raw sockets share.
type packetConn struct {
	s     usrreq.Sock
	stack *Stack // the handle that made it
	net   string // "udp4", "ip4:89", … for errors
	raw   bool
}

var (
	_ net.Conn       = (*UDPConn)(nil)
	_ net.PacketConn = (*UDPConn)(nil)
)

// Internal returns the socket's inner side, for this module's own packages.
func (c *packetConn) Internal() usrreq.Sock { return c.s }

func (c *packetConn) addr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	if c.raw {
		return ipAddr(a.Addr())
	}
	return net.UDPAddrFromAddrPort(a)
}

// from returns the sender of a packet; a link-local one with its zone.
func (c *packetConn) from(info *socket.Recv) netip.AddrPort {
	if info.From.Addr().Is4() {
		return info.From
	}
	return zoned(c.s.Stack().View(), info.From, info.IfIndex)
}

func (c *packetConn) err(op string, err error) error {
	return &net.OpError{Op: op, Net: c.net, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// LocalAddr returns the socket's own address.
func (c *packetConn) LocalAddr() net.Addr {
	a := c.s.Addrs.Load()
	return c.addr(zoned(c.s.Stack().View(), a.Local, a.Scope))
}

// RemoteAddr returns the address the socket is connected to, or nil.
func (c *packetConn) RemoteAddr() net.Addr {
	a := c.s.Addrs.Load()
	if !a.Remote.IsValid() {
		return nil
	}
	return c.addr(zoned(c.s.Stack().View(), a.Remote, a.Scope))
}

// Close closes the socket; a blocked read fails with net.ErrClosed. Groups it
// has joined are left.
func (c *packetConn) Close() error {
	if err := c.s.Close(); err != nil {
		return c.err("close", err)
	}
	return nil
}

// SetDeadline sets both deadlines.
func (c *packetConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded after t, by the
// world's time; the zero Time means never.
func (c *packetConn) SetReadDeadline(t time.Time) error {
	if err := c.s.SetReadDeadline(t); err != nil {
		return c.err("set", err)
	}
	return nil
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded after t, though
// they never wait; the zero Time means never.
func (c *packetConn) SetWriteDeadline(t time.Time) error {
	if err := c.s.SetWriteDeadline(t); err != nil {
		return c.err("set", err)
	}
	return nil
}

// SetReadBuffer sets how many bytes of packets the socket keeps for a reader.
func (c *packetConn) SetReadBuffer(n int) error {
	if n < 1 {
		return c.err("set", syscall.EINVAL)
	}
	c.s.SetRecvSpace(n)
	return nil
}

// SetWriteBuffer does nothing: what is written is sent at once.
func (c *packetConn) SetWriteBuffer(int) error { return nil }

// OnReadable has f called whenever packets have come to an empty socket and no
// read waits for them, in any kind of time: the way to receive in simulated
// time. f must not block; it reads with TryReadFrom until that says no.
func (c *packetConn) OnReadable(f func()) { c.s.SetReady(f) }

// TryReadFrom is ReadFromAddrPort that does not wait: ok is false where there
// is nothing to read.
func (c *packetConn) TryReadFrom(b []byte) (n int, from netip.AddrPort, ok bool, err error) {
	var info socket.Recv
	n, err = c.s.ReadFrom(b, &info, false)
	switch err {
	case nil:
		return n, c.from(&info), true, nil
	case syscall.EAGAIN:
		return 0, netip.AddrPort{}, false, nil
	}
	return 0, netip.AddrPort{}, false, c.err("read", err)
}

// Read reads a packet. Of one longer than b the rest is lost.
func (c *packetConn) Read(b []byte) (int, error) {
	n, err := c.s.ReadFrom(b, nil, true)
	if err != nil {
		return 0, c.err("read", err)
	}
	return n, nil
}

// ReadFrom implements net.PacketConn.
func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	var info socket.Recv
	n, err := c.s.ReadFrom(b, &info, true)
	if err != nil {
		return 0, nil, c.err("read", err)
	}
	return n, c.addr(c.from(&info)), nil
}

// Write sends a packet to the address the socket is connected to.
func (c *packetConn) Write(b []byte) (int, error) {
	n, err := c.s.WriteTo(b, netip.AddrPort{}, nil)
	if err != nil {
		return 0, c.err("write", err)
	}
	return n, nil
}

// ReadFromUDPAddrPort reads a datagram and allocates nothing. An IPv4 sender's
// address is a plain one on every socket, not IPv6's form of it.
func (c *UDPConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	var info socket.Recv
	n, err := c.s.ReadFrom(b, &info, true)
	if err != nil {
		return 0, netip.AddrPort{}, c.err("read", err)
	}
	return n, c.from(&info), nil
}

// ReadFromUDP reads a datagram.
func (c *UDPConn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn; addr is a *net.UDPAddr.
func (c *UDPConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, opError("write", c.net, c.LocalAddr(), addr, syscall.EINVAL)
	}
	return c.WriteToUDP(b, a)
}

// WriteToUDP sends a datagram.
func (c *UDPConn) WriteToUDP(b []byte, a *net.UDPAddr) (int, error) {
	return c.WriteToUDPAddrPort(b, a.AddrPort())
}

// WriteToUDPAddrPort sends a datagram and allocates nothing.
func (c *UDPConn) WriteToUDPAddrPort(b []byte, a netip.AddrPort) (int, error) {
	return c.sendTo(b, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// sendTo sends a packet to a, with the errors of package net where it has its
// own: net.ErrWriteToConnected on a connected socket.
func (c *packetConn) sendTo(b []byte, a netip.AddrPort) (int, error) {
	err := error(syscall.EDESTADDRREQ)
	if a.IsValid() {
		var n int
		if n, err = c.s.WriteTo(b, a, nil); err == nil {
			return n, nil
		}
	}
	if c.s.RemoteAddr().IsValid() && (err == syscall.EISCONN || err == syscall.EDESTADDRREQ) {
		err = net.ErrWriteToConnected
	}
	return 0, opError("write", c.net, c.LocalAddr(), c.addr(a), err)
}

// listenUDP returns a socket bound to a, which family.bind has made. As in
// package net, a group address stands for any address, and a port that others may
// bind as well: one socket may join several groups, and several sockets one.
func (s *Stack) listenUDP(network string, a netip.AddrPort, lc *ListenConfig) (*UDPConn, error) {
	local, reuse := a, lc.reuse()
	if a.Addr().IsMulticast() {
		reuse |= pcb.ReuseAddr | pcb.ReusePort
		if !lc.BindGroup {
			local = netip.AddrPortFrom(wildcard(a.Addr()), a.Port())
		}
	}
	f, _ := familyOf(network, "udp")
	sock, e := s.owner().ListenUDP(s.st, local, reuse, f == only6)
	if e != 0 {
		return nil, opError("listen", network, nil, net.UDPAddrFromAddrPort(a), e)
	}
	sock.SetBroadcast(true) // as package net does
	return &UDPConn{packetConn{s: sock, stack: s, net: network}}, nil
}

// dialUDP returns a socket connected to remote.
func (s *Stack) dialUDP(network string, local, remote netip.AddrPort) (*UDPConn, error) {
	sock, e := s.owner().ListenUDP(s.st, local, 0, false)
	if e == 0 {
		sock.SetBroadcast(true)
		if e = sock.Connect(remote); e != 0 {
			sock.Close()
		}
	}
	if e != 0 {
		return nil, opError("dial", network, nil, net.UDPAddrFromAddrPort(remote), e)
	}
	return &UDPConn{packetConn{s: sock, stack: s, net: network}}, nil
}

// ListenUDP is net.ListenUDP on this stack.
func (s *Stack) ListenUDP(network string, laddr *net.UDPAddr) (*UDPConn, error) {
	f, ok := familyOf(network, "udp")
	if !ok {
		return nil, opError("listen", network, nil, nil, net.UnknownNetworkError(network))
	}
	var a netip.AddrPort
	if laddr != nil {
		a = laddr.AddrPort()
	}
	a, err := f.bind(a)
	if err != nil {
		return nil, opError("listen", network, nil, laddr, err)
	}
	return s.listenUDP(network, a, new(ListenConfig))
}

// DialUDP is net.DialUDP on this stack.
func (s *Stack) DialUDP(network string, laddr, raddr *net.UDPAddr) (*UDPConn, error) {
	f, ok := familyOf(network, "udp")
	switch {
	case !ok:
		return nil, opError("dial", network, nil, nil, net.UnknownNetworkError(network))
	case raddr == nil:
		return nil, opError("dial", network, nil, nil, syscall.EDESTADDRREQ)
	}
	remote := f.peer(raddr.AddrPort())
	local := netip.AddrPortFrom(wildcard(remote.Addr()), 0)
	if laddr != nil {
		local = source(laddr.AddrPort(), remote)
	}
	if !f.allows(remote.Addr()) || !f.allows(local.Addr()) || local.Addr().Is4() != remote.Addr().Is4() {
		return nil, opError("dial", network, nil, raddr, unsuitable(raddr.String()))
	}
	return s.dialUDP(network, local, remote)
}

func opError(op, network string, source, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: network, Source: source, Addr: addr, Err: err}
}

// closeOn closes c where ctx ended before it was handed over.
func closeOn(ctx context.Context, c net.Conn) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
