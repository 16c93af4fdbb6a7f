package topo

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
)

// jail is a jail in a node, which shares its stack. That of the node itself has no name.
type jail struct {
	name   text
	params []vimage.JailParam
}

// jailParams reads parameters of a jail.
func (d *decoder) jailParams(name string, v *yaml.Node, j *jail) {
	d.mapping(name, v, "{PARAMETER: VALUE, …}", func(k, v *yaml.Node) {
		s := v.Value
		if v.Kind != yaml.ScalarNode || null(v) {
			d.at(v.Line, "%s is %s: write the parameter's value, in quotes if it is none", k.Value, kind(v))
			return
		}
		j.params = append(j.params, vimage.JailParam{Name: k.Value, Value: s})
	})
}

// jails reads the jails of a node.
func (d *decoder) jails(name string, v *yaml.Node, n *node) {
	d.mapping(name, v, "{NAME: {PARAMETER: VALUE, …}, …}", func(k, v *yaml.Node) {
		j := &jail{name: text{k.Value, k.Line}}
		n.jails = append(n.jails, j)
		if !null(v) {
			d.jailParams("jail "+k.Value, v, j)
		}
	})
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
		case cfg.VNET || len(cfg.Interfaces) > 0:
			c.at(j.name.line, "the jail %s has a stack of its own: a file's jails share that of their node", j.name.s)
		}
	}
}

// addJails makes the jails of a node.
func (n *Network) addJails(s *node) error {
	top := n.nodes[s].Jail()
	if len(s.jail.params) > 0 {
		if err := top.Set(s.jail.params...); err != nil {
			return n.file.wrong(s.name.line, err)
		}
	}
	for _, j := range s.jails {
		in, name := top, j.name.s
		if at := strings.LastIndexByte(name, '.'); at >= 0 {
			if in = top.Find(name[:at]); in == nil {
				return n.file.wrong(j.name.line, fmt.Errorf("there is no jail %s", name[:at]))
			}
			name = name[at+1:]
		}
		c, err := vimage.ParseJail(j.params...)
		if err == nil {
			c.Name, c.Persist = name, true
			_, err = in.Create(c)
		}
		if err != nil {
			return n.file.wrong(j.name.line, err)
		}
	}
	return nil
}

// refreshJails notes the jails of a node that a file can have.
func (n *Network) refreshJails(s *node, u *unsaid) {
	top := n.nodes[s].Jail()
	s.jail.params, s.jails = changedParams(top, "vnet", "persist"), nil
	n.refreshBelow(s, top, u)
}

func (n *Network) refreshBelow(s *node, top *vimage.Jail, u *unsaid) {
	for _, j := range top.Children() {
		name := strings.TrimPrefix(j.Name(), s.name.s+".")
		switch c := j.Config(); {
		case c.VNET:
			u.add("%s: the jail %s, which has a stack of its own", s.name.s, j.Name())
		case !c.Persist:
			u.add("%s: the jail %s, which lasts as long as somebody is in it", s.name.s, j.Name())
		default:
			s.jails = append(s.jails, &jail{text{name, 1}, changedParams(j, "vnet", "persist")})
			n.refreshBelow(s, j, u)
		}
	}
}

// changedParams returns the parameters of a jail that are not what they are without being
// said.
func changedParams(j *vimage.Jail, but ...string) (all []vimage.JailParam) {
	but = append(but, "jid", "name", "parent", "dying", "children.cur", "vnet.interface")
	for _, p := range j.Params() {
		without := map[string]string{"ip4": "inherit", "ip6": "inherit", "children.max": "0", "exec.fib": "0", "allow.raw_sockets": "0", "allow.socket_af": "0"}[p.Name]
		if !slices.Contains(but, p.Name) && p.Value != without {
			all = append(all, p)
		}
	}
	return all
}

// jailOf writes the parameters of a jail.
func jailOf(j *jail) *mapping {
	m := new(mapping)
	for _, p := range j.params {
		m.put(p.Name, word(p.Value))
	}
	return m
}
