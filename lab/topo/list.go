package topo

import (
	"slices"
	"strings"

	"github.com/seed88948545/vimage/link"
)

// NodeInfo is a host or a router as it is now.
type NodeInfo struct {
	Name      string
	Router    bool
	FIBs      int
	Links     []string
	Addresses []string // that were given to its interfaces
}

// SwitchInfo is a switch.
type SwitchInfo struct {
	Name            string
	Hub             bool
	Subnet, Subnet6 string
	Links           []string
}

// LinkInfo is a link.
type LinkInfo struct {
	Name            string
	Between         [2]string
	Interfaces      [2]string // of the nodes at the ends; "" at a switch
	Subnet, Subnet6 string
	Toward          [2]map[string]string // what happens to what goes there, as a file has it
	Down            bool                 // it is cut, both ways
}

// JoinInfo is a membership of a host.
type JoinInfo struct {
	Name, Host, Group, Link string
	Sources, Exclude        []string
}

// FlowInfo is a flow, with what has come of it.
type FlowInfo struct {
	FlowReport
	Done bool // all has been sent
}

// Info is a network as it is now, in the order of its file.
type Info struct {
	Nodes    []NodeInfo
	Switches []SwitchInfo
	Links    []LinkInfo
	Joins    []JoinInfo
	Flows    []FlowInfo
}

// Info returns what there is.
func (n *Network) Info() *Info {
	n.live.Lock()
	defer n.live.Unlock()
	n.refresh(nil)
	i, f := new(Info), n.file
	for _, s := range f.nodes {
		o := NodeInfo{Name: s.name.s, Router: s.router, FIBs: s.fibs}
		for _, e := range s.ports {
			o.Links = append(o.Links, e.link.name.s)
			for _, a := range slices.Concat(e.addrs, e.six) {
				o.Addresses = append(o.Addresses, a.String())
			}
		}
		i.Nodes = append(i.Nodes, o)
	}
	for _, s := range f.switches {
		o := SwitchInfo{Name: s.name.s, Hub: s.cfg.Hub, Subnet: s.seg.subnet.String(), Subnet6: subnet6Text(s.seg)}
		for _, l := range f.links {
			if l.ends[0].sw == s || l.ends[1].sw == s {
				o.Links = append(o.Links, l.name.s)
			}
		}
		i.Switches = append(i.Switches, o)
	}
	for _, l := range f.links {
		i.Links = append(i.Links, linkInfo(l))
	}
	for _, j := range f.joins {
		o := JoinInfo{Name: j.name.s, Host: j.node.name.s, Group: j.group.ip.String(), Link: j.port.link.name.s}
		to := &o.Exclude
		if len(j.sources) > 0 {
			to = &o.Sources
		}
		for _, a := range j.addrs {
			*to = append(*to, a.String())
		}
		i.Joins = append(i.Joins, o)
	}
	for _, o := range f.flows {
		r := n.flows[o]
		i.Flows = append(i.Flows, FlowInfo{n.flowReport(r), r.done.Load()})
	}
	return i
}

func subnet6Text(g *segment) string {
	if !g.subnet6.IsValid() {
		return ""
	}
	return g.subnet6.String()
}

func linkInfo(l *cable) LinkInfo {
	g := l.ends[0].segment()
	o := LinkInfo{
		Name: l.name.s, Between: [2]string{l.between[0].s, l.between[1].s}, Subnet: g.subnet.String(), Subnet6: subnet6Text(g),
		Down: l.dirs[0].Down && l.dirs[1].Down,
	}
	for k := range l.ends {
		dir := link.BtoA
		if k == 1 {
			dir = link.AtoB
		}
		o.Interfaces[k] = l.ends[k].name
		o.Toward[k] = make(map[string]string)
		for _, p := range faultsOf(&l.dirs[dir], new(link.FaultConfig)).pairs {
			name, v, _ := strings.Cut(p, ": ")
			o.Toward[k][name] = strings.Trim(v, `"`)
		}
	}
	return o
}

// HasNode tells whether the network has a host or router of that name.
func (n *Network) HasNode(name string) bool {
	n.live.RLock()
	defer n.live.RUnlock()
	s := n.file.node[name]
	return s != nil && s.host == nil && s != n.file.world
}

// Failure returns what has gone wrong with joins and what routers advertise, or nil.
func (n *Network) Failure() error { return n.failure() }
