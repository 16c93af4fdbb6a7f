package topo

import (
	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage/link"
)

// SetLink changes faults of a link, which goes on working. spec has those that are to
// change, as a file has them, for both ways or in toward; none is the absence of one.
func (n *Network) SetLink(name string, spec []byte) error {
	n.live.Lock()
	defer n.live.Unlock()
	p := describe("link "+name, spec)
	l, err := n.linkNamed(name)
	if err != nil {
		return err
	}
	made := n.links[l]
	dirs := [2]link.FaultConfig{made.Faults(link.AtoB), made.Faults(link.BtoA)}
	one := p.patch(l, &dirs)
	if err := p.done(); err != nil {
		return err
	}
	for _, dir := range [...]link.FaultDir{link.AtoB, link.BtoA} {
		if one[dir] {
			if err := made.SetFaults(dir, dirs[dir]); err != nil {
				return err
			}
		}
	}
	l.dirs = dirs
	return n.changed()
}

// patch changes what happens on a link in both directions, and tells in which it did.
func (p *part) patch(l *cable, dirs *[2]link.FaultConfig) (in [2]bool) {
	var ways []*toward
	for i := range dirs {
		keys := append(p.changes(&dirs[i]), key{name: "toward", to: func(name string, v *yaml.Node) {
			if i == 0 {
				p.mapping(name, v, "{NODE: {…}, …}", func(k, v *yaml.Node) {
					ways = append(ways, &toward{at: text{k.Value, k.Line}, value: v})
				})
			}
		}})
		p.object(p.root, "a link", keys...)
		in[i] = len(p.root.Content) > 2*min(len(ways), 1)
		if len(p.List) > 0 {
			return in // once is enough
		}
	}
	for _, t := range ways {
		dir := link.AtoB
		switch l.end(t.at.s) {
		case nil:
			p.at(t.at.line, "%s is not at this link: it is between %s and %s", t.at.s, l.between[0].s, l.between[1].s)
		case &l.ends[0]:
			dir = link.BtoA
		}
		in[dir] = true
		p.object(t.value, "what goes toward "+t.at.s, p.changes(&dirs[dir])...)
	}
	return in
}

// changes makes the keys of faults that may be none.
func (p *part) changes(c *link.FaultConfig) []key {
	keys := p.faults(c)
	for i, k := range keys {
		keys[i].to = func(name string, v *yaml.Node) {
			if v.Kind != yaml.ScalarNode || v.Value != "none" {
				k.to(name, v)
				return
			}
			zero := &yaml.Node{Kind: yaml.ScalarNode, Value: "0", Line: v.Line}
			switch name {
			case "rate":
				c.Rate = 0
			case "queue":
				c.Queue = 0
			case "limit":
				c.Limit = 0
			case "corrupt_bits":
				c.CorruptBits = 0
			case "reorder_gap":
				c.ReorderGap = 0
			case "down", "jitter_reorders":
				zero.Value = "false"
				k.to(name, zero)
			default:
				k.to(name, zero)
			}
		}
	}
	return keys
}
