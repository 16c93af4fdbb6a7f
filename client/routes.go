package client

import (
	"context"
	"net/netip"
	"net/url"
	"time"
)

// Route is a route of one table.
type Route struct {
	Dst       netip.Prefix  `json:"destination" pattern:"^[0-9A-Fa-f:.]+/[0-9]+$" example:"10.0.0.0/8"`
	Gateway   netip.Addr    `json:"gateway,omitzero" doc:"None where the destination is on the link; a link-local one may have a zone" example:"192.0.2.1"`
	Interface string        `json:"interface,omitempty" doc:"Need not be said where a gateway says it"`
	MTU       int           `json:"mtu,omitempty" doc:"None: the interface's" minimum:"0" maximum:"65535"`
	Metric    uint32        `json:"metric,omitempty" doc:"Of several routes to one destination those with the least share the traffic"`
	Expire    time.Duration `json:"expire-ns,omitempty" doc:"After which it goes by itself; none: never" minimum:"0"`
	Reject    bool          `json:"reject,omitempty" doc:"Packets are refused"`
	Blackhole bool          `json:"blackhole,omitempty" doc:"Packets are lost"`
}

// RouteEntry is a route that is there.
type RouteEntry struct {
	Route
	FIB     int    `json:"fib"`
	Index   int    `json:"interface-index,omitempty"`
	LinkMTU int    `json:"interface-mtu,omitempty"`
	Own     bool   `json:"own,omitempty" doc:"It is an interface's own, and cannot be changed"`
	Flags   string `json:"flags" doc:"As netstat -r shows them: U usable, G by a gateway, H to one host, S set by hand, R reject, B blackhole, D made by a redirect, 1 said by a router"`
}

type routeList struct {
	Routes []RouteEntry `json:"routes"`
}

// Routes returns the routes of a table, by number or name, sorted by destination; those
// of all tables for "all", table by table.
func (c *Client) Routes(ctx context.Context, jail, fib string) ([]RouteEntry, error) {
	var l routeList
	return l.Routes, c.Do(ctx, "GET", jailPath(jail, "routes"), values("fib", fib), nil, &l)
}

// GetRoute returns the route that packets to an address take in a table.
func (c *Client) GetRoute(ctx context.Context, jail, fib string, to netip.Addr) (RouteEntry, error) {
	var r RouteEntry
	return r, c.Do(ctx, "GET", jailPath(jail, "routes", "get"), values("fib", fib, "to", to.String()), nil, &r)
}

// RouteResult is what became of a change in one of several tables.
type RouteResult struct {
	FIB     int    `json:"fib"`
	Errno   string `json:"errno,omitempty" doc:"Symbolic name of the system error, where nothing was changed"`
	Message string `json:"detail,omitempty"`
}

// Err returns why nothing was changed in the table, nil where something was.
func (r *RouteResult) Err() error {
	if r.Message == "" {
		return nil
	}
	return &Error{Errno: r.Errno, Message: r.Message}
}

// AddRoute adds a route to a table, by number or name, or to several: "0-3,spare" or
// "all". In one table, the error is EEXIST where there is one, ENETUNREACH where the
// gateway is not on a link of that table; of several each has a result.
func (c *Client) AddRoute(ctx context.Context, jail, fib string, r Route) ([]RouteResult, error) {
	return c.setRoute(ctx, "POST", jail, values("fib", fib), r)
}

// ChangeRoute puts a route in the place of the one to its destination, in a table or
// several, as AddRoute does. ESRCH: there is none.
func (c *Client) ChangeRoute(ctx context.Context, jail, fib string, r Route) ([]RouteResult, error) {
	return c.setRoute(ctx, "PATCH", jail, values("fib", fib), r)
}

// DelRoute removes the routes to a destination from a table or several, as AddRoute;
// where r has a gateway or an interface, the one by that alone. ESRCH: there is none.
func (c *Client) DelRoute(ctx context.Context, jail, fib string, r Route) ([]RouteResult, error) {
	v := values("fib", fib, "destination", r.Dst.String(), "interface", r.Interface)
	if r.Gateway.IsValid() {
		v.Set("gateway", r.Gateway.String())
	}
	return c.setRoute(ctx, "DELETE", jail, v, nil)
}

func (c *Client) setRoute(ctx context.Context, method, jail string, v url.Values, body any) ([]RouteResult, error) {
	var l struct{ Tables []RouteResult }
	return l.Tables, c.Do(ctx, method, jailPath(jail, "routes"), v, body, &l)
}

// FlushRoutes removes the routes of a table, or of several as AddRoute has them, that lead
// to gateways, those of IPv4 ("inet") or IPv6 ("inet6") alone unless family is "", and
// returns them.
func (c *Client) FlushRoutes(ctx context.Context, jail, fib, family string) ([]RouteEntry, error) {
	var l routeList
	return l.Routes, c.Do(ctx, "POST", jailPath(jail, "routes", "flush"), values("fib", fib, "family", family), nil, &l)
}
