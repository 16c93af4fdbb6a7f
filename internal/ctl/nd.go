package ctl

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

func registerND(s *Server) {
	type patch struct {
		AtInterface
		Body client.NDChange
	}
	read(s, op{"GET", "/v1/jails/{jail}/nd", "nd", "What is known of IPv6 links: interfaces, prefixes, routers"}, s.nd)
	modify(s, op{"PATCH", "/v1/jails/{jail}/nd/{if}", "change-nd", "Change how an interface deals with routers"}, func(_ *tx, in *patch) (client.Done, error) {
		i, err := in.iface(s)
		if err != nil {
			return client.Done{}, err
		}
		return client.Done{}, changeND(i, in.Body)
	})
}

func changeND(i *vimage.Interface, ch client.NDChange) error {
	c := i.Autoconf()
	if c == nil {
		c = &vimage.AutoconfConfig{LinkLocalOnly: true}
	}
	if ch.AcceptRA != nil {
		c.LinkLocalOnly = !*ch.AcceptRA
	}
	if ch.NoDefault != nil {
		c.NoDefaultRoute = *ch.NoDefault
	}
	return i.SetAutoconf(c)
}

func (s *Server) nd(in *InJail) (client.ND, error) {
	n := client.ND{Interfaces: []client.NDInterface{}, Prefixes: []client.NDPrefix{}, Routers: []client.NDRouter{}}
	st, err := in.stack(s)
	if err != nil {
		return n, err
	}
	hops, err := st.Sysctl("net.inet6.ip6.hlim")
	if err != nil {
		return n, err
	}
	for _, i := range interfacesOf(st) {
		c, ok := i.ND()
		at := i.Net()
		if !ok || at == nil {
			continue
		}
		a := i.Autoconf()
		n.Interfaces = append(n.Interfaces, client.NDInterface{
			Name: i.Name(), MTU: at.MTU, HopLimit: int(hops), BaseReachable: c.BaseReachable, Reachable: c.Reachable, Retrans: c.Retrans,
			Disabled: c.Disabled, AcceptRA: a != nil && !a.LinkLocalOnly, NoDefault: a != nil && a.NoDefaultRoute,
		})
		n.Prefixes = append(n.Prefixes, s.prefixesOf(i)...)
	}
	for _, r := range st.DefaultRouters() {
		d := client.NDRouter{
			Address: r.Addr, Interface: r.Interface, Preference: [...]string{"low", "medium", "high"}[r.Preference+1],
			Used: r.Used, Default: r.Until.IsZero() || r.Until.After(s.world.Now()), Expires: s.left(r.Until),
		}
		n.Routers = append(n.Routers, d)
	}
	return n, nil
}

// left returns the time until a moment, 0 for the zero Time.
func (s *Server) left(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(t.Sub(s.world.Now()), 0)
}

// prefixesOf returns the prefixes of an interface's link, as its addresses show them.
func (s *Server) prefixesOf(i *vimage.Interface) (all []client.NDPrefix) {
	for _, a := range i.Addresses() {
		p := a.Prefix.Masked()
		if p.Addr().Is4() {
			continue
		}
		k := slices.IndexFunc(all, func(o client.NDPrefix) bool { return o.Prefix == p })
		if k < 0 {
			k = len(all)
			all = append(all, client.NDPrefix{Prefix: p, Interface: i.Name()})
		}
		all[k].Addresses++
		all[k].Auto = all[k].Auto || a.Auto
		all[k].Preferred = max(all[k].Preferred, s.left(a.PreferredUntil))
		all[k].Valid = max(all[k].Valid, s.left(a.ValidUntil))
	}
	return all
}
