package control

import (
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/vnet"
)

// configurer does what neighbour discovery and routers have found out about a
// stack's configuration: packets cannot, who hold a shard's lock.
type configurer struct {
	clock.Timer
	st        *vnet.Stack
	redirects []expiring
	changed   chan struct{} // closed at the next change; nil while nobody waits
}

// expiring is a route that a redirect made.
type expiring struct {
	dst   netip.Prefix
	fib   int
	until clock.Time
}

func newConfigurer(st *vnet.Stack) *clock.Timer {
	c := &configurer{st: st}
	c.F = c
	return &c.Timer
}

// Fire implements clock.Firer.
func (f *configurer) Fire(clock.Time) {
	f.st.Lock()
	defer f.st.Unlock()
	if f.st.Closed() {
		return
	}
	f.st.Configure(f.look)
	f.tell()
}

// look does what there is to do and returns when it has to be done again.
func (f *configurer) look() clock.Time {
	next := clock.Never
	for c := range f.st.Interfaces() {
		if f.st.View().Conf(c.Index).V6 != nil {
			next = min(next, f.settle(c.Index))
		}
	}
	return min(next, f.expire())
}

// settle brings the configuration of an interface in line with what its rooms
// say, and returns when it has to be looked at again.
func (f *configurer) settle(index uint32) clock.Time {
	for {
		f.addresses(index)
		var outs []auto.Out
		var redirects []ifnet.Redirect
		next := clock.Never
		f.st.IPv6(index, func(v6 *vnet.V6Call) syscall.Errno {
			outs, redirects = pull(v6), v6.Redirects()
			next = v6.Auto.Deadline()
			return 0
		})
		f.redirect(index, redirects)
		for i := range outs {
			f.apply(index, &outs[i])
		}
		if len(outs) == 0 {
			return next
		}
	}
}

// pull sends the solicitations that an interface's autoconfiguration wants sent
// and returns what else it wants.
func pull(v6 *vnet.V6Call) (outs []auto.Out) {
	var o auto.Out
	for v6.Auto.Next(v6.Now, &o) {
		switch o.Kind {
		case auto.SendRS:
			v6.Send(v6.Auto.AppendSolicit(nil, &o), o.Src, netip.IPv6LinkLocalAllRouters())
		case auto.SetReachable:
			v6.ND.SetTimers(time.Duration(o.Value)*time.Millisecond, 0)
		case auto.SetRetrans:
			v6.ND.SetTimers(0, time.Duration(o.Value)*time.Millisecond)
		default:
			outs = append(outs, o)
		}
	}
	return outs
}

// addresses lets the addresses of an interface be used that nobody else has
// claimed, and those not that somebody has.
func (f *configurer) addresses(index uint32) {
	c, _ := f.st.Interface(index)
	addrs := slices.Clone(c.Addrs)
	ready := false
	disabled := false
	f.st.IPv6(index, func(v6 *vnet.V6Call) syscall.Errno {
		disabled = v6.Disabled
		for i := range addrs {
			ready = verify(v6, &addrs[i]) || ready
		}
		return 0
	})
	if disabled {
		c.Flags |= ifnet.NoIPv6
	}
	if !disabled && slices.Equal(addrs, c.Addrs) {
		return
	}
	old := c.Addrs
	c.Addrs = addrs
	f.st.SetInterface(&c)
	for i := range addrs {
		if addrs[i] != old[i] {
			addrEvent(f.st, &c, event.AddrChange, addrs[i].Prefix)
		}
	}
	if ready { // reports that were sent from :: did not count (RFC 3810 §5.2.13)
		f.st.IPv6(index, func(v6 *vnet.V6Call) syscall.Errno {
			v6.Announce(true)
			return advertise(v6)
		})
	}
}

// verify gives an address the flags that its state asks for, and tells whether it
// is a link-local one that may be used from now on.
func verify(v6 *vnet.V6Call, a *ifaddr.Addr) bool {
	state, ok := v6.ND.Address(a.Addr())
	if !ok {
		return false
	}
	was := *a
	a.Flags &^= ifaddr.Tentative | ifaddr.Duplicate | ifaddr.Optimistic
	switch state {
	case nd.Tentative:
		a.Flags |= ifaddr.Tentative
	case nd.Duplicate:
		a.Flags |= ifaddr.Duplicate
		if was.Flags&ifaddr.Duplicate == 0 {
			v6.Auto.Duplicate(v6.Now, a.Addr())
		}
	case nd.Optimistic:
		a.Flags |= ifaddr.Optimistic
	}
	if !a.Usable() || was.Usable() && was.Flags == a.Flags {
		return false
	}
	v6.Auto.Ready(v6.Now, a.Addr())
	return ifaddr.IsLinkLocal(a.Addr()) && !was.Usable()
}

// apply does one thing that autoconfiguration wants.
func (f *configurer) apply(index uint32, o *auto.Out) {
	c, ok := f.st.Interface(index)
	if !ok {
		return
	}
	a := &o.Address
	switch o.Kind {
	case auto.AddAddress:
		flags := ifaddr.Auto
		if a.Optimistic {
			flags |= ifaddr.Optimistic
		}
		if a.Origin == auto.Temporary {
			flags |= ifaddr.Temporary
		}
		if c.Addrs.Find(a.Prefix.Addr()) == nil {
			claim(f.st, &c, ifaddr.Addr{Prefix: a.Prefix, Flags: flags})
		}
	case auto.ChangeAddress:
		c.Addrs = slices.Clone(c.Addrs)
		if e := c.Addrs.Find(a.Prefix.Addr()); e != nil {
			if e.Flags &^= ifaddr.Deprecated; a.Deprecated {
				e.Flags |= ifaddr.Deprecated
			}
			f.st.SetInterface(&c)
			addrEvent(f.st, &c, event.AddrChange, a.Prefix)
		}
	case auto.DelAddress:
		if e := c.Addrs.Find(a.Prefix.Addr()); e != nil && e.Flags&ifaddr.Auto != 0 {
			delAddr(f.st, &c, a.Prefix.Addr())
		}
	case auto.AddRoute, auto.ChangeRoute:
		f.learn(&c, &o.Route)
	case auto.DelRoute:
		f.unlearn(&c, o.Route.Dst)
	case auto.SetMTU:
		c.MTU6 = int(o.Value)
		f.st.SetInterface(&c)
	case auto.SetHopLimit:
		c.Hops = uint8(o.Value)
		f.st.SetInterface(&c)
	}
}

// learn installs a route that a router advertised, in the table of the interface
// and no other (behaviour 4.3, rule 14). One that was set by hand stays.
func (f *configurer) learn(c *ifnet.Info, r *auto.Route) {
	t, err := f.st.Tables().Writable(c.FIB)
	if err != nil {
		return
	}
	out := fib.Route[*ifnet.Neighbor]{Prefix: r.Dst, IfIndex: c.Index, Gateway: r.Router, Flags: fib.Up | advertised}
	if r.Dst.IsSingleIP() {
		out.Flags |= fib.Host
	}
	if old := t.Get(r.Dst); old != nil {
		if old.Flags&advertised == 0 || old.IfIndex != c.Index {
			return
		}
		f.remove(t, r.Dst)
	}
	if r.Router.IsValid() {
		out.Flags |= fib.Gateway
		out.Adj = f.st.Pin(c.Index, r.Router)
	}
	if t.Insert(out) != nil {
		f.st.Unpin(c.Index, out.Adj)
	}
}

// advertised marks routes that routers advertised.
const advertised = fib.Proto1

// unlearn removes such a route; another interface's to the same destination takes
// its place.
func (f *configurer) unlearn(c *ifnet.Info, dst netip.Prefix) {
	t, err := f.st.Tables().Writable(c.FIB)
	if err != nil {
		return
	}
	if old := t.Get(dst); old == nil || old.Flags&advertised == 0 || old.IfIndex != c.Index {
		return
	}
	f.remove(t, dst)
	for o := range f.st.Interfaces() {
		v6 := f.st.View().Conf(o.Index).V6
		if v6 == nil || o.FIB != c.FIB || o.Index == c.Index {
			continue
		}
		var routes []auto.Route
		f.st.IPv6(o.Index, func(v6 *vnet.V6Call) syscall.Errno {
			routes = v6.Auto.AppendRoutes(nil)
			return 0
		})
		for i := range routes {
			if routes[i].Dst == dst {
				f.learn(&o, &routes[i])
			}
		}
	}
}

func (f *configurer) remove(t *fib.Table[*ifnet.Neighbor], dst netip.Prefix) {
	if old, err := t.Delete(dst); err == nil {
		f.st.Unpin(old.IfIndex, old.Adj)
	}
}

// redirect makes host routes of redirects, for a while (RFC 4861 §8.3).
func (f *configurer) redirect(index uint32, all []ifnet.Redirect) {
	c, ok := f.st.Interface(index)
	t, err := f.st.Tables().Writable(c.FIB)
	if !ok || err != nil {
		return
	}
	until := f.st.World().Clock().Now() + clock.Time(f.st.View().V().ND.RedirTimeout)*1e9
	for _, r := range all {
		dst := netip.PrefixFrom(r.Dst, 128)
		if old := t.Get(dst); old != nil {
			if old.Flags&fib.Dynamic == 0 {
				continue
			}
			f.remove(t, dst)
		} else if len(f.redirects) >= maxRedirected {
			continue
		}
		out := fib.Route[*ifnet.Neighbor]{Prefix: dst, IfIndex: index, Flags: fib.Up | fib.Host | fib.Dynamic}
		if r.Next != r.Dst {
			out.Gateway, out.Adj = r.Next, f.st.Pin(index, r.Next)
			out.Flags |= fib.Gateway
		}
		if t.Insert(out) != nil {
			f.st.Unpin(index, out.Adj)
			continue
		}
		f.redirects = slices.DeleteFunc(f.redirects, func(e expiring) bool { return e.dst == dst && e.fib == c.FIB })
		f.redirects = append(f.redirects, expiring{dst, c.FIB, until})
	}
}

// maxRedirected is how many destinations a stack keeps redirected.
const maxRedirected = 1024

// expire removes what redirects made too long ago, and returns when the next is
// due.
func (f *configurer) expire() clock.Time {
	now := f.st.World().Clock().Now()
	for len(f.redirects) > 0 && f.redirects[0].until <= now {
		e := f.redirects[0]
		f.redirects = f.redirects[1:]
		if t, err := f.st.Tables().Writable(e.fib); err == nil {
			if old := t.Get(e.dst); old != nil && old.Flags&fib.Dynamic != 0 {
				f.remove(t, e.dst)
			}
		}
	}
	if len(f.redirects) == 0 {
		return clock.Never
	}
	return f.redirects[0].until
}
