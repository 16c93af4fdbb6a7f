package topo

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
)

// jail is a jail in a node, or in jail 0. That of the node itself has no name.
type jail struct {
	name   text
	params []vimage.JailParam
	own    *node // its stack, nil where it shares the one of the jail it is in
}

// jailParams reads parameters of a node's own jail.
func (d *decoder) jailParams(name string, v *yaml.Node, j *jail) {
	d.mapping(name, v, "{PARAMETER: VALUE, …}", func(k, v *yaml.Node) { d.jailParam(k, v, j) })
}

func (d *decoder) jailParam(k, v *yaml.Node, j *jail) {
	s := v.Value
	if v.Kind != yaml.ScalarNode || null(v) {
		d.at(v.Line, "%s is %s: write the parameter's value, in quotes if it is none", k.Value, kind(v))
		return
	}
	j.params = append(j.params, vimage.JailParam{Name: k.Value, Value: s})
}

// jails reads the jails in a node.
func (d *decoder) jails(name string, v *yaml.Node, n *node) {
	d.mapping(name, v, "{NAME: {PARAMETER: VALUE, …}, …}", func(k, v *yaml.Node) {
		j := &jail{name: text{k.Value, k.Line}}
		n.jails = append(n.jails, j)
		if null(v) {
			return
		}
		own := newNode(text{n.inside(j.name.s), k.Line}, n)
		var first text // of what is said of the stack
		keys := d.stackKeys(own)
		d.mapping("jail "+k.Value, v, "{PARAMETER: VALUE, …}", func(k, v *yaml.Node) {
			if i := slices.IndexFunc(keys, func(o key) bool { return o.name == k.Value }); i >= 0 {
				if first.line == 0 {
					first = text{k.Value, k.Line}
				}
				keys[i].to(k.Value, v)
				return
			}
			d.jailParam(k, v, j)
		})
		switch c, err := vimage.ParseJail(j.params...); {
		case err != nil: // noted later
		case c.VNET:
			j.own = own
		case first.line != 0:
			d.at(first.line, "%s is of a stack, and the jail %s has none of its own: write vnet: new", first.s, k.Value)
		}
	})
}

// inside returns what a jail in a node is called in the whole network.
func (n *node) inside(jail string) string {
	if n.name.s == world {
		return jail
	}
	return n.name.s + "." + jail
}

// world is the name of jail 0.
const world = "0"

// stacks returns all that have a stack: hosts, routers, jail 0, and the jails that have one
// of their own, behind who they are in.
func (f *File) stacks() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		all := func(n *node) bool {
			if !yield(n) {
				return false
			}
			for _, j := range n.jails {
				if j.own != nil && !yield(j.own) {
					return false
				}
			}
			return true
		}
		for _, n := range f.nodes {
			if !all(n) {
				return
			}
		}
		if f.world != nil {
			all(f.world)
		}
	}
}

// top returns the host or router that a jail with a stack of its own is in, jail 0 where it is
// in none; others are that themselves.
func (n *node) top() *node {
	if n.host != nil {
		return n.host
	}
	return n
}

// jailed looks at the jails of a node.
func (c *checker) jailed(n *node) {
	if _, err := vimage.ParseJail(n.jail.params...); err != nil {
		c.at(n.name.line, "the jail of %s: %v", n.name.s, err)
	}
	had := make(map[string]bool)
	for _, j := range n.jails {
		up := ""
		if at := strings.LastIndexByte(j.name.s, '.'); at >= 0 {
			up = j.name.s[:at]
		}
		switch {
		case !goodName(j.name.s) || strings.HasSuffix(j.name.s, "."):
			c.at(j.name.line, "a jail has the name %q: a name is letters, digits, underlines and hyphens, behind that of the jail it is in and a dot", j.name.s)
		case up != "" && !had[up]:
			c.at(j.name.line, "the jail %s is in %s, which is not there before it", j.name.s, up)
		}
		had[j.name.s] = true
		cfg, err := vimage.ParseJail(j.params...)
		switch {
		case err != nil:
			c.at(j.name.line, "the jail %s: %v", j.name.s, err)
		case len(cfg.Interfaces) > 0:
			c.at(j.name.line, "the jail %s has a vnet.interface: have a link, or a tunnel, end at %s instead", j.name.s, n.inside(j.name.s))
		}
	}
}

// addJails makes the jails of a node.
func (n *Network) addJails(s *node) error {
	if len(s.jail.params)+len(s.jails) == 0 {
		return nil // to ask for its jail makes it
	}
	// There may be more jails than are allowed: they were there before somebody said so.
	top, most := n.nodes[s].Jail(), len(s.jails)
	allowed := make([]int, len(s.jails))
	for i, j := range s.jails {
		c, _ := vimage.ParseJail(j.params...)
		allowed[i] = c.ChildrenMax
		most = min(most+c.ChildrenMax, math.MaxInt32)
	}
	if top.ID() != 0 {
		if err := top.Set(childrenMax(most)); err != nil {
			return n.file.wrong(s.name.line, err)
		}
	}
	for _, j := range s.jails {
		if err := n.addJail(top, j, most); err != nil {
			return n.file.wrong(j.name.line, err)
		}
	}
	for i, j := range slices.Backward(s.jails) {
		if err := top.Find(j.name.s).Set(childrenMax(allowed[i])); err != nil {
			return n.file.wrong(j.name.line, err)
		}
	}
	if top.ID() == 0 {
		return nil
	}
	return n.file.wrong(s.name.line, top.Set(append([]vimage.JailParam{childrenMax(0)}, s.jail.params...)...))
}

func childrenMax(n int) vimage.JailParam {
	return vimage.JailParam{Name: "children.max", Value: strconv.Itoa(n)}
}

// addJail makes a jail, in which there may be most for now.
func (n *Network) addJail(in *vimage.Jail, j *jail, most int) error {
	name := j.name.s
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		top := in
		if in = top.Find(name[:at]); in == nil {
			return fmt.Errorf("there is no jail %s", name[:at])
		}
		name = name[at+1:]
	}
	c, err := vimage.ParseJail(j.params...)
	if err != nil {
		return err
	}
	c.Name, c.Persist, c.ChildrenMax = name, true, most
	if j.own != nil && j.own.shards > 1 {
		c.Shards = j.own.shards
	}
	made, err := in.Create(c)
	if err != nil || j.own == nil {
		return err
	}
	n.adopt(j.own, made.Name())
	return n.configure(j.own)
}

// adopt notes the stack of a jail.
func (n *Network) adopt(s *node, jail string) {
	st := n.Lab.World.Stack(jail)
	n.nodes[s] = n.Lab.Within(st)
	n.owner[st.Internal()] = s
}

// refreshJails notes the jails of a node; for u, which is told of those that a file cannot
// have, all there is to say of them.
func (n *Network) refreshJails(s *node, u *unsaid) {
	top := n.nodes[s].Jail()
	if top == nil {
		return
	}
	if u != nil {
		s.jail.params = changedParams(top, "vnet", "persist")
	}
	s.jails = nil
	n.refreshBelow(s, top, u)
}

func (n *Network) refreshBelow(s *node, top *vimage.Jail, u *unsaid) {
	for _, j := range top.Children() {
		st := n.Lab.World.Stack(j.Name())
		if s.name.s == world && n.Lab.Node(j.Name()) != nil {
			continue
		}
		as := &jail{name: text{j.Name(), 1}}
		if s.name.s != world {
			as.name.s = strings.TrimPrefix(j.Name(), s.name.s+".")
		}
		if st != nil {
			as.own = n.owner[st.Internal()]
		}
		if u != nil {
			as.params = changedParams(j, "persist")
			if !j.Config().Persist {
				u.add("that the jail %s lasts as long as somebody is in it: a file's jails persist", j.Name())
			}
		}
		s.jails = append(s.jails, as)
		n.refreshBelow(s, j, u)
	}
}

// changedParams returns the parameters of a jail that are not what they are without being
// said.
func changedParams(j *vimage.Jail, but ...string) (all []vimage.JailParam) {
	but = append(but, "jid", "name", "parent", "dying", "children.cur", "vnet.interface")
	without := map[string]string{"vnet": "inherit", "ip4": "inherit", "ip6": "inherit", "children.max": "0", "exec.fib": "0", "allow.raw_sockets": "0", "allow.socket_af": "0"}
	for _, p := range j.Params() {
		if !slices.Contains(but, p.Name) && p.Value != without[p.Name] {
			all = append(all, p)
		}
	}
	return all
}

// put adds the parameters of a jail.
func (j *jail) put(m *mapping) {
	for _, p := range j.params {
		m.put(p.Name, word(p.Value))
	}
}
