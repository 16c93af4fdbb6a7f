package arp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// expire runs the earliest timer that is due and reports whether there was one.
func (t *Table[P]) expire(now clock.Time) bool {
	if len(t.timers) == 0 || t.timers[0].when > now {
		return false
	}
	e := t.timers[0]
	t.disarm(e)
	switch {
	case e.flags&Own != 0:
		t.announce(now, e)
	case e.state == Incomplete:
		t.stats.Timeouts++
		t.remove(e, TimedOut)
	case e.tries == 0 && now >= e.expire: // set by hand for a time
		t.remove(e, Expired)
	case e.state == Reachable:
		e.state, e.used = Verify, false
		t.pend(e, doWatch)
		t.arm(e, now.Add(requestInterval))
	case !e.used && e.tries > 0:
		t.pend(e, doAsk)
	default:
		t.verify(now, e)
	}
	return true
}

// verify decides, each second at the end of an entry's life, whether to refresh
// it, to wait or to let it go (RFC 1122 §2.3.2.1: an entry is flushed even if
// it is in use, unless the neighbour still answers).
func (t *Table[P]) verify(now clock.Time, e *entry[P]) {
	switch {
	case e.state != Verify || e.at >= 0:
		return // answered or deleted since it was asked about
	case e.used && e.tries > 0:
		e.tries--
		t.request(now, e)
		t.arm(e, now.Add(requestInterval))
	case now < e.expire:
		t.arm(e, now.Add(requestInterval))
	default:
		t.remove(e, Expired)
	}
}

// confirm marks e as answered just now.
func (t *Table[P]) confirm(now clock.Time, e *entry[P]) {
	e.state, e.asked, e.tries = Reachable, 0, t.tun.MaxTries
	e.expire = now.Add(seconds(t.tun.MaxAge))
	life := seconds(t.tun.MaxAge) - time.Duration(t.tun.MaxTries)*requestInterval
	if life < 0 {
		life = seconds(t.tun.MaxAge)
	}
	e.todo &^= doRequest | doWatch | doAsk | doDecide
	t.arm(e, now.Add(life))
}

// announce sends the next gratuitous request for the own address e: one at
// once, then as many as GARPRexmit says, after 1, 2, 4… seconds.
func (t *Table[P]) announce(now clock.Time, e *entry[P]) {
	if !t.link.Up || t.link.NoARP {
		return
	}
	t.request(now, e)
	if n := e.asked - 1; n < min(t.tun.GARPRexmit, 16) {
		t.arm(e, now.Add(time.Second<<n))
	}
}
