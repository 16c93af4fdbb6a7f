package topo

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/link"
)

const (
	// settle is how long nothing may be under way before the network counts as
	// being at rest.
	settle = time.Second
	// step is how often the progress is shown, and an interrupt looked for.
	step = 100 * time.Millisecond
	// patience bounds the wait for links that never get empty.
	patience = 10 * time.Minute
)

// Run makes the joins, sends the flows, and returns when they have ended and a
// second has passed in which no link had anything under way. Where limit is not
// 0 the flows are stopped after that time. progress, if not nil, is told how
// much of the time is over. In a network that is not simulated Run takes as long
// as the network does. Where ctx ends first it returns the cause.
//
// Run is called once; the network goes on living until Close, but sends no flows.
func (n *Network) Run(ctx context.Context, limit time.Duration, progress func(done, of time.Duration)) error {
	if progress == nil {
		progress = func(time.Duration, time.Duration) {}
	}
	defer func() {
		n.stopped.Store(true)
		n.live.Lock()
		n.ran = n.passed()
		n.live.Unlock()
	}()
	if err := n.Start(); err != nil {
		return err
	}
	end := n.end()
	if limit > 0 {
		end = min(end, limit)
	}
	of := end + settle
	for left := end - n.passed(); left > 0 || !n.sent() && limit == 0; left = end - n.passed() {
		progress(min(n.passed(), end), of)
		if err := n.pause(ctx, min(max(left, time.Millisecond), step)); err != nil {
			return err
		}
	}
	n.stopped.Store(true)
	for {
		for last := n.passed() + settle; n.passed() < last; {
			if err := n.pause(ctx, min(last-n.passed(), step)); err != nil {
				return err
			}
		}
		if !n.underWay() || n.passed() > end+patience {
			break
		}
	}
	progress(of, of)
	return n.failure()
}

// Start makes the joins and begins to send the flows, and returns: the network then
// lives until Close. It is called once, and not where Run is.
func (n *Network) Start() error {
	n.live.Lock()
	defer n.live.Unlock()
	n.began, n.started = n.Lab.World.Now(), true
	return n.start()
}

// end returns when the file's last flow and join have ended.
func (n *Network) end() time.Duration {
	n.live.RLock()
	defer n.live.RUnlock()
	return n.file.end()
}

// passed returns how long the network has been running.
func (n *Network) passed() time.Duration { return n.Lab.World.Now().Sub(n.began) }

// pause lets some of the world's time pass.
func (n *Network) pause(ctx context.Context, d time.Duration) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if n.Lab.World.Simulated() {
		n.Lab.Run(d)
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
	}
	n.Lab.World.Settle()
	return nil
}

// sent tells whether all flows have ended.
func (n *Network) sent() bool {
	n.live.RLock()
	defer n.live.RUnlock()
	for _, f := range n.flows {
		if !f.done.Load() {
			return false
		}
	}
	return true
}

// underWay tells whether a link holds a frame.
func (n *Network) underWay() bool {
	n.live.RLock()
	defer n.live.RUnlock()
	for _, l := range n.links {
		if f := l.Fault(); f != nil && f.Stats(link.AtoB).Waiting+f.Stats(link.BtoA).Waiting > 0 {
			return true
		}
	}
	return false
}

// start makes the joins that are due at once, and sets off the rest.
func (n *Network) start() error {
	for _, s := range n.file.listed {
		if s.join != nil {
			n.sinks[s].begin(n.began)
		}
	}
	if err := n.failure(); err != nil {
		return err
	}
	n.leaveLater()
	for _, f := range n.file.flows {
		n.flows[f].begin(n.began)
	}
	return nil
}

// begin sends the first datagram, or sees to it that it is sent.
func (r *flowRun) begin(at time.Time) {
	r.began = at
	r.send()
}

// begin makes the join that the socket is for, where it is due, and sees to it that it
// is made and left later.
func (r *sinkRun) begin(at time.Time) {
	w, j := r.net.Lab.World, r.join
	j.began = at
	passed := w.Now().Sub(at)
	if j.stop != 0 && passed >= j.stop {
		return
	}
	if passed >= j.start {
		r.enter()
	} else {
		r.enters = w.AfterFunc(j.start-passed, r.enter)
	}
	if j.stop != 0 {
		r.goes = w.AfterFunc(j.stop-passed, r.leave)
	}
}

// end closes the socket.
func (r *sinkRun) end() {
	for _, t := range [...]*vimage.Timer{r.enters, r.goes} {
		if t != nil {
			t.Stop()
		}
	}
	r.conn.Close()
}

// wants tells whether the join listens to a source.
func (j *join) wants(source netip.Addr) bool {
	return slices.Contains(j.addrs, source) == (len(j.sources) > 0)
}

// enter makes the socket a member of its join's group.
func (r *sinkRun) enter() {
	if r.net.stopped.Load() {
		return
	}
	s, j := r.conn.Internal(), r.join
	ifi := usrreq.McastIf{Index: uint32(r.ifi.Index())}
	s.SetIgnoreSourceFilters(j.unfiltered)
	var e syscall.Errno
	if len(j.sources) == 0 {
		e = s.Mcast(usrreq.McastJoin, ifi, j.group.ip, netip.Addr{})
		if e == 0 && len(j.addrs) > 0 {
			e = s.SetSourceFilter(ifi, j.group.ip, mcast.Exclude, j.addrs)
		}
	}
	for _, source := range j.addrs {
		if len(j.sources) > 0 && e == 0 {
			e = s.Mcast(usrreq.McastJoinSource, ifi, j.group.ip, source)
		}
	}
	r.failed("join", e)
}

func (r *sinkRun) leave() {
	ifi := usrreq.McastIf{Index: uint32(r.ifi.Index())}
	r.failed("leave", r.conn.Internal().Mcast(usrreq.McastLeave, ifi, r.join.group.ip, netip.Addr{}))
}

func (r *sinkRun) failed(what string, e syscall.Errno) {
	if e != 0 && !r.conn.Internal().Closed() {
		r.net.fail(r.net.file.wrong(r.join.line, fmt.Errorf("%s %v on %s: %w", what, r.join.group.ip, r.node.name.s, e)))
	}
}
