package client

import (
	"context"
	"net/netip"
	"time"
)

// Listening is what an interface listens to in one family, and how it reports that.
type Listening struct {
	Interface     string         `json:"interface"`
	Index         int            `json:"index"`
	Address       netip.Addr     `json:"address,omitzero" doc:"The interface's first of the family"`
	Protocol      string         `json:"protocol" doc:"igmp or mld"`
	Version       int            `json:"version" doc:"In force"`
	OwnVersion    int            `json:"own-version" doc:"Without older queriers"`
	Robustness    int            `json:"robustness" doc:"How often changes are reported"`
	QueryInterval time.Duration  `json:"query-interval-ns"`
	QueryResponse time.Duration  `json:"query-response-ns"`
	Unsolicited   time.Duration  `json:"unsolicited-ns" doc:"Within which a change is reported again"`
	General       time.Duration  `json:"general-ns,omitempty" doc:"Left until a general query is answered"`
	Older         []OlderQuerier `json:"older,omitempty" doc:"Queriers of older versions that are believed to be there"`
	Silent        bool           `json:"silent,omitempty" doc:"Reports nothing"`
	UseAllow      bool           `json:"use-allow,omitempty" doc:"Joins and leaves of sources are no changes of the filter mode"`
	Groups        []Membership   `json:"groups" doc:"Sorted"`
}

// OlderQuerier is a querier of an older version.
type OlderQuerier struct {
	Version int           `json:"version"`
	Left    time.Duration `json:"left-ns" doc:"How long it is believed to be there"`
}

// Membership is a group that an interface listens to, with the merged filter of who does.
type Membership struct {
	Group   netip.Addr    `json:"group"`
	Ether   string        `json:"ether" doc:"Hardware address"`
	Mode    string        `json:"mode" doc:"include or exclude"`
	Sources []netip.Addr  `json:"sources,omitempty" doc:"Sorted"`
	State   string        `json:"state" doc:"silent, reporting, leaving, …"`
	Left    time.Duration `json:"left-ns,omitempty" doc:"Of the timer that runs"`
	Pending int           `json:"pending,omitempty" doc:"Reports of the last change still to be sent"`
}

type listeningList struct {
	Interfaces []Listening `json:"interfaces"`
}

// Groups returns what the interfaces of a jail's stack listen to, by index, IPv4 first:
// one entry for each family that an interface speaks. An interface of "" means all.
func (c *Client) Groups(ctx context.Context, jail, iface string) ([]Listening, error) {
	var l listeningList
	return l.Interfaces, c.Do(ctx, "GET", jailPath(jail, "groups"), values("interface", iface), nil, &l)
}

// MulticastRoute is a route for packets to groups, and what it has seen.
type MulticastRoute struct {
	Group          netip.Prefix `json:"group"`
	Source         netip.Addr   `json:"source,omitzero" doc:"None: anybody"`
	In             string       `json:"in" doc:"Interface where the packets must come in"`
	Out            []string     `json:"out" doc:"Interfaces where they go"`
	Listeners      bool         `json:"listeners" doc:"They also go to wherever a querier knows a listener"`
	Packets        uint64       `json:"packets"`
	Bytes          uint64       `json:"bytes"`
	WrongInterface uint64       `json:"wrong-interface" doc:"Packets that came in elsewhere"`
}

type mrouteList struct {
	Routes []MulticastRoute `json:"routes"`
}

// MulticastRoutes returns the multicast routes of a jail's stack, by group and source.
func (c *Client) MulticastRoutes(ctx context.Context, jail string) ([]MulticastRoute, error) {
	var l mrouteList
	return l.Routes, c.Do(ctx, "GET", jailPath(jail, "mroutes"), nil, nil, &l)
}
