package topo

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
)

// advert is what a router advertises on a link.
type advert struct {
	router text
	rdnss  []text
	dnssl  []text
	stop   time.Duration // when it takes its leave; 0: never
	says   vimage.RouterConfig
	end    *end
	leave  *vimage.Timer // that stops it; nil: none
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
	d.object(v, "what "+a.router.s+" advertises",
		key{name: "prefixes", to: func(name string, v *yaml.Node) {
			s.Prefixes = []vimage.RouterPrefix{} // none is meant by []
			d.list(name, v, func(v *yaml.Node) { d.advertPrefix(v, s) })
		}},
		key{name: "routes", to: func(name string, v *yaml.Node) {
			d.list(name, v, func(v *yaml.Node) { d.advertRoute(v, s) })
		}},
		d.words("rdnss", &a.rdnss),
		d.words("dnssl", &a.dnssl),
		d.integer("mtu", &s.MTU, 1280, 65535),
		d.integer("hop_limit", &s.HopLimit, 1, 255),
		d.lifetime("lifetime", &s.Lifetime),
		d.preference("preference", &s.Preference),
		d.lifetime("min_interval", &s.MinInterval),
		d.lifetime("max_interval", &s.MaxInterval),
		d.duration("reachable", &s.Reachable, time.Hour),
		d.duration("retransmit", &s.Retrans, time.Hour),
		d.boolean("managed", &s.Managed),
		d.boolean("other", &s.Other),
		d.duration("stop", &a.stop, maxTime),
	)
}

// lifetime reads a time of whole seconds; none at all is -1 in a
// vimage.RouterConfig, in which 0 is what is not given.
func (d *decoder) lifetime(name string, to *time.Duration) key {
	return value(d, name, to, "write a time in whole seconds, as 30m or 48h, or forever", func(s string) (time.Duration, bool) {
		if s == "forever" {
			return vimage.Forever, true
		}
		t, err := time.ParseDuration(s)
		ok := err == nil && t >= 0 && t%time.Second == 0
		if t == 0 {
			t = -1
		}
		return t, ok
	})
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
func (d *decoder) advertPrefix(v *yaml.Node, s *vimage.RouterConfig) {
	p := vimage.RouterPrefix{}
	if v.Kind == yaml.ScalarNode && !null(v) {
		d.prefix6("a prefix", &p.Prefix).to("a prefix", v)
	} else {
		onLink, autonomous := true, true
		d.object(v, "a prefix",
			needed(d.prefix6("prefix", &p.Prefix)),
			d.lifetime("valid", &p.Valid),
			d.lifetime("preferred", &p.Preferred),
			d.boolean("on_link", &onLink),
			d.boolean("autonomous", &autonomous),
		)
		p.NotOnLink, p.NoAutoconf = !onLink, !autonomous
	}
	s.Prefixes = append(s.Prefixes, p)
}

func (d *decoder) advertRoute(v *yaml.Node, s *vimage.RouterConfig) {
	r := vimage.RouterRoute{}
	d.object(v, "an advertised route",
		needed(d.prefix6("to", &r.Prefix)),
		d.preference("preference", &r.Preference),
		d.lifetime("lifetime", &r.Lifetime),
	)
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
		c.names6(a)
		if !c.whole {
			continue
		}
		if len(e.six) == 0 {
			c.at(a.router.line, "%s has no IPv6 address on the link %s: give it a subnet6", a.router.s, l.name.s)
			continue
		}
		var bad *vimage.FieldError
		if err := a.says.Check(); errors.As(err, &bad) {
			c.at(a.router.line, "%s advertises what must not be: %s must be %s", a.router.s, inFile(bad.Field), bad.Allowed)
		}
	}
}

// names6 takes the servers and domains of an advertisement.
func (c *checker) names6(a *advert) {
	var servers []netip.Addr
	for _, t := range a.rdnss {
		if ip, ok := c.host(t, true); ok {
			servers = append(servers, ip)
		}
	}
	if len(servers) > 0 {
		a.says.RDNSS = []vimage.RouterDNS{{Addrs: servers}}
	}
	var domains []string
	for _, t := range a.dnssl {
		domains = append(domains, t.s)
	}
	if len(domains) > 0 {
		a.says.DNSSL = []vimage.RouterSearch{{Names: domains}}
	}
}

// inFile names a field of an advertisement as files do.
func inFile(field string) string {
	switch field {
	case "MaxInterval", "MinInterval":
		return strings.ToLower(field[:3]) + "_interval, in seconds,"
	case "Lifetime":
		return "lifetime, in seconds,"
	}
	return strings.ToLower(strings.Replace(field, "Retrans", "retransmit", 1))
}

// autoconfig refuses a router that configures itself.
func (c *checker) autoconfig(n *node) {
	if n.router && n.autoconf != nil {
		c.at(n.autoconfLine, "%s is a router, which does not configure itself: leave autoconf out", n.name.s)
	}
}

// leaveLater has routers stop advertising when they are to.
func (n *Network) leaveLater() {
	for _, l := range n.file.links {
		for _, a := range l.adverts {
			if a.stop == 0 {
				continue
			}
			ifi := n.iface(a.end)
			a.leave = n.Lab.World.AfterFunc(a.stop, func() {
				if err := ifi.Advertise(nil); err != nil {
					n.fail(fmt.Errorf("%s:%d: %w", n.file.name, a.router.line, err))
				}
			})
		}
	}
}

// autoconf reads true, false, or how a host configures itself.
func (d *decoder) autoconf(v *yaml.Node, n *node) {
	n.autoconfLine = v.Line
	if v.Kind != yaml.MappingNode {
		var on bool
		value(d, "autoconf", &on, "write true, false, or {stable: …, optimistic: …}", func(s string) (bool, bool) {
			return s == "true", s == "true" || s == "false"
		}).to("autoconf", v)
		if on {
			n.autoconf = new(vimage.AutoconfConfig)
		}
		return
	}
	n.autoconf = new(vimage.AutoconfConfig)
	routers, byRouter := true, true
	var network text
	d.object(v, "autoconf",
		d.boolean("routers", &routers),
		d.boolean("default_route", &byRouter),
		d.boolean("stable", &n.autoconf.Stable),
		d.boolean("optimistic", &n.autoconf.Optimistic),
		d.word("network", &network),
	)
	n.autoconf.LinkLocalOnly, n.autoconf.NoDefaultRoute, n.autoconf.Network = !routers, !byRouter, network.s
}
