package ipv6

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
	TrafficClass() (int, error)
	SetTrafficClass(tclass int) error
	HopLimit() (int, error)
	SetHopLimit(hoplim int) error
}

// errInvalidOption is returned for an option that the socket does not have.
const errInvalidOption = syscall.ENOPROTOOPT

func (c *genericOpt) valid() bool { return c != nil && c.o.Conn != nil }

// set changes an option of a vimage socket, if that has options of IPv6.
func (c *genericOpt) set(f func() syscall.Errno) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.o.Set(c.call(f))
}

// get reads an option of a vimage socket, as set.
func (c *genericOpt) get(f func() syscall.Errno) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	return c.o.Get(c.call(f))
}

func (c *genericOpt) call(f func() syscall.Errno) syscall.Errno {
	if c.o.LocalAddr().Addr().Is4() {
		return errInvalidOption
	}
	return f()
}

// getInt reads an option that is a number.
func (c *genericOpt) getInt(f func() (int, syscall.Errno)) (n int, err error) {
	err = c.get(func() (e syscall.Errno) {
		n, e = f()
		return e
	})
	return n, err
}

// TrafficClass returns the traffic class of packets sent.
func (c *genericOpt) TrafficClass() (int, error) {
	if c.k != nil {
		return c.k.TrafficClass()
	}
	return c.getInt(func() (int, syscall.Errno) { return c.o.TOS(), 0 })
}

// SetTrafficClass sets the traffic class of packets sent, 0 to 255, or -1 for the
// stack's, which is 0 (RFC 3542 §6.5); EINVAL for another. TCP keeps the two bits
// of congestion notification to itself.
func (c *genericOpt) SetTrafficClass(tclass int) error {
	if c.k != nil {
		return c.k.SetTrafficClass(tclass)
	}
	if tclass == -1 {
		tclass = 0
	}
	return c.set(func() syscall.Errno { return c.o.SetTOS(tclass) })
}

// HopLimit returns the hop limit of unicast packets sent.
func (c *genericOpt) HopLimit() (int, error) {
	if c.k != nil {
		return c.k.HopLimit()
	}
	return c.getInt(func() (int, syscall.Errno) { return c.o.HopLimit(), 0 })
}

// SetHopLimit sets the hop limit of unicast packets sent, 0 to 255 (of a TCP
// connection, 1 to 255), or -1 for the stack's; EINVAL for another.
func (c *genericOpt) SetHopLimit(hoplim int) error {
	if c.k != nil {
		return c.k.SetHopLimit(hoplim)
	}
	return c.set(func() syscall.Errno { return c.o.SetHopLimit(hoplim) })
}
