package ctl

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// maxRoutes bounds a listing of all tables.
const maxRoutes = 100_000

type routeList struct {
	Routes []client.RouteEntry `json:"routes"`
}

// InTable is the part of a request that says which routing table it is about.
type InTable struct {
	InJail
	InFIB
}

func (in InTable) stack(s *Server) (*vimage.Stack, error) {
	st, err := in.InJail.stack(s)
	if err != nil {
		return nil, err
	}
	return in.table(st)
}

// InTables is the part of a request that says which routing tables it is about.
type InTables struct {
	InJail
	FIB string `query:"fib" doc:"Routing table, by number or name, or several: 0-3,spare, or all; none means 0" example:"1"`
}

// tables returns handles for them.
func (in InTables) tables(s *Server) (all []*vimage.Stack, err error) {
	st, err := in.stack(s)
	if err != nil || in.FIB == "" {
		return []*vimage.Stack{st}, err
	}
	list := in.FIB
	if list == "all" {
		list = fmt.Sprintf("0-%d", st.FIBs()-1)
	}
	for item := range strings.SplitSeq(list, ",") {
		from, to, _ := strings.Cut(item, "-")
		first, err1 := strconv.ParseUint(from, 10, 16)
		last, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil { // it is none, then
			f, err := st.FIBByName(item)
			if err != nil {
				return nil, blame(err, "query.fib", in.FIB)
			}
			all = append(all, f)
			continue
		}
		if first > last {
			return nil, blame(fmt.Errorf("%w: %s are no tables", syscall.EINVAL, item), "query.fib", in.FIB)
		}
		for n := first; n <= last; n++ {
			f, err := st.FIB(int(n))
			if err != nil {
				return nil, blame(err, "query.fib", in.FIB)
			}
			all = append(all, f)
		}
	}
	return all, nil
}

// each makes a change in every one of the tables. Of one, the error is that of the
// request; of several, what became of each is told, and the others do not suffer.
func (in InTables) each(s *Server, change func(*vimage.Stack) error) (r routeResults, err error) {
	r.Tables = []client.RouteResult{}
	tables, err := in.tables(s)
	if err != nil {
		return r, err
	}
	for _, st := range tables {
		err := change(st)
		if err != nil && len(tables) == 1 {
			return r, err
		}
		one := client.RouteResult{FIB: st.FIBNumber()}
		if err != nil {
			one.Errno, one.Message = client.ErrnoName(err), err.Error()
		}
		r.Tables = append(r.Tables, one)
	}
	return r, nil
}

type routeResults struct {
	Tables []client.RouteResult `json:"tables"`
}

type routeRequest struct {
	InTables
	Body client.Route
}

func registerRoutes(s *Server) {
	const path = "/v1/jails/{jail}/routes"
	read(s, op{"GET", path, "routes", "The routes of a table, or of all with fib=all, by destination"}, s.routes)
	type get struct {
		InTable
		To string `query:"to" required:"true" doc:"An address" example:"192.0.2.9"`
	}
	read(s, op{"GET", path + "/get", "get-route", "The route that packets to an address take"}, func(in *get) (client.RouteEntry, error) {
		st, err := in.stack(s)
		if err != nil {
			return client.RouteEntry{}, err
		}
		to, err := netip.ParseAddr(in.To)
		if err != nil {
			return client.RouteEntry{}, blame(fmt.Errorf("%w: this is no address", syscall.EINVAL), "query.to", in.To)
		}
		r, err := st.GetRoute(to)
		return entry(st, r), err
	})
	modify(s, op{"POST", path, "add-route", "Add a route; in several tables, where it can be"}, func(_ *tx, in *routeRequest) (routeResults, error) {
		return in.each(s, func(st *vimage.Stack) error { return st.AddRoute(asked(in.Body)) })
	})
	modify(s, op{"PATCH", path, "change-route", "Put a route in the place of the one to its destination"}, func(_ *tx, in *routeRequest) (routeResults, error) {
		return in.each(s, func(st *vimage.Stack) error { return st.ChangeRoute(asked(in.Body)) })
	})
	modify(s, op{"DELETE", path, "delete-route", "Remove the routes to a destination, or one of them"}, s.deleteRoute)
	modify(s, op{"POST", path + "/flush", "flush-routes", "Remove all routes by gateways, and list them"}, s.flushRoutes)
}

type deleteRoute struct {
	InTables
	Dst       string `query:"destination" required:"true" doc:"A prefix" example:"10.0.0.0/8"`
	Gateway   string `query:"gateway" doc:"Of several routes, that by this gateway"`
	Interface string `query:"interface" doc:"Of several routes, that by this interface"`
}

func (s *Server) deleteRoute(_ *tx, in *deleteRoute) (routeResults, error) {
	r := vimage.Route{Interface: in.Interface}
	var err error
	if r.Dst, err = netip.ParsePrefix(in.Dst); err != nil {
		return routeResults{}, blame(fmt.Errorf("%w: this is no prefix", syscall.EINVAL), "query.destination", in.Dst)
	}
	if in.Gateway != "" {
		if r.Gateway, err = netip.ParseAddr(in.Gateway); err != nil {
			return routeResults{}, blame(fmt.Errorf("%w: this is no address", syscall.EINVAL), "query.gateway", in.Gateway)
		}
	}
	return in.each(s, func(st *vimage.Stack) error {
		if in.Gateway == "" && in.Interface == "" {
			return st.DelRoute(r.Dst)
		}
		return st.DelRouteVia(r)
	})
}

// asked is the inverse of told.
func asked(r client.Route) vimage.Route {
	return vimage.Route{
		Dst: r.Dst, Gateway: r.Gateway, Interface: r.Interface, MTU: r.MTU, Metric: r.Metric, Expire: r.Expire,
		Reject: r.Reject, Blackhole: r.Blackhole,
	}
}

// told returns a route as clients see it.
func told(r vimage.Route) client.Route {
	return client.Route{
		Dst: r.Dst, Gateway: r.Gateway, Interface: r.Interface, MTU: r.MTU, Metric: r.Metric, Expire: r.Expire,
		Reject: r.Reject, Blackhole: r.Blackhole,
	}
}

func entry(st *vimage.Stack, r vimage.Route) client.RouteEntry {
	e := client.RouteEntry{Route: told(r), FIB: st.FIBNumber(), Own: r.Own, Flags: r.Flags}
	if i, err := st.InterfaceByName(r.Interface); err == nil {
		e.Index, e.LinkMTU = i.Index, i.MTU
	}
	return e
}

// entries returns the routes of a table, and those to our own addresses, which no table
// holds though packets find them.
func entries(st *vimage.Stack) (all []client.RouteEntry) {
	for _, r := range st.Routes() {
		all = append(all, entry(st, r))
	}
	list, _ := st.Interfaces() // never fails
	for _, n := range list {
		i, err := st.Interface(n.Name)
		if err != nil {
			continue // it has just gone
		}
		for _, a := range i.Addrs() {
			if r, err := st.GetRoute(a.Addr()); err == nil && r.Own && r.Dst.Addr() == a.Addr() && !a.Addr().IsLinkLocalUnicast() {
				e := entry(st, r)
				e.Index = n.Index
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b client.RouteEntry) int { return a.Dst.Compare(b.Dst) })
	return all
}

func (s *Server) routes(in *InTable) (routeList, error) {
	all := routeList{Routes: []client.RouteEntry{}}
	if in.FIB != "all" {
		st, err := in.stack(s)
		if err != nil {
			return all, err
		}
		all.Routes = append(all.Routes, entries(st)...)
		return all, nil
	}
	st, err := in.InJail.stack(s)
	if err != nil {
		return all, err
	}
	for n := range st.FIBs() {
		t, err := st.FIB(n)
		if err != nil {
			return all, err
		}
		all.Routes = append(all.Routes, entries(t)...)
		if len(all.Routes) > maxRoutes {
			return all, blame(fmt.Errorf("%w: these are more than %d routes: ask for one table after the other", syscall.ENOBUFS, maxRoutes), "query.fib", in.FIB)
		}
	}
	return all, nil
}

type flushRequest struct {
	InTables
	Family string `query:"family" enum:"inet,inet6" doc:"Of this family only"`
}

func (s *Server) flushRoutes(t *tx, in *flushRequest) (routeList, error) {
	all := routeList{Routes: []client.RouteEntry{}}
	tables, err := in.tables(s)
	for _, st := range tables {
		if err == nil {
			err = in.flush(t, st, &all)
		}
	}
	return all, err
}

func (in *flushRequest) flush(t *tx, st *vimage.Stack, all *routeList) error {
	for _, r := range st.Routes() {
		if !strings.Contains(r.Flags, "G") || in.Family != "" && (in.Family == "inet") != r.Dst.Addr().Is4() {
			continue
		}
		err := st.DelRouteVia(r)
		if errors.Is(err, syscall.ESRCH) {
			continue // it has just gone
		}
		if err != nil {
			return err
		}
		t.made(func() { _ = st.AddRoute(r) }) // what it was by may be gone
		all.Routes = append(all.Routes, entry(st, r))
	}
	return nil
}
