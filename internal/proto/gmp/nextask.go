package gmp

import "github.com/seed88948545/vimage/internal/clock"

// NextAsk lets the timers of one group run out, as Expire does, and tells whether
// a querier is to send a specific query about it, and at which port; done says
// that none is due any more. Who is no querier forgets what it would have asked.
// Of the rules it needs the times, Version, Robustness and LastCount, which must
// not be 0.
func (d *Database[A]) NextAsk(now clock.Time, r *RouterRules, querier bool, out *Ask[A]) (port int32, asked, done bool) {
	if d.heap.deadline() > now {
		return 0, false, true
	}
	g := d.heap.top()
	port = g.port
	if !d.expire(now, g) {
		return port, false, false
	}
	if querier {
		asked = g.nextAsk(now, r, out)
	} else {
		g.asks = nil
	}
	g.wake = g.earliest()
	d.heap.fix(g)
	return port, asked, false
}
