package vimage

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// Start begins to open a TCP connection to an address, not a name, and returns at
// once: OnWritable and Connected tell how it went. It is the way to connect in
// simulated time.
func (d *Dialer) Start(network, address string) (*TCPConn, error) {
	c, err := d.call(network)
	if err == nil && c.transport != "tcp" {
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, err)
	}
	host, port, err := splitAddr("tcp", address)
	if err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, err)
	}
	ips, err := c.literal(host)
	switch {
	case err != nil:
		err = &net.AddrError{Err: "no IP address: Start looks no names up", Addr: host}
	case !c.suits(ips[0]):
		err = unsuitable(host)
	}
	if err != nil {
		return nil, opError("dial", network, d.LocalAddr, nil, err)
	}
	return c.start(netip.AddrPortFrom(ips[0], port))
}

func (c *call) start(to netip.AddrPort) (*TCPConn, error) {
	o := keepAlive(c.KeepAlive, c.KeepAliveConfig)
	o.FIB, o.Limit, o.NoDelay = uint32(c.Stack.fib), c.Stack.cred.Limit(), true
	o.CC, o.FastOpen, o.ReuseAddr = c.Congestion, c.FastOpen, c.ReuseAddr
	s, e := usrreq.ConnectTCP(c.Stack.st, source(c.local, to), to, &o)
	if e != 0 {
		return nil, c.failed(net.TCPAddrFromAddrPort(to), e)
	}
	return newTCPConn(s, c.network), nil
}

func (c *call) failed(addr net.Addr, err error) error {
	return opError("dial", c.network, c.LocalAddr, addr, sysError("connect", err))
}

// alone opens a connection to one address and waits for it.
func (c *call) alone(ctx context.Context, to netip.AddrPort) (*TCPConn, error) {
	conn, err := c.start(to)
	if err != nil {
		return nil, err
	}
	if err := c.await(ctx, conn); err != nil {
		addr := conn.RemoteAddr()
		conn.s.Abort()
		return nil, c.failed(addr, err)
	}
	return conn, nil
}

// await waits until conn is connected, ctx ends, or the dialer's time is up.
func (c *call) await(ctx context.Context, conn *TCPConn) error {
	if c.by != clock.Never {
		if err := conn.s.Out().SetDeadline(c.Stack.clock().Wall(c.by)); err != nil {
			return err
		}
	}
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() { conn.s.Abort() })
	}
	err := conn.s.Connected(true)
	if !stop() { // ended by ctx, or will be though it has been made
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return conn.s.Out().SetDeadline(time.Time{})
}

// attemptDelay is RFC 8305 §8's default Connection Attempt Delay, and leastTurn
// the least that package net lets one address have of the time for all.
const (
	attemptDelay = 250 * time.Millisecond
	leastTurn    = 2 * time.Second
)

// race opens connections to the addresses, one after the other, without waiting
// longer than FallbackDelay for one before the next begins, and returns the first
// that is made (RFC 8305 §5).
func (c *call) race(ctx context.Context) (*TCPConn, error) {
	if len(c.to) == 1 {
		return c.alone(ctx, c.to[0])
	}
	ck := c.Stack.clock()
	r := racers{call: c, alarm: newAlarm(ck)}
	defer r.stop()
	for {
		now := ck.Now()
		if won := r.settled(now); won != nil {
			return won, nil
		}
		switch {
		case now >= c.by:
			return nil, c.failed(nil, os.ErrDeadlineExceeded)
		case ctx.Err() != nil:
			return nil, c.failed(nil, ctx.Err())
		case r.next < len(c.to) && (len(r.running) == 0 || now >= r.turn):
			r.begin(now)
			continue
		case len(r.running) == 0:
			return nil, r.first
		case ck.Simulated():
			return nil, c.failed(nil, sockbuf.Simulated{})
		}
		until := c.by
		if r.next < len(c.to) {
			until = min(until, r.turn)
		}
		r.alarm.wait(ctx, until)
	}
}

// racers are the attempts of one call.
type racers struct {
	*call
	alarm   *alarm
	running []*TCPConn
	next    int        // of call.to, to begin with
	turn    clock.Time // when it is the next one's turn
	first   error
}

// settled returns the connection that has been made, if one has, and lets go of
// those that have failed: then it is the next one's turn at once.
func (r *racers) settled(now clock.Time) *TCPConn {
	for i := 0; i < len(r.running); {
		conn := r.running[i]
		made, err := conn.Connected()
		switch {
		case made:
			r.running = append(r.running[:i], r.running[i+1:]...)
			conn.OnWritable(nil)
			return conn
		case err != nil:
			r.note(err)
			conn.s.Abort()
			r.running = append(r.running[:i], r.running[i+1:]...)
			r.turn = now
		default:
			i++
		}
	}
	return nil
}

func (r *racers) note(err error) {
	if r.first == nil {
		r.first = err
	}
}

// begin makes the next attempt, and with FallbackDelay below zero ends the one
// before.
func (r *racers) begin(now clock.Time) {
	left := len(r.to) - r.next
	to := r.to[r.next]
	r.next++
	if r.FallbackDelay < 0 {
		r.abort()
	}
	conn, err := r.start(to)
	if err != nil {
		r.note(err)
		return
	}
	r.running = append(r.running, conn)
	conn.OnWritable(r.alarm.ring)
	switch {
	case r.FallbackDelay > 0:
		r.turn = now.Add(r.FallbackDelay)
	case r.FallbackDelay == 0:
		r.turn = now.Add(attemptDelay)
	case r.by == clock.Never:
		r.turn = clock.Never
	default:
		r.turn = now.Add(max(r.by.Sub(now)/time.Duration(left), leastTurn))
	}
}

// abort gives up what is still on its way.
func (r *racers) abort() {
	for _, conn := range r.running {
		r.note(r.failed(conn.RemoteAddr(), os.ErrDeadlineExceeded))
		conn.s.Abort()
	}
	r.running = nil
}

func (r *racers) stop() {
	r.abort()
	r.alarm.stop()
}

// DialTCP is net.DialTCP on this stack.
func (s *Stack) DialTCP(network string, laddr, raddr *net.TCPAddr) (*TCPConn, error) {
	d := &Dialer{Stack: s}
	if laddr != nil {
		d.LocalAddr = laddr
	}
	c, err := d.call(network)
	switch {
	case err != nil:
	case c.transport != "tcp":
		err = net.UnknownNetworkError(network)
	case raddr == nil:
		err = errors.New("missing address")
	default:
		to := c.family.peer(raddr.AddrPort())
		if c.suits(to.Addr()) {
			return c.alone(context.Background(), to)
		}
		err = unsuitable(raddr.String())
	}
	return nil, opError("dial", network, d.LocalAddr, nil, err)
}
