package vimage

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/wire"
)

// Forever is a lifetime without end, in a RouterConfig.
const Forever time.Duration = 1<<63 - 1

// RouterConfig is what a router advertises on an interface (RFC 4861 §6.2.1). The
// zero value is a default router without prefixes. Intervals and lifetimes are
// whole seconds; a lifetime that is zero means the default named here, one below
// zero none at all: what is advertised with it ends at once. Times and lifetimes
// do not count down.
type RouterConfig struct {
	// Unsolicited advertisements are MinInterval to MaxInterval apart.
	MinInterval time.Duration // 3 s to 0.75 × MaxInterval; 0: a third of MaxInterval, or 3 s if that is more
	MaxInterval time.Duration // 4 to 65,535 s; 0: 600 s

	Lifetime   time.Duration // as a default router: MaxInterval to 65,535 s; 0: 3 × MaxInterval; below: it is none
	Preference int           // among default routers: 1 high, 0 medium, -1 low (RFC 4191 §2.1); 0 where it is none
	HopLimit   int           // that hosts should send with: 1 to 255; 0: 64; below: says nothing
	Managed    bool          // hosts should get addresses by DHCPv6
	Other      bool          // hosts should get other configuration by DHCPv6
	NoLinkAddr bool          // do not say what the router's link address is
	Multicast  bool          // answer solicitations to all, not to their senders (RFC 7772 §5.1)

	Reachable time.Duration // how long hosts should take a neighbour to be there: 1 ms to 1 h; 0 says nothing
	Retrans   time.Duration // that hosts should let pass between solicitations: whole milliseconds; 0 says nothing
	MTU       int           // of the link: 1,280 to 65,535 bytes; 0 says nothing

	Prefixes []RouterPrefix
	Routes   []RouterRoute // more specific routes through this router (RFC 4191 §2.3)
	RDNSS    []RouterDNS   // DNS servers (RFC 8106 §5.1)
	DNSSL    []RouterSearch
}

// RouterPrefix is a prefix that a router advertises (RFC 4861 §4.6.2).
type RouterPrefix struct {
	Prefix     netip.Prefix  // hosts form addresses of those with 64 bits only
	Valid      time.Duration // 0: 30 days
	Preferred  time.Duration // 0 to Valid; 0: 7 days, or Valid if that is less
	NotOnLink  bool          // its addresses are not to be taken for neighbours
	NoAutoconf bool          // hosts form no addresses of it
}

// RouterRoute is a route that a router advertises (RFC 4191 §2.3).
type RouterRoute struct {
	Prefix     netip.Prefix
	Preference int           // 1 high, 0 medium, -1 low
	Lifetime   time.Duration // 0: 3 × MaxInterval
}

// RouterDNS is DNS servers that a router advertises.
type RouterDNS struct {
	Addrs    []netip.Addr
	Lifetime time.Duration // 0: 3 × MaxInterval
}

// RouterSearch is domains to look names up in that a router advertises (RFC 8106
// §5.2).
type RouterSearch struct {
	Names    []string
	Lifetime time.Duration // 0: 3 × MaxInterval
}

// The defaults of RFC 4861 §6.2.1.
const (
	maxInterval = 600 * time.Second
	validFor    = 30 * 24 * time.Hour
	preferFor   = 7 * 24 * time.Hour
)

// Advertise has the stack advertise itself as a router on the interface, or with
// nil no longer: its last advertisement says so. It begins once the interface has
// a link-local address that may be used; give it one by AddAddr. Changed
// configurations are advertised at once. It does not make the stack forward: see
// SetForwarding. The error is a *ConfigError around a *FieldError for what is out
// of range, ENXIO where the interface is gone, EINVAL for lo0.
func (i *Interface) Advertise(c *RouterConfig) error {
	if err := i.s.may(jail.NetConfig, "advertise", i.name); err != nil {
		return err
	}
	var cfg *radv.Config
	var err error
	if c != nil {
		cfg, err = c.config()
	}
	if err == nil {
		err = control.Advertise(i.s.st, i.index, cfg)
	}
	if err != nil {
		return &ConfigError{"advertise", i.name, err}
	}
	return nil
}

// Check returns the *FieldError with which Advertise would refuse a configuration,
// or nil.
func (c *RouterConfig) Check() error {
	cfg, err := c.config()
	if err == nil {
		err = cfg.Validate()
	}
	return err
}

// FieldError says which field of a configuration is wrong, "Prefixes[1].Preferred",
// and what it may be.
type FieldError = radv.ConfigError

// config returns the configuration with its defaults, in the units of messages.
func (c *RouterConfig) config() (*radv.Config, error) {
	u := units{}
	most := or(c.MaxInterval, maxInterval)
	least := or(c.MinInterval, max(most/3, 3*time.Second).Truncate(time.Second))
	out := &radv.Config{
		MaxInterval: int32(u.count("MaxInterval", most, time.Second, 65535)),
		MinInterval: int32(u.count("MinInterval", least, time.Second, 65535)),
		Lifetime:    int32(u.count("Lifetime", or(c.Lifetime, min(3*most, 65535*time.Second)), time.Second, 65535)),
		Preference:  int8(u.number("Preference", c.Preference, -1, 1)),
		HopLimit:    uint8(u.number("HopLimit", max(or(c.HopLimit, 64), 0), 0, 255)),
		Managed:     c.Managed, Other: c.Other, SourceLinkAddr: !c.NoLinkAddr, Unicast: !c.Multicast,
		Reachable: u.count("Reachable", c.Reachable, time.Millisecond, 3_600_000),
		Retrans:   u.count("Retrans", c.Retrans, time.Millisecond, 1<<32-1),
		MTU:       uint32(u.number("MTU", c.MTU, 0, 65535)),
	}
	for i, p := range c.Prefixes {
		valid := or(p.Valid, validFor)
		out.Prefixes = append(out.Prefixes, wire.NDPrefix{
			Prefix: p.Prefix.Masked(), OnLink: !p.NotOnLink, Autonomous: !p.NoAutoconf,
			Valid:     u.lifetime(fmt.Sprintf("Prefixes[%d].Valid", i), valid),
			Preferred: u.lifetime(fmt.Sprintf("Prefixes[%d].Preferred", i), or(p.Preferred, min(preferFor, valid))),
		})
	}
	for i, r := range c.Routes {
		out.Routes = append(out.Routes, wire.NDRoute{
			Prefix: r.Prefix.Masked(), Preference: int8(u.number(fmt.Sprintf("Routes[%d].Preference", i), r.Preference, -1, 1)),
			Lifetime: u.lifetime(fmt.Sprintf("Routes[%d].Lifetime", i), or(r.Lifetime, 3*most)),
		})
	}
	for i, s := range c.RDNSS {
		out.RDNSS = append(out.RDNSS, radv.Servers{
			Addrs: s.Addrs, Lifetime: u.lifetime(fmt.Sprintf("RDNSS[%d].Lifetime", i), or(s.Lifetime, 3*most)),
		})
	}
	for i, s := range c.DNSSL {
		out.DNSSL = append(out.DNSSL, radv.Domains{
			Names: s.Names, Lifetime: u.lifetime(fmt.Sprintf("DNSSL[%d].Lifetime", i), or(s.Lifetime, 3*most)),
		})
	}
	return out, u.err
}

// or returns v, or what it is without if it is zero.
func or[T comparable](v, without T) T {
	var zero T
	if v == zero {
		return without
	}
	return v
}

// units turns times into the numbers that messages have, and keeps the first
// error.
type units struct{ err error }

func (u *units) fail(field, allowed string) {
	if u.err == nil {
		u.err = &radv.ConfigError{Field: field, Allowed: allowed}
	}
}

// count returns how many units a time is; below zero is none.
func (u *units) count(field string, d, unit time.Duration, most int64) uint32 {
	if d = max(d, 0); d%unit != 0 || int64(d/unit) > most {
		u.fail(field, fmt.Sprintf("a multiple of %v, of at most %v", unit, time.Duration(most)*unit))
		return 0
	}
	return uint32(d / unit)
}

// lifetime returns a lifetime in seconds.
func (u *units) lifetime(field string, d time.Duration) uint32 {
	if d == Forever {
		return wire.NDInfinity
	}
	return u.count(field, d, time.Second, int64(wire.NDInfinity)-1)
}

func (u *units) number(field string, v, least, most int) int {
	if v < least || v > most {
		u.fail(field, fmt.Sprintf("%d to %d", least, most))
		return 0
	}
	return v
}
