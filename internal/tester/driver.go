package tester

import (
	"container/heap"
	"net/netip"
	"runtime"
	"time"
)

// driver lets everything happen when it is due: the steps of the schedule and
// the datagrams of the senders, in turns, so that neither waits for the other.
type driver struct {
	t      *test
	pairs  []*sender // all that send, the impostor last
	gap    time.Duration
	slots  int64         // datagrams sent, or left out, so far
	base   time.Duration // when slot 0 was due
	steps  events
	did    time.Duration // when the last step that was done was planned
	busy   bool          // there were steps when the driver looked before
	held   time.Duration // how long the schedule stood still because steps took their time
	behind time.Duration // how late datagrams were sent at worst
	errs   []error
}

const (
	// turn is how many events of a kind may pass before the other kind is looked at,
	// and quantum how long that may take in real time.
	turn    = 64
	quantum = 20 * time.Millisecond
	// crowd is how many packets may be under way when the driver does more.
	crowd = 2048
	// slack is how late a step may be before the schedule stands still.
	slack = 30 * time.Millisecond
	// lag is how far senders may fall behind before they leave datagrams out.
	lag = 250 * time.Millisecond
	// grace is how long before a leave a datagram may have been sent and still be on
	// its way, unless some took longer than that: see test.grace.
	grace = 100 * time.Millisecond
)

// start plans the test: slot after slot the senders send to all groups in turn.
func (d *driver) start(t *test) {
	d.t = t
	d.pairs = append(d.pairs, t.senders...)
	if t.impostor != nil {
		d.pairs = append(d.pairs, t.impostor)
	}
	if n := len(d.pairs) * t.Groups.Count; n > 0 {
		d.gap = time.Duration(float64(time.Second) / t.Rate / float64(n))
	}
	for i := range t.Schedule {
		s := &t.Schedule[i]
		heap.Push(&d.steps, event{at: s.At, order: i, step: s, host: s.Hosts.First})
	}
}

// dueAt returns when a slot is due.
func (d *driver) dueAt(slot int64) time.Duration { return d.base + time.Duration(slot)*d.gap }

// next returns when something is due next, no later than end.
func (d *driver) next(end time.Duration) time.Duration {
	if len(d.steps) > 0 {
		end = min(end, d.steps[0].at+d.held)
	}
	if d.sending() {
		end = min(end, d.dueAt(d.slots))
	}
	return end
}

// sending tells whether senders have something left to send.
func (d *driver) sending() bool {
	n := int64(len(d.pairs) * d.t.Groups.Count)
	return n > 0 && (d.t.Count == 0 || d.slots < int64(d.t.Count)*n)
}

// work does what is due, a turn of each kind. Ten thousand hosts that join at once
// take their time: meanwhile the senders go on, and the schedule stands still.
func (d *driver) work(now time.Duration) {
	for more := d.turn(); more(); {
		if len(d.steps) == 0 || d.steps[0].at > now-d.held {
			break
		}
		e := heap.Pop(&d.steps).(event)
		d.again(&e)
		d.do(&e)
		d.did = e.at
	}
	d.restFor(quantum)
	for more := d.turn(); more(); {
		if !d.sending() || d.dueAt(d.slots) > now {
			break
		}
		d.send(now)
	}
}

// turn begins a turn, and returns what tells whether another event may pass.
func (d *driver) turn() func() bool {
	n, began := 0, time.Now()
	return func() bool {
		n++
		return n <= turn && (n == 1 || d.t.Virtual || time.Since(began) < quantum)
	}
}

// hold lets the schedule stand still as long as the next step, or the last if
// there is none, is late.
func (d *driver) hold(now time.Duration) {
	if d.t.Virtual {
		return // nothing is ever late
	}
	at := d.did
	if len(d.steps) > 0 {
		at = d.steps[0].at
	}
	if len(d.steps) > 0 || d.busy {
		d.held += max(now-d.held-at-slack, 0)
	}
	d.busy = len(d.steps) > 0
}

// send sends the next datagram.
func (d *driver) send(now time.Duration) {
	late := now - d.dueAt(d.slots)
	d.behind = max(d.behind, late)
	if late > lag {
		d.base = now - time.Duration(d.slots)*d.gap
	}
	n := int64(len(d.pairs))
	d.pairs[d.slots%n].send(int(d.slots / n % int64(d.t.Groups.Count)))
	d.slots++
	d.rest()
}

// rest waits while a network of our own has much to deal with, but not for long:
// or thousands of hosts that are slower than the driver lose what they never saw.
func (d *driver) rest() { d.restFor(time.Second) }

func (d *driver) restFor(most time.Duration) {
	if d.t.Open != nil || d.t.Virtual || d.t.World.Pool().Buffers <= crowd {
		return
	}
	for until := time.Now().Add(most); d.t.World.Pool().Buffers > crowd && time.Now().Before(until); {
		runtime.Gosched()
	}
}

// sent returns how many datagrams our k-th sender has sent to a group.
func (d *driver) sent(k, group int) uint64 { return d.t.senders[k].groups[group].count }

// due returns the number of the last datagram of a source to a group that must
// have come by now, 0 where nobody knows.
func (d *driver) due(source netip.Addr, group int) uint64 {
	for _, s := range d.t.senders {
		if s.addr != source || d.gap == 0 { // without a rate nothing is awaited
			continue
		}
		g := s.groups[group]
		since := time.Duration(d.t.World.Now().UnixNano() - g.last)
		grace := d.t.grace()
		if d.t.quiet.Load() || since >= grace {
			return g.count
		}
		under := uint64((grace-since)/(d.gap*time.Duration(len(d.pairs)*d.t.Groups.Count))) + 1
		return g.count - min(under, g.count)
	}
	return 0
}
