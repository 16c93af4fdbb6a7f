package nd

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// expire runs the earliest timer that is due and reports whether there was one.
func (t *Table[P]) expire(now clock.Time) bool {
	if len(t.timers) == 0 || t.timers[0].when > now {
		return false
	}
	e := t.timers[0]
	t.disarm(e)
	if e.job != nil {
		t.work(now, e)
		return true
	}
	switch e.state {
	case Incomplete:
		t.askOr(now, e, t.tun.McastTries, TimedOut)
	case Reachable:
		t.fade(now, e)
	case Stale:
		t.remove(e, Expired)
	case Delay:
		if t.link.NoNUD {
			t.stale(now, e)
			break
		}
		t.setState(e, Probe)
		e.asked = 0
		t.ask(now, e)
	case Probe:
		t.askOr(now, e, t.tun.UnicastTries, Expired)
	}
	return true
}

// askOr asks once more, or ends an entry that was asked for often enough
// (RFC 4861 §7.2.2, §7.3.3).
func (t *Table[P]) askOr(now clock.Time, e *entry[P], tries int32, end Event) {
	if e.asked < tries {
		t.ask(now, e)
		return
	}
	if end == TimedOut {
		t.stats.Timeouts++
	} else {
		t.stats.Lost++
	}
	t.remove(e, end)
	if e.gateway || e.flags&Router != 0 {
		t.pend(e, doUnreachable)
	}
}

// ask leaves a solicitation to Next, and looks again after RetransTimer. As long
// as no own address may ask but one soon will, the packets wait and the attempt
// does not count (RFC 4429 §3.2).
func (t *Table[P]) ask(now clock.Time, e *entry[P]) {
	if can, soon := t.senders(); can || !soon {
		e.asked++
	}
	t.pend(e, doSolicit)
	t.arm(e, now.Add(t.retrans))
}

// fade ends a reachable entry's life, unless word from above has prolonged it.
func (t *Table[P]) fade(now clock.Time, e *entry[P]) {
	if until := e.hinted.Add(t.lifetime(now)); e.hinted != 0 && until > now && e.hints < t.tun.MaxHint {
		e.hints++
		e.hinted = 0
		t.arm(e, until)
		return
	}
	t.stale(now, e)
}

// reach marks e as known to be there just now.
func (t *Table[P]) reach(now clock.Time, e *entry[P]) {
	if e.state == Incomplete || e.state == Stale {
		t.pend(e, doFlush|doPublish)
	}
	t.setState(e, Reachable)
	e.asked, e.hinted = 0, 0
	e.todo &^= doSolicit
	t.arm(e, now.Add(t.lifetime(now)))
}

// stale marks e as not known to be there. If packets waited they go now, which
// is use.
func (t *Table[P]) stale(now clock.Time, e *entry[P]) {
	e.asked, e.hinted = 0, 0
	e.todo &^= doSolicit
	t.pend(e, doFlush|doPublish)
	if len(e.held) > 0 {
		t.setState(e, Delay)
		t.arm(e, now.Add(seconds(t.tun.Delay)))
		return
	}
	t.setState(e, Stale)
	t.arm(e, now.Add(seconds(t.tun.GCTimer)))
}

// lifetime returns ReachableTime, drawn anew every two hours (RFC 4861 §6.3.2).
func (t *Table[P]) lifetime(now clock.Time) time.Duration {
	if t.reachable == 0 || now >= t.renew {
		t.reachable = t.base/2 + t.rng.within(t.base) // MIN_ and MAX_RANDOM_FACTOR
		t.renew = now.Add(renewReachable)
	}
	return t.reachable
}

// SetTimers sets the interface's BaseReachableTime and RetransTimer, as router
// advertisements do (RFC 4861 §6.3.4); 0 leaves either as it is. Running timers
// are not changed. Values out of the range 10 ms to one hour are brought into
// it.
func (t *Table[P]) SetTimers(reachable, retrans time.Duration) {
	if reachable = clamp(reachable); reachable != 0 && reachable != t.base {
		t.base, t.reachable = reachable, 0
	}
	if retrans = clamp(retrans); retrans != 0 {
		t.retrans = retrans
	}
}

// Timers returns BaseReachableTime, the ReachableTime that was drawn from it, 0 while
// none was needed, and RetransTimer.
func (t *Table[P]) Timers() (base, reachable, retrans time.Duration) {
	return t.base, t.reachable, t.retrans
}

// clamp protects against a router that would have us ask all the time.
func clamp(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return min(max(d, minRetrans), maxReachable)
}

// Role is what a message tells of its sender.
type Role uint8

// The roles.
const (
	AnyRole    Role = iota // nothing
	HostRole               // it sent a router solicitation
	RouterRole             // it sent a router advertisement, or is redirected to
)

// Heard takes note of a neighbour that a router solicitation or advertisement
// came from, with the address in its source link-layer option or zero
// (RFC 4861 §6.2.6, §6.3.4). The message was checked by whoever understands it.
func (t *Table[P]) Heard(now clock.Time, ip netip.Addr, mac wire.MAC, role Role) {
	if t.link.Disabled || !isHost(ip) || t.mine(ip) != nil || mac.IsMulticast() {
		return
	}
	t.heard(now, ip, mac, role)
}

func (t *Table[P]) heard(now clock.Time, ip netip.Addr, mac wire.MAC, role Role) (old wire.MAC, moved bool) {
	e := t.get(ip)
	switch {
	case e != nil && e.flags&Static != 0:
		return e.mac, !mac.IsZero() && mac != e.mac
	case e == nil && (mac.IsZero() || !t.room()):
		return old, false
	case e == nil:
		e = t.insert(ip, Stale)
		e.mac = mac
		t.stale(now, e)
	case !mac.IsZero() && (e.state == Incomplete || mac != e.mac):
		old, moved = e.mac, e.state != Incomplete
		e.mac = mac
		t.stale(now, e)
	}
	if role != AnyRole {
		t.setRouter(e, role == RouterRole)
	}
	return old, moved
}

// setRouter keeps IsRouter. A router that is none any more is told of
// (RFC 4861 §7.2.5).
func (t *Table[P]) setRouter(e *entry[P], is bool) {
	switch {
	case is:
		e.flags |= Router
		e.todo &^= doRouterLost
	case e.flags&Router != 0:
		e.flags &^= Router
		t.pend(e, doRouterLost)
	}
}

// isHost reports whether ip can be a single host's.
func isHost(ip netip.Addr) bool {
	return ip.Is6() && !ip.Is4In6() && ip.Zone() == "" && !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLoopback()
}
