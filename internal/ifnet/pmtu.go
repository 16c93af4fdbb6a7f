package ifnet

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/pmtu"
	"github.com/seed88948545/vimage/internal/table"
)

// PathMTUs is what a stack knows of the paths of IPv6. It is made at the first packet
// too big, and read without a lock.
type PathMTUs struct {
	known atomic.Pointer[pathMTUs]
}

type pathMTUs struct {
	pmtu.Table
	mu sync.Mutex // a leaf: messages may come to any shard
}

// TooBig takes note of a message about a packet of ours to dst, which came by the
// interface with index scope.
func (m *PathMTUs) TooBig(now clock.Time, v *View, seed table.Seed, dst netip.Addr, scope uint32, mtu int) {
	t := m.known.Load()
	if t == nil {
		t = new(pathMTUs)
		t.Init(seed)
		if !m.known.CompareAndSwap(nil, t) {
			t = m.known.Load()
		}
	}
	t.mu.Lock()
	t.Table.TooBig(now, &v.V().PMTU, pathTo(dst, scope), mtu)
	t.mu.Unlock()
}

func pathTo(dst netip.Addr, scope uint32) pmtu.Path {
	if !ifaddr.IsLinkLocal(dst) {
		scope = 0
	}
	return pmtu.Path{Dst: dst, Scope: scope}
}

// Limit returns the length of the longest packet to dst that may leave by h and
// arrives, as far as is known.
func (m *PathMTUs) Limit(now clock.Time, dst netip.Addr, h *Hop) int {
	if t := m.known.Load(); t != nil && h.Out != nil && h.MTU > pmtu.Least && dst.Is6() {
		if n := t.MTU(now, pathTo(dst, h.Out.Index)); n != 0 && n < h.MTU {
			return n
		}
	}
	return h.MTU
}

// Stats returns what was counted.
func (m *PathMTUs) Stats() (s pmtu.Stats) {
	if t := m.known.Load(); t != nil {
		t.mu.Lock()
		s = t.Table.Stats()
		t.mu.Unlock()
	}
	return s
}
