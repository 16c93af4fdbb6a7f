package topo

import (
	"fmt"

	"github.com/seed88948545/vimage/lab"
)

// Switch returns the switch of that name, the file's first if it is empty: for
// programs that plug more into the network.
func (n *Network) Switch(name string) (*lab.Switch, error) {
	var all []string
	for _, s := range n.file.switches {
		if name == "" || s.name.s == name {
			return n.switches[s], nil
		}
		all = append(all, s.name.s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no switch", n.file.name)
	}
	return nil, fmt.Errorf("%s has no switch %q: %s", n.file.name, name, oneOf("its switches", all, name))
}
