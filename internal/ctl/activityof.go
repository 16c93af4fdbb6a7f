package ctl

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// This file is how what happens is read, for each kind of things.

// rank returns the rows that are wanted of a kind.
func rank[T client.ActivityRow](rows []T, total T, key string, n int) *client.Top[T] {
	return &client.Top[T]{Count: len(rows), Total: total, Top: client.FirstActivity(rows, key, n)}
}

// ifaceOf tells interfaces apart.
type ifaceOf struct {
	st    *vnet.Stack
	index int
}

func (w *watch) readStacks(all *watchedStacks, key string) *client.Top[client.StackActivity] {
	w.stacks.begin()
	w.queues.begin()
	var total client.StackActivity
	rows := make([]client.StackActivity, len(all.list))
	for i, st := range all.list {
		r := &rows[i]
		r.Name = jailOf(st)
		for ifi, n := range st.InterfaceStats() {
			then := w.stacks.note(ifaceOf{st.Internal(), ifi.Index()}, n)
			r.InPackets += since(n.InPackets, then.InPackets)
			r.InBytes += since(n.InBytes, then.InBytes)
			r.OutPackets += since(n.OutPackets, then.OutPackets)
			r.OutBytes += since(n.OutBytes, then.OutBytes)
			r.Drops += since(n.InDrops, then.InDrops)
		}
		var full uint64
		for _, q := range st.Queues() {
			full += q.Drops
		}
		r.Drops += since(full, w.queues.note(st.Internal(), full))
		total.InPackets += r.InPackets
		total.InBytes += r.InBytes
		total.OutPackets += r.OutPackets
		total.OutBytes += r.OutBytes
		total.Drops += r.Drops
	}
	top := rank(rows, total, key, w.top)
	w.countSockets(all, top.Top)
	return top
}

// countSockets counts the sockets of those stacks only that are shown.
func (w *watch) countSockets(all *watchedStacks, rows []client.StackActivity) {
	at := make(map[string]*client.StackActivity, len(rows))
	for i := range rows {
		at[rows[i].Name] = &rows[i]
	}
	for _, st := range all.list {
		if r := at[jailOf(st)]; r != nil {
			r.Sockets = len(st.Sockets())
		}
	}
}

// jailOf returns the name of the jail that owns a stack.
func jailOf(st *vimage.Stack) string {
	if name := st.Name(); name != "vnet0" {
		return name
	}
	return "0"
}

// linkEnd is the end of a link that something goes to.
type linkEnd struct {
	link *lab.Link
	end  int
}

func (w *watch) readLinks(all *watchedStacks, key string) *client.Top[client.LinkActivity] {
	w.links.begin()
	var total client.LinkActivity
	var rows []client.LinkActivity
	for _, l := range w.s.net.Lab.Links() {
		ends := l.Ends()
		if !endsAt(all, ends[0]) && !endsAt(all, ends[1]) {
			continue
		}
		r := client.LinkActivity{Name: l.Name(), Cut: l.IsCut()}
		for k, n := range l.Traffic() {
			then := w.links.note(linkEnd{l, k}, n)
			r.Between[k] = nameOf(ends[k])
			to, sum := &r.Toward[k], &total.Toward[k]
			to.Packets = since(n.Packets, then.Packets)
			to.Bytes = since(n.Bytes, then.Bytes)
			to.Lost = since(n.Lost, then.Lost)
			sum.Packets += to.Packets
			sum.Bytes += to.Bytes
			sum.Lost += to.Lost
		}
		rows = append(rows, r)
	}
	return rank(rows, total, key, w.top)
}

func endsAt(all *watchedStacks, e lab.End) bool {
	return all.some == nil || e.Node != nil && all.has(e.Node.Stack)
}

func nameOf(e lab.End) string {
	if e.Node != nil {
		return e.Node.Name()
	}
	return e.Switch.Name()
}

// flow is what became of a flow in an interval.
type flow struct {
	topo.FlowTotals
	sent, delivered uint64
	latency         time.Duration // added up
}

func (w *watch) readFlows(all *watchedStacks) (flows []flow) {
	w.flows.begin()
	var wanted func(string) bool
	if all.some != nil {
		names := make(map[string]bool)
		for _, st := range all.list {
			names[st.Name()] = true
		}
		wanted = func(node string) bool { return names[node] }
	}
	for _, t := range w.s.net.FlowTotals(wanted) {
		then := w.flows.note(t.Name, t)
		f := flow{FlowTotals: t, sent: since(t.Sent, then.Sent), delivered: since(t.Delivered, then.Delivered)}
		f.latency = time.Duration(since(uint64(t.Latency), uint64(then.Latency)))
		flows = append(flows, f)
	}
	return flows
}

// mean returns the mean latency in milliseconds.
func mean(sum time.Duration, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return float64((sum / time.Duration(n)).Microseconds()) / 1000
}

func topFlows(flows []flow, key string, n int) *client.Top[client.FlowActivity] {
	var total client.FlowActivity
	var latency time.Duration
	rows := make([]client.FlowActivity, len(flows))
	for i, f := range flows {
		rows[i] = client.FlowActivity{
			Name: f.Name, From: f.From, To: f.To, Receivers: f.Receivers, Sent: f.sent, Delivered: f.delivered, Lost: f.Lost,
			Latency: mean(f.latency, f.delivered), Done: f.Done,
		}
		total.Receivers += f.Receivers
		total.Sent += f.sent
		total.Delivered += f.delivered
		total.Lost += f.Lost
		latency += f.latency
	}
	total.Latency = mean(latency, total.Delivered)
	return rank(rows, total, key, n)
}

// routeOf tells multicast routes apart.
type routeOf struct {
	st     *vnet.Stack
	group  netip.Prefix
	source netip.Addr
}

func (w *watch) readGroups(all *watchedStacks, flows []flow, key string) *client.Top[client.GroupActivity] {
	w.routes.begin()
	rows := make(map[netip.Prefix]*client.GroupActivity)
	at := func(p netip.Prefix) *client.GroupActivity {
		if rows[p] == nil {
			rows[p] = &client.GroupActivity{Group: strings.TrimSuffix(strings.TrimSuffix(p.String(), "/32"), "/128")}
		}
		return rows[p]
	}
	for _, st := range all.list {
		here := make(map[netip.Addr]bool)
		for ifi := range st.InterfaceStats() {
			for _, m := range ifi.Memberships() {
				for _, g := range m.Groups {
					if local(g.Group) {
						continue
					}
					r := at(netip.PrefixFrom(g.Group, g.Group.BitLen()))
					r.Members++
					if !here[g.Group] {
						here[g.Group] = true
						r.Hosts++
					}
				}
			}
		}
		for _, m := range st.MulticastRoutes() {
			at(m.Group).Forwarded += since(m.Packets, w.routes.note(routeOf{st.Internal(), m.Group, m.Source}, m.Packets))
		}
	}
	for _, f := range flows {
		if f.Group.IsValid() {
			r := at(netip.PrefixFrom(f.Group, f.Group.BitLen()))
			r.Sent += f.sent
			r.Delivered += f.delivered
		}
	}
	var total client.GroupActivity
	list := make([]client.GroupActivity, 0, len(rows))
	for _, p := range slices.SortedFunc(maps.Keys(rows), netip.Prefix.Compare) {
		r := rows[p]
		list = append(list, *r)
		total.Members += r.Members
		total.Sent += r.Sent
		total.Delivered += r.Delivered
		total.Forwarded += r.Forwarded
	}
	return rank(list, total, key, w.top)
}

// local tells whether a group does not leave a link, or a host: all hosts are in some.
func local(g netip.Addr) bool {
	return g.IsLinkLocalMulticast() || g.IsInterfaceLocalMulticast()
}
