package radv

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/seed88948545/vimage/internal/wire"
)

// Config is what a router advertises (RFC 4861 §6.2.1). Start from
// DefaultConfig.
type Config struct {
	MinInterval    int32           // seconds between unsolicited advertisements, at least: 3 to 0.75 × MaxInterval
	MaxInterval    int32           // at most: 4 to 65,535
	Lifetime       int32           // seconds as a default router: 0 (it is none) or MaxInterval to 65,535
	Preference     int8            // among default routers: 1 high, 0 medium, -1 low; 0 if Lifetime is
	HopLimit       uint8           // that hosts should send with; 0 says nothing
	Managed        bool            // hosts should get addresses by DHCPv6
	Other          bool            // hosts should get other configuration by DHCPv6
	SourceLinkAddr bool            // say what our link address is
	Unicast        bool            // answer a single solicitation to its sender alone
	Reachable      uint32          // milliseconds, up to an hour; 0 says nothing
	Retrans        uint32          // milliseconds; 0 says nothing
	MTU            uint32          // bytes, 1,280 to 65,535; 0 says nothing
	Prefixes       []wire.NDPrefix // on the link, for addresses, or both
	Routes         []wire.NDRoute  // more specific routes through us
	RDNSS          []Servers
	DNSSL          []Domains
}

// Servers are recursive DNS servers (RFC 8106 §5.1).
type Servers struct {
	Lifetime uint32 // seconds, or wire.NDInfinity
	Addrs    []netip.Addr
}

// Domains are a search list (RFC 8106 §5.2).
type Domains struct {
	Lifetime uint32 // seconds, or wire.NDInfinity
	Names    []string
}

// DefaultConfig returns a default router without prefixes.
func DefaultConfig() Config {
	return Config{
		MinInterval: 200, MaxInterval: 600, Lifetime: 1800, HopLimit: 64, SourceLinkAddr: true, Unicast: true,
	}
}

// ConfigError says which field of a Config is wrong and what it may be.
type ConfigError struct {
	Field   string // as in Go: "Prefixes[1].Preferred"
	Allowed string // "4 to 65535"
}

// Error implements error.
func (e *ConfigError) Error() string { return "radv: " + e.Field + " must be " + e.Allowed }

const (
	maxSeconds = 65535 // RFC 8319 §4
	maxTimer   = 3_600_000
	minMTU     = 1280
	maxMessage = minMTU - wire.IPv6Len
)

// Validate returns a *ConfigError for the first field that is out of range, or
// nil.
func (c *Config) Validate() error {
	within := func(v int64, field string, lo, hi int64) error {
		if v < lo || v > hi {
			return &ConfigError{field, strconv.FormatInt(lo, 10) + " to " + strconv.FormatInt(hi, 10)}
		}
		return nil
	}
	if err := within(int64(c.MaxInterval), "MaxInterval", 4, maxSeconds); err != nil {
		return err
	}
	if err := within(int64(c.MinInterval), "MinInterval", 3, max(3, int64(c.MaxInterval)*3/4)); err != nil {
		return err
	}
	if c.Lifetime != 0 {
		if err := within(int64(c.Lifetime), "Lifetime", int64(c.MaxInterval), maxSeconds); err != nil {
			return &ConfigError{"Lifetime", "0 or " + err.(*ConfigError).Allowed}
		}
	}
	if err := within(int64(c.Preference), "Preference", -1, 1); err != nil {
		return err
	}
	if c.Lifetime == 0 && c.Preference != 0 { // RFC 4191 §2.2
		return &ConfigError{"Preference", "0 where Lifetime is 0"}
	}
	if err := within(int64(c.Reachable), "Reachable", 0, maxTimer); err != nil {
		return err
	}
	if c.MTU != 0 {
		if err := within(int64(c.MTU), "MTU", minMTU, 65535); err != nil {
			return &ConfigError{"MTU", "0 or " + err.(*ConfigError).Allowed}
		}
	}
	return c.validateLists()
}

func (c *Config) validateLists() error {
	for i := range c.Prefixes {
		p := &c.Prefixes[i]
		if !advertisable(p.Prefix) {
			return &ConfigError{fmt.Sprintf("Prefixes[%d].Prefix", i), "an IPv6 prefix that is neither link-local nor multicast"}
		}
		if p.Preferred > p.Valid {
			return &ConfigError{fmt.Sprintf("Prefixes[%d].Preferred", i), fmt.Sprintf("0 to %d, its Valid", p.Valid)}
		}
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		if !advertisable(r.Prefix) {
			return &ConfigError{fmt.Sprintf("Routes[%d].Prefix", i), "an IPv6 prefix that is neither link-local nor multicast"}
		}
		if r.Preference < -1 || r.Preference > 1 {
			return &ConfigError{fmt.Sprintf("Routes[%d].Preference", i), "-1 to 1"}
		}
	}
	for i := range c.RDNSS {
		for j, a := range c.RDNSS[i].Addrs {
			if !a.Is6() || a.Is4In6() || a.IsMulticast() || a.IsUnspecified() || a.Zone() != "" {
				return &ConfigError{fmt.Sprintf("RDNSS[%d].Addrs[%d]", i, j), "an IPv6 unicast address"}
			}
		}
		if n := len(c.RDNSS[i].Addrs); n == 0 || n > 127 {
			return &ConfigError{fmt.Sprintf("RDNSS[%d].Addrs", i), "a list of 1 to 127"}
		}
	}
	for i := range c.DNSSL {
		if _, ok := wire.AppendNDDNSSL(nil, 0, c.DNSSL[i].Names); !ok {
			return &ConfigError{fmt.Sprintf("DNSSL[%d].Names", i), "a list of domain names with labels of 1 to 63 bytes"}
		}
	}
	if n := len(c.appendTo(nil, wire.MAC{}, false)); n > maxMessage {
		return &ConfigError{"Config", fmt.Sprintf("shorter: its message has %d bytes, and may have %d", n, maxMessage)}
	}
	return nil
}

func advertisable(p netip.Prefix) bool {
	return p.IsValid() && p.Addr().Is6() && !p.Addr().Is4In6() && !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsMulticast()
}

// appendTo appends the message. In the final one nothing leads through us any
// more (RFC 4861 §6.2.5); prefixes stay what they are.
func (c *Config) appendTo(b []byte, mac wire.MAC, final bool) []byte {
	alive := func(seconds uint32) uint32 {
		if final {
			return 0
		}
		return seconds
	}
	hdr := wire.RAHeader{
		HopLimit: c.HopLimit, Managed: c.Managed, Other: c.Other, Lifetime: uint16(alive(uint32(c.Lifetime))),
		Reachable: c.Reachable, Retrans: c.Retrans,
	}
	if hdr.Lifetime != 0 {
		hdr.Preference = c.Preference
	}
	b = wire.AppendRA(b, &hdr)
	for i := range c.Prefixes {
		b = wire.AppendNDPrefix(b, &c.Prefixes[i])
	}
	for _, r := range c.Routes {
		r.Lifetime = alive(r.Lifetime)
		b = wire.AppendNDRouteInfo(b, &r)
	}
	for _, s := range c.RDNSS {
		b = wire.AppendNDRDNSS(b, alive(s.Lifetime), s.Addrs)
	}
	for _, d := range c.DNSSL {
		b, _ = wire.AppendNDDNSSL(b, alive(d.Lifetime), d.Names)
	}
	if c.MTU != 0 {
		b = wire.AppendNDMTU(b, c.MTU)
	}
	if c.SourceLinkAddr {
		b = wire.AppendNDLinkAddr(b, wire.NDSourceLinkAddr, mac)
	}
	return b
}
