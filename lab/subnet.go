package lab

import (
	"fmt"
	"net/netip"
)

// subnet is where addresses are given out: a prefix of IPv4, and one of IPv6 or
// none.
type subnet struct {
	prefix, prefix6 pool
	number          int // of the lab's own ones, while it is part of it
}

// pool is a prefix and which of its addresses are given out.
type pool struct {
	netip.Prefix
	numbers
}

// numbers gives out 1, 2, 3, …. What comes back is given out again once there is no
// other left, that which came first first: what remembers who had it has then had
// time to forget.
type numbers struct {
	last int
	back []int
}

// next returns a number that nobody has, and false where the highest is reached.
func (n *numbers) next(most int) (int, bool) {
	if n.last < most {
		n.last++
		return n.last, true
	}
	if len(n.back) == 0 {
		return 0, false
	}
	k := n.back[0]
	n.back = n.back[1:]
	return k, true
}

func (n *numbers) giveBack(k int) { n.back = append(n.back, k) }

// mostSubnets is how many 10.x.y.0/24 there are.
const mostSubnets = 1 << 16

// newSubnet returns the next subnet; given prefixes take the place of its own.
func (n *Lab) newSubnet(given, given6 netip.Prefix, mtu int) (*subnet, error) {
	narrow := mtu != 0 && mtu < minMTU6
	switch {
	case given6.IsValid() && (!given6.Addr().Is6() || given6.Addr().Is4In6() || given6.Addr().IsLinkLocalUnicast() || given6.Addr().IsMulticast()):
		return nil, fmt.Errorf("Subnet6 %v: must be a prefix of IPv6, and not link-local", given6)
	case given6.IsValid() && narrow:
		return nil, fmt.Errorf("MTU %d: IPv6 needs %d (RFC 8200 §5)", mtu, minMTU6)
	}
	number, ok := n.subnets.next(mostSubnets)
	if !ok {
		return nil, fmt.Errorf("the lab has %d subnets already, and there are no more", mostSubnets)
	}
	k := number - 1
	s := &subnet{number: number}
	if s.prefix.Prefix = given; !given.IsValid() {
		s.prefix.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 8), byte(k), 0}), 24)
	}
	switch {
	case given6.IsValid():
		s.prefix6.Prefix = given6.Masked()
	case n.ipv6 && !narrow:
		s.prefix6.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 6: byte(k >> 8), 7: byte(k)}), 64)
	}
	return s, nil
}

// dropSubnet gives a subnet's number back.
func (n *Lab) dropSubnet(s *subnet) {
	if s != nil && s.number != 0 {
		n.subnets.giveBack(s.number)
		s.number = 0
	}
}

// minMTU6 is the least that a link of IPv6 may carry.
const minMTU6 = 1280

// takeBack has the addresses that a port was given given out again some time.
func (s *subnet) takeBack(p *nodePort) {
	for i, pool := range [...]*pool{&s.prefix, &s.prefix6} {
		if k := p.numbers[i]; k != 0 {
			pool.giveBack(k)
			p.numbers[i] = 0
		}
	}
}

// next returns the next free address, with the subnet's length, and which it is.
func (s *pool) next(number *int) (netip.Prefix, error) {
	k, ok := s.numbers.next(s.most())
	if !ok {
		return netip.Prefix{}, fmt.Errorf("no address is left in %v: give the link a larger Subnet", s.Prefix)
	}
	*number = k
	return netip.PrefixFrom(plus(s.Masked().Addr(), k), s.Bits()), nil
}

// most is how many addresses there are for hosts.
func (s *pool) most() int {
	bits := s.Addr().BitLen() - s.Bits()
	switch {
	case bits > 30:
		return 1 << 30
	case s.Addr().Is4():
		return 1<<bits - 2
	}
	return 1<<bits - 1
}

// plus returns the n-th address after a.
func plus(a netip.Addr, n int) netip.Addr {
	b := a.AsSlice()
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	a, _ = netip.AddrFromSlice(b)
	return a
}
