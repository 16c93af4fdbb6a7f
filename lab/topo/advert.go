package topo

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/lab"
)

// advert is what a router advertises on a link.
type advert struct {
	router text
	rdnss  []text
	stop   time.Duration // when it takes its leave; 0: never
	says   lab.Advert
	end    *end
}

// adverts reads which nodes advertise on a link: a name, names, or a mapping from
// names to what they advertise.
func (d *decoder) adverts(name string, v *yaml.Node, l *cable) {
	add := func(k *yaml.Node) *advert {
		a := &advert{router: text{k.Value, k.Line}}
		l.adverts = append(l.adverts, a)
		l.named = append(l.named, a.router)
		return a
	}
	if v.Kind == yaml.MappingNode {
		d.pairs(v, name, make(map[string]int), func(k, v *yaml.Node) { d.advert(v, add(k)) })
		return
	}
	var routers []text
	d.words(name, &routers).to(name, v)
	for _, t := range routers {
		add(&yaml.Node{Value: t.s, Line: t.line})
	}
}

func (d *decoder) advert(v *yaml.Node, a *advert) {
	s := &a.says
	life := lifetime{-1, 0}
	d.object(v, "what "+a.router.s+" advertises",
		key{name: "prefixes", to: func(name string, v *yaml.Node) {
			s.NoPrefixes = true // none is meant by []
			d.list(name, v, func(v *yaml.Node) { d.advertPrefix(v, s) })
		}},
		key{name: "routes", to: func(name string, v *yaml.Node) {
			d.list(name, v, func(v *yaml.Node) { d.advertRoute(v, s) })
		}},
		d.words("rdnss", &a.rdnss),
		key{name: "dnssl", to: func(name string, v *yaml.Node) {
			var names []text
			d.words(name, &names).to(name, v)
			for _, t := range names {
				s.DNSSL = append(s.DNSSL, t.s)
			}
		}},
		d.integer("mtu", &s.MTU, 1280, 65535),
		d.integer("hop_limit", &s.HopLimit, 1, 255),
		d.lifetime("lifetime", &life),
		d.preference("preference", &s.Preference),
		d.duration("min_interval", &s.MinInterval, maxTime),
		d.duration("max_interval", &s.MaxInterval, maxTime),
		d.duration("reachable", &s.Reachable, time.Hour),
		d.duration("retransmit", &s.Retrans, time.Hour),
		d.boolean("managed", &s.Managed),
		d.boolean("other", &s.Other),
		d.duration("stop", &a.stop, maxTime),
	)
	switch {
	case life.d == 0:
		s.NoDefault = true
	case life.d > 0:
		s.Lifetime = life.d
	}
}

// lifetime is a time of 0 or more, or forever; -1 where none is given.
type lifetime struct {
	d    time.Duration
	line int
}

func (d *decoder) lifetime(name string, to *lifetime) key {
	const want = "write a time in whole seconds, as 30m or 48h, or forever"
	return key{name: name, to: func(name string, v *yaml.Node) {
		value(d, name, &to.d, want, func(s string) (time.Duration, bool) {
			if s == "forever" {
				return lab.Forever, true
			}
			t, err := time.ParseDuration(s)
			return t, err == nil && t >= 0 && t%time.Second == 0
		}).to(name, v)
		to.line = v.Line
	}}
}

func (d *decoder) preference(name string, to *int) key {
	return value(d, name, to, "write low, medium or high", func(s string) (int, bool) {
		n := map[string]int{"low": -1, "medium": 0, "high": 1}
		p, ok := n[s]
		return p, ok
	})
}

const prefix6Hint = "write a prefix of IPv6, as 2001:db8:1::/64"

// prefix6 reads a prefix of IPv6 that can be advertised.
func (d *decoder) prefix6(name string, to *netip.Prefix) key {
	return value(d, name, to, prefix6Hint, func(s string) (netip.Prefix, bool) {
		p, err := netip.ParsePrefix(s)
		return p, err == nil && p.Addr().Is6() && !p.Addr().Is4In6() && p == p.Masked() && !p.Addr().IsMulticast() && !p.Addr().IsLinkLocalUnicast()
	})
}

// advertPrefix reads a prefix, or a mapping with what is said of it.
func (d *decoder) advertPrefix(v *yaml.Node, s *lab.Advert) {
	p := lab.AdvertPrefix{}
	if v.Kind == yaml.ScalarNode && !null(v) {
		d.prefix6("a prefix", &p.Prefix).to("a prefix", v)
		s.Prefixes = append(s.Prefixes, p)
		return
	}
	valid, preferred := lifetime{-1, 0}, lifetime{-1, 0}
	onLink, autonomous := true, true
	d.object(v, "a prefix",
		needed(d.prefix6("prefix", &p.Prefix)),
		d.lifetime("valid", &valid),
		d.lifetime("preferred", &preferred),
		d.boolean("on_link", &onLink),
		d.boolean("autonomous", &autonomous),
	)
	if valid.d >= 0 && preferred.d > valid.d {
		d.at(preferred.line, "preferred is %v, valid only %v: an address is preferred while it is valid", preferred.d, valid.d)
	}
	p.OffLink, p.NoAuto = !onLink, !autonomous
	p.Valid, p.Expired = max(valid.d, 0), valid.d == 0
	p.Preferred, p.Retired = max(preferred.d, 0), preferred.d == 0
	s.Prefixes = append(s.Prefixes, p)
}

func (d *decoder) advertRoute(v *yaml.Node, s *lab.Advert) {
	r := lab.AdvertRoute{}
	life := lifetime{-1, 0}
	d.object(v, "an advertised route",
		needed(d.prefix6("to", &r.Prefix)),
		d.preference("preference", &r.Preference),
		d.lifetime("lifetime", &life),
	)
	r.Lifetime = max(life.d, 0)
	s.Routes = append(s.Routes, r)
}

// advertised finds out what the advertisements of a link mean.
func (c *checker) advertised(l *cable) {
	for _, a := range l.adverts {
		e := l.end(a.router.s)
		if e == nil || e.node == nil {
			continue // noted
		}
		a.end = e
		if !e.node.router {
			c.at(a.router.line, "%s is a host: only routers advertise", a.router.s)
			continue
		}
		for _, t := range a.rdnss {
			if ip, ok := c.host(t, true); ok {
				a.says.RDNSS = append(a.says.RDNSS, ip)
			}
		}
		if !c.whole {
			continue
		}
		if len(e.six) == 0 {
			c.at(a.router.line, "%s has no IPv6 address on the link %s: give it a subnet6", a.router.s, l.name.s)
			continue
		}
		var bad *radv.ConfigError
		if err := a.says.Check(e.seg.subnet6.Prefix); errors.As(err, &bad) {
			c.at(a.router.line, "%s advertises what must not be: %s must be %s", a.router.s, inFile(bad.Field), bad.Allowed)
		} else if err != nil {
			c.at(a.router.line, "%s advertises what must not be: %v", a.router.s, err)
		}
	}
}

// inFile names a field of an advertisement as files do.
func inFile(field string) string {
	unit := ""
	switch field {
	case "MaxInterval", "MinInterval", "Lifetime":
		unit = " in seconds"
	}
	return strings.ToLower(strings.NewReplacer("MinI", "min_i", "MaxI", "max_i").Replace(field)) + unit
}

// autoconfig refuses routers that configure themselves.
func (c *checker) autoconfig() {
	for _, n := range c.nodes {
		if n.router && n.autoconf.on {
			c.at(n.autoconf.line, "%s is a router, which does not configure itself: leave autoconf out", n.name.s)
		}
	}
}

// leaveLater has routers stop advertising when they are to.
func (n *Network) leaveLater() {
	for _, l := range n.file.links {
		for _, a := range l.adverts {
			if a.stop == 0 {
				continue
			}
			n.Lab.World.AfterFunc(a.stop, func() {
				if err := n.nodes[a.end.node].Advertise(a.end.eth, nil); err != nil {
					n.fail(fmt.Errorf("%s:%d: %w", n.file.name, a.router.line, err))
				}
			})
		}
	}
}
