package tester

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/control"
)

// look is how often the test looks whether it is done.
const look = 20 * time.Millisecond

// length returns how long a schedule takes, with what is to be seen of its end.
func (s Schedule) length(hosts int) time.Duration {
	end, more := time.Duration(0), time.Second
	for i := range s {
		step := &s[i]
		n := hosts
		if step.Hosts.Some {
			n = step.Hosts.Last - step.Hosts.First + 1
		}
		at := step.At + time.Duration(max(n-1, 0))*step.Stagger
		switch step.Do {
		case Leave:
			more = 3 * time.Second // a querier asks twice for a second (RFC 3376 §8.8)
		case Zap:
			more = 3 * time.Second
			at += time.Duration(max(step.Times-1, 4)) * step.Every
		}
		end = max(end, at)
	}
	return min(end+more, maxTime)
}

// run goes through the schedule.
func (t *test) run() error {
	if err := t.wait(t.Warmup); err != nil {
		return err
	}
	if err := t.joinNear(); err != nil {
		return err
	}
	t.target = t.firstJoins()
	t.start = t.World.Now()
	d := &t.driver
	d.start(t)
	var shown time.Time
	for {
		now := t.World.Now().Sub(t.start)
		d.hold(now)
		if now-d.held >= t.For || t.done() {
			break
		}
		d.work(now)
		if len(d.errs) > 0 {
			return errors.Join(d.errs...)
		}
		if time.Since(shown) > 50*time.Millisecond {
			shown = time.Now()
			t.Progress(fmt.Sprintf("joined %d/%d, seconds", t.settled.Load(), t.target), int((now - d.held).Seconds()), int(t.For.Seconds()))
		}
		if err := t.sleep(d.next(t.For + d.held)); err != nil {
			return err
		}
	}
	t.ran = t.World.Now().Sub(t.start)
	t.Progress(fmt.Sprintf("joined %d/%d, seconds", t.settled.Load(), t.target), int(t.For.Seconds()), int(t.For.Seconds()))
	return t.finish()
}

// sleep lets time pass until something is due, seen from the start; in real time
// not for long, since others may send what the test waits for.
func (t *test) sleep(until time.Duration) error {
	d := until - t.World.Now().Sub(t.start)
	if !t.Virtual {
		d = min(d, look)
	}
	if d <= 0 {
		return context.Cause(t.ctx)
	}
	return t.wait(d)
}

// firstJoins returns how many memberships the schedule begins with.
func (t *test) firstJoins() (n int64) {
	for i := range t.Schedule {
		s := &t.Schedule[i]
		if s.Do != Join {
			continue
		}
		hosts, groups := int64(t.Hosts), int64(t.Groups.Count)
		if s.Hosts.Some {
			hosts = int64(s.Hosts.Last - s.Hosts.First + 1)
		}
		switch {
		case s.Own:
			groups = 1
		case s.Groups.Some:
			groups = int64(s.Groups.Last - s.Groups.First + 1)
		}
		n += hosts * groups
	}
	return n
}

// firstCame counts a membership that has had its first datagram.
func (t *test) firstCame() {
	if t.settled.Add(1) == t.target {
		t.joinedS.Store(int64(time.Since(t.began)))
		t.joinedRSS.Store(MaxRSS())
	}
}

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
			time.Sleep(10 * time.Millisecond)
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
