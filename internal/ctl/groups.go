package ctl

import (
	"net/netip"
	"strings"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

type listeningList struct {
	Interfaces []client.Listening `json:"interfaces"`
}

type mrouteList struct {
	Routes []client.MulticastRoute `json:"routes"`
}

type groupsQuery struct {
	InJail
	Interface string `query:"interface" doc:"Of this interface only" example:"eth0"`
}

func registerGroups(s *Server) {
	read(s, op{"GET", "/v1/jails/{jail}/groups", "groups", "What the interfaces listen to, by index, IPv4 first"}, s.groups)
	read(s, op{"GET", "/v1/jails/{jail}/mroutes", "mroutes", "The multicast routes, by group and source"}, s.mroutes)
}

func (s *Server) groups(in *groupsQuery) (listeningList, error) {
	all := listeningList{Interfaces: []client.Listening{}}
	st, err := in.stack(s)
	if err != nil {
		return all, err
	}
	if in.Interface != "" {
		i, err := st.Interface(in.Interface)
		if err != nil {
			return all, blame(err, "query.interface", in.Interface)
		}
		all.Interfaces = listening(i, all.Interfaces)
		return all, nil
	}
	list, err := st.Interfaces()
	for _, n := range list {
		if i, err := st.Interface(n.Name); err == nil { // else it has just gone
			all.Interfaces = listening(i, all.Interfaces)
		}
	}
	return all, err
}

// listening appends what an interface listens to.
func listening(i *vimage.Interface, to []client.Listening) []client.Listening {
	for _, m := range i.Memberships() {
		l := client.Listening{
			Interface: i.Name(), Index: i.Index(), Address: firstOf(i, m.Protocol == "igmp"), Protocol: m.Protocol,
			Version: m.Version, OwnVersion: m.OwnVersion, Robustness: m.Robustness, QueryInterval: m.QueryInterval,
			QueryResponse: m.QueryResponse, Unsolicited: m.Unsolicited, General: m.General,
			Silent: m.Silent, UseAllow: m.UseAllow, Groups: []client.Membership{},
		}
		for _, o := range m.Older {
			l.Older = append(l.Older, client.OlderQuerier(o))
		}
		for _, g := range m.Groups {
			l.Groups = append(l.Groups, client.Membership{
				Group: g.Group, Ether: g.MAC.String(), Mode: strings.ToLower(g.Mode.String()), Sources: g.Sources, State: g.State, Left: g.Left, Pending: g.Pending,
			})
		}
		to = append(to, l)
	}
	return to
}

// firstOf returns an interface's first address of a family.
func firstOf(i *vimage.Interface, is4 bool) netip.Addr {
	for _, p := range i.Addrs() {
		if p.Addr().Is4() == is4 {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

func (s *Server) mroutes(in *InJail) (mrouteList, error) {
	all := mrouteList{Routes: []client.MulticastRoute{}}
	st, err := in.stack(s)
	if err != nil {
		return all, err
	}
	name := func(i *vimage.Interface) string {
		if i == nil { // it has just gone
			return ""
		}
		return i.Name()
	}
	for _, r := range st.MulticastRoutes() {
		m := client.MulticastRoute{
			Group: r.Group, Source: r.Source, In: name(r.In), Out: []string{}, Listeners: r.Listeners,
			Packets: r.Packets, Bytes: r.Bytes, WrongInterface: r.WrongInterface,
		}
		for _, o := range r.Out {
			m.Out = append(m.Out, name(o))
		}
		all.Routes = append(all.Routes, m)
	}
	return all, nil
}
