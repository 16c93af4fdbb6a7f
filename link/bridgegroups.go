package link

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/proto/bridge"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// RouterPort says whether a port of a switch leads to a multicast router, and so
// gets all multicast and all reports.
type RouterPort uint8

// Router ports.
const (
	// RouterLearn: while a router is heard there (RFC 4541 §2.1.1, 1).
	RouterLearn RouterPort = RouterPort(bridge.RouterLearn)
	// RouterAlways: configured to (RFC 4541 §2.1.1, 1c).
	RouterAlways RouterPort = RouterPort(bridge.RouterAlways)
	// RouterNever: whatever is heard there.
	RouterNever RouterPort = RouterPort(bridge.RouterNever)
)

// PortConfig says how a port of a switch differs from others. The zero value is
// a port like all.
type PortConfig struct {
	Name         string     // what lists call it; "" means "port" and its number
	Router       RouterPort // both families'
	FastLeave    bool       // one host is behind it: its leave counts at once
	FloodUnknown bool       // gets multicast that nobody has reported (RFC 4541 §2.1.2, 3)
	FloodReports bool       // gets reports: somebody watches there (RFC 4541 §2.1.1, 1)
	MaxGroups    int        // 0: the switch's, as with the next
	MaxSources   int
}

func (c *PortConfig) options() bridge.PortOptions {
	return bridge.PortOptions{Router: bridge.RouterMode(c.Router), FastLeave: c.FastLeave, FloodUnknown: c.FloodUnknown,
		FloodReports: c.FloodReports, MaxGroups: limit(c.MaxGroups), MaxSources: limit(c.MaxSources)}
}

// PortState is a port of a switch. Its number is its own until it is detached,
// and then another's.
type PortState struct {
	Number  int
	Name    string
	Up      bool          // something is plugged in
	Router4 bool          // leads to a router of IPv4
	Router6 bool          // of IPv6
	Left4   time.Duration // until it does not any more; 0 if it was configured
	Left6   time.Duration
	Groups  int    // that somebody behind it listens to, of both families
	Refused uint64 // records of reports that a limit refused, in whole or in part
}

// GroupState is a group that hosts behind a port listen to, as they have
// reported it: RFC 3376 §6.2, RFC 3810 §7.2.
type GroupState struct {
	Group   netip.Addr
	Exclude bool          // the filter mode
	Left    time.Duration // of the group timer, in EXCLUDE mode
	Sources []SourceState // sorted
}

// SourceState is a source of a group, and how much of its timer is left. One
// with no time left is not forwarded, in EXCLUDE mode.
type SourceState struct {
	Source netip.Addr
	Left   time.Duration
}

// Ports returns the ports of the switch, by number.
func (b *Bridge) Ports() []PortState {
	now := b.sched.Clock().Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]PortState, 0, len(b.ports)-len(b.free))
	at := make([]int, len(b.ports)) // of a number in list
	for n, p := range b.ports {
		if p != nil {
			at[n] = len(list)
			list = append(list, PortState{Number: n, Name: p.name(), Up: p.up,
				Groups: b.engine.NumGroups(p.n), Refused: b.engine.Refused(p.n)})
		}
	}
	for _, r := range b.engine.RouterPorts(now) {
		if p := &list[at[r.Port]]; r.IPv6 {
			p.Router6, p.Left6 = true, r.Left
		} else {
			p.Router4, p.Left4 = true, r.Left
		}
	}
	return list
}

// RouterPorts returns the ports that lead to multicast routers of either family.
func (b *Bridge) RouterPorts() []PortState {
	var list []PortState
	for _, p := range b.Ports() {
		if p.Router4 || p.Router6 {
			list = append(list, p)
		}
	}
	return list
}

// Groups returns what is known of the groups of a port, sorted, those of IPv4
// first; nil if there is no such port. A switch that does not snoop knows none.
func (b *Bridge) Groups(port int) []GroupState {
	now := b.sched.Clock().Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if port < 0 || port >= len(b.ports) || b.ports[port] == nil {
		return nil
	}
	known := b.engine.Groups(now, int32(port))
	list := make([]GroupState, len(known))
	for i, g := range known {
		list[i] = groupState(g)
	}
	return list
}

func groupState(g gmp.GroupState) GroupState {
	s := GroupState{Group: g.Group, Exclude: g.Mode == mcast.Exclude, Left: g.Left}
	for _, src := range g.Sources {
		s.Sources = append(s.Sources, SourceState(src))
	}
	return s
}

// name is what lists call the port.
func (p *bridgePort) name() string {
	if p.cfg == nil || p.cfg.Name == "" {
		return fmt.Sprintf("port%d", p.n)
	}
	return p.cfg.Name
}

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
