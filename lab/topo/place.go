package topo

import (
	"fmt"
	"net/netip"

	"github.com/seed88948545/vimage/lab"
)

// Place is a switch of a network that a program may plug more into, and what it
// must know to choose addresses.
type Place struct {
	Switch    *lab.Switch
	Net, Net6 netip.Prefix        // Net6 is invalid where there is no IPv6
	Taken     map[netip.Addr]bool // what nodes have that are there
}

// Place returns the switch of that name, the file's first if it is empty.
func (n *Network) Place(name string) (*Place, error) {
	n.live.RLock()
	defer n.live.RUnlock()
	var all []string
	for _, s := range n.file.switches {
		if name == "" || s.name.s == name {
			p := &Place{Switch: n.switches[s], Net: s.seg.subnet.Prefix, Net6: s.seg.subnet6.Prefix, Taken: make(map[netip.Addr]bool)}
			for a := range s.seg.taken {
				p.Taken[a] = true
			}
			return p, nil
		}
		all = append(all, s.name.s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no switch", n.file.name)
	}
	return nil, fmt.Errorf("%s has no switch %q: %s", n.file.name, name, OneOf("its switches", all, name))
}
