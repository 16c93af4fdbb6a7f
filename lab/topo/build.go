package topo

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
)

// Network is a file's network while it runs.
type Network struct {
	Lab *lab.Lab

	file     *File
	nodes    map[*node]*lab.Node
	switches map[*swtch]*lab.Switch
	links    map[*cable]*lab.Link
	tunnels  map[*end]*vimage.Interface
	flows    []*flowRun
	sinks    map[*sink]*sinkRun
	sinkList []*sinkRun // in order
	began    time.Time
	ran      time.Duration
	stopped  atomic.Bool

	mu     sync.Mutex
	failed error // of a join; under mu
}

// Capture says that a link is recorded, as pcapng. Lab.EndCapture completes it,
// and must be called before the network is closed.
type Capture struct {
	Link string
	W    io.Writer
	More []string // links that are recorded in the same stream
}

// Build makes a file's network: its nodes, switches and links are there, its
// sockets are open, and no flow is sent until Run. Who builds it closes it.
func Build(f *File, c lab.Config, captures ...Capture) (*Network, error) {
	for _, c := range captures {
		for _, name := range append([]string{c.Link}, c.More...) {
			if err := f.CheckLink(name); err != nil {
				return nil, err
			}
		}
	}
	c.IPv6 = false // the file says
	n := &Network{
		Lab: lab.Open(c), file: f,
		nodes: make(map[*node]*lab.Node), switches: make(map[*swtch]*lab.Switch), links: make(map[*cable]*lab.Link),
		tunnels: make(map[*end]*vimage.Interface), sinks: make(map[*sink]*sinkRun),
	}
	for _, c := range captures {
		n.Lab.CaptureLinks(c.W, append([]string{c.Link}, c.More...)...)
	}
	if err := n.build(); err != nil {
		n.Lab.EndCapture() // misses the links that were not made: err says more
		n.Close()
		return nil, err
	}
	return n, nil
}

// Close removes the network. Closing twice is harmless.
func (n *Network) Close() {
	n.stopped.Store(true)
	n.Lab.Close()
}

// wrong is an error of building what a line of the file asks for.
func (f *File) wrong(line int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s:%d: %w", f.name, line, err)
}

func (n *Network) build() error {
	f := n.file
	for _, s := range f.nodes {
		if err := n.addNode(s); err != nil {
			return f.wrong(s.name.line, err)
		}
	}
	for _, s := range f.switches { // the first of a segment before those within it
		if s.first() == s {
			if err := n.addSwitch(s, nil); err != nil {
				return f.wrong(s.name.line, err)
			}
		}
	}
	for _, s := range f.switches {
		if s.first() != s {
			if err := n.addSwitch(s, n.switches[s.first()]); err != nil {
				return f.wrong(s.name.line, err)
			}
		}
	}
	for _, l := range f.links {
		if err := n.addLink(l); err != nil {
			return f.wrong(l.line, err)
		}
	}
	for _, t := range f.tunnels {
		if err := n.addTunnel(t); err != nil {
			return f.wrong(t.line, err)
		}
	}
	for _, s := range f.nodes {
		for _, r := range s.routes {
			if err := n.addRoute(s, r); err != nil {
				return f.wrong(r.line, err)
			}
		}
	}
	for _, s := range f.nodes {
		if err := n.addMulticast(s); err != nil {
			return err
		}
	}
	if f.auto {
		if err := n.Lab.AddRoutes(); err != nil {
			return fmt.Errorf("%s: routing: auto: %w", f.name, err)
		}
	}
	return n.openSockets()
}

func (n *Network) addNode(s *node) error {
	h, err := n.Lab.AddNode(s.name.s, lab.NodeConfig{Router: s.router, FIBs: s.fibs, Shards: s.shards, Autoconf: s.autoconf})
	if err != nil {
		return err
	}
	n.nodes[s] = h
	for i, name := range s.fibNames {
		if err := h.NameFIB(i, name); err != nil {
			return err
		}
	}
	for _, t := range s.sysctls {
		if err := h.SetSysctl(t.name.s, t.value); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) addSwitch(s *swtch, within *lab.Switch) error {
	sw, err := n.Lab.AddSwitch(s.name.s, lab.SwitchConfig{BridgeConfig: s.cfg, Subnet: s.seg.subnet.Prefix, Subnet6: s.seg.subnet6.Prefix, Within: within})
	n.switches[s] = sw
	return err
}

// endpoint returns what a link's end is plugged into, its IPv4 address, and what
// it advertises.
func (n *Network) endpoint(e *end) (lab.Endpoint, netip.Prefix, *vimage.RouterConfig) {
	if e.sw != nil {
		return n.switches[e.sw], netip.Prefix{}, nil
	}
	for _, a := range e.link.adverts {
		if a.end == e {
			return n.nodes[e.node], e.addrs[0], &a.says
		}
	}
	return n.nodes[e.node], e.addrs[0], nil
}

func (n *Network) addLink(l *cable) error {
	cfg := lab.LinkConfig{
		Name: l.name.s, MTU: l.mtu, FaultConfig: l.fault,
		FIBA: l.ends[0].fib, FIBB: l.ends[1].fib, A6: l.ends[0].six, B6: l.ends[1].six,
		PortA: l.ends[0].port, PortB: l.ends[1].port,
	}
	var a, b lab.Endpoint
	a, cfg.A, cfg.AdvertiseA = n.endpoint(&l.ends[0])
	b, cfg.B, cfg.AdvertiseB = n.endpoint(&l.ends[1])
	if l.ends[0].sw == nil && l.ends[1].sw == nil {
		cfg.Subnet, cfg.Subnet6 = l.ends[0].seg.subnet.Prefix, l.ends[0].seg.subnet6.Prefix
	}
	made, err := n.Lab.AddLink(a, b, cfg)
	if err != nil {
		return err
	}
	n.links[l] = made
	for i := range l.ends {
		e := &l.ends[i]
		if e.node == nil {
			continue
		}
		ifi := n.nodes[e.node].Eth(e.eth)
		for _, more := range e.addrs[1:] {
			if err := ifi.AddAddr(more); err != nil {
				return err
			}
		}
		if e.querier() {
			if err := ifi.SetQuerier(true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *Network) addRoute(s *node, r *route) error {
	st, err := n.nodes[s].FIB(r.fib)
	if err != nil {
		return err
	}
	vr := vimage.Route{Dst: r.dst, Gateway: r.gateway, MTU: r.mtu, Reject: r.reject, Blackhole: r.blackhole}
	if r.out != nil {
		vr.Interface = n.iface(r.out).Name()
	}
	return st.AddRoute(vr)
}

func (n *Network) openSockets() error {
	for _, s := range n.file.listed {
		r, err := n.openSink(s)
		if err != nil {
			return fmt.Errorf("%s: socket of %s: %w", n.file.name, s.name, err)
		}
		n.sinks[s] = r
		n.sinkList = append(n.sinkList, r)
	}
	for _, f := range n.file.flows {
		r, err := n.openFlow(f)
		if err != nil {
			return n.file.wrong(f.line, err)
		}
		n.flows = append(n.flows, r)
	}
	return nil
}

// fail notes an error of something that runs by itself.
func (n *Network) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = errors.Join(n.failed, err)
}

func (n *Network) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failed
}
