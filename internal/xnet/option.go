package xnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Errors of x/net, which does not export them.
var (
	ErrInvalidConn    = errors.New("invalid connection")
	ErrMissingAddress = errors.New("missing address")
)

// Header is the options that datagram sockets and TCP connections have: fields
// of the headers they send.
type Header interface {
	Closed() bool
	LocalAddr() netip.AddrPort
	TOS() int
	SetTOS(n int) syscall.Errno
	TTL() int
	SetTTL(n int) syscall.Errno
	HopLimit() int
	SetHopLimit(n int) syscall.Errno
	PathMTU() (int, syscall.Errno)
}

// HeaderOf returns the options of the socket under a connection of a stack, nil
// for another's.
func HeaderOf(c any) Header {
	switch c := c.(type) {
	case interface{ Internal() usrreq.Sock }:
		return c.Internal()
	case interface{ Internal() usrreq.TCPSock }:
		return tcpHeader{c.Internal()}
	}
	return nil
}

// tcpHeader is a TCP connection as a Header.
type tcpHeader struct{ usrreq.TCPSock }

func (t tcpHeader) TOS() (n int) {
	t.Inspect(func(*vnet.TCPCall) { n = int(t.TCPSock.TOS) })
	return n
}

func (t tcpHeader) TTL() (n int) {
	t.Inspect(func(*vnet.TCPCall) { n = int(t.TCPSock.TTL) })
	if n == 0 {
		n = int(t.Stack().View().V().IP.TTL)
	}
	return n
}

func (t tcpHeader) HopLimit() (n int) {
	t.Inspect(func(*vnet.TCPCall) { n = int(t.TCPSock.TTL) })
	if n == 0 {
		n = int(t.Stack().View().V().IP6.HopLimit)
	}
	return n
}

func (t tcpHeader) SetTOS(n int) syscall.Errno {
	if n < 0 || n > 255 {
		return syscall.EINVAL
	}
	return t.TCPSock.SetTOS(uint8(n))
}

func (t tcpHeader) SetTTL(n int) syscall.Errno {
	switch {
	case n == -1:
		n = 0 // the stack's
	case n < 1 || n > 255:
		return syscall.EINVAL
	}
	return t.TCPSock.SetTTL(uint8(n))
}

// SetHopLimit cannot set a limit of 0, with which no connection would get far.
func (t tcpHeader) SetHopLimit(n int) syscall.Errno { return t.SetTTL(n) }

// Opt makes the errors of a connection's options.
type Opt struct {
	Conn interface{ LocalAddr() net.Addr }
	Header
}

// Set returns the error of an option's change.
func (o *Opt) Set(e syscall.Errno) error { return o.err("set", "setsockopt", e) }

// Get returns the error of an option's reading.
func (o *Opt) Get(e syscall.Errno) error { return o.err("get", "getsockopt", e) }

func (o *Opt) err(op, call string, e syscall.Errno) error {
	local := o.Conn.LocalAddr()
	oe := &net.OpError{Op: op, Net: local.Network(), Source: local}
	switch {
	case o.Header != nil && o.Closed():
		oe.Err = net.ErrClosed
	case e == 0:
		return nil
	default:
		oe.Err = os.NewSyscallError(call, e)
	}
	return oe
}

// IO returns the error of a read or a write.
func (o *Opt) IO(op string, dst net.Addr, err error) error {
	if err == nil {
		return nil
	}
	local := o.Conn.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: dst, Err: err}
}

// Flags are what is asked for of received packets.
type Flags[F ~uint] struct{ on atomic.Uint32 }

// Get returns the flags that are on.
func (f *Flags[F]) Get() F { return F(f.on.Load()) }

// Set turns flags on or off.
func (f *Flags[F]) Set(cf F, on bool) {
	if on {
		f.on.Or(uint32(cf))
	} else {
		f.on.And(^uint32(cf))
	}
}
