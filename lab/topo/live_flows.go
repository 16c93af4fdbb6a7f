package topo

import (
	"errors"
	"net/netip"
	"slices"
)

// AddFlow adds a flow and returns its name. spec is what a file says of one. Once the
// network has begun start counts from now.
func (n *Network) AddFlow(spec []byte) (string, error) {
	n.live.Lock()
	defer n.live.Unlock()
	p := describe("flow", spec)
	f := p.flow(p.root)
	if len(p.List) > 0 {
		return "", p.done()
	}
	n.refresh(nil)
	for _, o := range n.file.flows {
		f.index = max(f.index, o.index+1)
	}
	n.checker(p).traffic(f)
	err := p.done()
	if err == nil {
		err = n.openFor(f)
	}
	if err != nil {
		n.removeFlow(f)
		return "", err
	}
	n.file.flows = append(n.file.flows, f)
	n.recheck()
	if n.started {
		n.flows[f].begin(n.Lab.World.Now())
	}
	return f.name.s, nil
}

// openFor opens the sockets of a flow.
func (n *Network) openFor(f *flow) error {
	if err := n.openSinks(f); err != nil {
		return err
	}
	r, err := n.openFlow(f)
	if err == nil {
		n.flows[f] = r
	}
	return err
}

// needSink opens a sink's socket where that is not open.
func (n *Network) needSink(s *sink) error {
	if n.sinks[s] != nil {
		return nil
	}
	r, err := n.openSink(s)
	if err != nil {
		return err
	}
	n.sinks[s] = r
	if s.join != nil && n.started {
		at := s.join.began
		if at.IsZero() {
			at = n.Lab.World.Now()
		}
		r.begin(at)
	}
	return nil
}

// expect has the sink count what comes of a flow.
func (r *sinkRun) expect(f *flow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flows[uint32(f.index)] == nil {
		r.flows[uint32(f.index)] = new(tally)
	}
}

// followFlows has those receive flows to an address that have it now.
func (n *Network) followFlows() error {
	var errs []error
	for _, f := range n.file.flows {
		if !f.dst.IsValid() || f.dst.IsMulticast() {
			continue
		}
		c := &checker{File: n.file}
		owners := c.owners(f.dst)
		for _, s := range slices.Clone(f.sinks) {
			if !slices.Contains(owners, s.node) {
				n.leave(f, s)
			}
		}
		for _, s := range owners {
			k := sinkKey{s, nil, netip.AddrPortFrom(f.dst, uint16(f.port))}
			if !slices.ContainsFunc(f.sinks, func(o *sink) bool { return o.sinkKey == k }) {
				f.sinks = append(f.sinks, c.sink(k, s.name.s, f))
			}
		}
		errs = append(errs, n.openSinks(f))
	}
	return errors.Join(errs...)
}

// leave has a sink not count a flow any more, and closes it where it counts no other.
func (n *Network) leave(f *flow, s *sink) {
	f.sinks = slices.DeleteFunc(f.sinks, func(o *sink) bool { return o == s })
	s.flows = slices.DeleteFunc(s.flows, func(o *flow) bool { return o == f })
	if r := n.sinks[s]; r != nil {
		r.mu.Lock()
		delete(r.flows, uint32(f.index))
		r.mu.Unlock()
	}
	if len(s.flows) == 0 && (s.join == nil || n.file.sinksOf(s.join) > 1) {
		n.dropSink(s)
	}
}

// openSinks opens the sockets that a flow comes to.
func (n *Network) openSinks(f *flow) error {
	for _, s := range f.sinks {
		if err := n.needSink(s); err != nil {
			return err
		}
		n.sinks[s].expect(f)
	}
	return nil
}

// RemoveFlow ends a flow.
func (n *Network) RemoveFlow(name string) error {
	n.live.Lock()
	defer n.live.Unlock()
	f := n.file.flow[name]
	if f == nil {
		return n.missing("flow", name, (&checker{File: n.file}).flowNames())
	}
	n.removeFlow(f)
	n.recheck()
	return nil
}

// removeFlow ends a flow, or what there is of one.
func (n *Network) removeFlow(f *flow) {
	if r := n.flows[f]; r != nil {
		r.end()
		delete(n.flows, f)
	}
	if n.file.flow[f.name.s] == f {
		delete(n.file.flow, f.name.s)
	}
	n.file.flows = slices.DeleteFunc(n.file.flows, func(o *flow) bool { return o == f })
	for _, s := range slices.Clone(f.sinks) {
		n.leave(f, s)
	}
}

// sinksOf returns how many sockets a join has.
func (f *File) sinksOf(j *join) int {
	n := 0
	for _, s := range f.listed {
		if s.join == j {
			n++
		}
	}
	return n
}

// dropSink closes a socket that receives.
func (n *Network) dropSink(s *sink) {
	if r := n.sinks[s]; r != nil {
		r.end()
		delete(n.sinks, s)
	}
	if n.file.sinks[s.sinkKey] == s {
		delete(n.file.sinks, s.sinkKey)
	}
	n.file.listed = slices.DeleteFunc(n.file.listed, func(o *sink) bool { return o == s })
	for _, f := range s.flows {
		f.sinks = slices.DeleteFunc(f.sinks, func(o *sink) bool { return o == s })
	}
}

// AddJoin adds a join and returns its name. spec is what a file says of one. Once the
// network has begun start and stop count from now.
func (n *Network) AddJoin(spec []byte) (string, error) {
	n.live.Lock()
	defer n.live.Unlock()
	p := describe("join", spec)
	j := p.join(p.root)
	if len(p.List) > 0 {
		return "", p.done()
	}
	n.refresh(nil)
	c := n.checker(p)
	c.member(j)
	err := p.done()
	if err == nil {
		err = n.openJoin(c, j)
	}
	if err != nil {
		n.removeJoin(j)
		return "", err
	}
	n.file.joins = append(n.file.joins, j)
	n.recheck()
	return j.name.s, n.failure()
}

// openJoin opens the sockets of a join: one for each port that flows to its group have,
// or one that only listens.
func (n *Network) openJoin(c *checker, j *join) error {
	for _, f := range n.file.flows {
		if f.dst == j.group.ip {
			s := c.sink(sinkKey{j.node, j, netip.AddrPortFrom(f.dst, uint16(f.port))}, j.name.s, f)
			f.sinks = append(f.sinks, s)
		}
	}
	if n.file.sinksOf(j) == 0 {
		c.listed = append(c.listed, &sink{sinkKey: sinkKey{j.node, j, netip.AddrPortFrom(j.group.ip, 0)}, name: j.name.s})
	}
	for _, s := range slices.Clone(c.listed) {
		if s.join != j {
			continue
		}
		if err := n.needSink(s); err != nil {
			return err
		}
		for _, f := range s.flows {
			n.sinks[s].expect(f)
		}
	}
	return nil
}

// RemoveJoin leaves a group. Joins without a name have that of their host: group, which
// may else be invalid, says which is meant where that has several.
func (n *Network) RemoveJoin(name string, group netip.Addr) error {
	n.live.Lock()
	defer n.live.Unlock()
	var found []*join
	var names []string
	for _, j := range n.file.joins {
		if j.name.s == name && (!group.IsValid() || j.group.ip == group) {
			found = append(found, j)
		}
		names = append(names, j.name.s)
	}
	switch len(found) {
	case 0:
		return n.missing("join", name, names)
	case 1:
		n.removeJoin(found[0])
		n.recheck()
		return nil
	}
	m := &Mistakes{List: []Mistake{{Field: "group", Text: name + " has several joins: say which group"}}}
	return m
}

// removeJoin ends a join, or what there is of one.
func (n *Network) removeJoin(j *join) {
	for _, s := range slices.Clone(n.file.listed) {
		if s.join == j {
			n.dropSink(s)
		}
	}
	if n.file.join[j.name.s] == j {
		delete(n.file.join, j.name.s)
	}
	n.file.joins = slices.DeleteFunc(n.file.joins, func(o *join) bool { return o == j })
}
