package vimage

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/addrsel"
)

// AutoconfConfig says how an interface configures itself for IPv6 (RFC 4862). The
// zero value forms a link-local address, solicits routers, and takes the
// addresses, routes, MTU, hop limit and DNS servers that they advertise; also
// temporary addresses where the sysctl net.inet6.ip6.use_tempaddr is 1.
type AutoconfConfig struct {
	LinkLocalOnly  bool // do not listen to routers
	NoDefaultRoute bool // listen, but take no default route
	Optimistic     bool // use addresses while the link is being asked about them (RFC 4429)

	// Stable forms addresses that do not show the hardware address but stay the
	// same on the same network (RFC 7217).
	Stable bool

	// Secret makes stable and temporary addresses unforeseeable; with the same one
	// an interface of the same name forms the same stable addresses again. nil
	// means one of the stack's random numbers: the same only in a World of the same
	// Seed that has done the same.
	Secret *[32]byte

	// Network goes into stable addresses too, so that they differ between networks
	// with the same prefix, like an SSID. It may be empty.
	Network string
}

// SetAutoconf lets the interface configure itself, or with nil no longer: what
// routers gave is then withdrawn. A stack that forwards does not listen to routers
// (RFC 4861 §6.2.2). The error is a *ConfigError around ENXIO where the interface
// is gone, EINVAL for lo0.
func (i *Interface) SetAutoconf(c *AutoconfConfig) error {
	if err := i.s.may(jail.NetConfig, "set autoconf", i.name); err != nil {
		return err
	}
	var cfg *control.AutoConfig
	if c != nil {
		cfg = &control.AutoConfig{
			Routers: !c.LinkLocalOnly, NoDefault: c.NoDefaultRoute, Optimistic: c.Optimistic,
			Stable: c.Stable, Network: c.Network, Secret: new([32]byte),
		}
		if c.Secret != nil {
			*cfg.Secret = *c.Secret
		} else {
			for n := 0; n < len(cfg.Secret); n += 8 {
				binary.LittleEndian.PutUint64(cfg.Secret[n:], i.s.st.Rand())
			}
		}
	}
	return wrapConfig("set autoconf", i.name, control.SetAuto(i.s.st, i.index, cfg))
}

// Autoconf returns how the interface configures itself, as SetAutoconf takes it; nil
// where it does not.
func (i *Interface) Autoconf() *AutoconfConfig {
	c := control.ReadAuto(i.s.st, i.index)
	if c == nil {
		return nil
	}
	a := &AutoconfConfig{
		LinkLocalOnly: !c.Routers, NoDefaultRoute: c.NoDefault, Optimistic: c.Optimistic, Stable: c.Stable, Network: c.Network,
	}
	if c.Secret != nil {
		secret := *c.Secret
		a.Secret = &secret
	}
	return a
}

// DefaultRouter is a router that advertises itself on a link.
type DefaultRouter struct {
	Addr       netip.Addr // link-local, with its zone
	Interface  string
	Preference int       // 1 high, 0 medium, -1 low (RFC 4191 §2.1)
	Until      time.Time // no default router any more after that, unless it advertises again; zero: for ever
	Lost       bool      // it stopped answering
	Used       bool      // the interface's default route goes through it
}

// DefaultRouters returns the routers that have advertised themselves to this
// stack, in order of interfaces and of when they were learned. One whose Until has
// passed advertises, but is no default router.
func (s *Stack) DefaultRouters() (all []DefaultRouter) {
	s.learned(func(name string, l *control.Learned) {
		for _, r := range l.Routers {
			all = append(all, DefaultRouter{r.IP.WithZone(name), name, int(r.Preference), s.wall(r.Expire), r.Lost, r.Installed})
		}
	})
	return all
}

// DNSServer is a DNS server that a router has advertised (RFC 8106 §5.1).
type DNSServer struct {
	Addr      netip.Addr // with its zone where it is link-local
	Interface string
	Until     time.Time // zero: for ever
}

// RDNSS returns the DNS servers that routers have advertised, in the order in
// which to ask them.
func (s *Stack) RDNSS() (all []DNSServer) {
	s.learned(func(name string, l *control.Learned) {
		for _, d := range l.Servers {
			if d.Addr.IsLinkLocalUnicast() {
				d.Addr = d.Addr.WithZone(name)
			}
			all = append(all, DNSServer{d.Addr, name, s.wall(d.Expire)})
		}
	})
	return all
}

// SearchDomains returns the domains to look names up in that routers have
// advertised (RFC 8106 §5.2).
func (s *Stack) SearchDomains() (all []string) {
	s.learned(func(_ string, l *control.Learned) {
		for _, d := range l.Domains {
			all = append(all, d.Name)
		}
	})
	return all
}

// learned calls f with what routers have said on every interface.
func (s *Stack) learned(f func(name string, l *control.Learned)) {
	for i := range s.st.Interfaces() {
		l := control.ReadLearned(s.st, i.Index)
		f(i.Name, &l)
	}
}

// PolicyEntry is a line of the table by which addresses are chosen (RFC 6724
// §2.1).
type PolicyEntry = addrsel.Entry

// SetAddressPolicy replaces the table by which the stack chooses source addresses
// and orders the addresses of names. No entries at all mean the table of RFC 6724.
// It refuses what is no prefix of IPv6 (IPv4's are ::ffff:a.b.c.d/96+n), numbers
// below zero, and a prefix that comes twice.
func (s *Stack) SetAddressPolicy(entries []PolicyEntry) error {
	if err := s.may(jail.NetConfig, "set address policy", s.Name()); err != nil {
		return err
	}
	var p *addrsel.Policy
	if len(entries) > 0 {
		var err error
		if p, err = addrsel.NewPolicy(entries); err != nil {
			return &ConfigError{"set address policy", s.Name(), err}
		}
	}
	control.SetPolicy(s.st, p)
	return nil
}

// AddressPolicy returns the table by which the stack chooses addresses, longest
// prefix first.
func (s *Stack) AddressPolicy() []PolicyEntry { return s.st.View().Policy.Entries() }
