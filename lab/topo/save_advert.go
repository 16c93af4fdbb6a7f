package topo

import (
	"strconv"
	"time"

	"github.com/seed88948545/vimage"
)

// autoNames returns the names that interfaces have which are not given one.
func (f *File) autoNames() map[*end]string {
	all := make(map[*end]string)
	for s := range f.stacks() {
		taken := make(map[string]bool)
		for _, o := range s.others {
			taken[o.name.s] = true
		}
		for _, e := range s.ports {
			if e.link.lost {
				continue
			}
			for k := 0; ; k++ {
				if name := "eth" + strconv.Itoa(k); !taken[name] {
					all[e] = name
					break
				}
			}
			taken[e.name] = true
		}
	}
	return all
}

// advertsOf writes what routers advertise on a link.
func advertsOf(l *cable) *mapping {
	m := new(mapping)
	for _, a := range l.adverts {
		m.put(a.router.s, advertOf(a).String())
	}
	return m
}

func advertOf(a *advert) *mapping {
	m, c := new(mapping), &a.says
	if c.Prefixes != nil {
		all := make([]string, len(c.Prefixes))
		for i, p := range c.Prefixes {
			all[i] = prefixOf(&p).String()
		}
		m.put("prefixes", inlineList(all))
	}
	m.lifetime("lifetime", c.Lifetime)
	m.preference(c.Preference)
	m.lifetime("max_interval", c.MaxInterval)
	m.lifetime("min_interval", c.MinInterval)
	var servers, domains []string
	for _, s := range c.RDNSS {
		for _, ip := range s.Addrs {
			servers = append(servers, ip.String())
		}
	}
	for _, s := range c.DNSSL {
		domains = append(domains, s.Names...)
	}
	m.words("rdnss", servers)
	m.words("dnssl", domains)
	var routes []string
	for _, r := range c.Routes {
		var as mapping
		as.word("to", r.Prefix.String())
		as.preference(r.Preference)
		as.lifetime("lifetime", r.Lifetime)
		routes = append(routes, as.String())
	}
	if len(routes) > 0 {
		m.put("routes", inlineList(routes))
	}
	m.number("mtu", int64(c.MTU), 0)
	m.number("hop_limit", int64(c.HopLimit), 0)
	m.time("reachable", c.Reachable)
	m.time("retransmit", c.Retrans)
	m.flag("managed", c.Managed, false)
	m.flag("other", c.Other, false)
	m.time("stop", a.stop)
	return m
}

func prefixOf(p *vimage.RouterPrefix) *mapping {
	m := new(mapping)
	m.word("prefix", p.Prefix.String())
	m.lifetime("valid", p.Valid)
	m.lifetime("preferred", p.Preferred)
	m.flag("on_link", !p.NotOnLink, true)
	m.flag("autonomous", !p.NoAutoconf, true)
	return m
}

func (m *mapping) lifetime(name string, d time.Duration) {
	switch {
	case d == vimage.Forever:
		m.put(name, "forever")
	case d < 0:
		m.put(name, "0s")
	default:
		m.time(name, d)
	}
}

func (m *mapping) preference(p int) {
	switch {
	case p < 0:
		m.put("preference", "low")
	case p > 0:
		m.put("preference", "high")
	}
}

// inlineList writes a list of what is written already.
func inlineList(items []string) string {
	s := "["
	for i, t := range items {
		if i > 0 {
			s += ", "
		}
		s += t
	}
	return s + "]"
}
