package ctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/lab/topo"
)

type (
	nodeList struct {
		Nodes []client.Node `json:"nodes"`
	}
	switchList struct {
		Switches []client.Switch `json:"switches"`
	}
	linkList struct {
		Links []client.Link `json:"links"`
	}
	flowList struct {
		Flows []client.Flow `json:"flows"`
	}
	joinList struct {
		Joins []client.Join `json:"joins"`
	}
	newPart struct {
		Body client.NewPart
	}
)

// InName is the part of a request that says which part of the network it is about.
type InName struct {
	Name string `path:"name" doc:"Its name" example:"lan"`
}

func registerNetwork(s *Server) {
	read(s, op{"GET", "/v1/nodes", "nodes", "Hosts and routers"}, s.nodes)
	read(s, op{"GET", "/v1/switches", "switches", "Switches"}, s.switches)
	read(s, op{"GET", "/v1/links", "links", "Links, with what happens on them"}, s.links)
	read(s, op{"GET", "/v1/flows", "flows", "Flows, with what has come of them"}, s.flows)
	read(s, op{"GET", "/v1/joins", "joins", "Memberships of hosts"}, s.joins)
	modify(s, op{"POST", "/v1/nodes", "add-node", "Add a host or router, with links"}, s.addNode)
	modify(s, op{"POST", "/v1/switches", "add-switch", "Add a switch"}, func(_ *tx, in *struct{ Body client.NewSwitch }) (client.Named, error) {
		return client.Named{Name: in.Body.Name}, described(s.net.AddSwitch(in.Body.Name, spec(in.Body.Spec)))
	})
	for _, o := range []struct {
		op
		add func([]byte) (string, error)
	}{
		{op{"POST", "/v1/links", "add-link", "Add a link"}, s.net.AddLink},
		{op{"POST", "/v1/flows", "add-flow", "Add a flow, which begins now"}, s.net.AddFlow},
		{op{"POST", "/v1/joins", "add-join", "Make a host a member of a group"}, s.net.AddJoin},
	} {
		modify(s, o.op, func(_ *tx, in *newPart) (client.Named, error) {
			name, err := o.add(spec(in.Body.Spec))
			return client.Named{Name: name}, described(err)
		})
	}
	modify(s, op{"PATCH", "/v1/links/{name}", "change-link", "Change faults of a link, cut and heal it"}, func(_ *tx, in *struct {
		InName
		Body client.NewPart
	}) (client.Done, error) {
		return client.Done{}, described(s.net.SetLink(in.Name, spec(in.Body.Spec)))
	})
	modify(s, op{"PATCH", "/v1/switches/{name}", "change-switch", "Change how a switch behaves"}, func(_ *tx, in *struct {
		InName
		Body client.NewPart
	}) (client.Done, error) {
		return client.Done{}, described(s.net.SetSwitch(in.Name, spec(in.Body.Spec)))
	})
	for _, o := range []struct {
		op
		remove func(string) error
	}{
		{op{"DELETE", "/v1/nodes/{name}", "remove-node", "Remove a host or router with its links, flows and joins"}, s.net.RemoveNode},
		{op{"DELETE", "/v1/switches/{name}", "remove-switch", "Remove a switch with its links"}, s.net.RemoveSwitch},
		{op{"DELETE", "/v1/links/{name}", "remove-link", "Remove a link with the interfaces at its ends"}, s.net.RemoveLink},
		{op{"DELETE", "/v1/flows/{name}", "remove-flow", "End a flow"}, s.net.RemoveFlow},
	} {
		modify(s, o.op, func(_ *tx, in *InName) (client.Done, error) { return client.Done{}, described(o.remove(in.Name)) })
	}
	modify(s, op{"DELETE", "/v1/joins/{name}", "remove-join", "Leave a group"}, s.removeJoin)
	read(s, op{"GET", "/v1/lab/file", "save", "The network as it is now, as a topology file"}, func(*struct{}) (client.SavedFile, error) {
		var b bytes.Buffer
		unsaid, err := s.net.Save(&b)
		if unsaid == nil {
			unsaid = []string{}
		}
		return client.SavedFile{File: b.String(), Unsaid: unsaid}, err
	})
}

type newNode struct{ Body client.NewNode }

func (s *Server) addNode(t *tx, in *newNode) (client.Named, error) {
	n := &in.Body
	if err := s.net.AddNode(n.Name, n.Router, spec(n.Spec)); err != nil {
		return client.Named{}, described(err)
	}
	t.made(func() { _ = s.net.RemoveNode(n.Name) }) // it has just been added
	for i, to := range n.Links {
		_, err := s.net.AddLink(spec(client.Spec{"between": []string{n.Name, to}}))
		at := fmt.Sprintf("body.links[%d]", i)
		err = described(err)
		if r, ok := err.(*refusal); ok { // in words of a description that nobody has written
			r.Fields = []client.FieldError{{Field: at, Value: to, Message: r.Message}}
			return client.Named{}, r
		}
		if err != nil {
			return client.Named{}, blame(err, at, to)
		}
	}
	return client.Named{Name: n.Name}, nil
}

// spec returns a description as package topo reads it.
func spec(s client.Spec) []byte {
	if s == nil {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // it came as JSON
	}
	return b
}

// described says which parts of a description are wrong.
func described(err error) error {
	bad, ok := err.(*topo.Mistakes)
	if !ok {
		return err
	}
	r := &refusal{document{Errno: client.ErrnoName(syscall.EINVAL)}}
	for _, m := range bad.List {
		field := "body.spec"
		switch m.Field {
		case "":
		case "name":
			field = "body.name"
		default:
			field += "." + m.Field
		}
		r.Fields = append(r.Fields, client.FieldError{Field: field, Message: m.Text})
	}
	if r.Message = bad.Error(); len(bad.List) == 1 {
		r.Fields[0].Message = r.Message
	}
	r.Status, r.Title = 422, "Unprocessable Entity"
	return r
}

func (s *Server) removeJoin(_ *tx, in *struct {
	InName
	Group string `query:"group" doc:"Which group, where joins share a name" example:"232.1.1.1"`
}) (client.Done, error) {
	var group netip.Addr
	if in.Group != "" {
		var err error
		if group, err = netip.ParseAddr(in.Group); err != nil {
			return client.Done{}, blame(err, "query.group", in.Group)
		}
	}
	return client.Done{}, described(s.net.RemoveJoin(in.Name, group))
}

// listed returns a list that is not nil: JSON has no other.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *Server) nodes(*struct{}) (l nodeList, _ error) {
	for _, n := range s.net.Info().Nodes {
		l.Nodes = append(l.Nodes, client.Node{Name: n.Name, Router: n.Router, FIBs: n.FIBs, Links: listed(n.Links), Addresses: listed(n.Addresses)})
	}
	l.Nodes = listed(l.Nodes)
	return l, nil
}

func (s *Server) switches(*struct{}) (l switchList, _ error) {
	for _, n := range s.net.Info().Switches {
		l.Switches = append(l.Switches, client.Switch{Name: n.Name, Hub: n.Hub, Subnet: n.Subnet, Subnet6: n.Subnet6, Links: listed(n.Links)})
	}
	l.Switches = listed(l.Switches)
	return l, nil
}

func (s *Server) links(*struct{}) (l linkList, _ error) {
	for _, n := range s.net.Info().Links {
		l.Links = append(l.Links, client.Link{
			Name: n.Name, Between: n.Between, Interfaces: n.Interfaces, Subnet: n.Subnet, Subnet6: n.Subnet6,
			Toward: n.Toward[:], Down: n.Down,
		})
	}
	l.Links = listed(l.Links)
	return l, nil
}

func (s *Server) flows(*struct{}) (l flowList, _ error) {
	for _, f := range s.net.Info().Flows {
		o := client.Flow{Name: f.Name, From: f.From, To: f.To, Sent: f.Sent, Refused: f.Refused, Reason: f.Reason, Done: f.Done, Receivers: []client.Receiver{}}
		for _, r := range f.Receivers {
			o.Receivers = append(o.Receivers, client.Receiver{
				At: r.At, Delivered: r.Delivered, Duplicates: r.Duplicates, Overtaken: r.Overtaken,
				LatencyMin: r.Latency.Min, Latency: r.Latency.Mean, LatencyMax: r.Latency.Max,
			})
		}
		l.Flows = append(l.Flows, o)
	}
	l.Flows = listed(l.Flows)
	return l, nil
}

func (s *Server) joins(*struct{}) (l joinList, _ error) {
	for _, j := range s.net.Info().Joins {
		l.Joins = append(l.Joins, client.Join(j))
	}
	l.Joins = listed(l.Joins)
	return l, nil
}
