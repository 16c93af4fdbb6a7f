package vnet

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/wire"
)

// What neighbour discovery finds out changes a stack's configuration, which
// nobody may do who holds a shard's lock: package control does it a little later.

// OnReconfigure says how the timer of a stack is made that fires when package
// control has to look what is to be configured.
func (w *World) OnReconfigure(f func(*Stack) *clock.Timer) { w.configurer.CompareAndSwap(nil, &f) }

// Configurer returns that timer, made if there is need of it; nil where there is
// none. The control lock is held.
func (st *Stack) Configurer(need bool) *clock.Timer {
	st.sh.mu.Lock()
	defer st.sh.release()
	if need {
		return st.configurer()
	}
	return st.sh.rooms.Timer()
}

func (st *Stack) configurer() *clock.Timer {
	six := st.sh.rooms.Six()
	if six.Timer == nil {
		six.Timer = (*st.world.configurer.Load())(st)
	}
	return six.Timer
}

// Reconfigure has package control look. Shard 0 is locked.
func (st *Stack) Reconfigure() {
	t := st.configurer()
	st.sh.rooms.Six().Asked = true
	st.world.Clock().Arm(t, 0)
}

// Configure runs f, which looks, and has it look again at the moment that it
// returns, or before, if Reconfigure asks for that meanwhile. The control lock is
// held.
func (st *Stack) Configure(f func() clock.Time) {
	st.sh.mu.Lock()
	st.sh.rooms.Six().Asked = false
	st.sh.release()
	next := f()
	st.sh.mu.Lock()
	if six := st.sh.rooms.Six(); !six.Asked && next != never {
		st.world.Clock().Arm(six.Timer, next)
	}
	st.sh.release()
}

// V6Call is a Call about IPv6.
type V6Call struct {
	*ifnet.V6
	Call
}

// IPv6 runs f on what the rooms of IPv6 keep for an interface, made if need be.
// Else it is On.
func (st *Stack) IPv6(index uint32, f func(c *V6Call) syscall.Errno) syscall.Errno {
	return st.On(index, func(c *Call) syscall.Errno {
		if c.V6 == nil {
			c.makeV6()
		}
		e := f(&V6Call{c.V6, *c})
		c.V6.Bind(c.View.V(), &c.sh.rooms.Six().Six)
		return e
	})
}

func (c *Call) makeV6() {
	v6 := &ifnet.V6{
		ND:  nd.New[*pkt.Buf](c.sh.st.Rand()),
		MLD: mld.NewHost(&c.View.V().MLD, c.sh.st.Rand(), c.Flags&ifnet.Multicast == 0),
	}
	c.Iface.V6 = v6
	v6.Bind(c.View.V(), &c.sh.rooms.Six().Six)
	v6.ND.SetLink(c.Now, c.NDLink(c.View.Forwards(true)))
	c.Port.Accept(wire.MulticastMAC(netip.IPv6LinkLocalAllNodes()), true)
}

// Reconfigure has package control look.
func (c *V6Call) Reconfigure() { c.sh.st.Reconfigure() }

// Random returns a seed for a room.
func (c *V6Call) Random() uint64 { return c.sh.st.Rand() }

// Bind gives rooms that were just made their tunables and counters.
func (c *V6Call) Bind() { c.V6.Bind(c.View.V(), &c.sh.rooms.Six().Six) }

// Listen lets the interface hear a group that the stack itself needs, and has it
// reported within delay, or no longer.
func (c *V6Call) Listen(group netip.Addr, on bool, delay time.Duration) {
	c.sh.listen(c.p, c.Conf, group, on, delay)
}

// Send sends a message of neighbour discovery, which is copied.
func (c *V6Call) Send(m []byte, src, dst netip.Addr) {
	c.sh.outICMP6(c.p, c.Conf, m, src, dst, hopsND)
}
