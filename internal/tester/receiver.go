package tester

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/socket"
)

// receiver is a host that joins groups.
type receiver struct {
	*station
	t     *test
	conns []*vimage.UDPConn // one for so many groups as one may join
	edge  *edge             // shared by all on a wire

	mu       sync.Mutex // a leaf
	channels []channel  // by group; nil before the first join
	wrong    uint64
	foreign  uint64
	strange  uint64 // datagrams of another clock
	bytes    uint64
	got      uint64 // datagrams that were wanted
	zap      zapping
}

// channel is a group at a receiver.
type channel struct {
	filter *filter // the test's until a step of the schedule changes it
	change int64   // when that was, Unix ns
	member bool
	waits  bool  // counts for allJoined until its first datagram
	asked  int64 // when it was joined, Unix ns
	first  int64 // when the first datagram came after that; 0: none
	got    uint64
	heard  []heard
}

// heard is what one source sends to the group.
type heard struct {
	source netip.Addr
	Flow
}

// addReceiver makes a receiver of a station.
func (t *test) addReceiver(s *station, e *edge) error {
	e.t = t
	r := &receiver{station: s, t: t, edge: e}
	t.receivers = append(t.receivers, r)
	_, err := r.conn(0)
	return err
}

// conn returns the socket for a group, which is opened if it is not.
func (r *receiver) conn(group int) (*vimage.UDPConn, error) {
	for len(r.conns) <= group/mcast.MaxMemberships {
		lc := vimage.ListenConfig{Stack: r.Stack, ReusePort: r.t.Groups.Count > mcast.MaxMemberships}
		pc, err := lc.ListenPacket(r.t.ctx, r.t.network(), fmt.Sprintf(":%d", r.t.Port))
		if err != nil {
			return nil, err
		}
		c := pc.(*vimage.UDPConn)
		c.OnReadable(func() { r.read(c) })
		if r.t.Break == "source-filter" {
			c.Internal().SetIgnoreSourceFilters(true)
		}
		r.conns = append(r.conns, c)
	}
	return r.conns[group/mcast.MaxMemberships], nil
}

// join joins a group, unless it is joined already. counts says that the test is
// to be told when everybody has had something.
func (r *receiver) join(i int, counts bool) error {
	now := r.t.World.Now().UnixNano()
	r.mu.Lock()
	if r.channels == nil {
		r.channels = make([]channel, r.t.Groups.Count)
	}
	c := &r.channels[i]
	already := c.member
	if !already {
		c.member, c.waits, c.asked, c.first = true, counts, now, 0
		c.filter = &r.t.filter
		r.begin(c, i)
	}
	f := c.filter
	r.mu.Unlock()
	if already {
		return nil
	}
	conn, err := r.conn(i)
	if err != nil {
		return err
	}
	r.edge.join(i)
	return joinGroup(conn, r.station, r.t.Groups.At(i), f)
}

// begin opens the flows of our senders. The lock is held.
func (r *receiver) begin(c *channel, i int) {
	for k, s := range r.t.senders {
		if !c.filter.wants(s.addr) {
			continue
		}
		c.flow(s.addr, len(r.t.senders)).Begin(r.t.driver.sent(k, i) + 1)
	}
}

// flow returns that of a source, which is made where there is none; hint is how
// many there may be.
func (c *channel) flow(source netip.Addr, hint int) *Flow {
	for i := range c.heard {
		if c.heard[i].source == source {
			return &c.heard[i].Flow
		}
	}
	if c.heard == nil {
		c.heard = make([]heard, 0, max(hint, 1))
	}
	c.heard = append(c.heard, heard{source: source})
	return &c.heard[len(c.heard)-1].Flow
}

// leave leaves a group, if it is joined.
func (r *receiver) leave(i int) error {
	if !r.end(i) {
		return nil
	}
	if r.t.Open == nil && !r.zap.watched {
		r.zap.watched = true // from now on its card takes everything
		if err := r.edge.attach(r.t, r.station); err != nil {
			return err
		}
	}
	r.edge.leave(i, r.channels[i].filter, r.t.World.Now())
	conn, err := r.conn(i)
	if err != nil {
		return err
	}
	return memberError(r.station, "leave", r.t.Groups.At(i), conn.LeaveGroup(r.ifi, r.t.Groups.At(i)))
}

// end closes a membership's figures and tells whether there was one.
func (r *receiver) end(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.channels == nil || !r.channels[i].member {
		return false
	}
	c := &r.channels[i]
	c.member = false
	r.pause(c, i)
	r.t.tally.join(c.first-c.asked, c.first != 0)
	return true
}

// pause closes the flows of a group. The lock is held.
func (r *receiver) pause(c *channel, i int) {
	for k := range c.heard {
		c.heard[k].End(r.t.driver.due(c.heard[k].source, i))
	}
}

// refilter changes the filter of a membership, if there is one.
func (r *receiver) refilter(i int, f *filter) error {
	r.mu.Lock()
	member := r.channels != nil && r.channels[i].member
	if member {
		c := &r.channels[i]
		r.pause(c, i)
		c.filter, c.change = f, r.t.World.Now().UnixNano()
		r.begin(c, i)
	}
	r.mu.Unlock()
	if !member {
		return nil
	}
	conn, err := r.conn(i)
	if err != nil {
		return err
	}
	return setFilter(conn, r.station, r.t.Groups.At(i), f)
}

// read takes everything that waits. Several calls may run at once.
func (r *receiver) read(c *vimage.UDPConn) {
	now := r.t.World.Now()
	buf := r.t.bufs.Get().(*[MaxPayload + 1]byte)
	defer r.t.bufs.Put(buf)
	var info socket.Recv
	sock := c.Internal()
	for {
		n, err := sock.ReadFrom(buf[:], &info, false)
		if err != nil {
			return
		}
		r.take(buf[:n], &info, now)
	}
}

// take counts a datagram.
func (r *receiver) take(b []byte, info *socket.Recv, now time.Time) {
	i := r.t.Groups.Index(info.To.Unmap())
	if i < 0 {
		return
	}
	source := info.From.Addr().Unmap().WithZone("")
	p, ours := ParsePayload(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.channels == nil || !r.channels[i].member {
		return // it waited when the group was left
	}
	c := &r.channels[i]
	if !c.filter.wants(source) {
		if now.UnixNano()-c.change > int64(grace) { // else it may have waited since the filter before
			r.wrong++
		}
		return
	}
	r.got++
	r.bytes += uint64(len(b))
	c.got++
	if c.first == 0 {
		c.first = max(now.UnixNano(), c.asked+1)
		if c.waits {
			r.t.firstCame()
		}
	}
	if !ours {
		r.foreign++
		return
	}
	f := c.flow(source, len(r.t.senders))
	f.Arrive(p.Seq)
	if d, same := p.delay(r.t.clock, now); same {
		f.Delay.add(d)
		r.t.tally.delay(d)
	} else {
		r.strange++
	}
}
