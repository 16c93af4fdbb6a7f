package tcp

import (
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// keep is the keepalive settings of a socket that has its own; what is 0 is the
// tunables'.
type keep struct {
	on          bool
	idle, intvl time.Duration
	count       int
}

// keepSettings returns what is in force.
func (c *Conn) keepSettings(t *Tunables) (on bool, idle, intvl time.Duration, count int) {
	on, idle, intvl, count = t.AlwaysKeep != 0, ms(t.KeepIdle), ms(t.KeepIntvl), int(t.KeepCount)
	if k := c.keep; k != nil {
		on = on || k.on
		if k.idle > 0 {
			idle = k.idle
		}
		if k.intvl > 0 {
			intvl = k.intvl
		}
		if k.count > 0 {
			count = k.count
		}
	}
	return
}

// keepExpired looks whether the peer has been silent for too long (RFC 9293
// §3.8.4), and sends a probe or gives up. The timer is not moved by what
// arrives, it looks again instead.
func (c *Conn) keepExpired(e *Env, now clock.Time, ev *Event) {
	on, idle, intvl, count := c.keepSettings(e.T)
	c.lifeAt = clock.Never
	if !on {
		return
	}
	if c.probes == 0 || c.snd.Outstanding() > 0 || c.persist > 0 {
		// Whoever waits for an acknowledgment has timers of its own.
		if at := c.lastRcv.Add(idle); at > now {
			c.lifeAt = at
			return
		}
		if c.snd.Outstanding() > 0 || c.persist > 0 {
			c.lifeAt = now.Add(intvl)
			return
		}
	}
	if int(c.probes) >= count {
		e.S.KeepDrops++
		c.reset(e, ev, syscall.ETIMEDOUT)
		return
	}
	e.S.KeepProbe++
	c.probes++
	c.keepProbe = true
	c.lifeAt = now.Add(intvl)
}

// SetKeepAlive turns keepalive on or off (SO_KEEPALIVE) and sets its times and
// count, where 0 leaves each as it is.
func (c *Conn) SetKeepAlive(now clock.Time, t *Tunables, on bool, idle, intvl time.Duration, count int) {
	if c.keep == nil {
		c.keep = new(keep)
	}
	k := c.keep
	k.on = on
	if idle > 0 {
		k.idle = idle
	}
	if intvl > 0 {
		k.intvl = intvl
	}
	if count > 0 {
		k.count = count
	}
	if !c.synchronized() || c.orphan && c.state == FINWAIT2 {
		return
	}
	c.lifeAt = clock.Never
	if on, idle, _, _ := c.keepSettings(t); on {
		c.lifeAt = max(now, c.lastRcv.Add(idle))
	}
}
