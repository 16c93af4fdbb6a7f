package link

import "net/netip"

// Members returns the ports, by number, where somebody has reported that it
// listens to the group from the source; from any source where source is not
// valid. A switch that does not snoop knows none.
func (b *Bridge) Members(group, source netip.Addr) []int {
	now := b.sched.Clock().Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []int
	for n, p := range b.ports {
		if p != nil && b.engine.Wants(now, int32(n), group, source) {
			all = append(all, n)
		}
	}
	return all
}
