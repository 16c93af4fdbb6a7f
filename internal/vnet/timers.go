package vnet

import "github.com/seed88948545/vimage/internal/clock"

const never = clock.Never

// Fire implements clock.Firer for shard 0: some room's deadline has come.
func (sh *shard) Fire(now clock.Time) {
	r := sh.st.world.sched.Get()
	r.At(now)
	p := pass{r: r}
	sh.lock(&p)
	sh.wake, sh.stale = never, true
	for _, c := range p.v.ifs {
		if c != nil {
			sh.tick(&p, c)
		}
	}
	sh.unlock(&p)
	r.Done()
}

// tick lets the rooms of an interface do what is due.
func (sh *shard) tick(p *pass, c *ifConf) {
	if c.arp != nil {
		sh.pullARP(p, c)
	}
}

// rearm sets the stack's one timer to the earliest deadline of its rooms.
func (sh *shard) rearm(p *pass) {
	sh.stale = false
	at := never
	for _, c := range p.v.ifs {
		if c != nil {
			at = min(at, c.arp.Deadline())
		}
	}
	if at != sh.wake {
		sh.wake = at
		sh.st.world.Clock().Arm(&sh.timer, at)
	}
}
