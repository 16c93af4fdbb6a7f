package client

import (
	"context"
	"net/netip"
	"time"
)

// Neighbor is an entry of an interface's ARP table, or of its table of IPv6 neighbours.
type Neighbor struct {
	Address   netip.Addr    `json:"address"`
	Ether     string        `json:"ether,omitempty" doc:"Hardware address; none while it is not resolved"`
	Interface string        `json:"interface"`
	State     string        `json:"state" doc:"incomplete, reachable, verify, stale, delay, probe or permanent"`
	Permanent bool          `json:"permanent" doc:"It does not age"`
	Own       bool          `json:"own" doc:"An address of the interface itself"`
	Published bool          `json:"published" doc:"The stack answers for it"`
	Router    bool          `json:"router" doc:"It says that it is one (IPv6)"`
	Expires   time.Duration `json:"expires-ns" doc:"Time until its state ends, if it is not permanent"`
	Asked     int           `json:"asked" doc:"Questions that it has not answered in its state (IPv6)"`
}

// NewNeighbor is a neighbour that is set by hand.
type NewNeighbor struct {
	Address   string        `json:"address" doc:"An address, or the name of a host of the lab" example:"192.0.2.2"`
	Ether     string        `json:"ether" doc:"Hardware address; auto: that of the interface" example:"02:00:00:00:00:01"`
	Interface string        `json:"interface,omitempty" doc:"None: that which the route to it says"`
	IPv6      bool          `json:"inet6,omitempty" doc:"A name means an IPv6 address"`
	Published bool          `json:"published,omitempty" doc:"The stack answers for it"`
	For       time.Duration `json:"for-ns,omitempty" doc:"How long it stays; 0: for ever" minimum:"0"`
	Replace   bool          `json:"replace,omitempty" doc:"Forget first what is known of it"`
}

// NeighborQuery says which neighbours are meant.
type NeighborQuery struct {
	IPv6      bool   // instead of IPv4
	Address   string // or the name of a host of the lab; "": all
	Interface string // "": all
	Published bool   // only those that the stack answers for
}

func (q *NeighborQuery) values() []string {
	family, published := "inet", ""
	if q.IPv6 {
		family = "inet6"
	}
	if q.Published {
		published = "true"
	}
	return []string{"family", family, "address", q.Address, "interface", q.Interface, "published", published}
}

type neighborList struct {
	Address   *netip.Addr `json:"address,omitempty" doc:"That was asked for"`
	Neighbors []Neighbor  `json:"neighbors"`
}

// Neighbors returns neighbours of a jail's stack, by interface and address. asked is the
// address in q, invalid if it has none.
func (c *Client) Neighbors(ctx context.Context, jail string, q NeighborQuery) (all []Neighbor, asked netip.Addr, err error) {
	var l neighborList
	err = c.Do(ctx, "GET", jailPath(jail, "neighbors"), values(q.values()...), nil, &l)
	if l.Address != nil {
		asked = *l.Address
	}
	return l.Neighbors, asked, err
}

// SetNeighbor sets a neighbour by hand. fib is the table that says on which link it is.
// ENETUNREACH: it is on none. EPERM: the address is the stack's own. EINVAL: it cannot be
// a neighbour.
func (c *Client) SetNeighbor(ctx context.Context, jail, fib string, n NewNeighbor) error {
	return c.Do(ctx, "PUT", jailPath(jail, "neighbors"), values("fib", fib), n, nil)
}

// DeleteNeighbors removes the neighbours that q means, but for the stack's own
// addresses, and returns them. None of them is no error.
func (c *Client) DeleteNeighbors(ctx context.Context, jail string, q NeighborQuery) (gone []Neighbor, asked netip.Addr, err error) {
	var l neighborList
	err = c.Do(ctx, "DELETE", jailPath(jail, "neighbors"), values(q.values()...), nil, &l)
	if l.Address != nil {
		asked = *l.Address
	}
	return l.Neighbors, asked, err
}
