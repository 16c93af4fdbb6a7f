package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/gmp"
)

// Call is what a request about an interface that leads to a link has to itself:
// the rooms, under the lock of shard 0.
type Call struct {
	*ifnet.Conf
	View *ifnet.View
	Now  clock.Time
	sh   *shard
	p    *pass
}

// On runs f on an interface and does what its rooms then want done. It returns
// ENXIO where there is no such interface, EINVAL for lo0, and else what f does. It
// needs no lock; but who changes the configuration as well holds the control lock.
func (st *Stack) On(index uint32, f func(c *Call) syscall.Errno) syscall.Errno {
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		c := p.v.Conf(index)
		switch {
		case c == nil:
			return syscall.ENXIO
		case c.Port == nil:
			return syscall.EINVAL
		}
		e := f(&Call{c, p.v, p.r.Now(), sh, p})
		sh.pullIface(p, c)
		return e
	})
}

// control runs f as one change of what packets meet: under the lock of shard 0,
// with a Runner whose work is done afterwards.
func (st *Stack) control(f func(sh *shard, p *pass) syscall.Errno) syscall.Errno {
	p, _ := st.world.passes.Get().(*pass) // f would have it made anew each time
	if p == nil {
		p = new(pass)
	}
	r := st.world.sched.Get()
	p.r = r
	st.sh.lock(p)
	e := f(&st.sh, p)
	st.sh.unlock(p)
	*p = pass{}
	st.world.passes.Put(p)
	r.Done()
	return e
}

// ARPTable returns the interface's ARP table, made if need be: it then knows the
// addresses that the interface has.
func (c *Call) ARPTable() *arp.Table[*pkt.Buf] { return c.sh.arpTable(c.p, c.Conf) }

// SendARP sends a message of ARP.
func (c *Call) SendARP(m *arp.Message) { c.sh.sendARP(c.p, c.Conf, m) }

// Announce reports all groups of a family again: from now on there is a link, or an
// address to do so from.
func (c *Call) Announce(is6 bool) {
	if !is6 && c.sh.st.groups.Len() > 0 {
		c.sh.wakeIGMP(c.p, c.Conf)
	}
	env := c.sh.groupEnv(c.p, c.Conf)
	c.AnnounceGroups(c.Now, &env, is6)
}

// Members returns the groups that somebody here is a member of on the interface,
// and the filters that come of it.
func (c *Call) Members() []gmp.HostGroup { return c.sh.st.listens(c.Index) }
