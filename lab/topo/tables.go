package topo

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// fibs reads how many routing tables a node has, or what they are called.
func (d *decoder) fibs(name string, v *yaml.Node, n *node) {
	if v.Kind != yaml.SequenceNode {
		d.integer(name, &n.fibs, 1, 65536).to(name, v)
		return
	}
	d.list(name, v, func(v *yaml.Node) {
		s, ok := d.scalar("an item of "+name, v, "write a table's name")
		switch {
		case !ok:
		case s == strconv.Itoa(len(n.fibNames)):
			n.fibNames = append(n.fibNames, "")
		case !goodName(s) || !letter(s[0]):
			d.at(v.Line, "a table has the name %q: a name begins with a letter, and is letters, digits, dots, underlines and hyphens", s)
		case slices.Contains(n.fibNames, s):
			d.at(v.Line, "two tables of %s have the name %s: choose another", n.name.s, s)
		default:
			n.fibNames = append(n.fibNames, s)
		}
	})
	if len(v.Content) == 0 || len(v.Content) > 65536 {
		d.at(v.Line, "%s has %d names: write 1 to 65536, or a number", name, len(v.Content))
	}
	n.fibs = max(len(n.fibNames), 1)
}

func letter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// table reads the number or the name of a routing table.
func (d *decoder) table(name string, to *text) key {
	return key{name: name, to: func(name string, v *yaml.Node) {
		if s, ok := d.scalar(name, v, "write the number or the name of a routing table"); ok {
			*to = text{s, v.Line}
		}
	}}
}

// table returns the number of a node's routing table, 0 where the file names none.
func (c *checker) table(n *node, t text) int {
	if n == nil || t.line == 0 {
		return 0
	}
	if i := slices.Index(n.fibNames, t.s); i >= 0 && t.s != "" {
		return i
	}
	i, err := strconv.ParseUint(t.s, 10, 16)
	if err != nil || int(i) >= n.fibs {
		c.at(t.line, "%s has no FIB %s: it has %s", n.name.s, t.s, n.tables())
	}
	return int(i)
}

// tableNames returns the names of a node's routing tables, the numbers of those without.
func (n *node) tableNames() []string {
	all := slices.Clone(n.fibNames)
	for i, name := range all {
		if name == "" {
			all[i] = strconv.Itoa(i)
		}
	}
	return all
}

// tables names the routing tables of a node.
func (n *node) tables() string {
	switch {
	case len(n.fibNames) > 8:
		return strings.Join(n.tableNames()[:8], ", ") + ", …"
	case len(n.fibNames) > 0:
		return strings.Join(n.tableNames(), ", ")
	case n.fibs == 1:
		return "only 0; fibs: 2 gives it another"
	}
	return "0 to " + strconv.Itoa(n.fibs-1)
}
