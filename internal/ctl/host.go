package ctl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// family is of which family an address is to be.
type family int

const (
	anyFamily family = iota
	inet
	inet6
)

func (f family) has(a netip.Addr) bool {
	return f == anyFamily || (f == inet) == a.Is4()
}

type hostQuery struct {
	InJail
	Name   string `path:"name" doc:"Of a host of the lab" example:"web"`
	Family string `query:"family" enum:"inet,inet6" doc:"None: either"`
}

func registerHosts(s *Server) {
	read(s, op{"GET", "/v1/jails/{jail}/hosts/{name}", "host-address", "What the name of a host of the lab stands for in the stack"}, func(in *hostQuery) (client.HostAddr, error) {
		st, err := in.stack(s)
		if err != nil {
			return client.HostAddr{}, err
		}
		a, err := s.host(st, in.Name, map[string]family{"inet": inet, "inet6": inet6}[in.Family])
		if err != nil {
			return client.HostAddr{}, blame(err, "path.name", in.Name)
		}
		return client.HostAddr{Name: in.Name, Address: a}, nil
	})
}

// host returns the address that text means to a stack: an address, or the name of a
// host of the lab. EADDRNOTAVAIL: it is neither.
func (s *Server) host(st *vimage.Stack, text string, f family) (netip.Addr, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		if a = a.Unmap(); f.has(a) {
			return a, nil
		}
		return netip.Addr{}, fmt.Errorf("%w: %s is of the other family", syscall.EAFNOSUPPORT, text)
	}
	if a := s.member(st, text, f); a.IsValid() {
		return a, nil
	}
	return netip.Addr{}, fmt.Errorf("%w: unknown host %s", syscall.EADDRNOTAVAIL, text)
}

// nameWait is how long servers may take to say what a name means.
const nameWait = 5 * time.Second

// resolve is host for one who can wait for what the stack's resolver says of a name.
func (s *Server) resolve(ctx context.Context, st *vimage.Stack, text string, f family) (netip.Addr, error) {
	a, unknown := s.host(st, text, f)
	if unknown == nil || !errors.Is(unknown, syscall.EADDRNOTAVAIL) {
		return a, unknown
	}
	ctx, stop := context.WithTimeout(ctx, nameWait)
	defer stop()
	all, err := st.Resolver().LookupNetIP(ctx, [...]string{"ip", "ip4", "ip6"}[f], text)
	if err != nil || len(all) == 0 {
		return netip.Addr{}, unknown
	}
	return all[0].Unmap(), nil
}

// member returns the address of a host of the lab: one in a subnet of the stack's, else
// its first that is no loopback address; of IPv6 none that is good on its link only.
func (s *Server) member(st *vimage.Stack, name string, f family) (found netip.Addr) {
	j := s.world.Root().Find(name)
	if j == nil || j.Name() != name || j.Stack() == nil { // by its number it is no host
		return netip.Addr{}
	}
	mine := prefixes(st)
	for _, p := range prefixes(j.Stack()) {
		a := p.Addr()
		if !f.has(a) || a.IsLoopback() || a.IsLinkLocalUnicast() {
			continue
		}
		for _, m := range mine {
			if m.Contains(a) {
				return a
			}
		}
		if !found.IsValid() {
			found = a
		}
	}
	return found
}

// prefixes returns a stack's addresses with their subnets, in the order of its
// interfaces.
func prefixes(st *vimage.Stack) (all []netip.Prefix) {
	for _, i := range interfacesOf(st) {
		all = append(all, i.Addrs()...)
	}
	return all
}

// interfacesOf returns a stack's interfaces, by index.
func interfacesOf(st *vimage.Stack) (all []*vimage.Interface) {
	list, err := st.Interfaces()
	if err != nil {
		return nil
	}
	for _, n := range list {
		if i, err := st.Interface(n.Name); err == nil { // else it has just gone
			all = append(all, i)
		}
	}
	return all
}
