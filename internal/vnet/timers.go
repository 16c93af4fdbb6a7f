package vnet

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
)

const (
	never   = clock.Never
	unknown = clock.Time(-1) // no deadline is like it
)

// Fire implements clock.Firer for shard 0: some room's deadline has come.
func (sh *shard) Fire(clock.Time) {
	r := sh.st.world.sched.Carry()
	p := pass{r: r}
	sh.lock(&p)
	sh.wake, sh.stale = unknown, true // another may have armed it again meanwhile
	sh.pullReass(&p)
	for _, c := range p.v.Ifs {
		if c != nil {
			sh.pullIface(&p, c)
		}
	}
	sh.unlock(&p)
	r.Done()
}

// pullIface does what the rooms of an interface want done.
func (sh *shard) pullIface(p *pass, c *ifnet.Conf) {
	if c.ARP != nil {
		sh.pullARP(p, c)
	}
	if c.V6 != nil {
		sh.pullV6(p, c)
	}
	sh.pullGroups(p, c)
}

// rearm sets the stack's one timer to the earliest deadline of its rooms. Only
// shard 0's rooms have any.
func (sh *shard) rearm(p *pass) {
	sh.stale = false
	if at := sh.deadline(p.v); at != sh.wake {
		sh.wake = at
		sh.st.world.Clock().Arm(&sh.timer, at)
	}
}
