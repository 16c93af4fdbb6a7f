package client

import (
	"context"
	"net/netip"
)

// HostAddr is what the name of a host stands for.
type HostAddr struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
}

// HostAddr returns the address that the name of a host of the lab stands for in a jail's
// stack: one in a subnet of the stack's, if the host has one. family is "inet", "inet6",
// or "" for either. EADDRNOTAVAIL: there is no such host, or it has none.
func (c *Client) HostAddr(ctx context.Context, jail, name, family string) (netip.Addr, error) {
	var h HostAddr
	return h.Address, c.Do(ctx, "GET", jailPath(jail, "hosts", name), values("family", family), nil, &h)
}
