package topo

import (
	"net/netip"
	"slices"
	"time"
)

// FlowTotals is a flow with what has come of it at all its receivers together. To ask
// for it is cheap, also where these are thousands: see Info for each of them.
type FlowTotals struct {
	Name, From, To string
	Group          netip.Addr // that it goes to; invalid: to a host
	Receivers      int
	Sent           uint64 // refused ones, too
	Delivered      uint64 // different datagrams
	// Lost is what receivers have not got since the first datagram that they got, or
	// at all: what is still under way is among it.
	Lost    uint64
	Latency time.Duration // of all those delivered, added up
	Done    bool          // all has been sent
}

// FlowTotals returns the flows in the order of the file: those that come from, or to, a
// node that is wanted. nil wants all.
func (n *Network) FlowTotals(wanted func(node string) bool) (all []FlowTotals) {
	n.live.RLock()
	defer n.live.RUnlock()
	for _, f := range n.file.flows {
		at := func(s *sink) bool { return wanted(s.node.name.s) }
		if wanted == nil || wanted(f.from.s) || slices.ContainsFunc(f.sinks, at) {
			all = append(all, n.flowTotals(n.flows[f]))
		}
	}
	return all
}

func (n *Network) flowTotals(f *flowRun) FlowTotals {
	t := FlowTotals{Name: f.name.s, From: f.from.s, To: n.target(f.flow), Receivers: len(f.sinks), Sent: f.sent.Load(), Done: f.done.Load()}
	if f.dst.IsMulticast() {
		t.Group = f.dst
	}
	for _, s := range f.sinks {
		c := n.tally(s, f.flow)
		t.Delivered += c.got
		t.Latency += c.sum
		if due := t.Sent - min(c.low, t.Sent); due > c.got { // what has come since Sent was read is no loss
			t.Lost += due - c.got
		}
	}
	return t
}
