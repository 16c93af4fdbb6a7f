package bridge

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// RouterMode says whether a port leads to a multicast router.
type RouterMode uint8

const (
	RouterLearn  RouterMode = iota // while a router is heard there
	RouterAlways                   // RFC 4541 §2.1.1, 1c
	RouterNever                    // whatever is heard there
)

// PortOptions are how one port differs from others. The zero value is a port like
// all.
type PortOptions struct {
	Router       RouterMode
	FastLeave    bool  // one host is behind it: a leave counts at once
	FloodUnknown bool  // gets groups that nobody reported (RFC 4541 §2.1.2, 3)
	FloodReports bool  // gets reports: somebody watches there (RFC 4541 §2.1.1, 1)
	MaxGroups    int32 // 0: that of Tunables, as the next
	MaxSources   int32
}

// Configure says how an attached port is treated from now on; what is known of it
// stays. DropPort ends it.
func (b *Bridge) Configure(n int32, o PortOptions) {
	if !b.attached(n) {
		return
	}
	b.ports.At(n).make().opt = o
	b.unknown = with(b.unknown, n, o.FloodUnknown)
	b.reports = with(b.reports, n, o.FloodReports)
	b.v4.configure(n, o.Router)
	b.v6.configure(n, o.Router)
}

// with returns a short list with the port, or without it.
func with(list []int32, n int32, on bool) []int32 {
	i := slices.Index(list, n)
	switch {
	case on && i < 0:
		return append(list, n)
	case !on && i >= 0:
		return slices.Delete(list, i, i+1)
	}
	return list
}

// Refused returns how many records from a port a limit refused, in whole or in
// part, since it was attached.
func (b *Bridge) Refused(n int32) uint64 {
	if !b.attached(n) {
		return 0
	}
	if odd := b.ports.At(n).odd; odd != nil {
		return odd.refused
	}
	return 0
}

// NumGroups returns how many groups of both families are known of a port.
func (b *Bridge) NumGroups(n int32) int { return b.v4.numGroups(n) + b.v6.numGroups(n) }

func (s *side[A]) numGroups(n int32) (count int) {
	for g := s.db.First(n); g != nil; g = g.Next() {
		count++
	}
	return count
}

// RouterPort is a port that leads to routers of one family.
type RouterPort struct {
	Port int32
	IPv6 bool
	Left time.Duration // until it does not any more; 0 if it was configured
}

// RouterPorts returns the ports that lead to routers, by family and number.
func (b *Bridge) RouterPorts(now clock.Time) []RouterPort {
	return append(b.v4.routerPorts(now, false), b.v6.routerPorts(now, true)...)
}

func (s *side[A]) routerPorts(now clock.Time, six bool) []RouterPort {
	var list []RouterPort
	for _, n := range slices.Sorted(slices.Values(s.routers)) {
		r := RouterPort{Port: n, IPv6: six}
		if p := &s.ports[n]; p.mode == RouterLearn {
			if r.Left = p.until.Sub(now); r.Left <= 0 {
				continue
			}
		}
		list = append(list, r)
	}
	return list
}
