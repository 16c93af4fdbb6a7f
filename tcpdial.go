package vimage

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/usrreq"
)

// Start begins to open a TCP connection and returns at once: OnWritable and
// Connected tell how it went. It is the way to connect in simulated time.
func (d *Dialer) Start(network, address string) (*TCPConn, error) {
	if network != "tcp" && network != "tcp4" {
		return nil, opError("dial", network, d.LocalAddr, nil, net.UnknownNetworkError(network))
	}
	remote, err := parseAddrPort("tcp", address, false)
	if err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, err)
	}
	local := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if d.LocalAddr != nil {
		a, ok := d.LocalAddr.(*net.TCPAddr)
		if !ok {
			return nil, opError("dial", network, d.LocalAddr, nil, errors.New("mismatched local address type"))
		}
		local = unmapped(a.AddrPort())
	}
	return d.startTCP(network, local, remote)
}

func (d *Dialer) startTCP(network string, local, remote netip.AddrPort) (*TCPConn, error) {
	o := keepAlive(d.KeepAlive, d.KeepAliveConfig)
	o.FIB, o.NoDelay = uint32(d.Stack.fib), true
	o.CC, o.FastOpen, o.ReuseAddr = d.Congestion, d.FastOpen, d.ReuseAddr
	s, e := usrreq.ConnectTCP(d.Stack.st, local, remote, &o)
	if e != 0 {
		return nil, opError("dial", network, d.LocalAddr, net.TCPAddrFromAddrPort(remote), sysError("connect", e))
	}
	return newTCPConn(s, network), nil
}

// dialTCP opens a TCP connection and waits for it.
func (d *Dialer) dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Start(network, address)
	if err != nil {
		return nil, err
	}
	if err := d.await(ctx, c); err != nil {
		addr := c.RemoteAddr()
		c.s.Abort()
		return nil, opError("dial", network, d.LocalAddr, addr, sysError("connect", err))
	}
	return c, nil
}

// await waits until c is connected, ctx ends, or the dialer's time is up.
func (d *Dialer) await(ctx context.Context, c *TCPConn) error {
	if at := d.deadline(c); !at.IsZero() {
		if err := c.s.Out().SetDeadline(at); err != nil {
			return err
		}
	}
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() { c.s.Abort() })
	}
	err := c.s.Connected(true)
	if !stop() { // ended by ctx, or will be though it has been made
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return c.s.Out().SetDeadline(time.Time{})
}

// deadline returns the earlier of the dialer's Deadline and the moment at which
// its Timeout is over, zero for none.
func (d *Dialer) deadline(c *TCPConn) time.Time {
	at := d.Deadline
	if d.Timeout > 0 {
		clock := d.Stack.st.World().Clock()
		if by := clock.Wall(clock.Now()).Add(d.Timeout); at.IsZero() || by.Before(at) {
			at = by
		}
	}
	return at
}

// DialTCP is net.DialTCP on this stack.
func (s *Stack) DialTCP(network string, laddr, raddr *net.TCPAddr) (*TCPConn, error) {
	if raddr == nil {
		return nil, opError("dial", network, nil, nil, errors.New("missing address"))
	}
	d := &Dialer{Stack: s}
	if laddr != nil {
		d.LocalAddr = laddr
	}
	c, err := d.dialTCP(context.Background(), network, unmapped(raddr.AddrPort()).String())
	if err != nil {
		return nil, err
	}
	return c.(*TCPConn), nil
}
