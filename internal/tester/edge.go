package tester

import (
	"net/netip"
	"sync"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/wire"
)

// edge is what is behind one port of the network that is tested, and sees all
// datagrams that its link carries, whether or not a card takes them.
type edge struct {
	t  *test
	mu sync.Mutex // a leaf: taken under the lock of a stack
	// groups are the test's, from the first that was joined; nil for a bystander.
	groups []watched
	other  uint64 // datagrams of groups that nobody has joined here
}

// watched is one group at an edge.
type watched struct {
	members int32
	filter  *filter // of the last member that left
	left    int64   // when the last member left, Unix ns; 0: it has not
	last    int64   // when the last wanted datagram came after that; 0: none
	after   uint64
}

// Filter implements pfil.Filter: it lets everything pass.
func (e *edge) Filter(p *pfil.Packet) pfil.Verdict {
	if p.In != "" && p.IP.Proto() == wire.ProtoUDP {
		if dst := p.IP.Dst(); dst.IsMulticast() {
			e.saw(p.IP.Src(), dst)
		}
	}
	return pfil.Verdict{}
}

// saw counts a datagram on the link.
func (e *edge) saw(src, dst netip.Addr) {
	i := e.t.Groups.Index(dst)
	if i < 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.groups == nil {
		e.other++
		return
	}
	w := &e.groups[i]
	if w.members == 0 && w.left != 0 && w.filter.wants(src) {
		w.last = e.t.World.Now().UnixNano()
		w.after++
	}
}

// join counts a member, and ends what followed the leave before.
func (e *edge) join(i int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.groups == nil {
		e.groups = make([]watched, e.t.Groups.Count)
	}
	e.groups[i].members++
	e.close(i)
}

// leave takes a member away.
func (e *edge) leave(i int, f *filter, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := &e.groups[i]; w.members > 0 {
		if w.members--; w.members == 0 {
			w.left, w.last, w.after, w.filter = now.UnixNano(), 0, 0, f
		}
	}
}

// since returns when the last datagram came after the last member had left, as a
// time from then on; false where none did, or where there is a member.
func (e *edge) since(i int) (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.groups == nil {
		return 0, false
	}
	w := &e.groups[i]
	return time.Duration(w.last - w.left), w.left != 0 && w.last != 0
}

// close makes a sample of the time since the last leave. The lock is held.
func (e *edge) close(i int) {
	w := &e.groups[i]
	if w.left == 0 {
		return
	}
	e.t.tally.leave(max(w.last-w.left, 0)*int64(min(w.after, 1)), w.after)
	w.left, w.last, w.after = 0, 0, 0
}

// end closes all groups.
func (e *edge) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.groups {
		e.close(i)
	}
}

// leaked returns what came of groups that nobody has joined here.
func (e *edge) leaked() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.other
}

// attach has the edge see what a station's link carries: from now on its card
// takes everything.
func (e *edge) attach(t *test, s *station) error {
	e.t = t
	control.SetFilter(s.Internal(), e)
	return s.ifi.SetPromiscuous(true)
}
