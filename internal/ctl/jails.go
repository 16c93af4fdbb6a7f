package ctl

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
)

// InJail is the part of a request that says which jail it is about. It and its like are
// exported for huma, which looks at nothing else.
type InJail struct {
	Jail string `path:"jail" doc:"Name or number of a jail; 0 is the one that all are in; a/b is b as it is called in a" example:"web"`
}

// jail returns the jail that a name or a number means; of a/b, that which b means to
// whoever is in a: one below a. ENOENT: there is none.
func (s *Server) jail(name, field string) (*vimage.Jail, error) {
	j := s.world.Root()
	if name == "0" {
		return j, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if j = j.Find(part); j == nil {
			return nil, blame(fmt.Errorf("%w: there is no jail %s", syscall.ENOENT, part), field, part)
		}
	}
	return j, nil
}

// of returns the jail that a request is about.
func (in InJail) of(s *Server) (*vimage.Jail, error) { return s.jail(in.Jail, "path.jail") }

// stack returns a handle on the stack of the jail that a request is about, with what
// may be done in it.
func (in InJail) stack(s *Server) (*vimage.Stack, error) {
	j, err := in.of(s)
	if err != nil {
		return nil, err
	}
	if st := j.Stack(); st != nil {
		return st, nil
	}
	return nil, blame(fmt.Errorf("%w: jail %s is being removed", syscall.ENXIO, in.Jail), "path.jail", in.Jail)
}

// InFIB is the part of a request that says which routing table it is about.
type InFIB struct {
	FIB string `query:"fib" doc:"Routing table, by number or name; none means 0" example:"1"`
}

// table returns a handle for that table.
func (in InFIB) table(st *vimage.Stack) (*vimage.Stack, error) {
	if in.FIB == "" {
		return st, nil
	}
	f, err := st.FIBByName(in.FIB)
	return f, blame(err, "query.fib", in.FIB)
}

// ParamNames is the part of a request that says which parameters of jails are wanted.
type ParamNames struct {
	Param []string `query:"param,explode" doc:"Parameters that are wanted, by their names in jail(8); all: every one" example:"vnet"`
}

type jailsQuery struct {
	In string `query:"in" doc:"Jails below this one, by name or number; none means all" example:"web"`
	ParamNames
}

// jailList names the parameters once: a map in each of 10,000 jails costs as much as all
// the rest.
type jailList struct {
	Parameters []string     `json:"parameters,omitempty" doc:"Names of those that were asked for"`
	Jails      []listedJail `json:"jails"`
}

type listedJail struct {
	client.Jail
	Values []string `json:"values,omitempty" doc:"What it has of the parameters that the list names, in that order"`
}

func registerJails(s *Server) {
	read(s, op{"GET", "/v1/jails", "jails", "The jails, by number"}, s.jails)
	read(s, op{"GET", "/v1/jails/{jail}", "jail", "One jail"}, func(in *struct {
		InJail
		ParamNames
	}) (client.Jail, error) {
		j, err := in.of(s)
		if err != nil {
			return client.Jail{}, err
		}
		return in.describe(s, j)
	})
	modify(s, op{"POST", "/v1/jails", "create-jail", "Make a jail"}, s.createJail)
	modify(s, op{"PATCH", "/v1/jails/{jail}", "change-jail", "Change parameters of a jail: all of them or none"}, func(_ *tx, in *struct {
		InJail
		Body struct {
			Parameters map[string]string `json:"parameters" doc:"As jail(8) writes them; switches are 1, 0 or empty"`
		}
	}) (client.Done, error) {
		j, err := in.of(s)
		if err != nil {
			return client.Done{}, err
		}
		return client.Done{}, blame(j.Set(params(in.Body.Parameters)...), "body.parameters", nil)
	})
	modify(s, op{"DELETE", "/v1/jails/{jail}", "remove-jail", "Remove a jail and those below it"}, func(_ *tx, in *InJail) (client.Done, error) {
		j, err := in.of(s)
		if err != nil {
			return client.Done{}, err
		}
		if s.net.HasNode(j.Name()) { // it has links, flows, and a place in the file
			return client.Done{}, s.net.RemoveNode(j.Name())
		}
		return client.Done{}, j.Remove()
	})
}

// params returns parameters in an order in which what is said of a family precedes its
// addresses.
func params(m map[string]string) (all []vimage.JailParam) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, vimage.JailParam{Name: name, Value: m[name]})
	}
	return all
}

type newJail struct{ Body client.NewJail }

func (s *Server) createJail(t *tx, in *newJail) (client.Jail, error) {
	j, err := s.newJail(t, in)
	if err != nil {
		return client.Jail{}, err
	}
	return describeJail(j), nil
}

func (s *Server) newJail(t *tx, in *newJail) (*vimage.Jail, error) {
	top, err := s.jail(cmp.Or(in.Body.In, "0"), "body.in")
	if err != nil {
		return nil, err
	}
	c, err := vimage.ParseJail(params(in.Body.Parameters)...)
	if err != nil {
		return nil, blame(err, "body.parameters", nil)
	}
	j, err := top.Create(c)
	if err != nil {
		return nil, blame(err, "body.parameters", nil)
	}
	t.made(func() { j.Remove() })
	return j, nil
}

func (s *Server) jails(in *jailsQuery) (jailList, error) {
	all := jailList{Jails: []listedJail{}}
	top, err := s.jail(cmp.Or(in.In, "0"), "query.in")
	if err != nil {
		return all, err
	}
	if all.Parameters, err = in.names(s); err != nil {
		return all, err
	}
	for _, j := range below(top, nil) {
		d := listedJail{Jail: describeJail(j), Values: make([]string, len(all.Parameters))}
		for i, name := range all.Parameters {
			d.Values[i], _ = j.Get(name) // there is such a one
		}
		all.Jails = append(all.Jails, d)
	}
	return all, nil
}

// below returns all jails below one, by number.
func below(top *vimage.Jail, all []*vimage.Jail) []*vimage.Jail {
	for todo := []*vimage.Jail{top}; len(todo) > 0; {
		next := todo[0].Children()
		all = append(all, next...)
		todo = append(todo[1:], next...)
	}
	slices.SortFunc(all, func(a, b *vimage.Jail) int { return a.ID() - b.ID() })
	return all
}

// names returns the names of the parameters that are wanted.
func (p ParamNames) names(s *Server) ([]string, error) {
	var known []string
	for _, v := range s.world.Root().Params() {
		known = append(known, v.Name)
	}
	for _, name := range p.Param {
		if name != "all" && !slices.Contains(known, name) {
			return nil, blame(fmt.Errorf("%w: there is no parameter %q", syscall.ENOENT, name), "query.param", name)
		}
	}
	if slices.Contains(p.Param, "all") {
		return known, nil
	}
	return p.Param, nil
}

// describe returns what there is to know of a jail, with the parameters that are wanted.
func (p ParamNames) describe(s *Server, j *vimage.Jail) (client.Jail, error) {
	d := describeJail(j)
	names, err := p.names(s)
	if err != nil || len(names) == 0 {
		return d, err
	}
	d.Parameters = make(map[string]string)
	for _, name := range names {
		d.Parameters[name], _ = j.Get(name) // there is such a one
	}
	return d, nil
}

func describeJail(j *vimage.Jail) client.Jail {
	c := j.Config()
	parent, _ := j.Get("parent")
	up, _ := strconv.Atoi(parent) // it is a number
	return client.Jail{
		JID: j.ID(), Name: j.Name(), Parent: up, Hostname: c.Hostname, Path: "/", VNET: c.VNET, Persist: c.Persist,
		IP4: c.IP4.Addrs, IP6: c.IP6.Addrs,
	}
}
