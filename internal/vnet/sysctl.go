package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/sysctl"
	"github.com/seed88948545/vimage/internal/vars"
)

// Sysctl returns the value of a tunable; ENOENT where there is none of that
// name.
func (st *Stack) Sysctl(name string) (int64, syscall.Errno) {
	return st.world.names.Get(st.view.Load().V(), name)
}

// SetSysctl changes a tunable of this stack: it gets a page of its own. ENOENT
// where there is none of that name, EINVAL for a value out of its range.
func (st *Stack) SetSysctl(name string, value int64) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	page, e := st.world.names.With(st.view.Load().V(), name, value)
	if e != 0 {
		return e
	}
	st.Change(func(v *ifnet.View) { v.SetV(page) })
	for i := range st.Shards() {
		sh := st.shardAt(i)
		p := pass{v: st.view.Load()}
		sh.mu.Lock()
		sh.rebind(&p)
		sh.release()
	}
	for i := range st.Interfaces() {
		if st.View().Conf(i.Index).V6 != nil { // it may have become a router
			st.IPv6(i.Index, func(c *V6Call) syscall.Errno {
				c.ND.SetLink(c.Now, c.Conf.NDLink(c.View.Forwards(true)))
				return 0
			})
		}
	}
	return 0
}

// SetReference changes what stacks made from now on start with; no existing
// stack moves. Errors are SetSysctl's.
func (w *World) SetReference(name string, value int64) syscall.Errno {
	w.mu.Lock()
	defer w.mu.Unlock()
	page, e := w.names.With(w.ref.Load(), name, value)
	if e == 0 {
		w.ref.Store(page)
	}
	return e
}

// Counters returns every statistic that is not zero, summed over shards, by
// name; drops by reason under "drop.…".
func (st *Stack) Counters() map[string]uint64 {
	all := make(map[string]uint64)
	for i := range st.Shards() {
		sh := st.shardAt(i)
		sh.mu.Lock()
		sh.counted(func(block any) { sysctl.Add(block, all) })
		if sh.cold != nil {
			sh.cold.Drops(all)
		}
		sh.release()
		if n := sh.Queue.Stats().Drops; n != 0 {
			all["drop."+pkt.QueueFull.String()] += n
		}
	}
	mtus := st.mtus.Stats()
	sysctl.Add(&mtus, all)
	return all
}

// ResetCounters makes the statistics zero whose names begin with prefix, but for
// drops.
func (st *Stack) ResetCounters(prefix string) {
	for i := range st.Shards() {
		sh := st.shardAt(i)
		sh.mu.Lock()
		sh.counted(func(block any) { sysctl.Reset(block, prefix) })
		sh.release()
	}
}

// Queues returns what is known of the queue of each shard.
func (st *Stack) Queues() (all []netisr.Stats) {
	for i := range st.Shards() {
		all = append(all, st.shardAt(i).Queue.Stats())
	}
	return all
}

// Tunables returns the names of what is in the pages.
func (w *World) Tunables() *sysctl.Names[vars.Tunables] { return &w.names }
