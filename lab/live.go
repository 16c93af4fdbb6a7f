package lab

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed88948545/vimage/link"
)

// named returns who has a name, or nil.
func (n *Lab) named(name string) endpoint {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.byName[name]
}

// Nodes returns the hosts and routers in order of creation.
func (n *Lab) Nodes() []*Node {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Clone(n.nodes)
}

// Switches returns the switches in order of creation.
func (n *Lab) Switches() []*Switch {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Clone(n.switched)
}

// Links returns the links in order of creation.
func (n *Lab) Links() []*Link {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Clone(n.links)
}

// Node returns the host or router of that name, or nil.
func (n *Lab) Node(name string) *Node {
	h, _ := n.named(name).(*Node)
	return h
}

// FindSwitch returns the switch of that name, or nil.
func (n *Lab) FindSwitch(name string) *Switch {
	s, _ := n.named(name).(*Switch)
	return s
}

// FindLink returns the link of that name, the first where several have it, or nil.
func (n *Lab) FindLink(name string) *Link {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if i := slices.IndexFunc(n.links, func(l *Link) bool { return l.name == name }); i >= 0 {
		return n.links[i]
	}
	return nil
}

// Links returns the node's links, in order: its interface on the i-th is Eth(i).
func (h *Node) Links() []*Link {
	return h.lab.at(func(e *End) bool { return e.Node == h })
}

// Links returns the links that end at the switch, in order.
func (s *Switch) Links() []*Link {
	return s.lab.at(func(e *End) bool { return e.Switch == s })
}

// at returns the links one of whose ends is meant.
func (n *Lab) at(meant func(e *End) bool) (all []*Link) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, l := range n.links {
		if meant(&l.ends[0]) || meant(&l.ends[1]) {
			all = append(all, l)
		}
	}
	return all
}

// errNotHere is why nothing can be removed that is no part of the lab.
var errNotHere = errors.New("is no part of the lab, or no longer")

// RemoveLink removes a link. With it go the interfaces at its ends, wherever they have
// been moved, with their addresses, neighbours, memberships, and the routes that lead
// by them; and the ports of switches. What is under way on it is lost, its recording
// ends. Addresses and a subnet that the lab gave are given again once there are no
// others left.
func (n *Lab) RemoveLink(l *Link) error {
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	return n.removeLink(l)
}

func (n *Lab) removeLink(l *Link) error {
	n.mu.Lock()
	i := slices.Index(n.links, l)
	if i >= 0 {
		n.links = slices.Delete(n.links, i, i+1)
	}
	n.mu.Unlock()
	if i < 0 {
		return fmt.Errorf("link %s %w", l.name, errNotHere)
	}
	n.unlink(l)
	n.divide(l)
	return nil
}

// unlink takes apart what there is of a link.
func (n *Lab) unlink(l *Link) {
	for i := range l.ends {
		e := &l.ends[i]
		if e.port != nil {
			n.unplug(e)
		}
		if e.joined != nil {
			e.joined.Detach()
		}
	}
	if f := l.Fault(); f != nil {
		f.Close()
	}
	if l.capture != nil {
		n.untraced(l)
		l.capture.Close() // an error is the writer's, which says it again at its end
	}
	n.dropSubnet(l.subnet)
}

// unplug removes the interface at a node's end of a link.
func (n *Lab) unplug(e *End) {
	h, p := e.Node, e.port
	n.mu.Lock()
	h.ports = slices.DeleteFunc(h.ports, func(o *nodePort) bool { return o == p })
	n.mu.Unlock()
	h.auto.stale, h.eth = true, 0
	if p.conf() == nil || p.iface().Remove() != nil { // it has been removed, or moved to another stack
		n.removeMoved(p.plug)
	}
	p.subnet.takeBack(p)
}

// removeMoved removes the interface that is plugged into a port, wherever it is.
func (n *Lab) removeMoved(p link.Port) {
	for _, st := range n.World.Stacks() {
		for i := range st.Internal().Interfaces() {
			if c := st.Internal().View().Conf(i.Index); c == nil || c.Port != p {
				continue
			}
			if ifi, err := st.Interface(i.Name); err == nil {
				ifi.Remove()
			}
			return
		}
	}
}

// RemoveNode removes a host or router: its links, as RemoveLink does, and its stack with
// its sockets, its tunnels and the jails in it. What was lent to them goes back.
func (n *Lab) RemoveNode(h *Node) error {
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	if n.named(h.Name()) != endpoint(h) {
		return fmt.Errorf("node %s %w", h.Name(), errNotHere)
	}
	for _, l := range h.Links() {
		if err := n.removeLink(l); err != nil {
			return err
		}
	}
	if err := h.Stack.Close(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes = slices.DeleteFunc(n.nodes, func(o *Node) bool { return o == h })
	delete(n.byName, h.Name())
	return nil
}

// RemoveSwitch removes a switch with its links, as RemoveLink does: what hung on it is
// without that link then.
func (n *Lab) RemoveSwitch(s *Switch) error {
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	if n.named(s.named) != endpoint(s) {
		return fmt.Errorf("switch %s %w", s.named, errNotHere)
	}
	for _, l := range s.Links() {
		if err := n.removeLink(l); err != nil {
			return err
		}
	}
	s.br.Close()
	n.mu.Lock()
	n.switched = slices.DeleteFunc(n.switched, func(o *Switch) bool { return o == s })
	delete(n.byName, s.named)
	shared := slices.ContainsFunc(n.switched, func(o *Switch) bool { return o.subnet == s.subnet })
	n.mu.Unlock()
	if !shared {
		n.dropSubnet(s.subnet)
	}
	return nil
}

// SetWithin makes a switch on which nothing hangs part of another one's subnets, as
// SwitchConfig.Within does. It returns an error where something hangs on it.
func (s *Switch) SetWithin(o *Switch) error {
	n := s.lab
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	if len(s.Links()) > 0 {
		return fmt.Errorf("switch %s has links, whose ends have addresses of its own subnet: remove them first", s.named)
	}
	n.mu.Lock()
	old := s.subnet
	s.subnet = o.subnet
	shared := slices.ContainsFunc(n.switched, func(o *Switch) bool { return o.subnet == old })
	n.mu.Unlock()
	if !shared {
		n.dropSubnet(old)
	}
	return nil
}

// divide makes two subnets of one, with the same prefixes, where a link between two
// switches that is gone was all that held them together.
func (n *Lab) divide(l *Link) {
	a, b := l.ends[0].Switch, l.ends[1].Switch
	if a == nil || b == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	far := map[*Switch]bool{b: true}
	for grown := true; grown; {
		grown = false
		for _, o := range n.links {
			x, y := o.ends[0].Switch, o.ends[1].Switch
			if x != nil && y != nil && far[x] != far[y] {
				far[x], far[y], grown = true, true, true
			}
		}
	}
	if far[a] {
		return
	}
	part := *b.subnet
	part.number = 0 // the other part's to give back
	part.prefix.back, part.prefix6.back = slices.Clone(part.prefix.back), slices.Clone(part.prefix6.back)
	for s := range far {
		s.subnet = &part
	}
	for _, o := range n.links {
		for i, e := range o.ends {
			if e.port != nil && far[o.ends[1-i].Switch] {
				e.port.subnet = &part
			}
		}
	}
}

// Fault returns the link's faults, nil where it never had any: see SetFaults.
func (l *Link) Fault() *link.Fault {
	l.lab.mu.RLock()
	defer l.lab.mu.RUnlock()
	return l.fault
}

// Faults returns what happens to what goes from the first end to the second, or the
// other way.
func (l *Link) Faults(dir link.FaultDir) link.FaultConfig {
	if f := l.Fault(); f != nil {
		return f.Config(dir)
	}
	return link.FaultConfig{}
}

// SetFaults changes what happens to what goes from the first end to the second, or the
// other way: see link.Fault.Set. A perfect cable becomes one with faults, and costs
// what these cost, also once they are zero again; it loses nothing by that. A Seed of 0
// stays what it was.
func (l *Link) SetFaults(dir link.FaultDir, c link.FaultConfig) error {
	return l.ChangeFaults(dir, func(old *link.FaultConfig) { *old = c })
}

// ChangeFaults is SetFaults for who wants to change some of them: edit is given what
// happens at present.
func (l *Link) ChangeFaults(dir link.FaultDir, edit func(*link.FaultConfig)) error {
	if err := l.lab.change(); err != nil {
		return err
	}
	defer l.lab.building.Unlock()
	return l.changeFaults(dir, edit)
}

func (l *Link) changeFaults(dir link.FaultDir, edit func(*link.FaultConfig)) error {
	c := l.Faults(dir)
	seed := c.Seed
	edit(&c)
	if c.Seed == 0 {
		c.Seed = seed
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("link %s: %w", l.name, err)
	}
	f, err := l.faulty()
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = f.Config(dir).Seed
	}
	if err := f.Set(dir, c); err != nil {
		return fmt.Errorf("link %s: %w", l.name, err)
	}
	return nil
}

// faulty returns the link's faults, which it has from now on.
func (l *Link) faulty() (*link.Fault, error) {
	n := l.lab
	if f := l.Fault(); f != nil {
		return f, nil
	}
	if !slices.Contains(n.Links(), l) {
		return nil, fmt.Errorf("link %s %w", l.name, errNotHere)
	}
	c := link.FaultConfig{Seed: n.faultSeed(0)}
	f := link.NewFault(n.inner().Sched(), l.mtu, c, c)
	near := f.A()
	if l.ends[0].joined == l.place {
		near = f.B()
	}
	if !f.Insert(l.place, near) {
		return nil, fmt.Errorf("link %s cannot be given faults", l.name)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l.fault = f
	return f, nil
}

// Cut cuts the link, both ways: what is sent, or under way, is lost. Interfaces do not
// notice.
func (l *Link) Cut() error { return l.setDown(true) }

// Heal undoes Cut; the link's other faults are what they were.
func (l *Link) Heal() error { return l.setDown(false) }

func (l *Link) setDown(down bool) error {
	if err := l.lab.change(); err != nil {
		return err
	}
	defer l.lab.building.Unlock()
	if !down && l.Fault() == nil {
		return nil
	}
	for _, dir := range [...]link.FaultDir{link.AtoB, link.BtoA} {
		if err := l.changeFaults(dir, func(c *link.FaultConfig) { c.Down = down }); err != nil {
			return err
		}
	}
	return nil
}
