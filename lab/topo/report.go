package topo

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/link"
)

// Report is what a network has counted and whether it did what was expected, as
// --json prints it.
type Report struct {
	File         string       `json:"file"`
	Time         string       `json:"time"` // real or simulated
	Seed         uint64       `json:"seed"`
	Ran          float64      `json:"ran_s"` // of the network's time
	Nodes        []NodeReport `json:"nodes"`
	Switches     []LinkReport `json:"switches"`
	Links        []LinkReport `json:"links"`
	Flows        []FlowReport `json:"flows"`
	Expectations []Outcome    `json:"expectations"`
	Verdict      string       `json:"verdict"`
}

// NodeReport is a host or a router.
type NodeReport struct {
	Name      string            `json:"name"`
	Router    bool              `json:"router"`
	Addresses []string          `json:"addresses"`
	Counters  map[string]uint64 `json:"counters"` // those that are not 0
}

// LinkReport is a link, or a switch. A link without faults counts nothing.
type LinkReport struct {
	Name     string            `json:"name"`
	Between  []string          `json:"between,omitempty"`
	Subnet   string            `json:"subnet"`
	Subnet6  string            `json:"subnet6,omitempty"` // of IPv6
	Counters map[string]uint64 `json:"counters"`
}

// FlowReport is what was sent of a flow, and what came.
type FlowReport struct {
	Name      string           `json:"name"`
	From      string           `json:"from"`
	To        string           `json:"to"`
	Sent      uint64           `json:"sent"`
	Refused   uint64           `json:"refused"` // of these, by the sender's own stack
	Reason    string           `json:"reason,omitempty"`
	Receivers []ReceiverReport `json:"receivers"`
}

// ReceiverReport is what came of a flow to one receiver.
type ReceiverReport struct {
	At         string  `json:"at"`
	Delivered  uint64  `json:"delivered"`
	Duplicates uint64  `json:"duplicates"`
	Overtaken  uint64  `json:"overtaken"`
	Latency    Latency `json:"latency_ms"`
}

// Latency is how long the datagrams took, in milliseconds.
type Latency struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}

// Pass and Fail are the verdicts.
const (
	Pass = "PASS"
	Fail = "FAIL"
)

// Check returns what has become of the file's expectations, in its order.
func (n *Network) Check() []Outcome {
	n.live.RLock()
	defer n.live.RUnlock()
	return n.check()
}

func (n *Network) check() []Outcome {
	all := []Outcome{}
	for _, e := range n.file.expects {
		all = append(all, e.check(n)...)
	}
	return all
}

// Report returns everything that was counted, with the verdict: FAIL if an
// expectation does not hold.
func (n *Network) Report(seed uint64) *Report {
	n.live.RLock()
	defer n.live.RUnlock()
	r := &Report{
		File: n.file.name, Time: "real", Seed: seed, Ran: n.ran.Seconds(),
		Nodes: []NodeReport{}, Switches: []LinkReport{}, Links: []LinkReport{}, Flows: []FlowReport{},
		Expectations: n.check(), Verdict: Pass,
	}
	if n.Lab.World.Simulated() {
		r.Time = "simulated"
	}
	for s := range n.file.stacks() {
		if s != n.file.world {
			r.Nodes = append(r.Nodes, n.nodeReport(s))
		}
	}
	for _, s := range n.file.switches {
		l := LinkReport{Name: s.name.s, Counters: make(map[string]uint64)}
		l.subnets(s.seg)
		counterNames(n.switches[s].Bridge().Stats(), l.Counters)
		r.Switches = append(r.Switches, l)
	}
	for _, s := range n.file.links {
		r.Links = append(r.Links, n.linkReport(s))
	}
	for _, f := range n.file.flows {
		r.Flows = append(r.Flows, n.flowReport(n.flows[f]))
	}
	for _, o := range r.Expectations {
		if !o.OK {
			r.Verdict = Fail
		}
	}
	return r
}

func (n *Network) nodeReport(s *node) NodeReport {
	r := NodeReport{Name: s.name.s, Router: s.router, Addresses: []string{}, Counters: n.nodes[s].Counters()}
	for _, p := range s.interfaces() {
		for _, a := range p.addrs {
			r.Addresses = append(r.Addresses, a.String())
		}
		for _, a := range n.addrs(p) {
			ip := a.Prefix.Addr()
			if ip.Is4() {
				continue
			}
			s := a.Prefix.String()
			if ip.IsLinkLocalUnicast() {
				s = fmt.Sprintf("%v/%d", ip.WithZone(n.iface(p).Name()), a.Prefix.Bits())
			}
			if state := state(&a); state != "preferred" {
				s += " " + state
			}
			r.Addresses = append(r.Addresses, s)
		}
	}
	return r
}

func (r *LinkReport) subnets(g *segment) {
	r.Subnet = g.subnet.String()
	if g.subnet6.IsValid() {
		r.Subnet6 = g.subnet6.String()
	}
}

func (n *Network) linkReport(l *cable) LinkReport {
	r := LinkReport{Name: l.name.s, Counters: make(map[string]uint64)}
	for i, e := range l.ends {
		r.Between = append(r.Between, l.between[i].s)
		switch {
		case e.sw != nil:
			r.subnets(e.sw.seg)
		case r.Subnet == "":
			r.subnets(e.seg)
		}
	}
	if f := n.links[l].Fault(); f != nil {
		counterNames(f.Stats(link.AtoB), r.Counters)
		counterNames(f.Stats(link.BtoA), r.Counters)
	}
	return r
}

// target is where a flow goes.
func (n *Network) target(f *flow) string {
	dst := f.dst
	if f.whose != nil {
		dst = n.nodes[f.whose].Addr6()
	}
	if !dst.IsValid() {
		return fmt.Sprintf("%s:%d", f.to.s, f.port)
	}
	return netip.AddrPortFrom(dst, uint16(f.port)).String()
}

func (n *Network) flowReport(f *flowRun) FlowReport {
	r := FlowReport{
		Name: f.name.s, From: f.from.s, To: n.target(f.flow),
		Sent: f.sent.Load(), Refused: f.refused.Load(), Receivers: []ReceiverReport{},
	}
	if reason := f.reason.Load(); reason != nil {
		r.Reason = (*reason).Error()
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, s := range f.sinks {
		t := n.tally(s, f.flow)
		to := ReceiverReport{At: s.name, Delivered: t.got, Duplicates: t.duplicates, Overtaken: t.overtaken}
		if t.got > 0 {
			to.Latency = Latency{ms(t.least), ms(t.sum / time.Duration(t.got)), ms(t.most)}
		}
		r.Receivers = append(r.Receivers, to)
	}
	return r
}
