package tester

import (
	"net/netip"
	"slices"
	"strings"
)

// checkNetwork looks at what depends on the network: made, or a wire.
func (c *Receive) checkNetwork(m *mistakes) {
	sends := c.Open == nil || c.SendOpen != nil
	if sends {
		c.Traffic.check(m)
	}
	if !slices.Contains(append(Breaks(), ""), c.Break) {
		m.add("break %q: must be one of %s", c.Break, strings.Join(Breaks(), ", "))
	}
	if c.Network == nil && (!c.Net.IsValid() || c.Net.Addr().Is4() != c.Groups.First.Is4() || c.Net.Addr().IsMulticast()) {
		m.add("net %v: must be a prefix of the groups' family, such as %s", c.Net, exampleNet(c.Groups.First))
	}
	if c.FindCapacity && !sends {
		m.add("find-capacity: there must be senders: add --send-wire, or leave --wire out")
	}
	if c.Network != nil && c.Open != nil {
		m.add("wire: the hosts are put on a wire, or added to a network")
	}
	if len(c.From) > 0 && c.Network == nil {
		m.add("from %v: of which network?", c.From)
	}
	if c.Open == nil {
		return
	}
	if c.Net.IsValid() && c.Net.Addr().Is6() && c.Net.Bits() > 64 {
		m.add("net %v: on a wire it must have 64 bits or fewer", c.Net)
	}
	if c.Virtual {
		m.add("virtual: a wire has real time")
	}
	if c.Break != "" {
		m.add("break %s: the network is not ours", c.Break)
	}
	if c.Bystanders > 0 && c.AwayOpen == nil {
		m.add("bystanders %d: on which wire? add --away-wire", c.Bystanders)
	}
}

// checkSize looks whether the hosts find room in the net.
func (c *Receive) checkSize(m *mistakes) {
	bits := c.Net.Addr().BitLen() - c.Net.Bits()
	if bits < 40 {
		if room, need := 1<<bits-3, c.Hosts*5/4+c.Senders+c.Bystanders+2; need > room {
			m.add("net %v: has room for %d hosts, not %d: take a shorter prefix", c.Net, max(room, 0), need)
		}
	}
	if c.Open == nil {
		c.checkPlaces(m)
	}
}

// checkPlaces looks whether addresses that were given are those of others: made
// networks count theirs from the first.
func (c *Receive) checkPlaces(m *mistakes) {
	first := plus(c.Net.Masked().Addr(), 2*c.Hosts+c.Senders+c.Bystanders+3)
	for _, a := range c.Sources {
		if !c.Net.Contains(a) || a.Less(first) {
			m.add("source %v: is not in %v behind the other hosts' addresses: take one from %v on", a, c.Net, first)
		}
	}
}

func exampleNet(group netip.Addr) string {
	if group.Is4() {
		return "10.9.0.0/16"
	}
	return "fd00:9::/64"
}
