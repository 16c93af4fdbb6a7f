package tester

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// maxTime is how long a test, or a step of its schedule, may take.
const maxTime = 24 * time.Hour

// mistakes collects what is wrong with options.
type mistakes []error

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

func (m *mistakes) limit(name string, v, lo, hi int) {
	if v < lo || v > hi {
		m.add("%s %d: must be %d to %d", name, v, lo, hi)
	}
}

func (m mistakes) err() error { return errors.Join(m...) }

// Ready fills in defaults and returns what is wrong with the options, or nil.
func (c *Receive) Ready() error {
	c.defaults()
	var m mistakes
	m.limit("hosts", c.Hosts, 1, 1_000_000)
	if err := c.Groups.Check(); err != nil {
		m = append(m, err)
	}
	if len(m) == 0 && c.Hosts*c.Groups.Count > 10_000_000 {
		m.add("hosts %d, groups %v: %d memberships: at most 10000000", c.Hosts, c.Groups, c.Hosts*c.Groups.Count)
	}
	m.limit("port", c.Port, 1, 65535)
	if err := c.Schedule.Check(); err != nil {
		m = append(m, err)
	}
	c.checkFilter(&m)
	c.checkSchedule(&m)
	if c.For < 0 || c.For > maxTime {
		m.add("for %v: must be more than 0 and at most %v", c.For, maxTime)
	}
	m.limit("packets", c.Packets, 0, 1_000_000_000)
	m.limit("max-groups", c.MaxGroups, 0, 1<<24)
	if c.Warmup < 0 || c.Warmup > maxTime {
		m.add("warm-up %v: must be 0s to %v", c.Warmup, maxTime)
	}
	m.limit("bystanders", c.Bystanders, 0, 100_000)
	if c.Limits.Loss < 0 || c.Limits.Loss > 100 {
		m.add("expect-loss %g: must be 0 to 100 per cent", c.Limits.Loss)
	}
	c.checkNetwork(&m)
	if len(m) == 0 && c.Network == nil {
		c.checkSize(&m)
	}
	return m.err()
}

func (c *Receive) checkFilter(m *mistakes) {
	for _, a := range c.Sources {
		if a.Is4() != c.Groups.First.Is4() {
			m.add("source %v: not of the family of groups %v", a, c.Groups)
		}
	}
	if c.Groups.First.IsValid() && ssm(c.Groups.First) && c.Mode == Exclude {
		m.add("mode exclude: groups %v are source-specific and have no exclude (RFC 4604 §2.2.1): take others, such as 239.1.1.1 or ff1e::1", c.Groups)
	}
	if c.Open != nil && c.Mode == Include && len(c.Sources) == 0 && c.SendOpen == nil {
		m.add("source: which? on a wire nobody else knows whom to include")
	}
	if n := len(c.Sources); n > 128 {
		m.add("source: %d of them: at most 128, as net.inet.ip.mcast.maxsocksrc has it", n)
	}
}

// ssm tells whether a group is in the range of source-specific multicast (RFC 4607 §1).
func ssm(group netip.Addr) bool {
	b := group.As16()
	if group.Is4() {
		return b[12] == 232
	}
	return b[0] == 0xff && b[1]&0xf0 == 0x30 && b[2] == 0 && b[3] == 0
}

func (c *Receive) checkSchedule(m *mistakes) {
	for i := range c.Schedule {
		s := &c.Schedule[i]
		if s.Hosts.Some && s.Hosts.Last >= c.Hosts {
			m.add("schedule: %v: there are hosts 0 to %d", s, c.Hosts-1)
		}
		if s.Groups.Some && s.Groups.Last >= c.Groups.Count {
			m.add("schedule: %v: there are groups 0 to %d", s, c.Groups.Count-1)
		}
		if s.Do == Zap && c.Groups.Count < 2 {
			m.add("schedule: %v: to zap there must be two groups or more: --groups %v+2", s, c.Groups.First)
		}
		for _, a := range s.Sources {
			if a.Is4() != c.Groups.First.Is4() {
				m.add("schedule: %v: source %v is not of the family of the groups", s, a)
			}
		}
	}
}

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

func (t *Traffic) check(m *mistakes) {
	m.limit("senders", t.Senders, 1, 1_000)
	if !(t.Rate > 0 && t.Rate <= 1_000_000) {
		m.add("rate %g: must be more than 0 and at most 1000000 datagrams a second", t.Rate)
	}
	m.limit("size", t.Size, PayloadLen, MaxPayload)
	m.limit("ttl", t.TTL, 1, 255)
	m.limit("count", t.Count, 0, 1_000_000_000)
}
