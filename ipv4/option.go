package ipv4

import (
	"net"
	"os"
	"syscall"

	"github.com/seed88948545/vimage/internal/usrreq"
)

// genericOpt holds the options that every socket has.
type genericOpt struct {
	conn interface{ LocalAddr() net.Addr }
	s    usrreq.Sock   // nil for a kernel socket
	k    kernelGeneric // nil for a vimage socket
}

// kernelGeneric is what x/net's types have in common.
type kernelGeneric interface {
	TOS() (int, error)
	SetTOS(tos int) error
	TTL() (int, error)
	SetTTL(ttl int) error
}

// errInvalidOption is returned for an option that the socket does not have.
const errInvalidOption = syscall.ENOPROTOOPT

func (c *genericOpt) valid() bool { return c != nil && c.conn != nil }

// err wraps what an option's change came to.
func (c *genericOpt) err(e syscall.Errno) error { return c.wrap("set", "setsockopt", e) }

func (c *genericOpt) wrap(op, call string, e syscall.Errno) error {
	local := c.conn.LocalAddr()
	oe := &net.OpError{Op: op, Net: local.Network(), Source: local}
	switch {
	case c.s.Sock != nil && c.s.Closed():
		oe.Err = net.ErrClosed
	case e == 0:
		return nil
	default:
		oe.Err = os.NewSyscallError(call, e)
	}
	return oe
}

// TOS returns the type-of-service field of packets sent.
func (c *genericOpt) TOS() (int, error) {
	switch {
	case !c.valid():
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.TOS()
	}
	return c.s.TOS(), c.wrap("get", "getsockopt", 0)
}

// SetTOS sets the type-of-service field of packets sent, 0 to 255; EINVAL for
// another.
func (c *genericOpt) SetTOS(tos int) error {
	switch {
	case !c.valid():
		return errInvalidConn
	case c.k != nil:
		return c.k.SetTOS(tos)
	}
	return c.err(c.s.SetTOS(tos))
}

// TTL returns the time to live of unicast packets sent.
func (c *genericOpt) TTL() (int, error) {
	switch {
	case !c.valid():
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.TTL()
	}
	return c.s.TTL(), c.wrap("get", "getsockopt", 0)
}

// SetTTL sets the time to live of unicast packets sent, 1 to 255, or -1 for the
// stack's; EINVAL for another.
func (c *genericOpt) SetTTL(ttl int) error {
	switch {
	case !c.valid():
		return errInvalidConn
	case c.k != nil:
		return c.k.SetTTL(ttl)
	}
	return c.err(c.s.SetTTL(ttl))
}
