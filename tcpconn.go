package vimage

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/usrreq"
)

// TCPConn is a TCP connection of a stack. It has the methods of *net.TCPConn
// that make sense without a kernel. Several goroutines may use it at once.
type TCPConn struct {
	s      usrreq.TCPSock
	net    string       // "tcp", "tcp4" or "tcp6", for errors
	linger atomic.Int64 // seconds; see SetLinger
}

var (
	_ net.Conn      = (*TCPConn)(nil)
	_ io.ReaderFrom = (*TCPConn)(nil)
	_ io.WriterTo   = (*TCPConn)(nil)
)

func newTCPConn(s usrreq.TCPSock, network string) *TCPConn {
	c := &TCPConn{s: s, net: network}
	c.linger.Store(-1)
	return c
}

// Internal returns the socket's inner side, for this module's own packages.
func (c *TCPConn) Internal() usrreq.TCPSock { return c.s }

func (c *TCPConn) err(op string, err error) error {
	return &net.OpError{Op: op, Net: c.net, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: sysError(op, err)}
}

// sysError makes an error number look as package net does.
func sysError(op string, err error) error {
	if e, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError(op, e)
	}
	return err
}

// set returns what an option's setting came to. A connection that its user has
// closed may live on for what was written, but is no longer his.
func (c *TCPConn) set(e syscall.Errno) error {
	switch {
	case c.s.Closed():
		return c.err("set", net.ErrClosed)
	case e != 0:
		return c.err("set", e)
	}
	return nil
}

// LocalAddr returns the connection's own address, a *net.TCPAddr.
func (c *TCPConn) LocalAddr() net.Addr { return c.addr(c.s.LocalAddr()) }

// RemoteAddr returns the peer's address, a *net.TCPAddr.
func (c *TCPConn) RemoteAddr() net.Addr { return c.addr(c.s.RemoteAddr()) }

func (c *TCPConn) addr(a netip.AddrPort) net.Addr {
	return net.TCPAddrFromAddrPort(zoned(c.s.Stack().View(), a, c.s.Scope))
}

// Read reads bytes that have come, and waits for the first. It returns io.EOF
// once the peer has closed its side and everything has been read; ECONNRESET
// where it broke off; ETIMEDOUT where it has vanished.
func (c *TCPConn) Read(b []byte) (int, error) {
	n, err := c.s.Read(b, true)
	if err != nil && err != io.EOF {
		return n, c.err("read", err)
	}
	return n, err
}

// Write writes all of b, waiting for room in the send buffer. It returns EPIPE
// after CloseWrite and once the connection is over.
func (c *TCPConn) Write(b []byte) (int, error) {
	n, err := c.s.Write(b, true)
	if err != nil {
		return n, c.err("write", err)
	}
	return n, nil
}

// copyChunk is how much ReadFrom reads at a time.
const copyChunk = 64 << 10

// ReadFrom implements io.ReaderFrom: it writes what r gives until EOF.
func (c *TCPConn) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, copyChunk)
	for {
		k, rerr := r.Read(buf)
		if k > 0 {
			w, werr := c.Write(buf[:k])
			n += int64(w)
			if werr != nil {
				return n, werr
			}
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, rerr
		}
	}
}

// WriteTo implements io.WriterTo: it writes what comes to w until EOF, without
// a copy of its own.
func (c *TCPConn) WriteTo(w io.Writer) (n int64, err error) {
	var werr error
	for {
		k, err := c.s.ReadPieces(func(b []byte) (m int, err error) {
			m, err = w.Write(b)
			werr = err
			return m, err
		}, true)
		n += int64(k)
		switch {
		case werr != nil:
			return n, werr
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, c.err("read", err)
		}
	}
}

// Close closes the connection. What was written is still sent, in the
// background; where something was not read, or SetLinger said 0, the peer sees a
// reset instead.
func (c *TCPConn) Close() error {
	ok := true
	switch sec := c.linger.Load(); {
	case sec == 0:
		ok = c.s.Abort()
	case sec > 0:
		c.s.SetUserTimeout(time.Duration(sec) * time.Second)
		fallthrough
	default:
		ok = c.s.Close()
	}
	if !ok {
		return c.err("close", net.ErrClosed)
	}
	return nil
}

// CloseRead says that nothing more will be read: what comes is thrown away.
func (c *TCPConn) CloseRead() error { return c.half(c.s.CloseRead) }

// CloseWrite says that nothing more will be written: the peer reads EOF after
// what was.
func (c *TCPConn) CloseWrite() error { return c.half(c.s.CloseWrite) }

// half closes one direction. A connection that its user has closed may live on
// for what was written, but is no longer his.
func (c *TCPConn) half(end func() syscall.Errno) error {
	if c.s.Closed() {
		return c.err("close", net.ErrClosed)
	}
	if e := end(); e != 0 {
		return c.err("close", e)
	}
	return nil
}

// SetDeadline sets both deadlines.
func (c *TCPConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded after t, by the
// world's time; the zero Time means never.
func (c *TCPConn) SetReadDeadline(t time.Time) error {
	if err := c.s.In().SetDeadline(t); err != nil {
		return c.err("set", err)
	}
	return nil
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded after t, by the
// world's time; the zero Time means never.
func (c *TCPConn) SetWriteDeadline(t time.Time) error {
	if err := c.s.Out().SetDeadline(t); err != nil {
		return c.err("set", err)
	}
	return nil
}

// SetLinger says what Close does with what was not yet sent: below 0, the
// default, it is sent in the background; 0 throws it away and resets; above 0
// it is sent in the background for that many seconds at most.
func (c *TCPConn) SetLinger(sec int) error {
	if c.s.Closed() {
		return c.err("set", net.ErrClosed)
	}
	c.linger.Store(int64(sec))
	return nil
}

// SetNoDelay says whether small writes are sent at once, which is the default,
// or put together while something is unacknowledged (Nagle's algorithm).
func (c *TCPConn) SetNoDelay(on bool) error { return c.set(c.s.SetNoDelay(on)) }

// SetKeepAlive turns keepalive probes on or off.
func (c *TCPConn) SetKeepAlive(on bool) error { return c.set(c.s.SetKeepAlive(on, 0, 0, 0)) }

// SetKeepAlivePeriod sets how long the peer may be silent before it is probed.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	return c.set(c.s.SetKeepAlive(true, d, 0, 0))
}

// SetKeepAliveConfig sets everything about keepalive, with the defaults of
// package net.
func (c *TCPConn) SetKeepAliveConfig(k net.KeepAliveConfig) error {
	o := keepAlive(0, k)
	return c.set(c.s.SetKeepAlive(k.Enable, o.KeepIdle, o.KeepIntvl, o.KeepCount))
}

// SetUserTimeout sets how long what was sent may stay unacknowledged before the
// connection is given up with ETIMEDOUT; 0 leaves it to retransmission
// (TCP_USER_TIMEOUT).
func (c *TCPConn) SetUserTimeout(d time.Duration) error { return c.set(c.s.SetUserTimeout(d)) }

// SetReadBuffer fixes the size of the receive buffer in bytes; without, it
// follows what the connection needs.
func (c *TCPConn) SetReadBuffer(n int) error {
	if n < 1 {
		return c.err("set", syscall.EINVAL)
	}
	return c.set(c.s.SetRcvBuf(n))
}

// SetWriteBuffer fixes the size of the send buffer in bytes; without, it
// follows what the connection needs.
func (c *TCPConn) SetWriteBuffer(n int) error {
	if n < 1 {
		return c.err("set", syscall.EINVAL)
	}
	return c.set(c.s.SetSndBuf(n))
}

// SetCongestion changes the congestion control: "cubic" or "newreno"
// (TCP_CONGESTION). ENOENT for any other.
func (c *TCPConn) SetCongestion(name string) error { return c.set(c.s.SetCC(name)) }

// SetTOS sets the type of service of what is sent, without the ECN bits.
func (c *TCPConn) SetTOS(tos int) error {
	if tos < 0 || tos > 255 {
		return c.err("set", syscall.EINVAL)
	}
	return c.set(c.s.SetTOS(uint8(tos)))
}

// SetTTL sets the TTL of what is sent; 0 means the stack's.
func (c *TCPConn) SetTTL(ttl int) error {
	if ttl < 0 || ttl > 255 {
		return c.err("set", syscall.EINVAL)
	}
	return c.set(c.s.SetTTL(uint8(ttl)))
}

// SetFIB changes the routing table of what the connection sends. EINVAL where
// there is none of that number.
func (c *TCPConn) SetFIB(n int) error {
	if n < 0 {
		return c.err("set", syscall.EINVAL)
	}
	return c.set(c.s.SetFIB(uint32(n)))
}

// FIB returns the routing table of what the connection sends.
func (c *TCPConn) FIB() int { return int(c.s.FIB()) }

// Info returns what there is to know of the connection (TCP_INFO). It fails
// where the connection is over.
func (c *TCPConn) Info() (TCPInfo, error) {
	var i TCPInfo
	if !c.s.Info(&i) {
		return i, c.err("get", syscall.EINVAL)
	}
	return i, nil
}

// OnReadable has f called whenever something may have come to be read, the end
// included, in any kind of time: the way to receive in simulated time. f must
// not block; it reads with TryRead until that says no.
func (c *TCPConn) OnReadable(f func()) { c.s.In().SetReady(f) }

// OnWritable is OnReadable for writing. It also tells that a connection begun
// with Dialer.Start has been made or has failed: see Connected.
func (c *TCPConn) OnWritable(f func()) { c.s.Out().SetReady(f) }

// TryRead is Read that does not wait: ok is false where there is nothing to read.
func (c *TCPConn) TryRead(b []byte) (n int, ok bool, err error) {
	n, err = c.s.Read(b, false)
	switch err {
	case syscall.EAGAIN:
		return 0, false, nil
	case nil, io.EOF:
		return n, true, err
	}
	return n, true, c.err("read", err)
}

// TryWrite is Write that does not wait: it writes as much as there is room for.
func (c *TCPConn) TryWrite(b []byte) (int, error) {
	n, err := c.s.Write(b, false)
	if err != nil && err != syscall.EAGAIN {
		return n, c.err("write", err)
	}
	return n, nil
}

// Connected tells whether the connection has been made, and does not wait; the
// error is that of a Dial that failed.
func (c *TCPConn) Connected() (bool, error) {
	switch err := c.s.Connected(false); err {
	case nil:
		return true, nil
	case syscall.EAGAIN:
		return false, nil
	default:
		return false, opError("dial", c.net, c.LocalAddr(), c.RemoteAddr(), sysError("connect", err))
	}
}

// AddrPorts returns both ends.
func (c *TCPConn) AddrPorts() (local, remote netip.AddrPort) {
	v := c.s.Stack().View()
	return zoned(v, c.s.LocalAddr(), c.s.Scope), zoned(v, c.s.RemoteAddr(), c.s.Scope)
}
