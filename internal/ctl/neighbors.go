package ctl

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

type neighborsQuery struct {
	InJail
	Family    string `query:"family" doc:"inet: ARP tables; inet6: those of IPv6; none means both" enum:"inet,inet6"`
	Address   string `query:"address" doc:"One neighbour's address, or the name of a host of the lab" example:"192.0.2.2"`
	Interface string `query:"interface" doc:"On this interface only" example:"eth0"`
	Published bool   `query:"published" doc:"Only those that the stack answers for"`
}

type neighborList struct {
	Address   *netip.Addr       `json:"address,omitempty" doc:"That was asked for"`
	Neighbors []client.Neighbor `json:"neighbors"`
}

type neighborPut struct {
	InJail
	InFIB
	Body client.NewNeighbor
}

func registerNeighbors(s *Server) {
	const path = "/v1/jails/{jail}/neighbors"
	read(s, op{"GET", path, "neighbors", "Neighbours, by interface and address"}, func(in *neighborsQuery) (neighborList, error) {
		all, _, err := s.neighbors(in)
		return all, err
	})
	modify(s, op{"PUT", path, "set-neighbor", "Set a neighbour by hand"}, s.setNeighbor)
	modify(s, op{"DELETE", path, "delete-neighbors", "Forget neighbours, but for the stack's own addresses"}, s.deleteNeighbors)
}

// neighbors returns the neighbours that are meant, each with its interface.
func (s *Server) neighbors(in *neighborsQuery) (neighborList, []*vimage.Interface, error) {
	all := neighborList{Neighbors: []client.Neighbor{}}
	st, err := in.stack(s)
	if err != nil {
		return all, nil, err
	}
	ifs := interfacesOf(st)
	if in.Interface != "" {
		i, err := st.Interface(in.Interface)
		if err != nil {
			return all, nil, blame(err, "query.interface", in.Interface)
		}
		ifs = []*vimage.Interface{i}
	}
	f := map[string]family{"inet": inet, "inet6": inet6}[in.Family]
	if in.Address != "" {
		a, err := s.host(st, in.Address, f)
		if err != nil {
			return all, nil, blame(err, "query.address", in.Address)
		}
		all.Address = &a
	}
	var on []*vimage.Interface
	for _, i := range ifs {
		list, err := i.Neighbors()
		if err != nil {
			continue // lo0 has none, and it may have gone
		}
		for _, n := range list {
			if f.has(n.Addr) && (!in.Published || n.Published) && (all.Address == nil || sameHost(*all.Address, n.Addr, i)) {
				all.Neighbors = append(all.Neighbors, s.describeNeighbor(i, n))
				on = append(on, i)
			}
		}
	}
	return all, on, nil
}

// sameHost tells whether an address is that of a neighbour on an interface.
func sameHost(want, have netip.Addr, on *vimage.Interface) bool {
	return want.WithZone("") == have.WithZone("") && (want.Zone() == "" || want.Zone() == on.Name())
}

func (s *Server) describeNeighbor(i *vimage.Interface, n vimage.Neighbor) client.Neighbor {
	d := client.Neighbor{
		Address: n.Addr, Ether: n.MAC.String(), Interface: i.Name(), State: n.State,
		Permanent: n.Permanent, Own: n.Own, Published: n.Published, Router: n.Router, Asked: n.Asked,
	}
	if n.Addr.IsLinkLocalUnicast() && n.Addr.Is6() {
		d.Address = n.Addr.WithZone(i.Name())
	}
	if !n.Expires.IsZero() {
		d.Expires = max(n.Expires.Sub(s.world.Now()), 0)
	}
	return d
}

func (s *Server) setNeighbor(t *tx, in *neighborPut) (client.Done, error) {
	st, err := in.stack(s)
	if err != nil {
		return client.Done{}, err
	}
	if st, err = in.table(st); err != nil {
		return client.Done{}, err
	}
	f := inet
	if in.Body.IPv6 {
		f = inet6
	}
	a, err := s.host(st, in.Body.Address, f)
	if err != nil {
		return client.Done{}, blame(err, "body.address", in.Body.Address)
	}
	i, err := linkOf(st, a, in.Body.Interface)
	if err != nil {
		return client.Done{}, err
	}
	c := vimage.NeighborConfig{Addr: a, Published: in.Body.Published, For: in.Body.For}
	if in.Body.Ether != "auto" {
		if c.MAC, err = net.ParseMAC(in.Body.Ether); err != nil || len(c.MAC) != 6 {
			return client.Done{}, blame(fmt.Errorf("%w: no Ethernet address", syscall.EINVAL), "body.ether", in.Body.Ether)
		}
	} else if n := i.Net(); n != nil {
		c.MAC = n.HardwareAddr
	}
	before := entryOf(i, a)
	if in.Body.Replace && before != nil {
		if err := i.DelNeighbor(a); err != nil {
			return client.Done{}, err
		}
		t.made(func() { s.restore(i, before) })
	}
	return client.Done{}, i.AddNeighbor(c)
}

// linkOf returns the interface on whose link a neighbour is. ENETUNREACH: it is on none.
func linkOf(st *vimage.Stack, a netip.Addr, name string) (*vimage.Interface, error) {
	if name == "" {
		name = a.Zone()
	}
	if name != "" {
		i, err := st.Interface(name)
		return i, blame(err, "body.interface", name)
	}
	r, err := st.GetRoute(a)
	if err != nil || r.Gateway.IsValid() || r.Interface == "" {
		return nil, blame(fmt.Errorf("%w: no link leads to %s", syscall.ENETUNREACH, a), "body.address", a)
	}
	return st.Interface(r.Interface)
}

// entryOf returns what is known of a neighbour, nil for nothing.
func entryOf(i *vimage.Interface, a netip.Addr) *vimage.Neighbor {
	list, _ := i.Neighbors()
	for _, n := range list {
		if n.Addr == a.WithZone("") {
			return &n
		}
	}
	return nil
}

// restore sets a neighbour that was removed. One that had been learned ages from now
// on.
func (s *Server) restore(i *vimage.Interface, n *vimage.Neighbor) {
	if n.MAC == nil {
		return
	}
	c := vimage.NeighborConfig{Addr: n.Addr, MAC: n.MAC, Published: n.Published}
	if !n.Permanent {
		c.For = max(n.Expires.Sub(s.world.Now()), 1)
	}
	_ = i.AddNeighbor(c) // it was there
}

func (s *Server) deleteNeighbors(t *tx, in *neighborsQuery) (neighborList, error) {
	all, on, err := s.neighbors(in)
	if err != nil {
		return all, err
	}
	gone := neighborList{Address: all.Address, Neighbors: []client.Neighbor{}}
	for k, n := range all.Neighbors {
		was := entryOf(on[k], n.Address)
		if n.Own && all.Address == nil || was == nil {
			continue
		}
		if err := on[k].DelNeighbor(n.Address); err != nil {
			return gone, err
		}
		t.made(func() { s.restore(on[k], was) })
		gone.Neighbors = append(gone.Neighbors, n)
	}
	return gone, nil
}
