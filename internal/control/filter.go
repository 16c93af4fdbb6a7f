package control

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// SetFilter installs f, or removes the filter if f is nil.
func SetFilter(st *vnet.Stack, f pfil.Filter) {
	st.Lock()
	defer st.Unlock()
	st.Change(func(v *ifnet.View) { v.Filter = f })
	st.Barrier()
}

// SetDivert installs the listener of a divert port, or removes it if d is nil.
// It returns EADDRINUSE where the port has one.
func SetDivert(st *vnet.Stack, port uint16, d pfil.Diverter) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	t := st.View().Taken()
	if d != nil && t.Divert.Find(port) != nil {
		return syscall.EADDRINUSE
	}
	t.Divert = t.Divert.With(port, d)
	st.Change(func(v *ifnet.View) { v.Takers = &t })
	st.Barrier()
	return 0
}

// Reinject puts an IP packet back where a divert socket took it from: the
// filter goes on after rule m.Rule, and m.FIB is the table, as that of the divert
// socket is FreeBSD's (behaviour 4.3, rule 8). It returns EINVAL for bytes that are no
// packet, or no such table, EADDRNOTAVAIL where the arrival interface has gone, and ENOBUFS where
// the stack's queue is full.
func Reinject(st *vnet.Stack, data []byte, m pfil.Diverted) syscall.Errno {
	ip, f := wire.ParseIP(data)
	if f != wire.OK || int(m.FIB) >= st.FIBs() {
		return syscall.EINVAL
	}
	meta := pkt.Meta{FIB: m.FIB, Rule: m.Rule, Way: pkt.WayOutIP}
	if !m.Outgoing {
		c := st.View().Conf(m.IfIndex)
		if c == nil {
			return syscall.EADDRNOTAVAIL
		}
		meta.IfIndex, meta.IfGen, meta.Way = c.Index, c.Gen, pkt.WayInIP
	}
	r := st.World().Sched().Get()
	defer r.Done()
	b := r.Cache.Get(ip.Len())
	copy(b.Extend(ip.Len()), ip.Bytes())
	b.Meta = meta
	if m.Outgoing && !ip.Is6() {
		wire.IPv4(b.Bytes()).SetChecksum()
	}
	if !st.Enqueue(r, b) {
		return syscall.ENOBUFS
	}
	return 0
}
