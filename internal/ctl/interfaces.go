package ctl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// AtInterface is the part of a request that says which interface it is about.
type AtInterface struct {
	InJail
	If string `path:"if" doc:"Name of an interface" example:"eth0"`
}

// iface returns it.
func (in AtInterface) iface(s *Server) (*vimage.Interface, error) {
	st, err := in.stack(s)
	if err != nil {
		return nil, err
	}
	i, err := st.Interface(in.If)
	return i, blame(err, "path.if", in.If)
}

type interfaceList struct {
	Interfaces []client.Interface `json:"interfaces"`
}

type nameList struct {
	Names []string `json:"names"`
}

func registerInterfaces(s *Server) {
	const path, one = "/v1/jails/{jail}/interfaces", "/v1/jails/{jail}/interfaces/{if}"
	read(s, op{"GET", path, "interfaces", "The interfaces, by index"}, s.interfaces)
	read(s, op{"GET", "/v1/jails/{jail}/interface-names", "interface-names", "Their names"}, s.interfaceNames)
	read(s, op{"GET", one, "interface", "One interface"}, func(in *AtInterface) (client.Interface, error) {
		i, err := in.iface(s)
		if err != nil {
			return client.Interface{}, err
		}
		return s.describeInterface(i)
	})
	modify(s, op{"POST", path, "create-interface", "Make an interface"}, s.createInterface)
	modify(s, op{"PATCH", one, "change-interface", "Change an interface: all of it or nothing"}, s.changeInterface)
	modify(s, op{"DELETE", one, "destroy-interface", "Remove an interface, and the other end of a pair"}, func(_ *tx, in *AtInterface) (client.Done, error) {
		i, err := in.iface(s)
		if err != nil {
			return client.Done{}, err
		}
		return client.Done{}, i.Remove()
	})
}

// child returns a jail below another one.
func child(j *vimage.Jail, name, field string) (*vimage.Jail, error) {
	if c := j.Find(name); c != nil {
		return c, nil
	}
	return nil, blame(fmt.Errorf("%w: there is no jail %s in jail %s", syscall.ENXIO, name, j.Name()), field, name)
}

func (s *Server) interfaceNames(in *InJail) (nameList, error) {
	st, err := in.stack(s)
	if err != nil {
		return nameList{}, err
	}
	all, err := st.Interfaces()
	n := nameList{Names: make([]string, len(all))}
	for i := range all {
		n.Names[i] = all[i].Name
	}
	return n, err
}

func (s *Server) interfaces(in *InJail) (interfaceList, error) {
	all := interfaceList{Interfaces: []client.Interface{}}
	st, err := in.stack(s)
	if err != nil {
		return all, err
	}
	list, err := st.Interfaces()
	if err != nil {
		return all, err
	}
	for _, n := range list {
		i, err := st.Interface(n.Name)
		if err != nil {
			continue // it has just gone
		}
		d, err := s.describeInterface(i)
		if errors.Is(err, syscall.ENXIO) {
			continue
		}
		if err != nil {
			return all, err
		}
		all.Interfaces = append(all.Interfaces, d)
	}
	return all, nil
}

// describeInterface returns what there is to know of an interface.
func (s *Server) describeInterface(i *vimage.Interface) (client.Interface, error) {
	c, err := i.Info()
	if err != nil {
		return client.Interface{}, err
	}
	n, err := i.Stats()
	if err != nil {
		return client.Interface{}, err
	}
	d := client.Interface{
		Name: c.Name, Index: c.Index, Kind: c.Kind, Flags: interfaceFlags(&c), MTU: c.MTU, Ether: c.MAC.String(), FIB: c.FIB,
		Addresses: []client.InterfaceAddr{},
		Counters: client.Counters{
			InPackets: n.InPackets, InBytes: n.InBytes, InMcast: n.InMcast, InDrops: n.InDrops,
			OutPackets: n.OutPackets, OutBytes: n.OutBytes, OutMcast: n.OutMcast,
		},
	}
	for _, a := range i.Addresses() {
		d.Addresses = append(d.Addresses, s.describeAddr(&a))
	}
	if _, ok := tunnelKinds()[c.Kind]; ok {
		if t, err := i.Tunnel(); err == nil { // else it leads nowhere
			d.Tunnel = describeTunnel(&t)
		}
	}
	return d, nil
}

// interfaceFlags returns the flags that ifconfig shows.
func interfaceFlags(c *vimage.InterfaceInfo) []string {
	all := []string{}
	for _, f := range []struct {
		on   bool
		name string
	}{
		{c.Up, "UP"}, {c.Broadcast, "BROADCAST"}, {c.Loopback, "LOOPBACK"}, {c.PointToPoint, "POINTOPOINT"},
		{c.Up && c.Carrier, "RUNNING"}, {c.NoARP && c.MAC != nil, "NOARP"}, {c.Promiscuous, "PROMISC"},
		{c.Broadcast, "SIMPLEX"}, {c.Multicast, "MULTICAST"}, {c.StaticARP, "STATICARP"},
	} {
		if f.on {
			all = append(all, f.name)
		}
	}
	return all
}

func (s *Server) describeAddr(a *vimage.Address) client.InterfaceAddr {
	d := client.InterfaceAddr{Prefix: a.Prefix, Peer: some(a.Peer), Broadcast: some(a.Broadcast)}
	for _, f := range []struct {
		on   bool
		name string
	}{
		{a.Anycast, "anycast"}, {a.Tentative, "tentative"}, {a.Duplicate, "duplicated"}, {a.Optimistic, "optimistic"},
		{a.Deprecated, "deprecated"}, {a.Auto, "autoconf"}, {a.Temporary, "temporary"},
	} {
		if f.on {
			d.Flags = append(d.Flags, f.name)
		}
	}
	d.Preferred, d.Valid = s.left(a.PreferredUntil), s.left(a.ValidUntil)
	return d
}

// some returns a pointer to an address, nil for none.
func some(a netip.Addr) *netip.Addr {
	if !a.IsValid() {
		return nil
	}
	return &a
}

// the returns the address that a pointer leads to, none for nil.
func the(a *netip.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return *a
}

func tunnelKinds() map[string]vimage.TunnelKind {
	return map[string]vimage.TunnelKind{"gif": vimage.GIF, "gre": vimage.GRE, "gretap": vimage.GRETAP, "vxlan": vimage.VXLAN}
}

func describeTunnel(t *vimage.Tunnel) *client.Tunnel {
	d := &client.Tunnel{
		Local: some(t.Local), Remote: t.Remote, FIB: t.FIB, TTL: t.TTL, Checksum: t.Checksum, Sequence: t.Sequence,
		VNI: t.VNI, Port: t.Port, Interface: t.Interface, NoLearning: t.NoLearning,
	}
	if t.HasKey {
		d.Key = &t.Key
	}
	return d
}

type createInterface struct {
	InTable
	Body client.NewInterface
}

// createInterface makes what can be made without anything beside it, and changes it as
// is asked for.
func (s *Server) createInterface(t *tx, in *createInterface) (client.Interface, error) {
	j, err := in.of(s)
	if err != nil {
		return client.Interface{}, err
	}
	st, err := in.stack(s)
	if err != nil {
		return client.Interface{}, err
	}
	if in.Body.Change != nil && in.Body.Change.Reclaim != nil {
		return client.Interface{}, blame(fmt.Errorf("%w: a new interface is in no other jail", syscall.EINVAL), "body.change.reclaim", *in.Body.Change.Reclaim)
	}
	i, err := s.clone(t, st, in.Body.Name)
	if err != nil {
		return client.Interface{}, err
	}
	if in.Body.Change != nil {
		c := ifChange{tx: t, s: s, jail: j, at: "body.change.", i: i, want: in.Body.Change}
		if err := c.make(); err != nil {
			return client.Interface{}, err
		}
		i = c.i
	}
	return s.describeInterface(i)
}

// clone makes an interface of that name, or of that kind.
func (s *Server) clone(t *tx, st *vimage.Stack, name string) (*vimage.Interface, error) {
	kind := strings.TrimRight(name, "0123456789")
	if kind == "epair" {
		return createEpair(t, st, name)
	}
	if name == kind {
		name = nextName(st, kind)
	}
	i, err := createClone(st, kind, name)
	if err != nil {
		return nil, err
	}
	t.made(func() { i.Remove() })
	return i, nil
}

func createClone(st *vimage.Stack, kind, name string) (*vimage.Interface, error) {
	if k, ok := tunnelKinds()[kind]; ok {
		return st.CreateTunnel(name, k)
	}
	if kind == "tun" {
		tun, err := st.AddTun(name, vimage.InterfaceConfig{})
		if err != nil {
			return nil, err
		}
		return tun.Interface, nil
	}
	return nil, blame(fmt.Errorf("%w: no interface of the kind %s can be made: there are epair, gif, gre, gretap, vxlan and tun", syscall.EINVAL, kind), "body.name", name)
}

// nextName returns the first name of a kind that is free.
func nextName(st *vimage.Stack, kind string) string {
	for n := 0; ; n++ {
		name := kind + strconv.Itoa(n)
		if _, err := st.Interface(name); err != nil {
			return name
		}
	}
}

// createEpair makes a pair, and returns its end a. One with a number is made with the
// first that is free, and renamed.
func createEpair(t *tx, st *vimage.Stack, name string) (*vimage.Interface, error) {
	for _, end := range []string{"a", "b"} {
		if _, err := st.Interface(name + end); err == nil {
			return nil, blame(fmt.Errorf("%w: there is an interface %s", syscall.EEXIST, name+end), "body.name", name)
		}
	}
	a, b, err := st.CreateEpair()
	if err != nil {
		return nil, err
	}
	t.made(func() { a.Remove() })
	if name != "epair" && a.Name() != name+"a" {
		if err := errors.Join(a.Rename(name+"a"), b.Rename(name+"b")); err != nil {
			return nil, err
		}
	}
	return a, nil
}
