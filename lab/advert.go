package lab

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/wire"
)

// Forever is a lifetime without end (RFC 4861 §4.6.2).
const Forever = time.Duration(1<<63 - 1)

// Advert is what a router advertises on a link (RFC 4861 §6.2.1). The zero value
// makes it a default router for half an hour, says so every 200 to 600 seconds
// and to whoever asks, and advertises the link's subnet. Times are in whole
// seconds.
type Advert struct {
	Prefixes    []AdvertPrefix // nil: the link's subnet of IPv6, if it has one
	NoPrefixes  bool           // not even that
	Routes      []AdvertRoute  // more specific routes by this router (RFC 4191)
	RDNSS       []netip.Addr   // DNS servers, for three times MaxInterval (RFC 8106)
	DNSSL       []string       // domains to search, likewise
	MTU         int            // of the link, 1280 to 65535; 0: nothing is said
	HopLimit    int            // 1 to 255; 0: 64
	Lifetime    time.Duration  // as a default router; 0: three times MaxInterval
	NoDefault   bool           // it is none
	Preference  int            // among default routers: 1 high, 0 medium, -1 low
	MinInterval time.Duration  // between unsolicited advertisements; 0: a third of MaxInterval
	MaxInterval time.Duration  // 4 s to 65,535 s; 0: 600 s
	Reachable   time.Duration  // up to an hour, in milliseconds; 0: nothing is said
	Retrans     time.Duration  // likewise
	Managed     bool           // addresses are to be had by DHCPv6
	Other       bool           // and other configuration
}

// AdvertPrefix is a prefix that hosts form addresses of (RFC 4861 §4.6.2).
type AdvertPrefix struct {
	Prefix    netip.Prefix
	Valid     time.Duration // of addresses; 0: 30 days
	Preferred time.Duration // for new conversations; 0: 7 days, at most Valid
	OffLink   bool          // hosts are not told that its addresses are on the link
	NoAuto    bool          // hosts form no addresses
	Expired   bool          // Valid and Preferred are 0: hosts give their addresses up (RFC 4862 §5.5.3)
	Retired   bool          // Preferred is 0: no new conversations
}

// AdvertRoute is a route by the router that advertises it (RFC 4191 §2.3).
type AdvertRoute struct {
	Prefix     netip.Prefix
	Preference int           // 1 high, 0 medium, -1 low
	Lifetime   time.Duration // 0: as the router's
}

// Advertise has a router advertise itself on its i-th link, counted from 0, or
// with nil no longer: its last advertisements then say so (RFC 4861 §6.2.5).
func (h *Node) Advertise(i int, a *Advert) error {
	p := &h.ports[i]
	if a == nil {
		return control.Advertise(h.Internal(), uint32(p.ifi.Index()), nil)
	}
	if on, err := h.Sysctl(forwarding6); err != nil || on == 0 {
		return fmt.Errorf("advertise: %s is no router", h.Name())
	}
	c, err := a.config(p.subnet.prefix6.Prefix)
	if err != nil {
		return fmt.Errorf("advertise on %s of %s: %w", p.ifi.Name(), h.Name(), err)
	}
	if err := control.Advertise(h.Internal(), uint32(p.ifi.Index()), c); err != nil {
		return fmt.Errorf("advertise on %s of %s: %w", p.ifi.Name(), h.Name(), err)
	}
	return nil
}

// Check returns what is wrong with an advertisement, for a link whose subnet of
// IPv6 is given, or invalid.
func (a *Advert) Check(subnet netip.Prefix) error {
	_, err := a.config(subnet)
	return err
}

func (a *Advert) config(subnet netip.Prefix) (*radv.Config, error) {
	if a.HopLimit < 0 || a.HopLimit > 255 {
		return nil, fmt.Errorf("HopLimit must be 0 to 255")
	}
	if a.Preference < -1 || a.Preference > 1 {
		return nil, fmt.Errorf("Preference must be -1, 0 or 1")
	}
	if a.MTU < 0 || a.MTU > 65535 {
		return nil, fmt.Errorf("MTU must be 0 or 1280 to 65535")
	}
	c := radv.DefaultConfig()
	if a.MaxInterval != 0 {
		c.MaxInterval = int32(seconds(a.MaxInterval))
		c.MinInterval = max(3, c.MaxInterval/3)
	}
	if a.MinInterval != 0 {
		c.MinInterval = int32(seconds(a.MinInterval))
	}
	c.Lifetime = min(3*c.MaxInterval, 65535)
	switch {
	case a.NoDefault:
		c.Lifetime = 0
	case a.Lifetime != 0:
		c.Lifetime = int32(min(seconds(a.Lifetime), 1<<16))
	}
	if a.HopLimit != 0 {
		c.HopLimit = uint8(a.HopLimit)
	}
	c.Preference, c.MTU = int8(a.Preference), uint32(a.MTU)
	c.Managed, c.Other = a.Managed, a.Other
	c.Reachable, c.Retrans = uint32(a.Reachable.Milliseconds()), uint32(a.Retrans.Milliseconds())
	a.lists(&c, subnet)
	return &c, c.Validate()
}

// lists fills in what there are several of.
func (a *Advert) lists(c *radv.Config, subnet netip.Prefix) {
	prefixes := a.Prefixes
	if prefixes == nil && subnet.IsValid() && !a.NoPrefixes {
		prefixes = []AdvertPrefix{{Prefix: subnet}}
	}
	for _, p := range prefixes {
		w := wire.NDPrefix{Prefix: p.Prefix.Masked(), OnLink: !p.OffLink, Autonomous: !p.NoAuto}
		w.Valid = orElse(p.Valid, 30*24*time.Hour)
		w.Preferred = orElse(p.Preferred, min(7*24*time.Hour, time.Duration(w.Valid)*time.Second))
		if p.Retired || p.Expired {
			w.Preferred = 0
		}
		if p.Expired {
			w.Valid = 0
		}
		c.Prefixes = append(c.Prefixes, w)
	}
	for _, r := range a.Routes {
		life := orElse(r.Lifetime, time.Duration(c.Lifetime)*time.Second)
		c.Routes = append(c.Routes, wire.NDRoute{Prefix: r.Prefix.Masked(), Preference: int8(r.Preference), Lifetime: life})
	}
	names := uint32(3 * c.MaxInterval) // RFC 8106 §5.1
	if len(a.RDNSS) > 0 {
		c.RDNSS = []radv.Servers{{Lifetime: names, Addrs: a.RDNSS}}
	}
	if len(a.DNSSL) > 0 {
		c.DNSSL = []radv.Domains{{Lifetime: names, Names: a.DNSSL}}
	}
}

func orElse(d, otherwise time.Duration) uint32 {
	if d == 0 {
		d = otherwise
	}
	return seconds(d)
}

// seconds is a time as advertisements have it.
func seconds(d time.Duration) uint32 {
	if s := max(d, 0) / time.Second; s < time.Duration(wire.NDInfinity) {
		return uint32(s)
	}
	return wire.NDInfinity
}

// Autoconf has the node configure IPv6 on its i-th link, counted from 0, by
// itself, or no longer: what it has from routers is then gone. How it forms
// addresses say the sysctls net.inet6.ip6.use_stableaddr and use_tempaddr; the
// secret that this takes is made of the lab's seed and the node's name.
func (h *Node) Autoconf(i int, on bool) error {
	index := uint32(h.ports[i].ifi.Index())
	var c *control.AutoConfig
	if on {
		tun := h.Internal().View().Tun
		c = &control.AutoConfig{Routers: true, NoDefault: tun.Auto.NoRouters != 0, Stable: tun.Auto.UseStable != 0}
		if tun.Auto.UseStable != 0 || tun.Auto.UseTemp != 0 {
			secret := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(h.Name()), h.lab.seed))
			c.Secret = &secret
		}
	}
	if e := control.SetAuto(h.Internal(), index, c); e != 0 {
		return fmt.Errorf("configure %s of %s: %w", h.ports[i].ifi.Name(), h.Name(), e)
	}
	return nil
}
