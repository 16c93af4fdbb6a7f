package vimage

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// TCPInfo is what there is to know of a connection: the content of TCP_INFO.
type TCPInfo = tcp.Info

// TCPListener waits for TCP connections, as *net.TCPListener does.
type TCPListener struct {
	l   usrreq.TCPListener
	net string
}

var _ net.Listener = (*TCPListener)(nil)

// Internal returns the listener's inner side, for this module's own packages.
func (l *TCPListener) Internal() usrreq.TCPListener { return l.l }

func (l *TCPListener) err(op string, err error) error {
	return &net.OpError{Op: op, Net: l.net, Addr: l.Addr(), Err: sysError(op, err)}
}

// Addr returns the address the listener is bound to, a *net.TCPAddr.
func (l *TCPListener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(zoned(l.l.Stack().View(), l.l.LocalAddr(), l.l.Scope))
}

// Accept waits for a connection; it is a *TCPConn.
func (l *TCPListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) {
	s, err := l.l.Accept(true)
	if err != nil {
		return nil, l.err("accept", err)
	}
	return newTCPConn(s, l.net), nil
}

// TryAccept is Accept that does not wait: ok is false where no connection waits.
func (l *TCPListener) TryAccept() (c *TCPConn, ok bool, err error) {
	s, err := l.l.Accept(false)
	switch err {
	case nil:
		return newTCPConn(s, l.net), true, nil
	case syscall.EAGAIN:
		return nil, false, nil
	}
	return nil, false, l.err("accept", err)
}

// OnAcceptable has f called whenever a connection may wait to be accepted, in
// any kind of time: the way to accept in simulated time. f must not block; it
// calls TryAccept until that says no.
func (l *TCPListener) OnAcceptable(f func()) { l.l.Queue.SetReady(f) }

// Close stops listening. Connections that were not accepted are reset; those
// that were stay.
func (l *TCPListener) Close() error {
	if !l.l.Close() {
		return l.err("close", net.ErrClosed)
	}
	return nil
}

// SetDeadline makes Accept fail with os.ErrDeadlineExceeded after t; the zero
// Time means never.
func (l *TCPListener) SetDeadline(t time.Time) error {
	if err := l.l.Queue.SetDeadline(t); err != nil {
		return l.err("set", err)
	}
	return nil
}

// SetFIB changes the routing table of connections made from now on. Those made
// before keep theirs.
func (l *TCPListener) SetFIB(n int) error {
	e := syscall.EINVAL
	if n >= 0 {
		e = l.l.Option(func(o *socket.TCPOptions) { o.FIB = uint32(n) })
	}
	if e != 0 {
		return l.err("set", e)
	}
	return nil
}

// Backlog returns how many connections wait to be accepted, and how many may.
func (l *TCPListener) Backlog() (n, limit int) { return l.l.Queue.Len(), l.l.Queue.Limit() }

// Package net's defaults for keepalive.
const (
	keepIdle  = 15 * time.Second
	keepIntvl = 15 * time.Second
	keepCount = 9
)

// keepAlive returns the options for what package net calls KeepAlive and
// KeepAliveConfig.
func keepAlive(d time.Duration, k net.KeepAliveConfig) socket.TCPOptions {
	if !k.Enable {
		k = net.KeepAliveConfig{Enable: d >= 0, Idle: d}
	}
	o := socket.TCPOptions{KeepAlive: k.Enable, KeepIdle: keepIdle, KeepIntvl: keepIntvl, KeepCount: keepCount}
	if k.Idle > 0 {
		o.KeepIdle = k.Idle
	}
	if k.Interval > 0 {
		o.KeepIntvl = k.Interval
	}
	if k.Count > 0 {
		o.KeepCount = k.Count
	}
	return o
}

// Listen listens for TCP connections as net.Listen does. Networks: tcp, tcp4, tcp6.
// On tcp, a host that is missing, 0.0.0.0 or :: means every address of both
// families. The result is a *TCPListener.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	f, ok := familyOf(network, "tcp")
	if !ok {
		return nil, opError("listen", network, nil, nil, lc.Stack.unknown(network))
	}
	a, err := f.listenAddr("tcp", address)
	if err != nil {
		return nil, opError("listen", network, nil, nil, err)
	}
	l, err := lc.listenTCP(network, f, a)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// listenTCP listens at a. As package net does, it lets the port of connections
// that are still there be used again.
func (lc *ListenConfig) listenTCP(network string, f family, a netip.AddrPort) (*TCPListener, error) {
	o := keepAlive(lc.KeepAlive, lc.KeepAliveConfig)
	o.FIB, o.Limit, o.NoDelay = uint32(lc.Stack.fib), lc.Stack.cred.Limit(), true
	o.ReuseAddr, o.ReusePort = true, lc.ReusePort
	o.CC, o.FastOpen = lc.Congestion, lc.FastOpen
	o.V6Only = f == only6
	l, e := usrreq.ListenTCP(lc.Stack.st, a, lc.Backlog, &o)
	if e != 0 {
		return nil, opError("listen", network, nil, net.TCPAddrFromAddrPort(a), sysError("bind", e))
	}
	return &TCPListener{l: l, net: network}, nil
}

// Listen listens for TCP connections as net.Listen does.
func (s *Stack) Listen(network, address string) (net.Listener, error) {
	return (&ListenConfig{Stack: s}).Listen(context.Background(), network, address)
}

// ListenTCP is net.ListenTCP on this stack.
func (s *Stack) ListenTCP(network string, laddr *net.TCPAddr) (*TCPListener, error) {
	f, ok := familyOf(network, "tcp")
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
	return (&ListenConfig{Stack: s}).listenTCP(network, f, a)
}
