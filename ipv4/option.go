package ipv4

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/xnet"
)

// genericOpt holds the options that every socket has.
type genericOpt struct {
	o xnet.Opt
	k kernelGeneric // nil for a vimage socket
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

func (c *genericOpt) valid() bool { return c != nil && c.o.Conn != nil }

// TOS returns the type-of-service field of packets sent.
func (c *genericOpt) TOS() (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.TOS()
	}
	return c.o.TOS(), c.o.Get(0)
}

// SetTOS sets the type-of-service field of packets sent, 0 to 255; EINVAL for
// another.
func (c *genericOpt) SetTOS(tos int) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetTOS(tos)
	}
	return c.o.Set(c.o.SetTOS(tos))
}

// TTL returns the time to live of unicast packets sent.
func (c *genericOpt) TTL() (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.TTL()
	}
	return c.o.TTL(), c.o.Get(0)
}

// SetTTL sets the time to live of unicast packets sent, 1 to 255, or -1 for the
// stack's; EINVAL for another.
func (c *genericOpt) SetTTL(ttl int) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetTTL(ttl)
	}
	return c.o.Set(c.o.SetTTL(ttl))
}
