package client

import (
	"context"
	"net/netip"
	"time"
)

// ND is what a jail's stack knows of the IPv6 links that it is on, beside its neighbours.
type ND struct {
	Interfaces []NDInterface `json:"interfaces" doc:"Those that speak IPv6, by index"`
	Prefixes   []NDPrefix    `json:"prefixes" doc:"Of their links, by interface"`
	Routers    []NDRouter    `json:"routers" doc:"That advertise themselves, by interface and as they were learned"`
}

// NDInterface is how an interface deals with neighbours and routers (RFC 4861 §6.3.2).
type NDInterface struct {
	Name          string        `json:"name"`
	MTU           int           `json:"mtu"`
	HopLimit      int           `json:"hop-limit"`
	BaseReachable time.Duration `json:"base-reachable-ns"`
	Reachable     time.Duration `json:"reachable-ns" doc:"0 while no neighbour was met"`
	Retrans       time.Duration `json:"retrans-ns"`
	Disabled      bool          `json:"disabled,omitempty" doc:"Its link-local address is another host's"`
	AcceptRA      bool          `json:"accept-rtadv" doc:"It listens to routers, unless the stack forwards"`
	NoDefault     bool          `json:"no-radr,omitempty" doc:"It takes no default route from them"`
}

// NDChange says what of an NDInterface is to be different.
type NDChange struct {
	AcceptRA  *bool `json:"accept-rtadv,omitempty"`
	NoDefault *bool `json:"no-radr,omitempty" doc:"Take no default route from routers"`
}

// NDPrefix is a prefix of a link.
type NDPrefix struct {
	Prefix    netip.Prefix  `json:"prefix"`
	Interface string        `json:"interface"`
	Auto      bool          `json:"autoconf" doc:"Routers advertise it, and addresses were formed from it"`
	Addresses int           `json:"addresses" doc:"How many the interface has"`
	Preferred time.Duration `json:"preferred-ns,omitempty" doc:"Time until its addresses are deprecated, of one with autoconf"`
	Valid     time.Duration `json:"valid-ns,omitempty" doc:"Time until they go"`
}

// NDRouter is a router that advertises itself.
type NDRouter struct {
	Address    netip.Addr    `json:"address"`
	Interface  string        `json:"interface"`
	Preference string        `json:"preference" enum:"high,medium,low"`
	Default    bool          `json:"default" doc:"It is one that packets to elsewhere may go to"`
	Used       bool          `json:"used" doc:"They do"`
	Expires    time.Duration `json:"expires-ns,omitempty" doc:"Time until it is no default router any more; 0: never"`
}

// ND returns what a jail's stack knows of its IPv6 links.
func (c *Client) ND(ctx context.Context, jail string) (ND, error) {
	var n ND
	return n, c.Do(ctx, "GET", jailPath(jail, "nd"), nil, nil, &n)
}

// ChangeND changes how an interface deals with routers. ENXIO: there is none of that
// name. EINVAL: it is lo0.
func (c *Client) ChangeND(ctx context.Context, jail, iface string, ch NDChange) error {
	return c.Do(ctx, "PATCH", jailPath(jail, "nd", iface), nil, ch, nil)
}
