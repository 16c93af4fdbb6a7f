package tester

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/seed88948545/vimage/lab"
)

// choose completes the addresses of a host that is added: the network knows which
// are taken, its lab does not.
func (p *Place) choose(c *lab.LinkConfig, six bool) (err error) {
	if six && !p.Net6.IsValid() {
		return errors.New("the switch has no subnet of IPv6: give it a subnet6")
	}
	if c.A, err = p.pick(c.A.Addr(), p.Net, &p.last); err != nil || !p.Net6.IsValid() {
		return err
	}
	var given netip.Addr
	if len(c.A6) > 0 {
		given = c.A6[0].Addr()
	}
	a, err := p.pick(given, p.Net6, &p.last6)
	c.A6 = []netip.Prefix{a}
	return err
}

// pick returns the address that is given, or the next after last that is not taken.
func (p *Place) pick(given netip.Addr, net netip.Prefix, last *netip.Addr) (netip.Prefix, error) {
	switch {
	case !given.IsValid():
	case !net.Contains(given):
		return netip.Prefix{}, fmt.Errorf("source %v: is not in the switch's %v", given, net)
	case p.Taken[given]:
		return netip.Prefix{}, fmt.Errorf("source %v: another host has it: to have that send, say --from", given)
	default:
		p.Taken[given] = true
		return netip.PrefixFrom(given, net.Bits()), nil
	}
	if !last.IsValid() {
		*last = net.Masked().Addr()
	}
	for *last = last.Next(); net.Contains(last.Next()); *last = last.Next() {
		if !p.Taken[*last] {
			p.Taken[*last] = true
			return netip.PrefixFrom(*last, net.Bits()), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("the switch's %v has no room for more hosts: give it a larger subnet, or take fewer --hosts and --bystanders", net)
}
