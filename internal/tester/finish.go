package tester

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/control"
)

// done tells whether the schedule is done and everybody has had enough.
func (t *test) done() bool {
	if t.Packets == 0 || len(t.driver.steps) > 0 {
		return false
	}
	for _, r := range t.receivers {
		if !r.enough(uint64(t.Packets)) {
			return false
		}
	}
	return true
}

func (r *receiver) enough(n uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.channels {
		if c := &r.channels[i]; c.member && c.got < n {
			return false
		}
	}
	return true
}

// finish waits for what is under way, and closes all figures.
func (t *test) finish() error {
	t.World.Settle()
	if err := t.wait(grace); err != nil {
		return err
	}
	t.World.Settle()
	t.quiet.Store(true)
	for _, r := range t.receivers {
		for i := range r.channels {
			r.end(i)
		}
		r.closeZap()
		r.edge.end()
	}
	return nil
}

// depart lets all receivers leave, and on a wire waits until their reports, which
// are repeated, have been sent.
func (t *test) depart() {
	for _, r := range t.receivers {
		for _, c := range r.conns {
			c.Close()
		}
	}
	if t.Open == nil {
		return
	}
	for _, r := range t.receivers {
		for control.ReportsPending(r.Internal(), uint32(r.ifi.Index())) {
			time.Sleep(10 * time.Millisecond) // a report is repeated within seconds: nobody tells when the last has gone
		}
	}
	t.World.Settle()
}

// joinNear lets the hosts beside receivers join what is unwanted: the impostor's
// channels.
func (t *test) joinNear() error {
	if t.impostor == nil {
		return nil
	}
	only := newFilter(Include, []netip.Addr{t.impostor.addr})
	for i, s := range t.near {
		conn, err := t.listen(s, t.Port)
		if err != nil {
			return err
		}
		conn.OnReadable(func() {
			var b [1]byte
			for _, _, ok, err := conn.TryReadFrom(b[:]); ok && err == nil; _, _, ok, err = conn.TryReadFrom(b[:]) {
			}
		})
		for g := range min(t.Groups.Count, 16) {
			if err := joinGroup(conn, s, t.Groups.At((i+g)%t.Groups.Count), &only); err != nil {
				return err
			}
		}
	}
	t.pause(time.Millisecond)
	return nil
}
