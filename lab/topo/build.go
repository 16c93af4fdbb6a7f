package topo

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// Network is a file's network while it runs.
type Network struct {
	Lab *lab.Lab

	file     *File
	nodes    map[*node]*lab.Node
	switches map[*swtch]*lab.Switch
	links    map[*cable]*lab.Link
	flows    map[*flow]*flowRun
	tunnels  map[*end]*vimage.Interface
	at       map[*end]*vimage.Interface // interfaces that are not where their links were made
	owner    map[*vnet.Stack]*node
	ports    map[link.Port]bool // that interfaces have now, while the network is saved
	gone     []*node            // jails that are no more, until nothing is at them
	lost     *unsaid            // what of the network went with something else
	sinks    map[*sink]*sinkRun
	began    time.Time
	started  bool
	ran      time.Duration
	stopped  atomic.Bool

	// live is held while the network changes, and while it is looked at: it guards what
	// stands above, but for what is done by packets and timers, and file. It comes before
	// every other lock.
	live sync.RWMutex

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
		sinks: make(map[*sink]*sinkRun), flows: make(map[*flow]*flowRun), tunnels: make(map[*end]*vimage.Interface),
		at: make(map[*end]*vimage.Interface), owner: make(map[*vnet.Stack]*node), lost: new(unsaid),
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
	n.adopt(f.world, "vnet0")
	if err := n.configure(f.world); err != nil {
		return f.wrong(f.world.name.line, err)
	}
	for _, s := range append(slices.Clone(f.nodes), f.world) {
		if err := n.addJails(s); err != nil {
			return err
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
	if err := n.addOthers(); err != nil {
		return err
	}
	for s := range f.stacks() {
		for _, r := range s.routes {
			if err := n.addRoute(s, r); err != nil {
				return f.wrong(r.line, err)
			}
		}
	}
	for s := range f.stacks() {
		if err := n.addMulticast(s); err != nil {
			return err
		}
	}
	if err := n.followRoutes(); err != nil {
		return err
	}
	return n.openSockets()
}

// followRoutes gives every node the routes that routing: auto means.
func (n *Network) followRoutes() error {
	if !n.file.auto {
		return nil
	}
	if err := n.Lab.FollowRoutes(n.labNodes()); err != nil {
		return fmt.Errorf("%s: routing: auto: %w", n.file.name, err)
	}
	return nil
}

// labNodes returns the nodes in the file's order.
func (n *Network) labNodes() []*lab.Node {
	all := make([]*lab.Node, len(n.file.nodes))
	for i, s := range n.file.nodes {
		all[i] = n.nodes[s]
	}
	return all
}

func (n *Network) addNode(s *node) error {
	h, err := n.Lab.AddNode(s.name.s, lab.NodeConfig{Router: s.router, FIBs: s.fibs, Shards: s.shards, Autoconf: s.autoconf})
	if err != nil {
		return err
	}
	n.nodes[s] = h
	n.owner[h.Internal()] = s
	return n.configure(s)
}

// configure gives a stack what it has beside its interfaces.
func (n *Network) configure(s *node) error {
	h := n.nodes[s]
	if s.fibs > h.FIBs() {
		if err := h.SetFIBs(s.fibs); err != nil {
			return err
		}
	}
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
	if len(s.loopback) == 0 {
		return nil
	}
	lo, err := h.Interface("lo0")
	for _, a := range s.loopback {
		if err == nil {
			err = lo.AddAddr(netip.PrefixFrom(a.ip, a.bits))
		}
	}
	return err
}

func (n *Network) addSwitch(s *swtch, within *lab.Switch) error {
	sw, err := n.Lab.AddSwitch(s.name.s, lab.SwitchConfig{BridgeConfig: s.cfg, Subnet: s.seg.subnet.Prefix, Subnet6: s.seg.subnet6.Prefix, Within: within})
	n.switches[s] = sw
	return err
}

// endpoint returns what a link's end is plugged into, its first IPv4 address, and what
// it advertises.
func (n *Network) endpoint(e *end) (h lab.Endpoint, a netip.Prefix, says *vimage.RouterConfig, c lab.EndConfig) {
	if e.sw != nil {
		return n.switches[e.sw], a, nil, c
	}
	if i := e.iface; i != nil {
		c = lab.EndConfig{MAC: i.mac, MTU: i.mtu, Down: i.down}
		if i.exact {
			c.Addrs = append(append([]netip.Prefix{}, e.addrs...), e.six...)
		}
	}
	if s := e.maker(); s != e.node {
		c.Addrs, c.Down, c.Name = []netip.Prefix{}, true, n.freeName(s, endIndex(e))
		return n.nodes[s], a, nil, c // until it is lent
	}
	c.Name = e.name
	if len(e.addrs) > 0 {
		a = e.addrs[0]
	}
	for _, d := range e.link.adverts {
		if d.end == e {
			says = &d.says
		}
	}
	return n.nodes[e.node], a, says, c
}

// freeName returns a name that no interface of a node has, another for the link's other end.
func (n *Network) freeName(s *node, end int) string {
	v := n.stack(s).View()
	for k := end; ; k += 2 {
		if name := "lent" + strconv.Itoa(k); v.Named(name) == nil {
			return name
		}
	}
}

// firstFIB returns the table of the interface where it is made.
func (e *end) firstFIB() int {
	if e.node != nil && e.node != e.maker() {
		return 0
	}
	return e.fib
}

func (n *Network) addLink(l *cable) error {
	cfg := lab.LinkConfig{
		Name: l.name.s, MTU: l.mtu, FaultConfig: l.dirs[link.AtoB],
		FIBA: l.ends[0].firstFIB(), FIBB: l.ends[1].firstFIB(), A6: l.ends[0].six, B6: l.ends[1].six,
		PortA: l.ends[0].port, PortB: l.ends[1].port,
	}
	var a, b lab.Endpoint
	a, cfg.A, cfg.AdvertiseA, cfg.EndA = n.endpoint(&l.ends[0])
	b, cfg.B, cfg.AdvertiseB, cfg.EndB = n.endpoint(&l.ends[1])
	if l.ends[0].sw == nil && l.ends[1].sw == nil {
		cfg.Subnet, cfg.Subnet6 = l.ends[0].seg.subnet.Prefix, l.ends[0].seg.subnet6.Prefix
	}
	made, err := n.Lab.AddLink(a, b, cfg)
	if err != nil {
		return err
	}
	n.links[l] = made
	if l.dirs[0] != l.dirs[1] {
		if err := made.SetFaults(link.BtoA, l.dirs[link.BtoA]); err != nil {
			return err
		}
	}
	for i := range l.ends {
		if err := n.finishEnd(&l.ends[i]); err != nil {
			return err
		}
	}
	return nil
}

// finishEnd gives a new interface what a link is not told of it.
func (n *Network) finishEnd(e *end) error {
	if e.node == nil {
		return nil
	}
	lent := e.maker() != e.node
	if lent {
		if err := n.lend(e); err != nil {
			return err
		}
	}
	e.was = n.conf(e).Iface
	ifi := n.iface(e)
	if !e.exact() && !lent && len(e.addrs) > 0 {
		for _, more := range e.addrs[1:] {
			if err := ifi.AddAddr(more); err != nil {
				return err
			}
		}
	}
	if e.querier() {
		if err := ifi.SetQuerier(true); err != nil {
			return err
		}
	}
	if e.iface == nil {
		return nil
	}
	return n.finishInterface(ifi, e.iface)
}

func (n *Network) addRoute(s *node, r *route) error {
	st, err := n.nodes[s].FIB(r.fib)
	if err != nil {
		return err
	}
	vr := vimage.Route{Dst: r.dst, Gateway: r.gateway, MTU: r.mtu, Metric: uint32(r.metric), Reject: r.reject, Blackhole: r.blackhole}
	switch {
	case r.out != nil:
		vr.Interface = n.iface(r.out).Name()
	case r.iface.line != 0:
		vr.Interface = r.iface.s
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
	}
	for _, f := range n.file.flows {
		r, err := n.openFlow(f)
		if err != nil {
			return n.file.wrong(f.line, err)
		}
		n.flows[f] = r
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
